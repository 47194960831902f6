"""The driver around QEMU, with a stand-in for it: limits, verdicts, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import initramfs, kernel, machine, module, native
from harness.errors import CannotRun, require

Run = Callable[..., machine.Outcome]
STAND_IN = """#!/bin/sh
log=$(echo "$*" | sed 's/.*id=log,path=\\([^ ]*\\).*/\\1/')
out=$(echo "$*" | sed 's/.*path=\\([^ ]*\\),mount_tag=out.*/\\1/')
"""


@pytest.fixture
def a_kernel(tmp_path: Path) -> kernel.Kernel:
    return kernel.Kernel("kernel-test", tmp_path / "vmlinux", tmp_path, None)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture
def busybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "busybox"
    stand_in.touch()
    monkeypatch.setattr(initramfs, "_busybox", lambda: stand_in)


@pytest.fixture
def run(
    tmp_path: Path,
    a_kernel: kernel.Kernel,
    out: Path,
    busybox: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def run(script: str, **settings: int) -> machine.Outcome:
        stand_in = programs / "qemu-system-x86_64"
        stand_in.write_text(STAND_IN + script)
        stand_in.chmod(0o755)
        return machine.run(a_kernel, ["true"], machine.Settings(**settings), out)

    return run


def test_what_a_guest_leaves_is_read(run: Run) -> None:
    outcome = run('echo "[ 1.0] hello" >$log; echo 7 >$out/status; echo stuck >$out/trouble')
    assert outcome.status == 7
    assert outcome.log == "[ 1.0] hello\n"
    assert outcome.trouble == ["stuck"]


def test_an_end_without_a_verdict_is_none(run: Run) -> None:
    outcome = run("exit 0")
    assert outcome.status is None
    assert outcome.trouble == []


def test_a_verdict_that_was_being_written_is_none(run: Run) -> None:
    assert run("touch $out/status").status is None


def test_qemus_own_failure_is_told(run: Run) -> None:
    assert run("exit 3").trouble == ["QEMU ended with 3"]


def test_a_guest_that_hangs_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_BOOT_SECONDS_MAX", 0.1)
    (trouble,) = run("exec sleep 600", seconds_max=0).trouble
    assert "hangs" in trouble


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(CannotRun, match="apt-get install --no-install-recommends no-such-package"):
        require({"sh": "dash", "no-such-program": "no-such-package"})


def test_no_debug_kernel_is_no_failure_but_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CannotRun, match="build-debug-kernel"):
        kernel.debug_kernel()


def test_a_debug_kernel_of_another_configuration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tree = kernel.cache_dir() / "debug-kernel-6.1"
    tree.mkdir(parents=True)
    (tree / "kasan.config").write_text("CONFIG_KASAN=n\n")
    with pytest.raises(CannotRun, match="another kasan"):
        kernel.debug_kernel()
    (tree / "kasan.config").write_bytes(kernel.CONFIG.read_bytes())
    assert kernel.debug_kernel().headers == tree


def test_modules_come_after_what_they_need(tmp_path: Path, busybox: None) -> None:
    needs = {"9p": "9pnet,netfs", "9pnet_virtio": "9pnet,virtio", "netfs": "", "virtio": ""}
    for name in {*initramfs.WANTED, *needs, "9pnet"}:
        file = tmp_path / "modules" / name / f"{name.replace('virtio_rng', 'virtio-rng')}.ko"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"\0license=GPL\0depends=%s\0" % needs.get(name, "").encode())
    order = [path.stem for path in initramfs._in_order(tmp_path / "modules")]
    assert len(order) == len(set(order))
    assert order.index("netfs") < order.index("9p")
    assert order.index("9pnet") < order.index("9pnet_virtio") < order.index("9p")
    assert "virtio-rng" in order


def test_a_module_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="virtio_pci"):
        list(initramfs._in_order(tmp_path))


def test_a_build_with_a_warning_fails(tmp_path: Path, a_kernel: kernel.Kernel) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "Makefile").write_text(
        "module:\n\t@touch a.ko\n\t@echo 'a.c:1: warning: unused' >&2\n"
    )
    with pytest.raises(module.BuildFailed, match="unused"):
        module.build(a_kernel, source, tmp_path / "first")
    (source / "Makefile").write_text("module:\n\t@touch a.ko\n")
    assert module.build(a_kernel, source, tmp_path / "second").name == "a.ko"
    (source / "Makefile").write_text("module:\n\t@echo no\n")
    with pytest.raises(module.BuildFailed, match="expected one"):
        module.build(a_kernel, source, tmp_path / "third")


def test_the_processors_clock_has_a_rate() -> None:
    khz = native.tsc_khz()
    assert khz is None or 100_000 < khz < 100_000_000
