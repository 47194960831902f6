"""The layers that are compared, and the plan of a run over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from transports.bench import measure, trace
from transports.bench.cluster import Setup
from transports.bench.floor import floor
from transports.bench.measure import Effort
from transports.bench.places import Place
from transports.bench.rows import Series
from transports.bench.run import OVERHEAD_SECONDS, Measure, Step

FULL: Final = Effort(repeats=5, warm_seconds=1.0, seconds=4.0, kills=0)
QUICK: Final = Effort(repeats=2, warm_seconds=0.3, seconds=1.2, kills=0)
TRACE_SECONDS_MAX: Final = 2.0
FLOOR_SECONDS: Final = 1.0
"""What starting and ending the floor's processes takes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the comparison."""

    id: str
    transport: str
    """As a configuration names it."""
    title: str
    veth: bool = False


LAYERS: Final = {
    layer.id: layer
    for layer in (
        Layer("tcp", "tcp", "TCP, loopback"),
        Layer("udp", "udp", "UDP, loopback"),
        Layer("zeromq", "zeromq", "ZeroMQ over TCP, loopback"),
        Layer("tcp-veth", "tcp", "TCP, veth", veth=True),
        Layer("udp-veth", "udp", "UDP, veth", veth=True),
        Layer("ethernet-veth", "ethernet", "Ethernet, veth", veth=True),
    )
}


@dataclass(slots=True)
class LayerResults:
    """What was measured of one layer, or why it was not."""

    latency: Series = field(default_factory=Series)
    floor: Series = field(default_factory=Series)
    throughput: Series = field(default_factory=Series)
    calls: Series = field(default_factory=Series)
    skipped: str = ""
    """Why nothing of it was measured; empty if it was."""
    calls_skipped: str = ""

    def series(self) -> Mapping[str, Series]:
        """All of them, by what people call them."""
        return {
            "one outstanding": self.latency,
            "floor": self.floor,
            "1,024 outstanding": self.throughput,
            "system calls": self.calls,
        }


Results = dict[str, LayerResults]
"""By the id of the layer."""


def has_failed(results: Results) -> bool:
    """Whether anything that was tried has no figure."""
    return any(series.failures for layer in results.values() for series in layer.series().values())


def make_plan(setup: Setup, effort: Effort, results: Results, veth: Place | None) -> list[Step]:
    """The steps in order: in each repeat all layers alone with their floors, then all loaded.

    System calls are counted once, at the end, and not in figures of time.
    """
    timed = effort.window_seconds + OVERHEAD_SECONDS
    setups: dict[str, Setup] = {}
    for name, result in results.items():
        place = veth if LAYERS[name].veth else setup.place
        if not result.skipped and place is not None:
            setups[name] = replace(setup, transport=LAYERS[name].transport, place=place)

    def step(name: str, what: str, series: Series, how: Measure, seconds: float) -> Step:
        return Step(f"{LAYERS[name].title}: {what}", series, how, seconds)

    steps: list[Step] = []
    for _ in range(effort.repeats):
        for name, own in setups.items():
            result = results[name]
            alone = partial(measure.latency, own, effort, "memory")
            below = partial(floor, own, effort)
            steps.append(step(name, "one outstanding", result.latency, alone, timed))
            seconds = effort.window_seconds + FLOOR_SECONDS
            steps.append(step(name, "its floor", result.floor, below, seconds))
        for name, own in setups.items():
            loaded = partial(measure.throughput, own, effort, "memory")
            series = results[name].throughput
            steps.append(step(name, "1,024 outstanding", series, loaded, timed))
    brief = replace(effort, seconds=min(effort.seconds, TRACE_SECONDS_MAX))
    for name, own in setups.items():
        if not results[name].calls_skipped:
            traced = partial(trace.system_calls, own, brief)
            series = results[name].calls
            steps.append(step(name, "system calls", series, traced, timed))
    return steps
