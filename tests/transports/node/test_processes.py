"""Real processes, killed with SIGKILL in any order under load: nothing acknowledged is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from clusters import make_config
from native_kit import need_compiler

from paxos_core.session import decode_group
from transports.node import Client, ClientError, ClusterConfig, open_client
from transports.node.config import to_toml

ROUNDS = 8


class Processes:
    """The nodes of a configuration, each a `paxos node` process."""

    def __init__(self, config: ClusterConfig, path: Path, cores: Callable[[], str]) -> None:
        """`cores` says which core a node that starts shall have."""
        self.config = config
        self._path = path
        self._cores = cores
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, node: int) -> None:
        words = ["node", str(node), "--config", str(self._path), "--core", self._cores()]
        self._running[node] = subprocess.Popen(
            [sys.executable, "-m", "transports.node.cli", *words]
        )

    def kill(self, node: int) -> None:
        process = self._running.pop(node)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the node had ended by itself"

    def terminate(self, node: int) -> int:
        process = self._running.pop(node)
        process.send_signal(signal.SIGTERM)
        return process.wait()

    def kill_all(self) -> None:
        for node in list(self._running):
            self._running.pop(node).kill()


async def read_log(client: Client, node: int) -> list[bytes]:
    """The commands in the order of their application.

    A group that a client sent again to a new leader may be in the log twice: the first counts.
    """
    groups = [
        decode_group(command)
        async for _, commands in client.log(node, timeout=10)
        for command in commands
    ]
    first = {(group[0], group[2]): group[3] for group in reversed(groups) if group is not None}
    kept = [(group[0], group[2]) for group in groups if group is not None]
    return [command for key in dict.fromkeys(kept) for command in first[key]]


async def wait_until_equal(client: Client, config: ClusterConfig) -> None:
    with trio.fail_after(60):
        while True:
            statuses = [await client.status(node) for node in config.nodes]
            if all(statuses) and len({s["digest"] for s in statuses if s}) == 1:
                return
            await trio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "cores"), [(1, ["python"]), (2, ["python"]), (3, ["c"]), (4, ["python", "c"])]
)
async def test_killed_in_any_order_under_load(tmp_path: Path, seed: int, cores: list[str]) -> None:
    """With two cores, a node that starts again may be of the other one, on the same store."""
    if "c" in cores:
        need_compiler()
    chance = random.Random(seed)
    config = make_config(tmp_path, transport="tcp", store="durable")
    path = tmp_path / "paxos.toml"
    path.write_text(to_toml(config))
    processes = Processes(config, path, lambda: chance.choice(cores))
    acknowledged: set[bytes] = set()
    unknown: set[bytes] = set()

    async def load(client: Client, worker: int) -> None:
        number = 0
        while True:
            number += 1
            command = b"%d.%d" % (worker, number)
            unknown.add(command)
            try:
                await client.submit(command)
            except ClientError:
                continue
            unknown.discard(command)
            acknowledged.add(command)

    try:
        for node in config.nodes:
            processes.start(node)
        async with open_client(config, timeout=20) as client:
            async with trio.open_nursery() as nursery:
                for worker in range(16):
                    nursery.start_soon(load, client, worker)
                for _ in range(ROUNDS):
                    before = len(acknowledged)
                    with trio.fail_after(60):
                        while len(acknowledged) < before + 200:
                            await trio.sleep(0.02)
                    victims = chance.sample(sorted(config.nodes), chance.randint(1, 3))
                    for node in victims:
                        processes.kill(node)
                    for node in chance.sample(victims, len(victims)):
                        processes.start(node)
                nursery.cancel_scope.cancel()
            # What was on its way when the load ended is sent until it is answered.
            with trio.fail_after(60):
                while client._core.outstanding:
                    await trio.sleep(0.02)
            applied = int(await client.submit(b"last"))
            acknowledged.add(b"last")
            await wait_until_equal(client, config)
            logs = [await read_log(client, node) for node in config.nodes]
        assert [processes.terminate(node) for node in config.nodes] == [0, 0, 0]
    finally:
        processes.kill_all()
    assert logs[0] == logs[1] == logs[2]
    times = Counter(logs[0])
    # The journal counts what it applies.
    assert len(logs[0]) == applied, "a command was applied twice, or left out"
    assert max(times.values()) == 1, "a command was applied twice"
    assert acknowledged <= times.keys(), "an acknowledged command was lost"
    assert times.keys() <= acknowledged | unknown, "a command came from nowhere"
