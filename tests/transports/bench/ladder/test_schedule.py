"""The engine with stands that are made up: what fails is noted, and the rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bench_kit import encoded_histogram, make_head, make_sample

import transports.bench.ladder.schedule as schedule
from transports.bench.ladder.driving import Figure
from transports.bench.ladder.schedule import Clock, Engine, describe_left, run_turns
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import MeasureFailed
from transports.bench.saved.files import create_run, read_run
from transports.bench.saved.schema import Cell, Closed, Failure, Sample, Skip, Stand


def cell(layer: str, outstanding: int = 1) -> Cell:
    return Cell(layer=layer, rung="paxos", variant="python", load=Closed(outstanding=outstanding))


CELLS = [cell("tcp"), cell("tcp", 64), cell("udp"), cell("udp", 64)]


class FakeRunning:
    def __init__(self, kind: FakeKind, stand: Stand) -> None:
        self.kind = kind
        self.stand = stand

    async def settle(self) -> None:
        if self.stand.layer in self.kind.unsettled:
            raise MeasureFailed("the nodes' logs were not the same")


class FakeKind:
    """Fails where it is told to."""

    def __init__(self) -> None:
        self.closed: set[str] = set()
        self.unsettled: set[str] = set()
        self.failing: set[str] = set()
        self.missing: Mapping[str, str] = {}
        self.no_layer: Mapping[str, str] = {}
        self.opened: list[str] = []

    def unavailable(self, stand: Stand) -> str:
        return self.missing.get(stand.layer, "")

    @asynccontextmanager
    async def open(self, stand: Stand, ground: Ground) -> AsyncIterator[Any]:
        if stand.layer in self.closed:
            raise MeasureFailed("the port is taken")
        self.opened.append(stand.layer)
        yield FakeRunning(self, stand)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> FakeKind:
    kind = FakeKind()

    async def drive(running: Running, cell: Cell, repeat: int, *_: object) -> Figure:
        if cell.id in kind.failing:
            raise MeasureFailed("node 2 ended with signal 9")
        sample = make_sample(cell, repeat)
        return Figure(sample, encoded_histogram(sample))

    monkeypatch.setattr(schedule, "kind_of", lambda _stand: kind)
    monkeypatch.setattr(schedule, "why_unavailable", kind.unavailable)
    monkeypatch.setattr(schedule, "why_no_layer", lambda layer: kind.no_layer.get(layer, ""))
    monkeypatch.setattr(schedule, "drive", drive)
    return kind


async def run(folder: Path, repeats: int = 2) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    with create_run(folder, make_head(CELLS, repeats)) as writer:
        await run_turns(Engine(writer, folder, said.append), set())
    return read_run(folder).entries, said


async def test_every_cell_has_a_figure_in_each_repeat(tmp_path: Path, kind: FakeKind) -> None:
    entries, said = await run(tmp_path / "run")
    assert [(e.cell, e.repeat) for e in entries] == [(c.id, n) for n in (0, 1) for c in CELLS]
    assert kind.opened == ["tcp", "udp", "tcp", "udp"]
    assert said[0].startswith("1/4  tcp.paxos.python.3, repeat 1 of 2  (about ")


async def test_a_stand_that_does_not_start_is_noted_and_the_rest_goes_on(
    tmp_path: Path, kind: FakeKind
) -> None:
    kind.closed = {"tcp"}
    entries, _said = await run(tmp_path / "run", 1)
    failures = [(e.cell, e.reason) for e in entries if isinstance(e, Failure)]
    assert failures == [(c.id, "the port is taken") for c in CELLS[:2]]
    assert [e.cell for e in entries if isinstance(e, Sample)] == [c.id for c in CELLS[2:]]


async def test_a_node_that_dies_costs_the_loads_from_then_on(
    tmp_path: Path, kind: FakeKind
) -> None:
    kind.failing = {CELLS[1].id}
    entries, said = await run(tmp_path / "run", 1)
    assert [type(e).__name__ for e in entries] == ["Failure", "Sample", "Sample", "Sample"]
    assert "failed: tcp.paxos.python.3.closed-64.64B: node 2 ended with signal 9" in said


async def test_figures_of_a_cluster_that_disagrees_are_never_kept(
    tmp_path: Path, kind: FakeKind
) -> None:
    kind.unsettled = {"udp"}
    entries, _said = await run(tmp_path / "run", 1)
    assert [e.cell for e in entries if isinstance(e, Sample)] == [c.id for c in CELLS[:2]]
    assert [e.cell for e in entries if isinstance(e, Failure)] == [c.id for c in CELLS[2:]]


async def test_what_cannot_run_is_said_once(tmp_path: Path, kind: FakeKind) -> None:
    kind.missing = {"udp": "no such socket: take another system"}
    entries, said = await run(tmp_path / "run")
    skips = [e for e in entries if isinstance(e, Skip)]
    assert skips == [
        Skip(subject="udp.paxos.python.3", reason="no such socket: take another system")
    ]
    assert sum("left out" in line for line in said) == 1
    assert kind.opened == ["tcp", "tcp"]


async def test_a_layer_that_is_not_there_is_said_once(tmp_path: Path, kind: FakeKind) -> None:
    kind.no_layer = {"udp": "no module: load it"}
    entries, _said = await run(tmp_path / "run")
    assert [e for e in entries if isinstance(e, Skip)] == [
        Skip(subject="udp", reason="no module: load it")
    ]
    assert kind.opened == ["tcp", "tcp"]


async def test_a_resumed_run_measures_only_what_is_missing(tmp_path: Path, kind: FakeKind) -> None:
    with create_run(tmp_path / "run", make_head(CELLS, 1)) as writer:
        engine = Engine(writer, tmp_path, lambda _text: None)
        await run_turns(engine, {(c.id, 0) for c in CELLS[:3]})
    assert [e.cell for e in read_run(tmp_path / "run").entries] == [CELLS[3].id]
    assert kind.opened == ["udp"]


def test_the_time_left_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("transports.bench.ladder.schedule.time.monotonic", lambda: now)
    clock = Clock(40.0)
    assert clock.left_seconds() == 40.0
    now = 120.0
    clock.done(10.0)
    assert clock.left_seconds() == 60.0
    assert describe_left(60.0) == "about 60 s left"
    assert describe_left(600.0) == "about 10 min left"
