"""Nodes whose configurations name transports that cannot talk to one another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, spawn

from transports.testing import free_tcp_addresses


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("tcp", "udp", "with the same cluster, transport ({})"),
        ("udp", "zeromq", "with the same cluster, transport ({})"),
    ],
)
def test_nodes_of_different_transports(home: Path, one: str, other: str, expected: str) -> None:
    """Each says so; nobody waits for ever in silence."""
    ports = [address.rpartition(":")[2] for address in free_tcp_addresses(2).values()]
    files = {node: home / f"err-{node}" for node in (1, 2)}
    processes = []
    for node, transport in ((1, one), (2, other)):
        scheme = "tcp://" if transport == "zeromq" else ""
        config = home / f"{node}.toml"
        config.write_text(
            f'transport = "{transport}"\nstore = "memory"\n[nodes]\n'
            + "".join(f'{n} = "{scheme}127.0.0.1:{port}"\n' for n, port in enumerate(ports, 1))
        )
        arguments = ["node", str(node), "--first-start", "-c", str(config)]
        processes.append(spawn(*arguments, err=files[node]))
    try:
        until = time.monotonic() + END_SECONDS
        for node, transport in ((1, one), (2, other)):
            while expected.format(transport) not in files[node].read_text():
                assert time.monotonic() < until, files[node].read_text()
                time.sleep(0.02)
    finally:
        for process in processes:
            process.terminate()
            process.wait(END_SECONDS)
            assert process.stdin is not None
            process.stdin.close()
    assert "leader_gained" not in "".join(file.read_text() for file in files.values())


def test_a_node_that_can_never_have_a_quorum_does_not_wait_for_one(home: Path) -> None:
    ports = [address.rpartition(":")[2] for address in free_tcp_addresses(2).values()]
    for node, (transport, scheme) in enumerate((("tcp", ""), ("zeromq", "tcp://")), 1):
        (home / f"{node}.toml").write_text(
            f'transport = "{transport}"\nstore = "memory"\n[nodes]\n'
            + "".join(f'{n} = "{scheme}127.0.0.1:{port}"\n' for n, port in enumerate(ports, 1))
        )
    files = {node: home / f"err-{node}" for node in (1, 2)}
    processes = [
        spawn("node", str(n), "--first-start", "-c", str(home / f"{n}.toml"), err=files[n])
        for n in (2, 1)
    ]
    try:
        assert processes[1].wait(END_SECONDS) == 1
    finally:
        for process in processes:
            process.terminate()
            process.wait(END_SECONDS)
            assert process.stdin is not None
            process.stdin.close()
    complaint = files[1].read_text().splitlines()[-1]
    assert complaint.startswith(f"paxos: node 2 at 127.0.0.1:{ports[1]}: what answers there")
    assert "does not speak tcp" in complaint
