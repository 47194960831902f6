"""What a pair starts from, and one input of it: plain data, so that it can be cut and printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paxos_core import Codec, DecodeError, Limits, QuorumSystem, ReplicaConfig, Timing
from paxos_core.proposer import OPEN_SLOTS_MIN

CLUSTER = 0x51

Step = tuple[str, int, bytes]
"""(what, number, bytes): ("frame", sender, frame), ("tick", 0, b""), ("propose", 0, command),
("persisted", write id, b""), ("take", 0, b""), ("compact", slot, data)."""

TICK: Step = ("tick", 0, b"")
TAKE: Step = ("take", 0, b"")


@dataclass(frozen=True, slots=True)
class Setup:
    """A replica's configuration and records, and the bounds that Python has as constants."""

    config: ReplicaConfig
    records: tuple[bytes, ...] = ()
    open_slots_max: int = OPEN_SLOTS_MIN
    log_slots_max: int = 1 << 14
    memory_bytes: int = 4 << 20
    """Over the least that the twin wants."""


def make_config(
    node: int,
    members: Sequence[int],
    quorums: tuple[int, int],
    timing: tuple[int, ...],
    limits: tuple[int, ...],
    **rest: int | bool,
) -> ReplicaConfig:
    """A configuration from plain numbers, as `script` prints it."""
    system = QuorumSystem(members, *quorums)
    return ReplicaConfig(node, system, timing=Timing(*timing), limits=Limits(*limits), **rest)  # type: ignore[arg-type]


def script(setup: Setup, steps: Sequence[Step]) -> str:
    """A program that repeats `steps`; to be run from the project's directory."""
    config, quorums = setup.config, setup.config.quorums
    timing = tuple(getattr(config.timing, name) for name in config.timing.__slots__)
    limits = tuple(getattr(config.limits, name) for name in config.limits.__slots__)
    lines = [
        "from tests.differential.pair import Pair",
        "from tests.differential.setup import Setup, make_config",
        "",
        f"config = make_config({config.node}, {quorums.members},",
        f"    ({quorums.phase1}, {quorums.phase2}), {timing}, {limits},",
        f"    frame_bytes_max={config.frame_bytes_max}, seed={config.seed}, "
        f"voting={config.voting})",
        "records = (",
        *(f"    bytes.fromhex('{record.hex()}')," for record in setup.records),
        ")",
        f"pair = Pair(Setup(config, records, {setup.open_slots_max}, {setup.log_slots_max}, "
        f"{setup.memory_bytes}))",
        *(line_of(step) for step in steps),
    ]
    return "\n".join(lines) + "\n"


def line_of(step: Step) -> str:
    """One input as a line of the program."""
    what, number, data = step
    match what:
        case "frame":
            return f"pair.frame({number}, bytes.fromhex('{data.hex()}'))  # {_what_frame(data)}"
        case "propose":
            return f"pair.propose(bytes.fromhex('{data.hex()}'))"
        case "persisted":
            return f"pair.persisted({number})"
        case "compact":
            return f"pair.compact({number}, bytes.fromhex('{data.hex()}'))"
    return f"pair.{what}()"


def _what_frame(frame: bytes) -> str:
    try:
        sender, message = Codec(CLUSTER, 1).decode(frame)
    except DecodeError as error:
        return str(error)
    text = repr(message)
    return f"{sender}: {text if len(text) < 160 else text[:160] + '...'}"
