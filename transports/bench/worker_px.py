"""A process of the bench: runs `px_node`, the node without Python, once for each job.

Argument: JSON with `program`, `mode` (`core` or `device`), `members` (node -> MAC), `interface`,
`election_seconds` (what an election may take: it counts against the time a node is given) and
`entering` (node -> the words that put a command into its namespace). The client is in the
leader's process, node 1. This process speaks the protocol of `meter` for it; its children are
the nodes, the leader first.
"""

from __future__ import annotations

import array
import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

from hdrh.histogram import HdrHistogram

from transports.bench.meter import (
    LATENCY_NS_MAX,
    RESOLUTION_NS,
    SIGNIFICANT_DIGITS,
    Job,
    read_job,
)
from transports.bench.saved.schema import Closed
from transports.bench.wire import Message, parse, run_worker, say

COMMAND_BYTES_MAX: Final = 1200
WARM_UP: Final = 500
END_SECONDS: Final = 5.0
SPARE_SECONDS: Final = 60.0
"""Nodes are ended when the load is done. By themselves they end only if that never happens, and
not before a slow machine has read what they cost."""


class PxFailed(Exception):
    """There is no figure. One line."""


def run_job(setup: Message, job: Job) -> Message:
    """One cluster, one load. Raises `PxFailed`."""
    if not isinstance(job.load, Closed):
        raise PxFailed("it is loaded in closed loops alone")
    with tempfile.TemporaryDirectory(prefix="paxos-px-") as base, ExitStack() as stack:
        latencies = Path(base, "latencies")
        election = float(setup["election_seconds"])
        length = election + job.warm_seconds + job.seconds + SPARE_SECONDS
        words = ["--seconds", str(length)]
        load = _load_words(job, job.load.outstanding, latencies)
        leader = _start(stack, setup, 1, [*words, *load])
        for node in sorted(map(int, setup["members"])):
            if node != 1:
                _start(stack, setup, node, words)
        assert leader.stdin is not None
        assert leader.stdout is not None
        _expect(leader.stdout, "ready")
        say({"measuring": {}})
        leader.stdin.write("go\n")
        leader.stdin.flush()
        _expect(leader.stdout, "done")
        say({"measured": {}})
        said = parse(leader.stdout.readline().encode())
        return _result(said, latencies)


def _load_words(job: Job, outstanding: int, latencies: Path) -> list[str]:
    words = ["--outstanding", str(outstanding), "--bytes", str(job.command_bytes)]
    words += ["--warm-up", str(WARM_UP), "--hold", "--measured", str(job.seconds)]
    words += ["--latencies", str(latencies)]
    return words


def _start(stack: ExitStack, setup: Message, node: int, words: list[str]) -> subprocess.Popen[str]:
    command = [*setup["entering"][str(node)], setup["program"], setup["mode"]]
    command += ["--node", str(node), "--interface", setup["interface"], *words]
    for member, mac in setup["members"].items():
        command += ["--member", f"{member}={mac}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _expect(said: IO[str], word: str) -> None:
    line = said.readline()
    if line.strip() != word:
        raise PxFailed(f"the leader said {line.strip()!r:.80} where {word} was due")


def _result(said: Message, latencies: Path) -> Message:
    if "latency_us" not in said:
        raise PxFailed(f"the leader did not stay leader: it said {said}")
    samples = array.array("I")
    samples.frombytes(latencies.read_bytes())
    histogram = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
    # Where Python is emulated, a call for each of a hundred thousand would take a minute.
    for steps, count in Counter(sample // RESOLUTION_NS for sample in samples).items():
        histogram.record_value(max(1, steps * RESOLUTION_NS), count)
    encoded: bytes = histogram.encode()
    return {
        "commands": said["commands"],
        "seconds": said["seconds"],
        "histogram": encoded.decode("ascii"),
    }


def main() -> int:
    """Serve."""
    return run_worker("px_node", lambda: serve(json.loads(sys.argv[1])))


def serve(setup: dict[str, Any]) -> None:
    """Do the jobs on stdin, until it ends."""
    say({"ready": {"command_bytes_max": COMMAND_BYTES_MAX}})
    for line in sys.stdin.buffer:
        say({"result": run_job(setup, read_job(parse(line)["job"]))})


if __name__ == "__main__":
    sys.exit(main())
