"""One run of QEMU: the settings, the guest's files, the limit in time, what came out."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import initramfs, native
from .errors import require
from .kernel import Kernel

CHECKOUT = Path(__file__).parents[3]
_INIT = Path(__file__).parents[1] / "init"
_PROGRAMS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_BOOT_ARGUMENTS = (
    *("console=ttyS0", "panic=-1", "nokaslr", "mitigations=off"),
    # Packets have a slab cache of their own, in which faults can be injected.
    *("slab_nomerge", "slub_debug=A,skbuff_head_cache"),
    # A busy machine outside is no lockup inside. A true one is still there when the time is over.
    *("watchdog_thresh=30", "rcupdate.rcu_cpu_stall_timeout=60"),
)
_ICOUNT_TSC_KHZ = 1_000_000
_BOOT_SECONDS_MAX = 240
"""What boot, the module's removal and the leak scan may take beside the command."""


@dataclass(frozen=True)
class Settings:
    """What a guest is like."""

    processors: int = 2
    memory_mb: int = 1024
    icount: bool = False
    """One processor whose clock advances 1 ns with each instruction."""
    seconds_max: int = 600
    """How long the command may run, in seconds of the guest's clock."""
    module: Path | None = None
    """Inserted before the command, removed after it; relative to the out directory."""
    module_args: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a guest left behind."""

    status: int | None
    """The command's exit status; None if the guest ended without a verdict."""
    log: str
    """The kernel's messages, from the first."""
    trouble: Sequence[str]
    """What the guest's init or this driver found wrong, a line each."""


def run(kernel: Kernel, command: Sequence[str], settings: Settings, out: Path) -> Outcome:
    """Runs a command in a guest that sees this machine's file tree, and waits for its end.

    The guest's standard output is this process's; an empty command is an interactive shell.
    `out` is a directory that the guest finds as /run/kmod-vm and may write to.
    Raises `CannotRun` if a program is missing.
    """
    require({"qemu-system-x86_64": "qemu-system-x86"})
    trouble = []
    with tempfile.TemporaryDirectory(prefix="kmod-vm-") as scratch:
        initrd, log = Path(scratch, "initrd"), Path(scratch, "log")
        (out / "command").write_text(_script(command, settings))
        texts = {"config": _config(settings, interactive=not command)}
        initrd.write_bytes(initramfs.build(_INIT, kernel.modules, texts))
        log.touch()
        qemu = _qemu(kernel, settings, initrd, log, out)
        stdin = None if not command else subprocess.DEVNULL
        limit = None if not command else settings.seconds_max + _BOOT_SECONDS_MAX
        try:
            # QEMU is this process's child and not a shell's: the limit ends it for certain.
            status = subprocess.run(qemu, stdin=stdin, timeout=limit, check=False).returncode
            if status != 0:
                trouble.append(f"QEMU ended with {status}")
        except subprocess.TimeoutExpired:
            trouble.append(f"no end after {limit} s: the guest hangs, and was ended from outside")
        text = log.read_text(errors="replace").replace("\r", "")
    return Outcome(_status(out), text, [*_noted(out), *trouble])


def _status(out: Path) -> int | None:
    path = out / "status"
    return int(path.read_text()) if path.exists() and path.read_text().strip() else None


def _noted(out: Path) -> list[str]:
    path = out / "trouble"
    return path.read_text().splitlines() if path.exists() else []


def _script(command: Sequence[str], settings: Settings) -> str:
    """What runs in the guest: the command, or a shell, in the surroundings of this checkout."""
    programs = [Path(sys.executable).parent, *_PROGRAMS]
    environment = {
        "PATH": ":".join(map(str, programs)),
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb") if not command else "dumb",
        "KMOD_VM": "/run/kmod-vm",
        "PYTHONUNBUFFERED": "1",
    }
    if settings.icount:
        environment["KMOD_VM_ICOUNT"] = "1"
    if "CI" in os.environ:
        environment["CI"] = os.environ["CI"]
    sets = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    words = command or ["/bin/bash", "-i"]
    return f"cd {shlex.quote(str(CHECKOUT))}\nexec env -i {' '.join(sets)} {shlex.join(words)}\n"


def _kept() -> list[str]:
    """The project's own directories under /tmp and /run, which the guest would see empty."""
    mine = {CHECKOUT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    inner = {path for path in mine if path.parts[1:2] in (("tmp",), ("run",))}
    return sorted(str(p) for p in inner if not any(q in p.parents for q in inner))


def _config(settings: Settings, *, interactive: bool) -> str:
    size = os.get_terminal_size() if interactive and sys.stdin.isatty() else None
    values = {
        "COMMAND": "/run/kmod-vm/command",
        "KEEP": " ".join(_kept()),
        "MODULE": "" if settings.module is None else f"/out/{settings.module}",
        "MODULE_ARGS": settings.module_args,
        "SECONDS_MAX": str(10**6 if interactive else settings.seconds_max),
        "HUNG_TASK_SECONDS": "30",
        "INTERACTIVE": "yes" if interactive else "",
        "ROWS": str(size.lines if size else 24),
        "COLUMNS": str(size.columns if size else 80),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _clock(settings: Settings) -> list[str]:
    """The rate of the guest's time stamp counter, which emulation takes from this machine's.

    Left to measure it against an emulated timer, a kernel that is held up at that moment takes
    it for 40 times too slow, and all its time-outs come early.
    """
    khz = _ICOUNT_TSC_KHZ if settings.icount else native.tsc_khz()
    return [] if khz is None else [f"tsc_early_khz={khz}", "tsc=reliable"]


def _qemu(kernel: Kernel, settings: Settings, initrd: Path, log: Path, out: Path) -> list[str]:
    share = "security_model=none,multidevs=remap"
    if settings.icount:
        speed = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on", "-smp", "1"]
    else:
        speed = ["-accel", "tcg,thread=multi", "-smp", str(settings.processors)]
    return [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", "q35", "-cpu", "Nehalem-v1", "-m", str(settings.memory_mb), *speed),
        *("-kernel", str(kernel.image), "-initrd", str(initrd)),
        *("-append", " ".join([*_BOOT_ARGUMENTS, *_clock(settings)])),
        *("-chardev", f"file,id=log,path={log}", "-serial", "chardev:log"),
        *("-chardev", "stdio,id=terminal,signal=off", "-serial", "chardev:terminal"),
        *("-virtfs", f"local,path=/,mount_tag=host,readonly=on,{share}"),
        *("-virtfs", f"local,path={out},mount_tag=out,{share}"),
        *("-device", "virtio-rng-pci"),
    ]
