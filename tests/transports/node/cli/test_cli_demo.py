"""The demo, whole: over TCP with real processes, and in one process."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, children, spawn, wait_until_gone, wait_until_said

from transports.node.cli import demo_check, demo_cluster


def check_passed(document: dict[str, object]) -> None:
    assert document["pass"], document
    assert document["acknowledged"] == document["commands"]
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    assert len({(node["applied"], node["chosen"], node["digest"]) for node in nodes}) == 1
    assert sum(node["role"] == "leader" for node in nodes) == 1
    assert sum(node["p50_ms"] is not None for node in nodes) == 2


def test_processes_with_durable_stores(paxos, home: Path) -> None:
    result = paxos("demo", "--keep", "kept")
    assert result.status == 0, result.err + result.out
    lines = result.out.splitlines()
    assert lines[0].split() == [
        "node", "role", "ballot", "chosen", "applied", "log", "hash", "p50", "p99", "led",
    ]  # fmt: skip
    assert max(map(len, lines[:5])) <= 80
    assert lines[5].startswith("300 of 300 commands acknowledged; p50 ")
    assert lines[-2:] == ["PASS", "kept: kept"]
    assert "is killed with SIGKILL" in result.err
    assert "starts again on its store" in result.err
    # What it leaves is a cluster whose stores can be looked into.
    log = paxos("log", "--config", "kept/paxos.toml", "--node", 1, "--store", "-o", "json").json
    assert b"command 0".decode() in [line.get("command") for line in log["log"]]


def test_processes_with_memory_restart_without_a_vote(paxos) -> None:
    result = paxos("demo", "--store", "memory", "--commands", 20, "--output", "json")
    assert result.status == 0, result.err + result.out
    check_passed(result.json)
    killed = result.json["killed"]
    voting = {node["node"]: node["voting"] for node in result.json["nodes"]}
    assert voting == {node: node != killed for node in (1, 2, 3)}
    assert "it learns, and does not vote" in result.err


@pytest.mark.parametrize("store", ["durable", "memory"])
def test_tasks_of_one_process(paxos, store: str) -> None:
    result = paxos("demo", "--transport", "memory", "--store", store, "-o", "json")
    assert result.status == 0, result.err + result.out
    check_passed(result.json)
    assert "tasks of one process" in result.err
    assert "frame_dropped" not in result.err


def test_a_fault_is_a_failure(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(log):
        return applied_commands(log)[:-1]

    applied_commands = demo_check.applied_commands
    monkeypatch.setattr(demo_check, "applied_commands", forgetful)
    arguments = ["demo", "--transport", "memory", "--store", "memory", "--commands", 10]
    result = paxos(*arguments)
    assert result.status == 1
    last = result.out.splitlines()[-1]
    assert last.startswith("FAIL: 'command ")
    assert last.endswith("was acknowledged, and not applied by node 1")
    assert "exactly once" not in result.out
    document = paxos(*arguments, "-o", "json")
    assert document.status == 1
    assert document.json["pass"] is False


def test_a_node_that_does_not_start(paxos, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = home / "python"
    broken.write_text("#!/bin/sh\necho first >&2\necho 'paxos: no luck today' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(demo_cluster.sys, "executable", str(broken))
    result = paxos("demo")
    assert result.status == 1
    assert result.out.splitlines()[-1].startswith("FAIL: node ")
    assert result.out.endswith(" ended with status 1: no luck today\n")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "paxos: interrupted"),
        (signal.SIGTERM, 143, "paxos: terminated"),
        (signal.SIGKILL, -9, None),
    ],
)
def test_no_node_outlives_a_demo(home: Path, number: int, status: int, said: str | None) -> None:
    (home / "tmp").mkdir()
    err = home / "err"
    process = spawn("demo", "--commands", "20000", err=err, env=_environment(home / "tmp"))
    try:
        wait_until_said(err, "leads", process)
        nodes = children(process)
        assert len(nodes) == 3
    finally:
        process.send_signal(number)
        assert process.wait(END_SECONDS) == status
        _close(process)
    wait_until_gone(nodes)
    if said is not None:
        assert err.read_text().splitlines()[-1] == said
        assert list((home / "tmp").iterdir()) == []


def _environment(temporary: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary)}


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
