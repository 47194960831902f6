"""A chaos run, from making the cluster to the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import pairwise
from random import Random
from time import monotonic
from typing import Any, Final

import trio

from paxos_core.config import Limits
from paxos_core.testing.linearize import MODELS, explain, write_history
from transports.node.cli.chaos.load import Load
from transports.node.cli.chaos.nemesis import Event, Nemesis
from transports.node.cli.chaos.network import LabNetwork, Network, NoNetwork
from transports.node.cli.chaos.timeline import draw
from transports.node.cli.chaos.verdict import Verdict, Wish
from transports.node.cli.demo_cluster import CONFIG_NAME, ProcessCluster
from transports.node.cli.demo_places import Place, make_place
from transports.node.cli.failures import Failure
from transports.node.client import Client, open_client
from transports.node.config import ClusterConfig, Scalar
from transports.node.config.text import to_toml
from transports.node.store.api import StoreIdentity
from transports.node.store.log_create import create_store

NODES: Final = (1, 2, 3)
TASKS: Final = 3
"""Of each client."""
START_SECONDS: Final = 180.0
"""Enough for an emulated machine, where a process begins slowly."""
AGREE_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 1.0
"""For a question to a node."""
TIMEOUT_SECONDS: Final = 3.0
"""After so long a client gives a command up."""
GLANCE_SECONDS: Final = 0.3
"""Likewise, when others can be asked."""
POLL_SECONDS: Final = 0.05
LIMITS: Final = Limits(log_bytes_max=64 << 10, log_keep_slots=32, page_bytes_max=4 << 10)
"""Far below the defaults: logs are trimmed within seconds, and a node that was away for a moment
needs a snapshot, after some seconds one of several pages."""
MACHINE: Final = "transports.node.cli.chaos.keys:Keys"
MODEL: Final = MODELS["kv"]


class Course:
    """One run. `verdict` is there also after a cancellation."""

    def __init__(self, wish: Wish, say: Callable[[str], None]) -> None:
        self.wish = wish
        self._say = say
        self._load = Load(Random(f"load {wish.seed}"))
        self._events: list[Event] = []
        self._faults: dict[str, int] = {}
        self._came_true: dict[str, int] = {}
        self._trims: dict[int, int] = {}
        self._fault = ""
        self._ended = 0.0

    async def run(self) -> None:
        """All of it. What fails is in the verdict; raises `Failure` if it cannot begin."""
        with ExitStack() as held:
            place, network = self._place(held)
            config = self._configure(place)
            prefixes: dict[int, list[str]] = {}

            def entering(node: int) -> Sequence[str]:
                return [*place.entering(node), *prefixes.get(node, ())]

            cluster = ProcessCluster(config, entering, machine=MACHINE)
            try:
                for node in NODES:
                    cluster.start(node, first=True)
                await self._in_company(cluster, config, prefixes, network)
            finally:
                cluster.close()

    def _place(self, held: ExitStack) -> tuple[Place, Network]:
        if not self.wish.laboratory:
            return make_place(self.wish.transport, NODES, held), NoNetwork()
        from transports.node.cli.lab.inside import inside
        from transports.node.cli.lab.network import open_network
        from transports.node.cli.lab.plan import addresses, entering, options

        plan, _claim = held.enter_context(open_network(NODES))
        held.enter_context(inside(plan.client.namespace))
        transport = self.wish.transport
        place = Place(
            addresses(plan, transport),
            options(transport),
            entering=lambda node: entering(plan.node(node).namespace),
        )
        return place, LabNetwork(plan)

    def _configure(self, place: Place) -> ClusterConfig:
        mode: dict[str, Scalar] = {} if self.wish.mode is None else {"mode": self.wish.mode}
        config = ClusterConfig(
            nodes=place.addresses,
            base=self.wish.directory,
            cluster="chaos",
            transport=self.wish.transport,
            transport_options={**place.options, **mode},
            core="c" if self.wish.core == "c" else "python",
            limits=LIMITS,
        )
        (self.wish.directory / CONFIG_NAME).write_text(to_toml(config), encoding="utf-8")
        for node in NODES:
            create_store(
                config.store_path(node), StoreIdentity(config.cluster_id, node, voting=True)
            )
        return config

    async def _in_company(
        self,
        cluster: ProcessCluster,
        config: ClusterConfig,
        prefixes: dict[int, list[str]],
        network: Network,
    ) -> None:
        async with (
            open_client(config, timeout=TIMEOUT_SECONDS) as first,
            open_client(config, timeout=TIMEOUT_SECONDS) as second,
        ):
            watch = _Watch(first)
            await self._begin(first, cluster)
            nemesis = Nemesis(
                cluster,
                NODES,
                self.wish.kinds,
                Random(f"nemesis {self.wish.seed}"),
                prefixes,
                network,
                lambda: watch.leader,
                watch.answers,
                self.wish.directory,
                self._say,
            )
            self._events, self._faults = nemesis.events, nemesis.faults
            self._came_true, self._trims = nemesis.came_true, watch.trims
            self._load.began = nemesis.began
            try:
                await self._storm(nemesis, watch, (first, second))
                if not self._fault:
                    await self._settle(nemesis, first, cluster)
                    await self._read_again((first, second))
            except Failure as failure:
                self._fault = str(failure)
            finally:
                self._ended = monotonic() - nemesis.began

    async def _begin(self, client: Client, cluster: ProcessCluster) -> None:
        with trio.move_on_after(START_SECONDS):
            while not all([await client.status(node, ANSWER_SECONDS) for node in NODES]):
                cluster.check()
                await trio.sleep(POLL_SECONDS)
            return
        raise Failure(f"not all nodes answered within {START_SECONDS:.0f} s")

    async def _storm(self, nemesis: Nemesis, watch: _Watch, clients: Sequence[Client]) -> None:
        self._say(f"{len(NODES)} nodes over {self.wish.transport}, seed {self.wish.seed}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            for client in clients:
                for _ in range(TASKS):
                    nursery.start_soon(self._load.work, client)
            try:
                with trio.move_on_after(self.wish.seconds):
                    await nemesis.run()
                await nemesis.heal()
                self._say(f"{monotonic() - nemesis.began:6.2f} s  all is healed")
                # Some answers of a cluster that is whole again.
                await trio.sleep(1.0)
            except Failure as failure:
                # Here: out of the nursery it would come in a group.
                self._fault = str(failure)
            self._load.stopped = True
            watch.stopped = True

    async def _settle(self, nemesis: Nemesis, client: Client, cluster: ProcessCluster) -> None:
        """All nodes apply the same log. Raises `Failure`."""
        with trio.move_on_after(AGREE_SECONDS):
            while True:
                cluster.check()
                found = [await client.status(node, ANSWER_SECONDS) for node in NODES]
                logs = {(s["applied"], s["digest"]) if s else None for s in found}
                if len(logs) == 1 and None not in logs:
                    return
                await trio.sleep(POLL_SECONDS)
        raise Failure(f"the nodes' logs were not the same {AGREE_SECONDS:.0f} s after the storm")

    async def _read_again(self, clients: Sequence[Client]) -> None:
        """Every key once more: equal logs say nothing of the states. Raises `Failure`."""
        # The keys are a small part of the operations, and so of the time that those took.
        most_seconds = AGREE_SECONDS + self.wish.seconds
        keys = iter(list(self._load.keys))
        with trio.move_on_after(most_seconds) as scope:
            async with trio.open_nursery() as nursery:
                for client in clients:
                    for _ in range(TASKS):
                        nursery.start_soon(self._load.read_again, client, keys)
        if scope.cancelled_caught:
            raise Failure(f"not every key could be read within {most_seconds:.0f} s of the storm")

    def note_failure(self, failure: Failure) -> None:
        """That the run ended by one: the verdict says so."""
        self._fault = str(failure)

    def judge(self, *, interrupted: bool = False) -> Verdict:
        """Check what clients saw, and leave history, events, picture and verdict behind."""
        verdict = Verdict(
            self.wish,
            self._load.recorder.finish(),
            dict(self._load.outcomes),
            dict(self._faults),
            dict(self._came_true),
            longest_silence(self._load.moments),
            sum(self._trims.values()),
            fault=self._fault,
            interrupted=interrupted,
        )
        if not verdict.answered and not self._fault and not interrupted:
            verdict.fault = "nothing was answered: nothing was tested"
        # First, because the check takes a while and a signal may end it.
        lines = "\n".join(write_history(verdict.history, MODEL))
        (self.wish.directory / "history.edn").write_text(lines + "\n", encoding="utf-8")
        verdict.window = explain(verdict.history, MODEL) if verdict.history else None
        self._leave(verdict)
        return verdict

    def _leave(self, verdict: Verdict) -> None:
        folder = self.wish.directory
        events = "".join(json.dumps(asdict(event)) + "\n" for event in self._events)
        (folder / "events.jsonl").write_text(events, encoding="utf-8")
        picture = draw(NODES, self._events, self._load.moments, self._ended)
        (folder / "timeline.svg").write_text(picture, encoding="utf-8")
        text = json.dumps(verdict.to_json(), indent=1, default=str)
        (folder / "verdict.json").write_text(text + "\n", encoding="utf-8")


class _Watch:
    """Knows who leads, as far as one can from outside."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.leader = 0
        self.stopped = False
        self.trims: dict[int, int] = {}
        """By node: how often it was seen to have trimmed its log, behind a snapshot."""
        self._first_slots: dict[int, int] = {}

    async def answers(self, node: int) -> bool:
        """Whether it does."""
        return await self._client.status(node, ANSWER_SECONDS) is not None

    async def run(self) -> None:
        """Ask now and then."""
        while not self.stopped:
            for node in NODES:
                status = await self._client.status(node, GLANCE_SECONDS)
                if status:
                    self._note(node, status)
            await trio.sleep(POLL_SECONDS)

    def _note(self, node: int, status: dict[str, Any]) -> None:
        if status["leader"]:
            self.leader = int(status["leader"])
        if status["first_slot"] > self._first_slots.get(node, 0):
            self._first_slots[node] = int(status["first_slot"])
            self.trims[node] = self.trims.get(node, 0) + 1


def longest_silence(moments: Sequence[float]) -> float:
    """Seconds; 0 for fewer than two answers."""
    return max((after - before for before, after in pairwise(moments)), default=0.0)
