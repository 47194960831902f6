"""The tutorial of a service is followed to the letter: its files, its commands, their output."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from json import loads
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks_of
from transports.testing import free_tcp_addresses

PAGE = ROOT / "docs" / "tutorials" / "service.md"
PAXOS = [sys.executable, "-m", "transports.node.cli"]
NODES = (1, 2, 3)
TRIES = 60


def told(number: int) -> list[tuple[str, str]]:
    """The commands of a page's console block, each with what stands below it."""
    parts = re.split(r"^\$ paxos (.*)\n", blocks_of(PAGE, "console")[number].text, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


class Cluster:
    """The three terminals of the tutorial."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def paxos(self, arguments: str) -> str:
        """What `paxos` prints. Raises `CalledProcessError`."""
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', arguments)]
        done = subprocess.run(
            [*PAXOS, *words], cwd=self.directory, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self) -> None:
        """All three, and wait until they have a leader: a busy machine may take its time."""
        for node in NODES:
            with (self.directory / f"node-{node}.log").open("ab") as log:
                self.running[node] = subprocess.Popen(
                    [*PAXOS, "node", str(node), "--machine", "todo:Todo", "--stop-with-stdin"],
                    cwd=self.directory,
                    stdin=subprocess.PIPE,
                    stderr=log,
                )
        for _ in range(TRIES):
            if self.leader():
                return
        raise AssertionError((self.directory / "node-1.log").read_text())

    def leader(self) -> int | None:
        command = [*PAXOS, "status", "--output", "json"]
        done = subprocess.run(command, cwd=self.directory, stdout=subprocess.PIPE, check=False)
        found: int | None = loads(done.stdout)["leader"]
        return found

    def kill(self, node: int) -> None:
        process = self.running.pop(node)
        process.kill()
        process.communicate()

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.communicate()
        self.running.clear()


@contextmanager
def cluster_in(directory: Path) -> Iterator[Cluster]:
    cluster = Cluster(directory)
    try:
        yield cluster
    finally:
        cluster.stop()


def follow(cluster: Cluster, number: int) -> None:
    for arguments, output in told(number):
        assert cluster.paxos(arguments) == output


def put_on_free_ports(config: Path, transport: str) -> None:
    """The example's ports may be taken on this machine."""
    text = config.read_text().replace('transport = "tcp"', f'transport = "{transport}"')
    head = text.partition("[nodes]")[0]
    ports = free_tcp_addresses(len(NODES))
    lines = [f'{node} = "{address}"' for node, address in ports.items()]
    config.write_text(head + "[nodes]\n" + "\n".join(lines) + "\n")


@pytest.mark.slow
def test_the_service_of_the_tutorial(tmp_path: Path) -> None:
    (tmp_path / "todo.py").write_text(blocks_of(PAGE, "python")[0].text)
    config = tmp_path / "paxos.toml"
    with cluster_in(tmp_path) as cluster:
        (example, made), (stores, _) = told(0)
        assert cluster.paxos(example) == made
        put_on_free_ports(config, "tcp")
        cluster.paxos(stores)
        cluster.start()
        follow(cluster, 2)
        leader = cluster.leader()
        assert leader is not None
        cluster.kill(leader)
        follow(cluster, 4)
        cluster.stop()
        put_on_free_ports(config, "udp")
        cluster.start()
        follow(cluster, 6)
