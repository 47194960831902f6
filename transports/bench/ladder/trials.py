"""What is measured beside the cells: a leader killed under load, system calls, memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from time import monotonic_ns
from typing import Final

import trio

from transports.bench.cluster import START_SECONDS, Cluster, open_cluster
from transports.bench.ladder.driving import drive
from transports.bench.ladder.kinds import kind_of
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.paxos import ask_leader, make_setup, open_load_client
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import MeasureFailed, Worker, open_worker, resident_kib
from transports.bench.saved.schema import (
    Calls,
    Cell,
    Closed,
    Effort,
    Entry,
    Failover,
    Growth,
    Stand,
)
from transports.bench.trace import counted_calls, unavailable
from transports.bench.worker_timeline import BUCKET_NS

TRIALS: Final = ("failover", "calls", "growth")
FAILOVER_SECONDS: Final = 4.0
KILL_AFTER_SECONDS: Final = 1.0
RESTART_AFTER_SECONDS: Final = 1.5
FAILOVER_OUTSTANDING: Final = 64
CALLS_LOADS: Final = (1, 1024)
CALLS_SECONDS: Final = 0.6
GROWTH_COMMANDS: Final = (200_000, 2_000_000)
GROWTH_LOADS_MAX: Final = 400
NS: Final = 1_000_000_000
MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Trial:
    """One of them, on one layer."""

    kind: str
    layer: str
    outstanding: int = 0

    @property
    def id(self) -> str:
        """Its name in a head: ``failover.tcp``, ``calls.tcp.64``."""
        end = f".{self.outstanding}" if self.outstanding else ""
        return f"{self.kind}.{self.layer}{end}"

    @property
    def seconds(self) -> float:
        """About what it takes."""
        return {"failover": FAILOVER_SECONDS + 4, "calls": 4.0, "growth": 25.0}[self.kind]

    def unavailable(self) -> str:
        """Why it cannot run here, though its layer can; empty if it can."""
        if LAYERS[self.layer].one_process and self.kind == "failover":
            return "nodes and client are one process: none of them can be killed alone"
        return (unavailable() or "") if self.kind == "calls" else ""


def plan_trials(kinds: Iterable[str], layers: Iterable[str]) -> list[Trial]:
    """In the order in which they are taken. Growth is that of one layer: nodes are the same."""
    chosen = list(layers)
    trials: list[Trial] = []
    for kind in kinds:
        if kind == "calls":
            trials += [Trial(kind, layer, number) for number in CALLS_LOADS for layer in chosen]
        elif kind == "growth":
            trials += [Trial(kind, layer) for layer in chosen if not LAYERS[layer].one_process][:1]
        else:
            trials += [Trial(kind, layer) for layer in chosen]
    return trials


def read_trial(name: str) -> Trial:
    """The trial of this id."""
    kind, layer, *rest = name.split(".")
    return Trial(kind, layer, int(rest[0]) if rest else 0)


async def take_trial(trial: Trial, ground: Ground) -> Entry:
    """Measure it. Raises `MeasureFailed`."""
    match trial.kind:
        case "failover":
            return await _failover(trial, ground)
        case "calls":
            return await _calls(trial, ground)
        case "growth":
            return await _growth(trial, ground)
    raise AssertionError(f"no trial is called {trial.kind}")


def _variant(layer: str) -> str:
    return "kernel" if layer == "kmod-replica" else "python"


async def _failover(trial: Trial, ground: Ground) -> Failover:
    stand = Stand(trial.layer, "durable", _variant(trial.layer), 3)
    async with open_cluster(make_setup(stand, ground), "durable") as cluster:
        words = (str(cluster.path), str(FAILOVER_OUTSTANDING), str(FAILOVER_SECONDS))
        async with (
            open_load_client(cluster) as (control, _largest),
            # After that one's first command: the load counts all that the journal counts.
            _client(cluster, "worker_timeline", "load", *words) as load,
        ):
            leader = await ask_leader(control)
            await load.read("running", START_SECONDS)
            await trio.sleep(KILL_AFTER_SECONDS)
            killed_ns = monotonic_ns()
            await cluster.kill(leader)
            await load.tell({"killed_ns": killed_ns})
            await trio.sleep(RESTART_AFTER_SECONDS)
            await cluster.start((leader,), first=False)
            restarted_ns = monotonic_ns()
            limit = FAILOVER_SECONDS + START_SECONDS + 20
            result = (await load.read("result", limit))["result"]
            await control.tell({"agree": START_SECONDS})
            await control.read("agreed", 2 * START_SECONDS)
    begin_ns = result["begin_ns"]
    return Failover(
        layer=trial.layer,
        variant=stand.variant,
        bucket_ms=BUCKET_NS / MS,
        answers=result["answers"],
        killed_ms=(killed_ns - begin_ns) / MS,
        restarted_ms=(restarted_ns - begin_ns) / MS,
        pause_seconds=(result["answered_ns"] - killed_ns) / NS,
    )


def _client(
    cluster: Cluster, module: str, name: str, *words: str
) -> AbstractAsyncContextManager[Worker]:
    return open_worker(
        module,
        *words,
        name=name,
        errors=cluster.directory / f"{name}.err",
        entering=cluster.setup.place.entering(None),
    )


async def _calls(trial: Trial, ground: Ground) -> Calls:
    cell = Cell(
        layer=trial.layer,
        rung="paxos",
        variant=_variant(trial.layer),
        load=Closed(outstanding=trial.outstanding),
    )
    effort = Effort(repeats=1, warm_seconds=0.0, seconds=CALLS_SECONDS, instrument=False)
    kind = kind_of(cell.stand)
    assert kind is not None, "every layer has the rung with Paxos"
    ground = replace(ground, effort=effort)
    async with kind.open(cell.stand, ground) as running:
        # A load before the counted one: the first fills caches and opens connections.
        await drive(running, cell, 0, effort, ground.place)
        async with counted_calls(running.pids, ground.directory) as counted:
            figure = await drive(running, cell, 0, effort, ground.place)
        await running.settle()
        return Calls(cell=cell.id, commands=figure.sample.commands, by_role=counted)


async def _growth(trial: Trial, ground: Ground) -> Growth:
    cell = Cell(layer=trial.layer, rung="paxos", variant="python", load=Closed(outstanding=1024))
    kind = kind_of(cell.stand)
    assert kind is not None, "every layer has the rung with Paxos"
    async with kind.open(cell.stand, ground) as running:
        counts: list[int] = []
        sizes: list[list[int]] = []
        total = 0
        for goal in GROWTH_COMMANDS:
            for _ in range(GROWTH_LOADS_MAX):
                if total >= goal:
                    break
                total += (
                    await drive(running, cell, 0, ground.effort, ground.place)
                ).sample.commands
            await running.settle()
            counts.append(total)
            sizes.append([resident_kib(pid) for pid in _nodes(running)])
    if counts[1] < GROWTH_COMMANDS[1]:
        raise MeasureFailed(f"only {counts[1]:,} commands were done in the time there is")
    return Growth(
        layer=trial.layer, few=counts[0], many=counts[1], few_kib=sizes[0], many_kib=sizes[1]
    )


def _nodes(running: Running) -> Iterator[int]:
    roles: Mapping[str, int] = running.pids
    return (pid for role, pid in roles.items() if role != "client")


__all__ = ["TRIALS", "Trial", "plan_trials", "read_trial", "take_trial"]
