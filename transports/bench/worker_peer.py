"""A process of the bench: a member of a PySyncObj cluster, plain or with the client in it.

PySyncObj has no client protocol: a program that submits commands is a member. Two
places are measured. `leader`: the client's loop runs inside the leader, which
spares it a hop and a process, the best that PySyncObj can do. `outside`: a
read-only member in a process of its own, which is what our client is.

Arguments: `member`, `leader` or `outside`; the member's number; all addresses,
comma-separated; settings as JSON; a job as JSON (`null` for a plain member).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated

from transports.bench.statistics import summarise_ns
from transports.bench.wire import Message, say

NS = 1_000_000_000
READY_SECONDS = 15.0
DRAIN_SECONDS = 10.0
LEADER_TIMEOUTS = {"raftMinTimeout": 0.4, "raftMaxTimeout": 0.5}
MEMBER_TIMEOUTS = {"raftMinTimeout": 3.0, "raftMaxTimeout": 3.4}
"""So that the member with the client leads from the first election on."""


class PeerFailed(Exception):
    """The peer did not start, lost a command, or answered with an error."""


class PeerJournal(SyncObj):  # type: ignore[misc]
    """Counts commands, as our journal does."""

    def __init__(self, own: str | None, others: list[str], conf: SyncObjConf) -> None:
        self.count = 0
        super().__init__(own, others, conf)

    @replicated  # type: ignore[untyped-decorator]
    def put(self, _command: bytes) -> int:
        """One command; returns its number."""
        self.count += 1
        return self.count


def make(role: str, number: int, addresses: list[str], settings: Message) -> PeerJournal:
    """The member. Raises `PeerFailed` if it cannot listen."""
    timeouts = LEADER_TIMEOUTS if role == "leader" else MEMBER_TIMEOUTS
    conf = SyncObjConf(
        autoTick=role == "member",
        connectionRetryTime=0.2,
        maxBindRetries=2,
        bindRetryTime=0.1,
        **timeouts,
        **settings,
    )
    own = None if role == "outside" else addresses[number]
    others = [address for address in addresses if address != own]
    try:
        journal = PeerJournal(own, others, conf)
    except Exception as error:
        raise PeerFailed(f"cannot listen on {own}: {error}") from error
    if role == "member":
        journal.waitBinded()
    return journal


class Load:
    """A closed loop driven by call-backs within the member's own tick: no thread hands over."""

    def __init__(self, journal: PeerJournal, tick_seconds: float, command: bytes) -> None:
        self._journal = journal
        self._tick_seconds = tick_seconds
        self._command = command
        self._end = 0
        self._on_end: Callable[[int], None] = lambda _now: None
        self.outstanding = 0
        self.failure = ""

    def wait_ready(self, *, leading: bool) -> None:
        """Tick until commands can be given. Raises `PeerFailed`."""
        end = perf_counter_ns() + int(READY_SECONDS * NS)
        journal = self._journal
        while not (journal.isReady() and (not leading or journal._isLeader())):
            if perf_counter_ns() > end:
                raise PeerFailed(f"no leader after {READY_SECONDS:.0f} s")
            journal.doTick(self._tick_seconds)

    def run(self, outstanding: int, end_ns: int, on_end: Callable[[int], None]) -> None:
        """Keep `outstanding` on their way until `end_ns`, then wait for the rest.

        ``on_end(now_ns)`` is called for each command that ends.
        """
        self._end, self._on_end = end_ns, on_end
        for _ in range(outstanding):
            self._submit()
        tick, tick_seconds = self._journal.doTick, self._tick_seconds
        drained_by = end_ns + int(DRAIN_SECONDS * NS)
        while self.outstanding and not self.failure:
            tick(tick_seconds)
            if perf_counter_ns() > drained_by:
                raise PeerFailed(f"{self.outstanding} commands had no outcome")
        if self.failure:
            raise PeerFailed(self.failure)

    def _submit(self) -> None:
        self.outstanding += 1
        self._journal.put(self._command, callback=self._ended)

    def _ended(self, _result: Any, error: int) -> None:
        self.outstanding -= 1
        if error:
            self.failure = f"a command failed with reason {error}"
            return
        now = perf_counter_ns()
        self._on_end(now)
        if now < self._end:
            self._submit()


def measure(load: Load, job: Message) -> Message:
    """Do a `latency` or a `throughput` job, as `worker_client` does."""
    begin = perf_counter_ns()
    warm_until = begin + int(job["warm_seconds"] * NS)
    end = warm_until + int(job["seconds"] * NS)
    stamps: list[int] = []
    load.run(job.get("outstanding", 1), end, stamps.append)
    counted = [stamp for stamp in stamps if warm_until <= stamp <= end]
    if len(counted) < 2:
        raise PeerFailed("too few commands ended within the time: give it more")
    seconds = (counted[-1] - counted[0]) / NS
    if job["kind"] == "throughput":
        rate = (len(counted) - 1) / seconds
        return {"commands_per_second": rate, "commands": len(counted), "seconds": seconds}
    # The next one leaves in the call-back of the last: the gaps are the latencies.
    gaps = [later - earlier for earlier, later in pairwise(counted)]
    return summarise_ns(gaps) | {"seconds": seconds}


def main() -> int:
    """Be a member until stdin ends, or do the job and say its result."""
    role, number, addresses, settings, job_text = sys.argv[1:]
    try:
        journal = make(role, int(number), addresses.split(","), json.loads(settings))
        if role == "member":
            say({"ready": int(number)})
            sys.stdin.read()
            return 0
        job = json.loads(job_text)
        load = Load(journal, journal.conf.autoTickPeriod, bytes(job["command_bytes"]))
        load.wait_ready(leading=role == "leader")
        say({"result": measure(load, job)})
    except Exception as error:
        say({"error": f"PySyncObj: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
