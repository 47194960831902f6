#!/usr/bin/env python3
"""Measures what an echo and a decision cost, in user space and in the kernel, on one guest.

    python kmod/vm/figures.py                                 prints the tables
    python kmod/vm/figures.py --write docs/kernel-figures.md  and puts them into that file
    python kmod/vm/figures.py --quick c-kernel c-ethernet     few of everything, these rows alone

Two boots, a few minutes: one in which the clock counts instructions, and one in which it
counts time. Ends with 0 (measured, whether or not the aims are reached), 1 or 2 as run.py does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import kernel, module
from harness.errors import CannotRun, require
from measure import tables

from transports.bench.markers import MarkersMissing, check_markers, replace_table
from transports.node.native import build as native_build

HERE = Path(__file__).parent
PROGRAMS = ("bench", "bench/echo")
BENCH_MODULE = HERE / "bench" / "udp_echo"
MARKERS = ("<!-- kernel-figures: begin -->", "<!-- kernel-figures: end -->")
TIMED_ROWS = ("c-ethernet", "c-kernel")
"""Measured once more with a clock that counts time, as the reference was."""
REPEATS = 5
"""Of these: time that a busy machine takes away is nobody's."""
TIME_LIMIT_SECONDS = 400
IN_GUEST = "/run/kmod-vm"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="puts the tables into it")
    parser.add_argument("--quick", action="store_true", help="few of everything: only a trial")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep programs and results here")
    parser.add_argument("row", nargs="*", metavar="ROW", help="these alone; not with --write")
    options = parser.parse_args(argv)
    if options.write and (options.row or options.quick):
        parser.error("--write needs all rows, and without --quick")
    return options


def build(into: Path) -> None:
    """All that the guest only runs. Raises `CannotRun`."""
    require({"make": "make", "cc": "gcc libc6-dev"})
    for directory in PROGRAMS:
        make = ["make", "-s", "-C", str(HERE / directory), f"BUILD={into}"]
        done = subprocess.run(make, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotRun(f"{directory} does not build:\n{done.stderr.strip()}")
    try:
        # The guest would take a minute to compile it.
        native_build.library_path()
        built = module.build(kernel.stock_kernel(), BENCH_MODULE, into / "udp_echo")
    except (native_build.BuildFailed, module.BuildFailed) as reason:
        raise CannotRun(str(reason)) from reason
    built.rename(into / built.name)


def measure(programs: Path, out: Path, options: Sequence[str], words: Sequence[str]) -> Any:
    """Boots a guest that measures; the results, or None if it failed and has said so."""
    out.mkdir()
    (out / "programs").mkdir()
    for path in programs.iterdir():
        if path.is_file():
            (out / "programs" / path.name).write_bytes(path.read_bytes())
            (out / "programs" / path.name).chmod(0o755)
    inner = ["env", f"PYTHONPATH={HERE}", "python", "-m", "measure"]
    inner += ["--programs", f"{IN_GUEST}/programs", "--out", f"{IN_GUEST}/figures.json", *words]
    outer = [sys.executable, str(HERE / "run.py"), "--out", str(out)]
    outer += ["--time-limit", str(TIME_LIMIT_SECONDS), *options, "--", *inner]
    load_before = os.getloadavg()[0]
    done = subprocess.run(outer, check=False)
    results = out / "figures.json"
    if done.returncode != 0 or not results.exists():
        return None
    return json.loads(results.read_text()) | {"load": [load_before, os.getloadavg()[0]]}


def facts(results: Any) -> dict[str, str]:
    """What it was measured on; without it a figure means nothing."""
    version = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"version ([^\s(]+)", version)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "guest's kernel": f"Linux {results['kernel']}, as Debian ships it; one CPU",
        "emulator": f"QEMU {found[1] if found else 'of unknown version'}",
        "options": (
            "-accel tcg -icount shift=0 (1 ns of guest time is 1 instruction; "
            f"a known loop took {results['instructions_per_ns']:.3f} per ns)"
        ),
    }


def run(options: argparse.Namespace, out: Path) -> int:
    """Builds, boots, measures, and says what came out; returns the exit status."""
    build(out / "built")
    quick = ["--quick"] if options.quick else []
    words = [*quick, *options.row]
    counted = measure(out / "built", out / "counted", ["--icount"], words)
    if counted is None:
        return 1
    timed = None
    timed_words = [*quick, "--repeats", str(REPEATS), *TIMED_ROWS]
    if not options.row:
        timed = measure(out / "built", out / "timed", ["--smp", "1"], timed_words)
        if timed is None:
            return 1
    (out / "results.json").write_text(json.dumps({"counted": counted, "timed": timed}, indent=1))
    text = tables.markdown(counted, timed, facts(counted))
    print(f"\n{text}\n")
    if options.write:
        before = options.write.read_text()
        options.write.write_text(replace_table(before, text, options.write.name, MARKERS))
    return 0


def main(argv: Sequence[str]) -> int:
    """Returns the exit status."""
    options = arguments(argv)
    try:
        if options.write:
            check_markers(options.write.read_text(), options.write.name, MARKERS)
        if options.keep:
            options.keep.mkdir(parents=True)
            return run(options, options.keep.resolve())
        with tempfile.TemporaryDirectory(prefix="kmod-figures-") as directory:
            return run(options, Path(directory))
    except (CannotRun, MarkersMissing, OSError) as reason:
        print(f"kmod-figures: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
