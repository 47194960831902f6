"""A node as a process of its own: how it ends, and what it survives."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, Cluster, spawn, wait_until_catches, wait_until_said

MACHINE = """
class Adder:
    def __init__(self): self.sum = 0
    def apply(self, command): self.sum += int(command); return b"%d" % self.sum
    def snapshot(self): return b"%d" % self.sum
    def restore(self, snapshot): self.sum = int(snapshot)
"""


@pytest.mark.usefixtures("hangups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_node_in_order(tmp_path: Path, number: int) -> None:
    with Cluster(tmp_path, nodes=(1,), store="memory") as cluster:
        process = cluster.start(1, "--first-start", "--log-format", "json")
        wait_until_said(tmp_path / "node-1.log", "leader_gained", process)
        assert cluster.end(1, number) == 0
        events = [json.loads(line)["event"] for line in cluster.said(1).splitlines()]
        assert events == ["started", "leader_gained", "stopped"]


def test_two_signals_at_once_end_a_node_in_order(tmp_path: Path) -> None:
    with Cluster(tmp_path, nodes=(1,), store="memory") as cluster:
        process = cluster.start(1, "--first-start")
        wait_until_said(tmp_path / "node-1.log", "leader_gained", process)
        # Stopped, so that it finds both together.
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        assert cluster.end(1, signal.SIGCONT) == 0
        assert " stopped" in cluster.said(1).splitlines()[-1]


LAST = """
import os, signal, trio
from transports.node.cli.failures import Interrupted
from transports.node.cli.running import run

async def main():
    os.kill(os.getpid(), signal.SIGTERM)
    await trio.sleep_forever()

try:
    run(main, last=True)
except Interrupted:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    print("in order")
"""


def test_after_the_end_of_a_node_signals_are_ignored() -> None:
    done = subprocess.run([sys.executable, "-c", LAST], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "in order\n", "")


def test_a_node_ends_with_its_standard_input(tmp_path: Path) -> None:
    with Cluster(tmp_path, nodes=(1,), store="memory") as cluster:
        process = cluster.start(1)
        wait_until_said(tmp_path / "node-1.log", "does_not_vote", process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END_SECONDS) == 0


@pytest.mark.parametrize("command", ["node 1", "view"])
def test_assertions_must_be_on(tmp_path: Path, command: str) -> None:
    line = [sys.executable, "-O", "-m", "transports.node.cli", *command.split()]
    done = subprocess.run(line, capture_output=True, cwd=tmp_path, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("paxos: the core relies on its assertions")


def test_a_state_machine_of_ones_own_and_one_that_fails(paxos, home: Path) -> None:
    with Cluster(home, nodes=(1,)) as cluster:
        (home / "adder.py").write_text(MACHINE)
        paxos("init", "--all")
        arguments = ["node", "1", "--machine", "adder:Adder", "--stop-with-stdin"]
        cluster.running[1] = spawn(*arguments, err=home / "node-1.log", cwd=home)
        cluster.wait_for_leader()
        summed = paxos("submit", "2", "40", "-o", "json").json
        assert [one["result"] for one in summed["results"]] == ["2", "42"]
        # What a state machine raises stops the node: it must not pretend to follow the log.
        lost = paxos("submit", "two", "--timeout", "1", "-o", "json")
        assert lost.status == 1
        assert lost.json["counts"] == {"applied": 0, "unknown": 1, "not_applied": 0}
        assert lost.complaint.startswith("of command 1 it is unknown: ")
        assert cluster.wait(1) == 1
        last = cluster.said(1).splitlines()[-1]
        assert last.startswith("paxos: node 1 stops: ")
        assert "invalid literal for int()" in last
        assert not any(line.startswith("Traceback") for line in cluster.said(1).splitlines())


def test_a_full_disk_stops_the_node_and_loses_nothing(paxos, home: Path) -> None:
    with Cluster(home, nodes=(1,)) as cluster:
        cluster.start_all()
        process = cluster.running[1]
        # The system refuses to let the log grow, as a full disk would.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        big = "x" * 30_000
        result = paxos("submit", big, "--count", 100, "--timeout", "1", "-o", "json")
        assert result.status == 1
        acknowledged = result.json["counts"]["applied"]
        assert 0 < acknowledged < 100
        assert cluster.wait(1) == 1
        assert "paxos: node 1 stops: " in cluster.said(1).splitlines()[-1]
        assert "the store failed (File too large)" in cluster.said(1)
        cluster.start(1)
        cluster.wait_for_leader()
        log = paxos("log", "--limit", 0, "-o", "json").json["log"]
        assert sum(line.get("command") == big for line in log) >= acknowledged


def test_a_command_without_a_cluster_is_interrupted(home: Path) -> None:
    with Cluster(home) as cluster:
        for number, said in ((signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")):
            err = home / f"submit-{number}"
            arguments = ["submit", "x", "--timeout", "60", "-c", str(cluster.config)]
            process = cluster.running[0] = spawn(*arguments, err=err)
            wait_until_catches(process, signal.SIGTERM)
            assert cluster.end(0, number) == 128 + number
            last = err.read_text().splitlines()[-1]
            assert last in (
                f"paxos: {said}; of command 1 it is unknown",
                f"paxos: {said}; nothing was submitted",
            )


def test_watching_ends_with_ctrl_c(home: Path) -> None:
    with Cluster(home) as cluster:
        err = home / "watch"
        process = cluster.running[0] = spawn(
            "status", "--watch", "--timeout", "0.1", "-c", str(cluster.config), err=err
        )
        wait_until_catches(process, signal.SIGTERM)
        assert cluster.end(0, signal.SIGINT) == 0
        assert err.read_text() == ""
