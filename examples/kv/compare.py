"""Redis's own benchmark against three nodes of `examples.kv`, beside Redis itself.

Run: python -m examples.kv.compare

Both servers are started and ended here, on loopback, with what they keep in a temporary
directory. Redis syncs every write before it answers (`appendfsync always`), as the nodes do. The
two take turns, so that a busy machine is busy for both, and each ratio is of one turn. Needs
Debian's redis-server and redis-tools.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection, create_server

import click

ROOT = Path(__file__).parents[2]
TESTS = ("SET", "GET", "INCR")
START_SECONDS = 20.0
PROGRAMS = {"redis-server": "redis-server", "redis-benchmark": "redis-tools"}
Rates = dict[str, float]
"""Test -> requests per second."""


def missing() -> str | None:
    """Why it cannot be measured here; None if it can."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"{program} is missing: on Debian, apt-get install {package}"
    return None


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends it in order, and waits."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextmanager
def redis() -> Iterator[int]:
    """Redis, with every write synced; its port."""
    with create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="redis-") as scratch:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", scratch]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with ended(subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)) as process:
            wait_until_heard(process, port)
            yield port


def wait_until_heard(process: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise click.ClickException(f"redis-server does not answer at port {port}")


@contextmanager
def kv() -> Iterator[int]:
    """Three nodes with durable stores, and the server before them; its port."""
    command = [sys.executable, "-u", "-m", "examples.kv", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with ended(process):
        assert process.stdout is not None
        line = process.stdout.readline()
        if " on " not in line:
            raise click.ClickException("examples.kv did not start; try: python -m examples.kv")
        yield int(line.split(" on ")[1].split(":")[1])


def measure(port: int, requests: int, pipeline: int) -> Rates:
    """One run of redis-benchmark. Raises `click.ClickException` for an error in it."""
    command = ["redis-benchmark", "-p", str(port), "-t", "set,get,incr", "--csv"]
    command += ["-P", str(pipeline), "-n", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = csv.reader(done.stdout.splitlines())
    rates = {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0] in TESTS}
    if done.returncode or set(rates) != set(TESTS) or "rror" in done.stdout:
        raise click.ClickException(f"redis-benchmark failed: {done.stdout}{done.stderr}")
    return rates


def table(theirs: list[Rates], ours: list[Rates]) -> str:
    """Medians, and the ratios of each turn, from the lowest to the highest."""
    lines = ["| test | Redis, requests/s | three nodes, requests/s | ratio of one turn |",
             "|---|---|---|---|"]  # fmt: skip
    for test in TESTS:
        ratios = [our[test] / their[test] for their, our in zip(theirs, ours, strict=True)]
        lines.append(
            f"| {test} | {statistics.median(their[test] for their in theirs):,.0f} "
            f"| {statistics.median(our[test] for our in ours):,.0f} "
            f"| {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |"
        )
    return "\n".join(lines)


def load() -> str:
    """How busy the machine is."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


@click.command()
@click.option("--requests", default=100_000, show_default=True, help="Of each test and turn.")
@click.option("--pipeline", default=16, show_default=True, help="Requests sent at once (-P).")
@click.option("--turns", default=5, show_default=True)
def main(requests: int, pipeline: int, turns: int) -> None:
    """Measure both in turns, and print a table."""
    reason = missing()
    if reason is not None:
        raise click.ClickException(reason)
    before = load()
    theirs: list[Rates] = []
    ours: list[Rates] = []
    with ExitStack() as stack:
        sides = [(stack.enter_context(redis()), theirs), (stack.enter_context(kv()), ours)]
        for port, _ in sides:  # What is loaded, compiled and allocated at first is not counted.
            measure(port, pipeline * 50, pipeline)
        for turn in range(turns):
            for port, rates in sides if turn % 2 == 0 else reversed(sides):
                rates.append(measure(port, requests, pipeline))
            click.echo(f"turn {turn + 1} of {turns}", sys.stderr)
    click.echo(table(theirs, ours))
    click.echo(f"load average before: {before}; after: {load()}")


if __name__ == "__main__":
    main()
