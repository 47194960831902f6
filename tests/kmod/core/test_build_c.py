"""The library builds without a warning, as plain C and as the kernel's; it shows px_* alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import core_library as c
import pytest


@pytest.fixture(autouse=True)
def _compiler() -> None:
    c.need_compiler()


def make(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", "-C", str(c.CORE), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_compiler_has_a_warning() -> None:
    if shutil.which("gcc") is None and shutil.which("clang") is None:
        pytest.skip("needs gcc or clang")
    done = make("check-warnings")
    assert done.returncode == 0, done.stderr
    assert "no warnings" in done.stdout


def test_the_library_shows_the_interface_and_nothing_else(tmp_path: Path) -> None:
    done = make(f"BUILD={tmp_path}", f"CC={c.COMPILER}")
    assert done.returncode == 0, done.stderr
    if shutil.which("nm") is None:
        pytest.skip("needs nm, of Debian's binutils")
    command = ["nm", "-D", "--defined-only", f"{tmp_path}/libpaxos.so"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shown = {line.split()[-1] for line in listed.splitlines()}
    headers = "".join((c.CORE / name).read_text() for name in ("px.h", "px_port.h"))
    assert "px_receive" in shown
    assert {name for name in shown if f"{name}(" not in headers} == set()


def test_the_core_calls_nothing_but_memory_functions_and_the_checksum(tmp_path: Path) -> None:
    """What the kernel may not have, the core may not use."""
    if shutil.which("nm") is None:
        pytest.skip("needs nm, of Debian's binutils")
    wanted, defined = set(), set()
    for source in sorted(c.CORE.glob("*.c")):
        made = tmp_path / f"{source.stem}.o"
        includes = [f"-I{c.ROOT / 'kmod' / part}" for part in ("core", "compat/user", "uapi")]
        command = [str(c.COMPILER), "-std=c11", "-ffreestanding", "-O2", "-fno-stack-protector"]
        command += ["-U_FORTIFY_SOURCE", *includes, "-c", str(source), "-o", str(made)]
        subprocess.run(command, check=True)
        listed = subprocess.run(["nm", str(made)], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            kind, name = line.split()[-2:]
            (wanted if kind == "U" else defined).add(name)
    allowed = {"memcpy", "memcmp", "memset", "memmove", "px_crc32", "_GLOBAL_OFFSET_TABLE_"}
    assert wanted - defined <= allowed
