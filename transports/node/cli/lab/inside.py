"""Entering a laboratory: a thread may be in another network namespace than its process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from transports.node.cli.failures import Failure

CLONE_NEWNET: Final = 0x40000000
NAMESPACE_PATH: Final = "/run/netns/{}"


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that this thread makes within the context belong to `namespace`.

    Processes and threads that it starts begin there as well. Raises `Failure`.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            there = os.open(NAMESPACE_PATH.format(namespace), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Failure(f"{namespace}: no such network namespace; see: paxos lab list") from error
        try:
            _enter(there, namespace)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home, "its own")
    finally:
        os.close(home)


def _enter(fd: int, name: str) -> None:
    # Python 3.11 has no os.setns.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno()).lower()
        raise Failure(f"network namespace {name} cannot be entered: {reason}")
