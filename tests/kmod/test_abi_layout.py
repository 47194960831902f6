"""What Python takes the device's structures for is what the compiler makes of the header."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import device_abi as abi
import pytest

HEADER = Path(__file__).parents[2] / "kmod/uapi/paxos.h"

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

NUMBERS = {
    "PAXOS_ABI_VERSION": abi.ABI_VERSION,
    "PAXOS_MEMBERS_MAX": abi.MEMBERS_MAX,
    "PAXOS_LATENCY_BUCKETS": abi.LATENCY_BUCKETS,
    "PAXOS_RECORD_ALIGN": abi.RECORD_ALIGN,
    "PAXOS_MODE_RELAY": abi.MODE_RELAY,
    "PAXOS_MODE_REPLICA": abi.MODE_REPLICA,
    "PAXOS_MODE_ECHO": abi.MODE_ECHO,
    "PAXOS_FLAG_DURABLE": abi.FLAG_DURABLE,
    "PAXOS_FLAG_VOTING": abi.FLAG_VOTING,
    "PAXOS_RECORD_CHECKPOINT": abi.RECORD_CHECKPOINT,
    "PAXOS_RECORD_LAST": abi.RECORD_LAST,
    "PAXOS_DROP_CAUSES": len(abi.DROPS),
    "PAXOS_IOC_CONFIGURE": abi.CONFIGURE,
    "PAXOS_IOC_START": abi.START,
    "PAXOS_IOC_STATS": abi.STATS,
    "PAXOS_IOC_STATUS": abi.STATUS,
    **{f"PAXOS_DROP_{cause.upper()}": number for number, cause in enumerate(abi.DROPS)},
}
TYPES = (
    *("SEND", "FRAME", "RESTORE", "RESTORE_SNAPSHOT", "PROPOSE", "PERSISTED", "COMPACT", "TICK"),
    *("DECIDED", "RECORD", "RECORD_SNAPSHOT", "SNAPSHOT_BYTES", "INSTALL", "SERVE", "LEADER"),
    *("CAUGHT_UP", "TOO_LARGE"),
)
NUMBERS |= {f"PAXOS_{name}": getattr(abi, name) for name in TYPES}
STRUCTURES = {**abi.STRUCTURES, "paxos_record": abi.RecordHeader}


def expected() -> dict[str, int]:
    """Size of each structure, place of each field, and every number."""
    found = dict(NUMBERS)
    for name, structure in STRUCTURES.items():
        found[f"sizeof(struct {name})"] = ctypes.sizeof(structure)
        for field, *_ in structure._fields_:
            found[f"offsetof(struct {name}, {field})"] = getattr(structure, field).offset
    return found


def compiled(directory: Path, expressions: list[str], flags: tuple[str, ...] = ()) -> list[int]:
    """What the compiler takes them for."""
    lines = ["#include <stddef.h>", "#include <stdio.h>", f'#include "{HEADER}"', "int main(void){"]
    lines += [f'printf("%lld\\n", (long long)({expression}));' for expression in expressions]
    source, program = directory / "layout.c", directory / "layout"
    source.write_text("\n".join([*lines, "}"]))
    assert COMPILER is not None
    subprocess.run([COMPILER, *flags, "-Wall", "-Werror", "-o", program, source], check=True)
    shown = subprocess.run([program], check=True, capture_output=True, text=True)
    return [int(line) for line in shown.stdout.split()]


def test_every_field_lies_where_python_looks_for_it(tmp_path: Path) -> None:
    wanted = expected()
    assert dict(zip(wanted, compiled(tmp_path, list(wanted)), strict=True)) == wanted


def test_nothing_is_padded_so_a_program_of_32_bits_sees_the_same(tmp_path: Path) -> None:
    for name, structure in STRUCTURES.items():
        end = 0
        for field, *_ in structure._fields_:
            described = getattr(structure, field)
            assert described.offset == end, (name, field)
            end += described.size
        assert end == ctypes.sizeof(structure), name
