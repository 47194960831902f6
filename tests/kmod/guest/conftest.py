"""Inside the guest: each test also fails by what the kernel says while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import judge

KERNEL_LOG = Path("/dev/kmsg")
RECORD_BYTES_MAX = 8192


def _records(log: int) -> Iterator[str]:
    """The kernel's messages since the last call, without their prefix."""
    while True:
        try:
            record = os.read(log, RECORD_BYTES_MAX)
        except BlockingIOError:
            return
        except BrokenPipeError:
            continue  # the ring went round: some were lost, the whole log outside has them
        yield record.decode(errors="replace").split(";", 1)[-1].split("\n", 1)[0]


@pytest.fixture(autouse=True)
def kernel_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Names the test in the kernel's log, and fails it if a fault is logged during it."""
    log = os.open(KERNEL_LOG, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.lseek(log, 0, os.SEEK_END)
        os.write(log, f"kmod-test: begins: {request.node.nodeid}\n".encode())
        yield
        found = judge.findings("\n".join(_records(log)))
        os.write(log, f"kmod-test: ends: {request.node.nodeid}\n".encode())
    finally:
        os.close(log)
    assert not found, "\n\n".join(finding.context for finding in found)
