"""What one seed stands for: the cluster, its limits, the load and the faults.

Each seed draws which kinds of fault it has at all, and how strong they are
(swarm testing: Groce et al., ISSTA 2012). A run with every fault at once hides
what a run with two of them shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from paxos_core.checksum import checksum
from paxos_core.client import ClientConfig
from paxos_core.config import Limits, SessionLimits, Timing
from paxos_core.quorum import QuorumSystem
from paxos_core.testing import chance as streams
from paxos_core.testing.chance import Chance, stream
from paxos_core.testing.machine import LARGE
from paxos_core.testing.network import FRACTION, Rates
from paxos_core.testing.options import Options
from paxos_core.types import NODE_MAX, NodeId

TICK_UNITS = 100
"""How many units of virtual time a nominal tick takes."""
TICK_SECONDS = 0.02
"""What a tick is by default in a node; simulated time is counted by it."""
UNITS_PER_SECOND = round(TICK_UNITS / TICK_SECONDS)

ROUND_INDICES = 1000
"""Indices of faults, and numbers of commands, that each round of a run has to itself."""
REST_TICKS_MAX = 200
"""For how long nothing happens after a round that another follows."""

EVENT_KINDS = (
    "crash", "armed", "wipe", "split", "oneway", "chain", "isolate", "burst", "pause", "slowdisk",
    "mute", "churn", "rot", "lostwrite", "misdirect", "failsync", "full", "oldlog", "jump", "drift",
    "die",
)  # fmt: skip
"""Faults that begin, last, and end; each has an index that ``--drop`` names."""

CONDITIONS = (
    "loss", "duplicate", "late", "skew", "drain", "garbage", "evict", "tiny", "flexible",
    "gone", "impatient", "compact", "partial",
)  # fmt: skip
"""What holds for a whole run."""

KINDS = EVENT_KINDS + CONDITIONS

FRAMES_BYTES = (1024, 1400, 4096, 8900, 65536)
"""What a frame may hold: of an Ethernet or UDP, of jumbo frames, of a stream."""
TINY_FRAMES_BYTES = (512, 640, 1024)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong from `start` for `duration` units; `dice` draws the rest."""

    index: int
    kind: str
    start: int
    duration: int
    dice: int


@dataclass(frozen=True, slots=True)
class Submission:
    """Commands given to client number `client` at time `at`."""

    at: int
    client: int
    commands: list[bytes]


@dataclass(slots=True)
class Plan:
    """Everything that is decided before the first step."""

    options: Options
    kinds: frozenset[str]
    quorums: QuorumSystem
    clients: list[ClientConfig]
    timing: Timing
    limits: Limits
    session_limits: SessionLimits
    frame_bytes_max: int
    rates: Rates
    garbage_permille: int
    disk_units_max: int
    chaos_units: int
    skew_permille: int
    gone: int
    """How many nodes never come back."""
    faults: list[Fault] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    rest_units: int = 0
    """How long nothing happens before this round."""

    @property
    def spare(self) -> int:
        """How many nodes may be lost for good, with both quorums still there."""
        return len(self.quorums.members) - max(self.quorums.phase1, self.quorums.phase2)

    def limits_of(self, node: NodeId, start: int) -> Limits:
        """What `node` is told when it starts for the `start`-th time."""
        if not self.options.own_limits:
            return self.limits
        chance = stream(self.options.seed, streams.OWN_LIMITS, node, start)
        window = chance.choice((1, 2, 32))
        return replace(
            self.limits,
            window_slots=window,
            vote_slots_max=2 * window,
            log_bytes_max=chance.choice((400, 1000, 3000, 1 << 20)),
            log_keep_slots=chance.choice((1, 2, 8, 256)),
            page_bytes_max=chance.choice((200, 700, 4096)),
        )


def draw_plan(options: Options) -> Plan:
    """The plan of `options.seed`, less what the options take out."""
    shape = stream(options.seed, streams.SHAPE)
    kinds = _draw_kinds(options.seed) - options.without
    members = range(1, (options.nodes or _draw_size(shape)) + 1)
    quorums = _draw_quorums(shape, len(members)) if "flexible" in kinds else QuorumSystem(members)
    limits = stream(options.seed, streams.LIMITS)
    frame_bytes_max = stream(options.seed, streams.FRAME).choice(FRAMES_BYTES)
    if "tiny" in kinds:
        frame_bytes_max = limits.choice(TINY_FRAMES_BYTES)
    chaos_ticks = shape.between(80, 240)
    plan = Plan(
        options=options,
        kinds=kinds,
        quorums=quorums,
        clients=_draw_clients(shape, tuple(members), frame_bytes_max, "impatient" in kinds),
        timing=_draw_timing(shape, options.default_timing),
        limits=_draw_limits(limits, "tiny" in kinds, "compact" in kinds),
        session_limits=_draw_session_limits(limits, "evict" in kinds),
        frame_bytes_max=frame_bytes_max,
        rates=_draw_rates(shape, kinds, options.damage),
        garbage_permille=30 if "garbage" in kinds else 0,
        disk_units_max=shape.choice((1, 20, 60, 150)),
        chaos_units=chaos_ticks * TICK_UNITS,
        skew_permille=300 if "skew" in kinds else 0,
        gone=0,
    )
    if "gone" in kinds and plan.spare:
        plan.gone = shape.between(1, plan.spare)
    plan.faults = _draw_faults(options, kinds, chaos_ticks, 0)
    plan.submissions = _draw_load(options, plan, 0)
    return plan


def redraw_plan(plan: Plan, number: int) -> None:
    """Make it the plan of round `number`, 1 and up: other faults and load, the same cluster."""
    shape = stream(plan.options.seed, streams.ROUND, number)
    chaos_ticks = shape.between(80, 240)
    plan.rest_units = shape.below(REST_TICKS_MAX) * TICK_UNITS
    options = replace(plan.options, seed=shape.next())
    events = _draw_kinds(options.seed).intersection(EVENT_KINDS) - options.without
    plan.kinds = plan.kinds.intersection(CONDITIONS) | events
    plan.chaos_units = chaos_ticks * TICK_UNITS
    first = number * ROUND_INDICES
    plan.faults = _draw_faults(options, plan.kinds, chaos_ticks, first)
    plan.submissions = _draw_load(options, plan, first)


def faults_of(options: Options) -> list[Fault]:
    """The faults of all rounds that a run with these options may have."""
    plan = draw_plan(options)
    faults = list(plan.faults)
    passed_units = plan.chaos_units
    number = 0
    while passed_units < (options.seconds or 0) * UNITS_PER_SECOND:
        number += 1
        redraw_plan(plan, number)
        faults += plan.faults
        passed_units += plan.chaos_units
    return faults


def _draw_kinds(seed: int) -> frozenset[str]:
    strength = stream(seed, streams.SWARM).choice((250, 400, 600))
    # Keyed by its name, so that a new kind leaves the old ones' dice alone.
    return frozenset(
        kind
        for kind in KINDS
        if stream(seed, streams.SWARM, checksum(kind.encode())).happens(strength)
    )


def _draw_size(chance: Chance) -> int:
    return chance.choice((3, 3, 3, 3, 3, 3, 5, 5, 5, 7))


def _draw_quorums(chance: Chance, size: int) -> QuorumSystem:
    phase2 = chance.between(1, size)
    return QuorumSystem(range(1, size + 1), size + 1 - phase2, phase2)


def _draw_timing(chance: Chance, default: bool) -> Timing:
    least = chance.between(5, 8)
    drawn = Timing(
        heartbeat_ticks=chance.between(1, 2),
        election_ticks_min=least,
        election_ticks_max=least + chance.between(2, 8),
        resend_ticks=chance.between(1, 4),
    )
    # Drawn in any case, which leaves the dice of what comes after it as they were.
    return Timing() if default else drawn


def _draw_limits(chance: Chance, tiny: bool, compact: bool) -> Limits:
    window = chance.choice((1, 2, 3, 6)) if tiny else 32
    return Limits(
        window_slots=window,
        pending_bytes_max=chance.choice((300, 2000)) if tiny else 1 << 20,
        vote_slots_max=chance.choice((2, 4)) * window,
        log_bytes_max=chance.choice((400, 1000, 3000)) if compact else 1 << 20,
        log_keep_slots=chance.choice((1, 2, 8)) if compact else 256,
        page_bytes_max=chance.choice((200, 700)) if tiny else 4096,
    )


def _draw_session_limits(chance: Chance, evict: bool) -> SessionLimits:
    if not evict:
        return SessionLimits(sessions_max=64, result_bytes_max=200)
    return SessionLimits(
        sessions_max=chance.between(1, 4),
        window=chance.choice((4, 16, 64)),
        bytes_max=chance.choice((40, 200, 4000)),
        result_bytes_max=200,
    )


def _draw_rates(chance: Chance, kinds: frozenset[str], damage_permille: int) -> Rates:
    rates = Rates(chance.between(1, 10), chance.choice((10, 30, 120)))
    rates.damage_permille = damage_permille
    if "loss" in kinds:
        rates.loss = FRACTION * chance.choice((1, 3, 10, 25)) // 100
    if "duplicate" in kinds:
        rates.duplicate = FRACTION * chance.choice((2, 10, 30)) // 100
        rates.duplicate_span = chance.choice((50, 300, 3000))
    if "late" in kinds:
        rates.late = FRACTION * chance.choice((2, 10)) // 100
        rates.late_span = chance.choice((200, 1000, 4000))
    return rates


def _draw_clients(
    chance: Chance, members: tuple[int, ...], frame_bytes_max: int, impatient: bool
) -> list[ClientConfig]:
    deadline = chance.between(8, 40) if impatient else chance.between(60, 150)
    return [
        ClientConfig(
            endpoint=NODE_MAX + 1 + index,
            nodes=members,
            frame_bytes_max=frame_bytes_max,
            retry_ticks=chance.between(2, 6),
            deadline_ticks=deadline,
            outstanding_max=chance.choice((4, 50)),
        )
        for index in range(chance.between(1, 4))
    ]


def _draw_faults(
    options: Options, kinds: frozenset[str], chaos_ticks: int, first: int
) -> list[Fault]:
    present = [kind for kind in EVENT_KINDS if kind in kinds]
    faults: list[Fault] = []
    for position, kind in enumerate(EVENT_KINDS):
        if kind not in present:
            continue
        chance = stream(options.seed, streams.FAULT, position)
        for nth in range(chance.between(1, 5)):
            index = first + position * 10 + nth
            fault = Fault(
                index,
                kind,
                chance.below(chaos_ticks * TICK_UNITS),
                chance.between(1, 40) * TICK_UNITS * (5 if kind == "churn" else 1),
                chance.next(),
            )
            if index not in options.drop:
                faults.append(fault)
    return faults


def _draw_load(options: Options, plan: Plan, first: int) -> list[Submission]:
    chance = stream(options.seed, streams.LOAD)
    submissions: list[Submission] = []
    room = plan.frame_bytes_max - 400
    rush_units = chance.choice((100, 500, plan.chaos_units))
    for number in range(first, first + chance.between(10, 70)):
        at = chance.below(plan.chaos_units)
        at -= at % rush_units
        client = chance.below(len(plan.clients))
        count = chance.choice((1, 1, 1, 2, 4))
        pad = chance.choice((0, 0, 10, 60, 400))
        large = chance.happens(30)
        commands = []
        for part in range(count):
            name = b"%b%d.%d" % (LARGE if large else b"c", number, part)
            commands.append(name + b" " + b"." * min(pad, room))
        submissions.append(Submission(at, client, commands))
    if options.commands is not None:
        del submissions[options.commands :]
    return submissions
