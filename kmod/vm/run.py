#!/usr/bin/env python3
"""Builds the kernel module, boots a kernel in QEMU, and runs one command there with it loaded.

    python kmod/vm/run.py --test              pytest on tests/kmod/guest, inside the guest
    python kmod/vm/run.py -- paxos demo       any command
    python kmod/vm/run.py --shell             look around

The guest sees this machine's file tree; what it writes is gone when it ends. Everything it
does to a network stays in it. Ends with 0 (passed), 1 (failed) or 2 (could not run).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness import judge, kernel, machine, module
from harness.errors import CannotRun

GUEST_TESTS = "tests/kmod/guest"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        usage="run.py [options] (--test [-- PYTEST ARGUMENTS] | --shell | -- COMMAND ...)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--test", action="store_true", help=f"pytest on {GUEST_TESTS}")
    what.add_argument("--shell", action="store_true", help="an interactive shell; exit ends it")
    parser.add_argument("--kernel", choices=("stock", "debug"), default="stock")
    parser.add_argument("--smp", type=int, default=2, metavar="N", help="processors (2)")
    parser.add_argument("--memory", type=int, default=1024, metavar="MB", help="MB (1024)")
    parser.add_argument(
        "--icount", action="store_true", help="one processor; 1 ns of guest time per instruction"
    )
    parser.add_argument(
        "--time-limit", type=int, default=600, metavar="S", help="for the command (600)"
    )
    parser.add_argument("--no-module", action="store_true", help="insert none")
    parser.add_argument("--module-args", default="", metavar="ARGS", help="for insmod")
    parser.add_argument(
        "--module-source", type=Path, metavar="DIR", help="build this one instead of kmod/"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep what came out here")
    parser.add_argument("command", nargs="*")
    parsed = parser.parse_args(argv)
    if not (parsed.test or parsed.shell or parsed.command):
        parser.error("nothing to run: --test, --shell or -- COMMAND")
    return parsed


def command_of(options: argparse.Namespace) -> list[str]:
    """What runs in the guest; empty for a shell."""
    if not options.test:
        return list(options.command)
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "timeout=120"]
    results = ["--junitxml=/run/kmod-vm/junit.xml", "-v", "--color=no"]
    return [*pytest, *results, *(options.command or [GUEST_TESTS])]


def verdict(outcome: machine.Outcome) -> list[str]:
    """What was wrong, a paragraph each; nothing if all was well."""
    found = judge.findings(outcome.log)
    wrong = [f"kernel's log, line {f.line}: {f.text}\n{f.context}" for f in found]
    wrong += outcome.trouble
    if outcome.status is None:
        last = "\n".join(outcome.log.splitlines()[-15:])
        wrong.append(f"the guest ended without a verdict; the end of its log:\n{last}")
    elif outcome.status != 0:
        wrong.append(f"the command ended with {outcome.status}")
    return wrong


def run(options: argparse.Namespace, out: Path) -> int:
    """Builds, boots, judges, and says so; returns the exit status."""
    if (out / "module").exists():
        raise CannotRun(f"{out} is of another run: name another --out, or remove it")
    started = time.monotonic()
    chosen = kernel.debug_kernel() if options.kernel == "debug" else kernel.stock_kernel()
    built = None
    if not options.no_module:
        # Otherwise nothing is seen for half a minute. Not among the command's own output.
        print(f"kmod-vm: building the module for {chosen.name}, then booting", file=sys.stderr)
        sources = options.module_source or module.SOURCES
        built = module.build(chosen, sources.resolve(), out / "module").relative_to(out)
    ready = time.monotonic()
    settings = machine.Settings(
        processors=options.smp,
        memory_mb=options.memory,
        icount=options.icount,
        seconds_max=options.time_limit,
        module=built,
        module_args=options.module_args,
    )
    outcome = machine.run(chosen, command_of(options), settings, out)
    (out / "kernel.log").write_text(outcome.log)
    wrong = verdict(outcome)
    for paragraph in wrong:
        print(f"kmod-vm: {paragraph}", flush=True)
    took = f"{ready - started:.0f} s to build, {time.monotonic() - ready:.0f} s in the guest"
    print(f"kmod-vm: {'FAIL' if wrong else 'PASS'} on {chosen.name}, {took}", flush=True)
    return 1 if wrong else 0


def main(argv: Sequence[str]) -> int:
    """Returns the exit status."""
    options = arguments(argv)
    out = options.out or Path(tempfile.mkdtemp(prefix="kmod-vm-out-"))
    out.mkdir(parents=True, exist_ok=True)
    status = 1
    try:
        status = run(options, out.resolve())
    except CannotRun as reason:
        print(f"kmod-vm: {reason}", file=sys.stderr)
        status = 2
    except module.BuildFailed as reason:
        print(f"{reason}\nkmod-vm: FAIL: the module does not build without a warning")
    finally:
        if options.out is None and status != 1:
            shutil.rmtree(out)
        else:
            print(f"kmod-vm: {out} has the kernel's log and what the guest wrote")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
