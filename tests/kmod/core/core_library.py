"""Builds kmod/core for these tests, with all its functions visible, and calls them."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_int,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CORE = ROOT / "kmod/core"
COMPILER = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)


def need_compiler() -> None:
    """Skip without a C compiler; in CI that is a failure."""
    if COMPILER is None or shutil.which("make") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no C compiler or no make: apt-get install gcc libc6-dev make")
        pytest.skip("needs a C compiler and make")


@functools.cache
def load() -> ctypes.CDLL:
    """The library, built into a directory of its own."""
    need_compiler()
    with tempfile.TemporaryDirectory(prefix="px-core-") as build:
        command = ["make", "-s", "-C", str(CORE), f"BUILD={build}", f"CC={COMPILER}"]
        # Plain: what is hidden in the library is called here.
        command.append("VISIBLE=-fvisibility=default")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(f"{build}/libpaxos.so")


class Frame(Structure):
    """struct px_frame"""

    _fields_ = (
        ("sender", c_uint64),
        ("number", c_uint64 * 5),
        ("body", c_void_p),
        ("body_bytes", c_uint32),
        ("kind", c_uint8),
    )


class WireVote(Structure):
    """struct px_wire_vote"""

    _fields_ = (
        ("slot", c_uint64),
        ("ballot", c_uint64),
        ("checksum", c_uint64),
        ("value", c_void_p),
        ("bytes", c_uint32),
    )


class Stored(Structure):
    """struct px_stored"""

    _fields_ = (
        ("number", c_uint64 * 3),
        ("body", c_void_p),
        ("body_bytes", c_uint32),
        ("kind", c_uint8),
    )


class Item(Structure):
    """struct px_item"""

    _fields_ = (("slot", c_uint64), ("ballot", c_uint64), ("value", c_void_p))


VALUE_HEAD = 20
"""Where the bytes of a struct px_value begin."""


def prototypes(library: ctypes.CDLL) -> ctypes.CDLL:
    """The codec's functions and the allocator's."""
    for name, result, arguments in (
        ("px_frame_read", c_int, (POINTER(Frame), c_uint64, c_char_p, c_uint32)),
        ("px_wire_vote_next", c_bool, (POINTER(WireVote), POINTER(c_void_p), c_void_p)),
        ("px_frame_bytes", c_uint32, (c_uint8, c_uint32)),
        (
            "px_frame_write_head",
            c_void_p,
            (c_void_p, c_uint8, c_uint64, c_uint64, POINTER(c_uint64)),
        ),
        ("px_body_header_write", c_void_p, (c_void_p, c_uint32)),
        ("px_vote_header_write", c_void_p, (c_void_p, POINTER(WireVote))),
        ("px_stored_read", c_bool, (POINTER(Stored), c_char_p, c_uint32)),
        ("px_record_bytes", c_uint32, (c_uint8, POINTER(Item))),
        ("px_record_write", None, (c_void_p, c_uint8, POINTER(Item))),
        ("px_crc32", c_uint32, (c_uint32, c_char_p, ctypes.c_size_t)),
        ("px_memory_overhead", c_uint64, (c_uint64,)),
        ("px_memory_init", None, (c_void_p, c_void_p, c_uint64)),
        ("px_memory_take", c_void_p, (c_void_p, c_uint64)),
        ("px_memory_give", None, (c_void_p, c_void_p, c_uint64)),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
