"""The course of the demo, from the first start to the last comparison."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import trio

from transports.node.cli.answers import (
    Answers,
    Decided,
    NodeAnswer,
    agreed_leader,
    ask,
    read_log,
)
from transports.node.cli.demo_check import find_fault
from transports.node.cli.demo_cluster import DemoCluster
from transports.node.cli.demo_load import Load, command
from transports.node.cli.demo_report import Narrator, Report
from transports.node.cli.failures import Failure
from transports.node.client import Client, open_client
from transports.node.config import ClusterConfig

PHASE_SECONDS: Final = 120.0
"""The longest that any step may take, on the slowest machine."""
ASK_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.03
READ_SECONDS: Final = 5.0

_T = TypeVar("_T")


class Demo:
    """One run."""

    def __init__(
        self, cluster: DemoCluster, config: ClusterConfig, client: Client, load: Load,
        narrator: Narrator,
    ) -> None:  # fmt: skip
        self.answers: Answers = dict.fromkeys(config.nodes)
        self.first_leader: int | None = None
        self.second_leader: int | None = None
        self._cluster = cluster
        self._config = config
        self._client = client
        self._load = load
        self._say = narrator.say
        self._count = narrator.count

    async def run(self) -> str | None:
        """The whole course; returns the fault, or None. Raises `Failure` if a step does not end."""
        await self._start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._load.run, self._client)
            killed = await self._kill_leader()
            await self._restart(killed)
            await self._wait("all commands have an outcome", self._all_ended)
            nursery.cancel_scope.cancel()
        agreed = await self._wait("all nodes have applied the same", self._all_alike)
        self._say(f"all nodes have applied {next(iter(agreed.values())).applied} slots")
        return await self._compare(agreed)

    async def _start(self) -> None:
        config, cluster = self._config, self._cluster
        start = f"three nodes{_core(config)} start as {cluster.how}"
        self._say(f"{start}, over {config.transport}, {_store(config)}")
        for node in config.nodes:
            cluster.start(node, first=True)
        leader = await self._wait("a leader is elected", self._leader_of_all)
        self._say(f"node {leader} leads")

    async def _kill_leader(self) -> int:
        load = self._load
        await self._wait("the first half of the commands is done", self._halved)
        self.first_leader = await self._wait("a leader is there", self._leader)
        # The second half begins just before, so that commands are on their way at the kill.
        load.resume()
        await load.loaded.wait()
        await trio.lowlevel.checkpoint()
        await self._cluster.kill(self.first_leader)
        self._say(
            f"{load.half} of {load.commands} commands are done; "
            f"node {self.first_leader}, the leader, is {self._cluster.killing}"
        )
        return self.first_leader

    async def _restart(self, killed: int) -> None:
        self.second_leader = await self._wait("another leader is elected", self._other_leader)
        self._say(f"node {self.second_leader} leads")
        self._cluster.start(killed, first=False)
        if self._config.store == "durable":
            self._say(f"node {killed} starts again on its store")
        else:
            self._say(
                f"node {killed} starts again, its promises forgotten: it learns, and does not vote"
            )

    async def _compare(self, agreed: Mapping[int, NodeAnswer]) -> str | None:
        logs: dict[int, list[Decided]] = {}
        for node, answer in agreed.items():
            logs[node] = await read_log(self._client, node, 0, answer.applied, READ_SECONDS)
        load = self._load
        numbers = range(load.commands)
        self._say("the three logs are read and compared with what the client was told")
        return find_fault(
            agreed,
            logs,
            [command(number) for number in numbers],
            [load.outcomes[number] for number in numbers],
        )

    # What is waited for: each returns None for "not yet"

    async def _wait(self, what: str, look: Callable[[], Awaitable[_T | None]]) -> _T:
        """Look until there is something. Raises `Failure` if there never is, or a node ends."""
        with trio.move_on_after(PHASE_SECONDS):
            while True:
                self._cluster.check()
                self._count(len(self._load.outcomes))
                found = await look()
                if found is not None:
                    return found
                await trio.sleep(POLL_SECONDS)
        raise Failure(f"{PHASE_SECONDS:.0f} s passed before {what}")

    async def _ask(self) -> Answers:
        self.answers = await ask(self._client, self._config.nodes, ASK_SECONDS)
        return self.answers

    async def _leader(self) -> int | None:
        return agreed_leader(await self._ask())

    async def _leader_of_all(self) -> int | None:
        answers = await self._ask()
        leader = agreed_leader(answers)
        return leader if all(a and a.leader == leader for a in answers.values()) else None

    async def _other_leader(self) -> int | None:
        survivors = [node for node in self._config.nodes if node != self.first_leader]
        asked = await ask(self._client, survivors, ASK_SECONDS)
        return agreed_leader({**dict.fromkeys(self._config.nodes), **asked})

    async def _halved(self) -> bool | None:
        return self._load.halved.is_set() or None

    async def _all_ended(self) -> bool | None:
        return self._load.ended.is_set() or None

    async def _all_alike(self) -> dict[int, NodeAnswer] | None:
        answers = await self._ask()
        leader = agreed_leader(answers)
        present = {node: answer for node, answer in answers.items() if answer is not None}
        states = {(a.chosen, a.applied, a.digest, a.leader) for a in present.values()}
        alike = len(present) == len(answers) and len(states) == 1
        # Everything known to be chosen is applied as well: nothing is about to change.
        quiet = all(a.chosen == a.applied for a in present.values())
        return present if leader is not None and alike and quiet else None


def _core(config: ClusterConfig) -> str:
    """What decides in the nodes, where it is not the default."""
    if config.kernel_replica:
        return " with their core in the kernel"
    return " with the C core" if config.core == "c" else ""


def _store(config: ClusterConfig) -> str:
    return "with durable stores" if config.store == "durable" else "in memory"


async def run_demo(
    cluster: DemoCluster, config: ClusterConfig, commands: int, narrator: Narrator
) -> Report:
    """Run the demo. What fails on the way is in the report, with what was seen until then."""
    load = Load(commands)
    async with open_client(config) as client:
        demo = Demo(cluster, config, client, load, narrator)
        try:
            fault = await demo.run()
        except* Failure as failures:
            fault = first_message(failures)
    return Report(
        config.transport,
        config.store,
        load,
        demo.answers,
        demo.first_leader,
        demo.second_leader,
        fault,
    )


def first_message(group: BaseExceptionGroup[Failure]) -> str:
    """The message of the first failure, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
