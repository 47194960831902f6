"""Two processes with one identity: on one store, at one address, and as two machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import own_network
import pytest
from cli_cases import Cluster, wait_until_said

from transports.node.cli import main
from transports.testing import free_tcp_addresses


@contextmanager
def second_machine(cluster: Cluster, node: int, address: str | None) -> Iterator[Cluster]:
    """The same cluster with a copy of the stores, as a machine has it where `node` is elsewhere."""
    other = cluster.directory / "other"
    other.mkdir()
    lines = cluster.config.read_text().splitlines()
    if address is not None:
        lines = [f'{node} = "{address}"' if it.startswith(f"{node} = ") else it for it in lines]
    with Cluster(other, transport=cluster.transport) as second:
        second.config.write_text("\n".join(lines) + "\n")
        shutil.copytree(cluster.directory / "data", other / "data")
        yield second


def elsewhere(transport: str) -> str:
    scheme = "tcp://" if transport == "zeromq" else ""
    return scheme + next(iter(free_tcp_addresses(1).values()))


def complaint(cluster: Cluster, node: int) -> str:
    """What the process, which has ended with status 1, said for people: one line, the last."""
    assert cluster.wait(node) == 1
    said = cluster.said(node).splitlines()
    (line,) = [line for line in said if line.startswith("paxos: ")]
    assert line == said[-1]
    return line


@pytest.mark.slow
def test_on_one_store_the_second_does_not_start(paxos, home: Path) -> None:
    with Cluster(home) as cluster:
        cluster.start_all()
        with second_machine(cluster, 1, elsewhere("tcp")) as second:
            shutil.rmtree(second.directory / "data")
            (second.directory / "data").symlink_to(home / "data")
            second.start(1)
            assert "another process holds this store; stop that node first" in complaint(second, 1)
        assert paxos("submit", "undisturbed").status == 0
        # The lock is the process's: killed, it leaves none behind.
        cluster.kill(1)
        cluster.start(1)
        cluster.wait_until_equal()


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp", "zeromq"])
def test_at_one_address_the_second_does_not_start(paxos, home: Path, transport: str) -> None:
    with Cluster(home, transport=transport) as cluster:
        cluster.start_all()
        with second_machine(cluster, 1, None) as second:
            second.start(1)
            line = complaint(second, 1)
        assert "address already in use; stop the process that uses it" in line
        assert paxos("submit", "undisturbed").status == 0


@pytest.mark.slow
@pytest.mark.parametrize("node", [1, 3])
@pytest.mark.parametrize("transport", ["tcp", "zeromq"])
def test_of_two_that_the_peers_hear_the_later_stops(
    paxos, home: Path, transport: str, node: int
) -> None:
    with Cluster(home, transport=transport) as cluster:
        cluster.start_all()
        with second_machine(cluster, node, elsewhere(transport)) as second:
            second.start(node)
            line = complaint(second, node)
        assert line.startswith(f"paxos: node {node} stops: another process runs as node {node}, ")
        assert all(process.poll() is None for process in cluster.running.values())
        # The first one is heard as before: without it there is no majority now.
        cluster.kill(2)
        assert paxos("submit", "--timeout", "30", "after").status == 0


@pytest.mark.slow
def test_over_udp_the_peers_do_not_hear_a_second_at_another_address(paxos, home: Path) -> None:
    """So it hears nobody and votes nowhere: it waits, and the peers say why."""
    with Cluster(home, transport="udp") as cluster:
        cluster.start_all()
        with second_machine(cluster, 1, elsewhere("udp")) as second:
            process = second.start(1)
            wait_until_said(second.directory / "node-1.log", "nothing came from any node", process)
        for peer in (2, 3):
            log = home / f"node-{peer}.log"
            wait_until_said(log, "cause=misattributed", cluster.running[peer])
        assert paxos("submit", "undisturbed").status == 0


@pytest.mark.slow
def test_over_ethernet_with_one_mac_the_later_stops(home: Path) -> None:
    own_network.need_network()
    with own_network.own_network(), EthernetCluster(home) as cluster:
        cluster.start_all()
        own_network.ip("link", "set", "p4", "address", own_network.mac(1))
        with second_machine(cluster, 1, None) as second:
            second.start(1)
            assert "ethernet: replica 1 is open already on interface p1" in complaint(second, 1)
            second.config.write_text(second.config.read_text().replace('"p1"', '"p4"'))
            (home / "other" / "node-1.log").unlink()
            second.start(1)
            line = complaint(second, 1)
        assert line.startswith("paxos: node 1 stops: another process runs as node 1, ")
        assert all(process.poll() is None for process in cluster.running.values())


class EthernetCluster(Cluster):
    """Each node has an interface of its own, and so a configuration of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, transport="ethernet")

    def _write_config(self) -> None:
        nodes = "".join(f'{node} = "{own_network.mac(node)}"\n' for node in self.nodes)
        self.config.write_text(
            f'transport = "ethernet"\n[nodes]\n{nodes}[transport_options]\ninterface = "p1"\n'
        )

    def start_all(self) -> None:
        assert main(["init", "--all", "--config", str(self.config)]) == 0
        text = self.config.read_text()
        for node in self.nodes:
            self.config.write_text(text.replace('"p1"', f'"p{node}"'))
            self.start(node)
            log = self.directory / f"node-{node}.log"
            wait_until_said(log, " started ", self.running[node])
        self.config.write_text(text)
        for node in self.nodes:
            log = self.directory / f"node-{node}.log"
            wait_until_said(log, "leader_gained", self.running[node])
