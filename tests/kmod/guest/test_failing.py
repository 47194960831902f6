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


def test_every_allocation_and_copy_of_a_system_call_fails_in_turn() -> None:
    outcomes = list(failing.each_fault(open_and_close))
    refused = [failed for failed in outcomes if failed is not None]
    assert refused
    assert errno.ENOMEM in {failed.errno for failed in refused}
    assert {failed.errno for failed in refused} <= {errno.ENOMEM, errno.EFAULT}


def test_afterwards_none_fails() -> None:
    list(failing.each_fault(open_and_close))
    open_and_close()


def test_there_is_no_memory_for_a_frame() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_EXPERIMENT) as raw:
        raw.bind(("lo", 0))
        frame = bytes(60)
        no_memory = pytest.raises(OSError, match=os.strerror(errno.ENOBUFS))
        with failing.frames_fail(percent=100), no_memory:
            raw.send(frame)
        assert raw.send(frame) == len(frame)
