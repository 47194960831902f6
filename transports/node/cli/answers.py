"""What nodes answer when they are asked, read with care: it comes from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

import trio

from transports.node.client import Client
from transports.node.questions import NodeSilent

Answers = Mapping[int, "NodeAnswer | None"]
"""Node -> its answer, or None if it gave none."""

Decided = tuple[int, list[bytes]]
"""(slot, its commands as the log has them)"""


@dataclass(frozen=True, slots=True)
class KernelCounters:
    """What the kernel module counts of a node's endpoint. Missing numbers are 0."""

    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int
    decisions: int
    """Slots decided there; 0 for a relay."""
    proposed: int
    dropped: Mapping[str, int]
    p50_us: float | None
    """From a proposal there to its decision, in microseconds; None if there was none."""
    p99_us: float | None
    mean_us: float | None


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """The part of a node's status that people want to see. Missing numbers are 0."""

    node: int
    role: str
    """``leader``, ``follower``, ``candidate``, or ``learner`` for a node that does not vote."""
    voting: bool
    leader: int
    ballot: str
    promised: str
    chosen: int
    applied: int
    first_slot: int
    digest: str
    sessions: int
    transport: str
    store: str
    dropped: Mapping[str, int]
    core: str
    """``python``, ``c`` or ``kernel``."""
    kernel: KernelCounters | None
    """None if the node does not use the kernel module."""

    @property
    def dropped_total(self) -> int:
        """Frames dropped, for whatever cause."""
        return sum(self.dropped.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_answer(node: int, status: Mapping[str, Any]) -> NodeAnswer:
    """The answer of `node`, whatever it sent."""
    voting = status.get("voting") is not False
    return NodeAnswer(
        node=node,
        role=_text(status, "role") if voting else "learner",
        voting=voting,
        leader=_number(status, "leader"),
        ballot=_text(status, "ballot"),
        promised=_text(status, "promised"),
        chosen=_number(status, "chosen"),
        applied=_number(status, "applied"),
        first_slot=_number(status, "first_slot"),
        digest=_text(status, "digest"),
        sessions=_number(status, "sessions"),
        transport=_text(status, "transport"),
        store=_text(status, "store"),
        dropped=_counts(status, "dropped"),
        core=_text(status, "core"),
        kernel=_read_kernel(status.get("kernel")),
    )


def _read_kernel(counters: object) -> KernelCounters | None:
    if not isinstance(counters, dict):
        return None
    latency = counters.get("latency_us")
    times = latency if isinstance(latency, dict) else {}
    return KernelCounters(
        frames_in=_number(counters, "frames_in"),
        frames_out=_number(counters, "frames_out"),
        bytes_in=_number(counters, "bytes_in"),
        bytes_out=_number(counters, "bytes_out"),
        packets_in=_number(counters, "packets_in"),
        packets_out=_number(counters, "packets_out"),
        decisions=_number(counters, "decisions"),
        proposed=_number(counters, "proposed"),
        dropped=_counts(counters, "dropped"),
        p50_us=_time(times, "p50"),
        p99_us=_time(times, "p99"),
        mean_us=_time(times, "mean"),
    )


async def ask(client: Client, nodes: Iterable[int], timeout: float) -> dict[int, NodeAnswer | None]:
    """Ask all `nodes` at once, and wait up to `timeout` seconds for each."""
    answers: dict[int, NodeAnswer | None] = dict.fromkeys(nodes)

    async def ask_one(node: int) -> None:
        status = await client.status(node, timeout)
        if status is not None:
            answers[node] = read_answer(node, status)

    async with trio.open_nursery() as nursery:
        for node in answers:
            nursery.start_soon(ask_one, node)
    return answers


async def read_log(
    client: Client, node: int, first: int, end: int, timeout: float
) -> list[Decided]:
    """The slots from `first` to below `end` of the log of `node`; fewer if it falls silent."""
    found: list[Decided] = []
    if first >= end:
        return found
    log = cast("AsyncGenerator[Decided, None]", client.log(node, first, timeout))
    async with aclosing(log) as decided:
        with suppress(NodeSilent):
            async for slot, commands in decided:
                if slot != first + len(found):
                    break
                found.append((slot, commands))
                if slot + 1 == end:
                    break
    return found


def agreed_leader(answers: Answers) -> int | None:
    """The node that leads and that a majority of all nodes, itself included, takes for leader."""
    present = [answer for answer in answers.values() if answer is not None]
    for answer in present:
        followers = sum(other.leader == answer.node for other in present)
        if answer.role == "leader" and 2 * followers > len(answers):
            return answer.node
    return None


def diverged(answers: Answers) -> tuple[int, int] | None:
    """Two nodes that applied equally much and not the same: must never be."""
    seen: dict[int, NodeAnswer] = {}
    for answer in answers.values():
        if answer is None:
            continue
        other = seen.setdefault(answer.applied, answer)
        if other.digest != answer.digest:
            return other.node, answer.node
    return None


def _number(status: Mapping[str, Any], name: str) -> int:
    value = status.get(name)
    return value if isinstance(value, int) else 0


def _counts(status: Mapping[str, Any], name: str) -> dict[str, int]:
    counts = status.get(name)
    return {
        str(cause): count
        for cause, count in (counts.items() if isinstance(counts, dict) else ())
        if isinstance(count, int)
    }


def _time(times: Mapping[str, Any], name: str) -> float | None:
    value = times.get(name)
    return float(value) if isinstance(value, int | float) else None


def _text(status: Mapping[str, Any], name: str) -> str:
    value = status.get(name)
    return value if isinstance(value, str) else "?"
