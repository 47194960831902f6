"""Allocations fail on request: what the module's tests of its error paths stand on."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from harness import failing

pytestmark = pytest.mark.skipif(
    not failing.possible(), reason="no fault injection in this kernel: make kmod-test-debug"
)

ETH_P_EXPERIMENT = 0x88B5


def open_and_close() -> None:
    os.close(os.open("/dev/null", os.O_RDONLY))


def test_every_allocation_of_a_system_call_fails_in_turn() -> None:
    outcomes = list(failing.each_allocation_fails(open_and_close))
    refused = [failed for failed in outcomes if failed is not None]
    assert refused
    assert {failed.errno for failed in refused} == {errno.ENOMEM}


def test_afterwards_none_fails() -> None:
    list(failing.each_allocation_fails(open_and_close))
    open_and_close()


def test_a_cache_fails_for_whoever_uses_it() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_EXPERIMENT) as raw:
        raw.bind(("lo", 0))
        frame = bytes(60)
        no_memory = pytest.raises(OSError, match=os.strerror(errno.ENOBUFS))
        with failing.cache_fails("skbuff_head_cache", percent=100), no_memory:
            raw.send(frame)
        assert raw.send(frame) == len(frame)


def test_an_unknown_cache_is_named() -> None:
    with pytest.raises(FileNotFoundError), failing.cache_fails("no-such-cache", percent=1):
        pass
