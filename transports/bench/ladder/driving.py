"""The engine's side of a client's protocol: gives it a job, reads the costs of its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from transports.bench.counters import Counters, cost, snapshot
from transports.bench.ladder.stands import Running
from transports.bench.places import Place
from transports.bench.processes import MeasureFailed
from transports.bench.saved.schema import LARGEST, Cell, Effort, Latency, ProcessCost, Sample
from transports.bench.wire import Message

SPARE_SECONDS: Final = 30.0
"""What a load may take beyond its own time: an election, draining."""
NS_PER_US: Final = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """What one load gave."""

    sample: Sample
    histogram: str
    """As HdrHistogram encodes it."""


async def drive(running: Running, cell: Cell, repeat: int, effort: Effort, place: Place) -> Figure:
    """Have the client of `running` do the load of `cell`. Raises `MeasureFailed`."""
    client, limit = running.client, effort.warm_seconds + effort.seconds + SPARE_SECONDS
    command_bytes = cell.command_bytes
    if command_bytes == LARGEST:
        command_bytes = running.command_bytes_max()
    job = {
        "load": msgspec.to_builtins(cell.load),
        "command_bytes": command_bytes,
        "warm_seconds": effort.warm_seconds,
        "seconds": effort.seconds,
    }
    await client.tell({"job": job})
    said = await client.read("measuring", limit)
    before = await _look(running, place, said["measuring"])
    said = await client.read("measured", limit)
    after = await _look(running, place, said["measured"])
    result = (await client.read("result", limit))["result"]
    return _figure(cell, repeat, command_bytes, result, before, after)


@dataclass(frozen=True, slots=True)
class _Look:
    counters: Counters
    told: Mapping[str, Message]


async def _look(running: Running, place: Place, said: Message) -> _Look:
    counters = snapshot(running.pids, place)
    told = dict(await running.ask())
    if said:
        told[client_role(running)] = said
    return _Look(counters, told)


def client_role(running: Running) -> str:
    """What the process that loads is called."""
    found = (role for role, pid in running.pids.items() if pid == running.client.pid)
    return next(found, "")


def _figure(
    cell: Cell, repeat: int, command_bytes: int, result: Message, before: _Look, after: _Look
) -> Figure:
    processes, softirq, frames, size = cost(before.counters, after.counters)
    processes = [
        _with_told(process, before.told, after.told, result["seconds"]) for process in processes
    ]
    sample = Sample(
        cell=cell.id,
        repeat=repeat,
        command_bytes=command_bytes,
        seconds=result["seconds"],
        commands=result["commands"],
        costed=result.get("costed", 0),
        per_second=result["commands"] / result["seconds"],
        latency=summarise(result["histogram"]),
        processes=processes,
        softirq_seconds=softirq,
        wire_frames=frames,
        wire_bytes=size,
        instrumented=any(process.parts_seconds for process in processes),
    )
    return Figure(sample, result["histogram"])


def _with_told(
    process: ProcessCost,
    before: Mapping[str, Message],
    after: Mapping[str, Message],
    seconds: float,
) -> ProcessCost:
    """With what a node says of itself: where its time went, and its syncs."""
    first, last = before.get(process.role), after.get(process.role)
    if first is None or last is None:
        return process
    begun = first["parts"]
    # A remainder may go back a little: it is the difference of several clocks.
    parts = {name: max(0.0, now - begun.get(name, 0)) for name, now in last["parts"].items()}
    # A node is asked a little after the window's ends, and answers when it gets to it: its
    # parts are those of its own time between the two answers, and are taken for the window's.
    own = sum(parts.values())
    parts = {name: took * seconds / own for name, took in parts.items()} if own else {}
    return msgspec.structs.replace(
        process, parts_seconds=parts, syncs=last["syncs"] - first["syncs"]
    )


def summarise(encoded: str) -> Latency:
    """The quantiles of an encoded histogram of nanoseconds. Raises `MeasureFailed`."""
    from hdrh.histogram import HdrHistogram

    try:
        histogram = HdrHistogram.decode(encoded)
    except Exception as error:  # whatever a cut or foreign text does to it
        raise MeasureFailed(f"a client gave no histogram: {error}") from error

    def at(percent: float) -> float:
        return float(histogram.get_value_at_percentile(percent)) / NS_PER_US

    return Latency(
        samples=histogram.get_total_count(),
        p50_us=at(50),
        p90_us=at(90),
        p99_us=at(99),
        p999_us=at(99.9),
        min_us=histogram.get_min_value() / NS_PER_US,
        max_us=histogram.get_max_value() / NS_PER_US,
    )
