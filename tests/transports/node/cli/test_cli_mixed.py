"""Nodes whose configurations name transports that cannot talk to one another."""

from __future__ import annotations

import json
import random
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli_cases import END_SECONDS, spawn, wait_until_said


def free_ports(count: int) -> list[int]:
    """Free for streams and for datagrams, and below those that the system gives out."""
    found: list[int] = []
    first = random.randint(12_000, 30_000)
    for port in range(first, 32_000):
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


class Mixed:
    """Node N runs with `transports[N - 1]`; all have the same hosts and ports."""

    def __init__(
        self, home: Path, transports: Sequence[str], host: str = "127.0.0.1", more: str = ""
    ) -> None:
        self.transports = transports
        self.ports = free_ports(len(transports))
        self.home = home
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        for node, transport in enumerate(transports, 1):
            scheme = "tcp://" if transport == "zeromq" else ""
            self.config(node).write_text(
                f'transport = "{transport}"\nstore = "memory"\n[nodes]\n'
                + "".join(f'{n} = "{scheme}{host}:{at}"\n' for n, at in enumerate(self.ports, 1))
                + more
            )

    def config(self, node: int) -> Path:
        return self.home / f"{node}.toml"

    def said(self, node: int) -> str:
        return (self.home / f"err-{node}").read_text()

    def start(self, node: int) -> None:
        arguments = ["node", str(node), "--first-start", "-c", str(self.config(node))]
        self.processes[node] = spawn(*arguments, err=self.home / f"err-{node}")

    def refusal(self, node: int) -> str:
        """Wait until the node ends with status 1; returns its last words."""
        assert self.processes[node].wait(END_SECONDS) == 1, self.said(node)
        assert "Traceback" not in self.said(node)
        complaint = self.said(node).splitlines()[-1]
        assert complaint.startswith("paxos: ")
        assert complaint.endswith(
            "give every node's configuration the same transport and addresses"
        )
        return complaint


@contextmanager
def mixed(*arguments: object) -> Iterator[Mixed]:
    cluster = Mixed(*arguments)  # type: ignore[arg-type]
    try:
        yield cluster
    finally:
        for process in cluster.processes.values():
            process.terminate()
            process.wait(END_SECONDS)
            assert process.stdin is not None
            process.stdin.close()


KEY = '[transport_options]\nkey_file = "key"\n'


CASES = [
    (("tcp", "udp"), "127.0.0.1", ""),
    (("tcp", "udp"), "[::1]", KEY),
    (("udp", "zeromq"), "127.0.0.1", KEY),
    (("tcp", "zeromq"), "[::1]", ""),
    (("tcp", "udp", "zeromq"), "127.0.0.1", ""),
]


def test_nodes_of_different_transports_are_refused(home: Path) -> None:
    """Each says who speaks what and ends with status 1; nobody waits for ever."""
    with ExitStack() as opened:
        # All at once: each takes its seconds until it is sure.
        clusters = []
        for number, (transports, host, more) in enumerate(CASES):
            directory = home / str(number)
            directory.mkdir()
            (directory / "key").write_text("00112233445566778899aabbccddeeff\n")
            cluster = opened.enter_context(mixed(directory, transports, host, more))
            for node in range(1, len(transports) + 1):
                cluster.start(node)
            clusters.append((cluster, host))
        for cluster, host in clusters:
            check_refusals(cluster, host)


def check_refusals(cluster: Mixed, host: str) -> None:
    for node, ours in enumerate(cluster.transports, 1):
        complaint = cluster.refusal(node)
        scheme = "tcp://" if ours == "zeromq" else ""
        for other, its in enumerate(cluster.transports, 1):
            if other != node:
                assert f"node {other} at {scheme}{host}:{cluster.ports[other - 1]}" in complaint
                assert f"answers over {its}, not {ours}" in complaint


def test_one_of_another_transport_is_refused_and_the_others_agree(home: Path) -> None:
    with mixed(home, ("udp", "udp", "tcp")) as cluster:
        for node in (1, 2, 3):
            cluster.start(node)
        assert "node 2 at 127.0.0.1" in cluster.refusal(3)
        for node in (1, 2):
            wait_until_said(home / f"err-{node}", "leader_gained", cluster.processes[node])
            assert cluster.processes[node].poll() is None


def test_a_node_that_may_still_have_a_quorum_waits_and_names_the_other(home: Path) -> None:
    with mixed(home, ("tcp", "udp", "tcp")) as cluster:
        for node in (1, 2):
            cluster.start(node)
        wait_until_said(home / "err-1", "answers over udp, not tcp", cluster.processes[1])
        assert "waiting cause=no_leader" in cluster.said(1)
        cluster.start(3)
        # Both others are of another transport than node 2's.
        assert "node 1 at" in cluster.refusal(2)
        wait_until_said(home / "err-1", "leader_gained", cluster.processes[1])


def test_a_client_is_told(home: Path, paxos) -> None:
    with mixed(home, ("udp",)) as cluster:
        cluster.start(1)
        wait_until_said(home / "err-1", "leader_gained", cluster.processes[1])
        wrong = home / "wrong.toml"
        wrong.write_text(cluster.config(1).read_text().replace('"udp"', '"tcp"'))
        told = f"Node 1 at 127.0.0.1:{cluster.ports[0]} answers over udp, not tcp"
        status = paxos("status", "-c", wrong)
        assert (status.status, told in status.out) == (1, True)
        submit = paxos("submit", "x", "-c", wrong, "--timeout", "0.3")
        assert submit.status == 1
        assert told in submit.complaint


def test_a_node_that_answers_is_asked_over_no_other_transport(home: Path, paxos) -> None:
    with mixed(home, ("tcp", "tcp", "tcp")) as cluster:
        cluster.start(1)
        wait_until_said(home / "err-1", "started", cluster.processes[1])
        assert paxos("submit", "x", "-c", cluster.config(1), "--timeout", "0.3").status == 1
        status = paxos("status", "-c", cluster.config(1), "--output", "json", "--timeout", "0.3")
        node = json.loads(status.out)["nodes"][0]
        assert node["reachable"]
        assert "malformed" not in node["dropped"]
