"""What a saved run holds: a head, and one entry for everything that was tried.

The head is `run.json`. The entries are lines of `entries.jsonl`, in the order in which they
came about, so that a run that was interrupted goes on where it ended. A latency's histogram
is in `histograms/`, one HdrHistogram log a cell, one interval a repeat.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

SCHEMA: Final = 1
"""Raised by one whenever a field changes its meaning; runs of another number are refused."""

Rung = Literal["echo", "hops", "quorum", "paxos", "durable"]
"""What is measured on a layer; each has all that the one before has, and one thing more."""

RUNGS: Final[tuple[Rung, ...]] = ("echo", "hops", "quorum", "paxos", "durable")


LARGEST: Final = 0


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Immutable, strict, and written as JSON."""


class Closed(_Struct, tag="closed", frozen=True, kw_only=True):
    """A closed loop: so many commands are on their way at all times."""

    outstanding: int


class Open(_Struct, tag="open", frozen=True, kw_only=True):
    """An open loop: commands leave by plan, and latency counts from the planned moment."""

    per_second: float


class Cell(_Struct, frozen=True, kw_only=True):
    """One point of the comparison: everything that is fixed while a figure is taken."""

    layer: str
    """`tcp`, `udp-veth`, ...: see `ladder.layers`; or a peer: `etcd`, `pysyncobj`."""
    rung: Rung
    variant: str = ""
    """Who decides: `python`, `c`, `kernel`; a peer's settings: `default`, `best`; or nobody."""
    nodes: int = 3
    load: Closed | Open
    command_bytes: int = 64
    """`LARGEST` stands for the largest that fits there; the sample says how large that was."""

    @property
    def stand(self) -> Stand:
        """What must run for it."""
        return Stand(self.layer, self.rung, self.variant, self.nodes)

    @property
    def id(self) -> str:
        """Its name in files and options: ``tcp.paxos.python.3.closed-64.64B``."""
        load = self.load
        word = (
            f"closed-{load.outstanding}"
            if isinstance(load, Closed)
            else f"open-{load.per_second:.0f}"
        )
        variant = self.stand.word
        size = f"{self.command_bytes}B" if self.command_bytes != LARGEST else "largest"
        return f"{self.layer}.{self.rung}.{variant}.{self.nodes}.{word}.{size}"


class Stand(msgspec.Struct, frozen=True):
    """Processes that are started once and then take the loads of several cells."""

    layer: str
    rung: Rung
    variant: str
    nodes: int

    @property
    def id(self) -> str:
        """Its name: a cell's without its load."""
        return f"{self.layer}.{self.rung}.{self.word}.{self.nodes}"

    @property
    def word(self) -> str:
        """The variant as a part of a name."""
        return self.variant.replace(", ", "-").replace(" ", "-") or "plain"


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Many = Annotated[int, msgspec.Meta(ge=1, le=1 << 62)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class Latency(_Struct, frozen=True, kw_only=True):
    """Of one load, in microseconds. The whole distribution is in the histogram."""

    samples: Count
    p50_us: Amount
    p90_us: Amount
    p99_us: Amount
    p999_us: Amount
    min_us: Amount
    max_us: Amount


class ProcessCost(_Struct, frozen=True, kw_only=True):
    """What one process took within the measured window, all its threads together."""

    role: str
    """`leader`, `follower 2`, `client`, `echo`, or `all` where one process is everybody."""
    user_seconds: Amount
    system_seconds: Amount
    voluntary_switches: Count
    involuntary_switches: Count
    syncs: Count = 0
    """Of its store."""
    parts_seconds: dict[str, Amount] = {}
    """Where a node's time went, by `PARTS`; empty where nobody looked."""


PARTS: Final = ("receive", "decode", "core", "encode", "store", "send", "idle")
"""Of a node's wall-clock time, in the order of a command's way through it."""


class Sample(_Struct, tag="sample", tag_field="kind", frozen=True, kw_only=True):
    """One cell, measured once."""

    cell: str
    repeat: int
    command_bytes: int
    seconds: Positive
    """The measured window; the warm-up is not in it."""
    commands: Many
    """That ended within it, every one in success; in an open loop, that were planned in it."""
    per_second: Positive
    latency: Latency
    processes: list[ProcessCost]
    softirq_seconds: Amount
    """Of the whole machine: what layers in the kernel cost whom nobody charges."""
    wire_frames: Count
    wire_bytes: Count
    """As the interfaces counted them: headers, acknowledgements and repetitions included."""
    costed: Count = 0
    """Of how many commands the costs are: those that ended between the two looks at them."""
    instrumented: bool = False
    """Whether `parts_seconds` was taken: a few parts in a thousand slower."""


class Calls(_Struct, tag="calls", tag_field="kind", frozen=True, kw_only=True):
    """System calls, counted by strace in a run of its own, since tracing slows what it traces."""

    cell: str
    commands: Many
    by_role: dict[str, dict[str, Count]]
    """Role -> name of the call -> how often."""

    @property
    def layer(self) -> str:
        """Of its cell."""
        return self.cell.partition(".")[0]

    @property
    def outstanding(self) -> int:
        """Of its cell, whose load is a closed loop; 0 for a cell that is none."""
        found = re.search(r"\.closed-(\d{1,9})\.", self.cell)
        return int(found[1]) if found else 0


class Failure(_Struct, tag="failure", tag_field="kind", frozen=True, kw_only=True):
    """One cell that gave no figure: lost, repeated, refused, died, or took too long."""

    cell: str
    repeat: int
    reason: str


class Skip(_Struct, tag="skip", tag_field="kind", frozen=True, kw_only=True):
    """What cannot run here, with the cure."""

    subject: str
    """The id of a layer, of a stand, or of a trial."""
    reason: str


class Failover(_Struct, tag="failover", tag_field="kind", frozen=True, kw_only=True):
    """A leader killed with SIGKILL under load, and started again on its store."""

    layer: str
    variant: str
    bucket_ms: Positive
    answers: list[Count]
    """How many commands were answered in each bucket, from the first."""
    killed_ms: float
    """From the beginning of the first bucket, as `restarted_ms`."""
    restarted_ms: float | None
    pause_seconds: float
    """From the kill to the first answer to a command that was submitted after it."""


class Growth(_Struct, tag="growth", tag_field="kind", frozen=True, kw_only=True):
    """The memory of every node after few and after many commands."""

    layer: str
    few: int
    many: int
    few_kib: list[Many]
    many_kib: list[Many]


Entry = Sample | Calls | Failure | Skip | Failover | Growth


class Effort(_Struct, frozen=True, kw_only=True):
    """How long a run takes its figures."""

    repeats: int
    warm_seconds: float
    seconds: float
    instrument: bool = True
    """Whether nodes say where their time goes."""


class Head(_Struct, frozen=True, kw_only=True):
    """What a run is: without it, a figure means nothing."""

    schema: int = SCHEMA
    place: Literal["host", "vm"]
    """Figures from inside and outside of the emulated machine never share a chart."""
    began: str
    """UTC, as in 2026-11-26T08:00:00Z."""
    command: str
    """That repeats it."""
    machine: dict[str, str]
    versions: dict[str, str]
    effort: Effort
    settings: dict[str, str | int | float | bool]
    """Of the nodes: limits, batch policy, pins; for people."""
    pins: dict[str, list[int]]
    """Role -> processors that it may use; empty: any."""
    cells: list[Cell]
    trials: list[str] = []
    """Beside the cells: `failover.tcp`, `calls.tcp.1024`, `growth.tcp`."""
    finished: bool = False
