"""A process of the bench: a member of a PySyncObj cluster, plain or with the client in it.

PySyncObj has no client protocol: a program that submits commands is a member. Here that is a
read-only member in a process of its own, where our client is too (`outside`), or the leader
itself, which spares two hops, the best that PySyncObj can do (`leader`).

Arguments: `member`, `leader` or `outside`; the member's number; all addresses,
comma-separated; settings as JSON. The client speaks the protocol of `meter`.
"""

from __future__ import annotations

import json
import select
import sys
from time import perf_counter_ns
from typing import Any, Final

from pysyncobj import SyncObj, SyncObjConf, replicated

from transports.bench.meter import Job, Meter, read_job
from transports.bench.saved.schema import Closed
from transports.bench.wire import Message, parse, run_worker, say

NS: Final = 1_000_000_000
READY_SECONDS: Final = 15.0
DRAIN_SECONDS: Final = 10.0
COMMAND_BYTES_MAX: Final = 1 << 20
LEADER_TIMEOUTS: Final = {"raftMinTimeout": 0.4, "raftMaxTimeout": 0.5}
MEMBER_TIMEOUTS: Final = {"raftMinTimeout": 3.0, "raftMaxTimeout": 3.4}
"""So that the member with the client leads from the first election on, if it is the leader."""


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
    first = role == "leader" or (role == "member" and number == 0)
    timeouts = LEADER_TIMEOUTS if first else MEMBER_TIMEOUTS
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

    def __init__(self, journal: PeerJournal, tick_seconds: float) -> None:
        self._journal = journal
        self._tick_seconds = tick_seconds
        self._command = b""
        self._meter: Meter | None = None
        self._outstanding = 0
        self._results: list[int] = []
        self._failure = ""

    def tick(self) -> None:
        """Let the member work."""
        self._journal.doTick(self._tick_seconds)

    def wait_ready(self, *, leading: bool) -> None:
        """Tick until commands can be given. Raises `PeerFailed`."""
        end = perf_counter_ns() + int(READY_SECONDS * NS)
        journal = self._journal
        while not (journal.isReady() and (not leading or journal._isLeader())):
            if perf_counter_ns() > end:
                raise PeerFailed(f"no leader after {READY_SECONDS:.0f} s")
            self.tick()

    def run(self, job: Job) -> Message:
        """One load. Raises `PeerFailed` and `ValueError`."""
        if not isinstance(job.load, Closed):
            raise PeerFailed("it is loaded in closed loops alone")
        self._command, self._results = bytes(job.command_bytes), []
        self._meter = meter = Meter(job)
        for _ in range(job.load.outstanding):
            self._submit()
        limit = job.warm_seconds + job.seconds + DRAIN_SECONDS
        drained_by = perf_counter_ns() + int(limit * NS)
        while self._outstanding and not self._failure:
            self.tick()
            if perf_counter_ns() > drained_by:
                raise PeerFailed(f"{self._outstanding} commands had no outcome")
        if self._failure:
            raise PeerFailed(self._failure)
        if len(set(self._results)) != len(self._results):
            raise PeerFailed("two commands had the same number: lost or repeated")
        if max(self._results) - min(self._results) + 1 != len(self._results):
            raise PeerFailed("the numbers of the commands have gaps: lost or repeated")
        return meter.result()

    def _submit(self) -> None:
        self._outstanding += 1
        begun = perf_counter_ns()
        self._journal.put(
            self._command, callback=lambda result, error: self._ended(begun, result, error)
        )

    def _ended(self, begun: int, result: Any, error: int) -> None:
        self._outstanding -= 1
        if error:
            self._failure = f"a command failed with reason {error}"
            return
        assert self._meter is not None
        self._results.append(result)
        now = perf_counter_ns()
        self._meter.ended(begun, 1, now)
        if self._meter.is_open(now):
            self._submit()


def serve_jobs(load: Load) -> None:
    """Do the jobs on stdin until it ends; between them the member must tick."""
    say({"ready": {"command_bytes_max": COMMAND_BYTES_MAX}})
    stdin = sys.stdin.buffer
    while True:
        readable, _, _ = select.select([stdin], [], [], 0)
        if not readable:
            load.tick()
            continue
        line = stdin.readline()
        if not line:
            return
        say({"result": load.run(read_job(parse(line)["job"]))})


def main() -> int:
    """Be a member until stdin ends."""
    return run_worker("PySyncObj", lambda: run(*sys.argv[1:]))


def run(role: str, number: str, addresses: str, settings: str) -> None:
    """A member, which serves loads if it has them."""
    journal = make(role, int(number), addresses.split(","), json.loads(settings))
    if role == "member":
        say({"ready": int(number)})
        sys.stdin.read()
        return
    load = Load(journal, journal.conf.autoTickPeriod)
    load.wait_ready(leading=role == "leader")
    serve_jobs(load)


if __name__ == "__main__":
    sys.exit(main())
