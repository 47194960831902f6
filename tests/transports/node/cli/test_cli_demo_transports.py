"""The demo over every transport, with real processes where the transport joins them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, spawn, wait_until_gone, wait_until_said
from lab_cases import interfaces, left_of, need_laboratory
from native_kit import need_compiler

from transports.chardev import availability
from transports.node.cli.demo_places import PLACES
from transports.node.cli.lab.network import processes_in

TRANSPORTS = ("memory", "tcp", "udp", "zeromq", "ethernet")


def need(transport: str) -> None:
    if transport == "ethernet":
        need_laboratory()


def test_every_transport_has_its_place() -> None:
    # Through the module it runs where the module is: tests/kmod/guest.
    assert tuple(PLACES) == (*TRANSPORTS, "kmod")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--mode", "relay"), "--mode goes with --transport kmod"),
        (("--transport", "kmod", "--mode", "replica", "--core", "c"), "is in the kernel"),
        (("--transport", "kmod", "--mode", "teleport"), "teleport"),
        (("--core", "fortran"), "fortran"),
    ],
)
@pytest.mark.parametrize("command", [("demo",), ("lab", "run")])
def test_what_does_not_go_together_is_refused(
    paxos, command: tuple[str, ...], arguments: tuple[str, ...], complaint: str
) -> None:
    result = paxos(*command, *arguments)
    assert result.status == 2
    assert complaint in result.err


@pytest.mark.skipif(availability() is None, reason="the module is here")
def test_without_the_module_it_says_how_to_load_it(paxos) -> None:
    result = paxos("demo", "--transport", "kmod")
    assert result.status == 1
    assert "load the module" in result.err + result.out


@pytest.mark.parametrize("store", ["durable", "memory"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_passes(paxos, transport: str, store: str) -> None:
    need(transport)
    arguments = ["demo", "--transport", transport, "--store", store, "--commands", 60]
    result = paxos(*arguments, "-o", "json")
    assert result.status == 0, result.err + result.out
    document = result.json
    assert document["pass"]
    assert (document["transport"], document["acknowledged"]) == (transport, 60)
    assert {node["transport"] for node in document["nodes"]} == {transport}
    assert len({node["digest"] for node in document["nodes"]}) == 1


@pytest.mark.parametrize("store", ["durable", "memory"])
def test_it_passes_with_the_c_core(paxos, store: str) -> None:
    need_compiler()
    result = paxos("demo", "--core", "c", "--store", store, "--commands", 60, "-o", "json")
    assert result.status == 0, result.err + result.out
    assert {node["core"] for node in result.json["nodes"]} == {"c"}
    assert "three nodes with the C core start as processes, over tcp" in result.err


def test_its_laboratory_is_removed_and_left(paxos) -> None:
    need_laboratory()
    before = interfaces()
    assert paxos("demo", "--transport", "ethernet", "--commands", 10).status == 0
    assert left_of(os.getpid()) == set()
    assert interfaces() == before


@pytest.mark.parametrize(
    ("number", "status", "left"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 0), (signal.SIGKILL, -9, 6)],
)
def test_no_laboratory_outlives_a_demo(
    paxos, home: Path, number: int, status: int, left: int
) -> None:
    need_laboratory()
    environment = {**os.environ, "TMPDIR": str(home)}
    err = home / "err"
    process = spawn(
        "demo", "--transport", "ethernet", "--commands", "20000", err=err, env=environment
    )
    try:
        wait_until_said(err, "leads", process)
        nodes = [pid for node in (1, 2, 3) for pid in processes_in(f"paxos-{process.pid}-n{node}")]
        assert len(nodes) == 3
    finally:
        process.send_signal(number)
        assert process.wait(END_SECONDS) == status
        assert process.stdin is not None
        process.stdin.close()
    wait_until_gone(nodes)
    assert len(left_of(process.pid)) == left
    if left:
        assert process.pid in paxos("lab", "clean", "-o", "json").json["removed"]
        assert left_of(process.pid) == set()


def test_a_demo_without_rights_is_one_line(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = paxos("demo", "--transport", "ethernet")
    assert result.status == 1
    assert result.complaint.startswith("a laboratory needs root")
