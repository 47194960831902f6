"""Packet loss on a station's cable: the kernel drops frames by chance, in both directions.

A program of seven instructions is attached to both ends of the cable (XDP, in the generic
mode, which every interface has): it asks the kernel for a random number and drops or passes.
Unlike netem it needs no module, and it ends with the process that holds it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
from struct import pack
from typing import Final

from transports.node.cli.failures import Failure
from transports.node.cli.lab.inside import inside
from transports.node.cli.lab.plan import INTERFACE, Plan

_SYSCALLS: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
"""The number of bpf(2)."""
_PROG_LOAD, _LINK_CREATE = 5, 28
_PROG_TYPE_XDP: Final = 6
_ATTACH_XDP: Final = 37
_XDP_FLAGS_SKB_MODE: Final = 2
_XDP_DROP, _XDP_PASS = 1, 2
_LICENCE: Final = b"GPL"
_CALL, _SHIFT_RIGHT, _JUMP_IF_LESS, _MOVE, _EXIT = 0x85, 0x77, 0xA5, 0xB7, 0x95
_GET_PRANDOM_U32: Final = 7


def why_no_loss() -> str | None:
    """Why frames cannot be dropped here, with the cure; None if it seems possible."""
    if platform.machine() not in _SYSCALLS:
        return f"the number of bpf(2) on {platform.machine()} is not known here"
    try:
        os.close(_load(0.0))
    except OSError as error:
        return f"the kernel takes no BPF program ({error.strerror}); one with CONFIG_BPF_SYSCALL"
    return None


class Loss:
    """The loss on one cable, until it is closed."""

    def __init__(self, plan: Plan, node: int, share: float) -> None:
        """Drop `share` (0 to 1) of the frames to and from `node`. Raises `Failure`."""
        station = plan.node(node)
        self._links: list[int] = []
        try:
            program = _load(share)
            try:
                ends = ((plan.hub, station.name), (station.namespace, INTERFACE))
                for namespace, interface in ends:
                    with inside(namespace):
                        self._links.append(_attach(program, interface))
            finally:
                os.close(program)
        except OSError as error:
            self.close()
            # The look-up of an interface has no errno.
            reason = error.strerror or str(error)
            raise Failure(f"no loss on the cable of {station.name}: {reason}") from error

    def close(self) -> None:
        """Every frame passes again."""
        while self._links:
            os.close(self._links.pop())


def _load(share: float) -> int:
    """A program that drops so many frames; its file descriptor. Raises `OSError`."""
    code = b"".join(
        [
            _instruction(_CALL, immediate=_GET_PRANDOM_U32),
            # 31 bits: the immediate number below is signed.
            _instruction(_SHIFT_RIGHT, immediate=1),
            _instruction(_JUMP_IF_LESS, offset=2, immediate=min(int(share * 2**31), 2**31 - 1)),
            _instruction(_MOVE, immediate=_XDP_PASS),
            _instruction(_EXIT),
            _instruction(_MOVE, immediate=_XDP_DROP),
            _instruction(_EXIT),
        ]
    )
    held, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(_LICENCE)
    where = (ctypes.addressof(held), ctypes.addressof(licence))
    return _bpf(_PROG_LOAD, pack("=IIQQ", _PROG_TYPE_XDP, len(code) // 8, *where))


def _instruction(code: int, offset: int = 0, immediate: int = 0) -> bytes:
    """On register 0, which has a helper's result and the program's."""
    return pack("=BBhi", code, 0, offset, immediate)


def _attach(program: int, interface: str) -> int:
    """To an interface of this thread's namespace, until the descriptor is closed."""
    index = socket.if_nametoindex(interface)
    return _bpf(_LINK_CREATE, pack("=IIII", program, index, _ATTACH_XDP, _XDP_FLAGS_SKB_MODE))


def _bpf(command: int, attributes: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(attributes, len(attributes))
    number = _SYSCALLS[platform.machine()]
    result = int(libc.syscall(number, command, ctypes.byref(held), len(attributes)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
