"""What docs/guides/operate.md says to do is done, by processes that are killed, moved and restored.

Each node has a directory as if it were a machine of its own: a copy of the file, and its data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cases import END_SECONDS, Cluster, Result, spawn

ROOT = Path(__file__).parents[4]
GUIDE = ROOT / "docs/guides/state-machine.md"
DEPOSIT = '{"do": "deposit", "name": "ada", "cents": 100}'
SHOW = '{"do": "show", "name": "ada"}'
MACHINE = "accounts:Accounts"
Paxos = Callable[..., Result]


class Machines(Cluster):
    """Three machines, each with a directory of its own."""

    def __init__(self, directory: Path, paxos: Paxos, name: str = "accounts") -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(directory)
        self.paxos = paxos
        self.config.write_text(f'cluster = "{name}"\n{self.config.read_text()}')
        code = re.search(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
        assert code is not None
        (directory / "accounts.py").write_text(code[1])
        self.machine = MACHINE
        self.places = {node: directory / f"machine-{node}" for node in self.nodes}
        for node in self.nodes:
            self.give_file(node)

    def give_file(self, node: int) -> Path:
        """The machine of `node` has the file as it is now."""
        self.places[node].mkdir(exist_ok=True)
        return Path(shutil.copy(self.config, self.places[node]))

    def file(self, node: int) -> Path:
        return self.places[node] / "paxos.toml"

    def store(self, node: int) -> Path:
        return self.places[node] / "data" / f"node-{node}"

    def start(self, node: int, *options: str) -> subprocess.Popen[bytes]:
        words = ["node", str(node), "-c", str(self.file(node))]
        words += ["--machine", self.machine, "--stop-with-stdin", *options]
        err = self.directory / f"node-{node}.log"
        process = self.running[node] = spawn(*words, err=err, cwd=self.directory)
        return process

    def start_all(self) -> None:
        for node in self.nodes:
            assert self.paxos("init", "--node", node, "-c", self.file(node)).status == 0
            self.start(node)
        self.wait_for_leader()

    def follower(self) -> int:
        """One that does not lead, and the others are up and in step."""
        said = self.wait_until_equal()
        return min(node for node, one in said.items() if one["role"] == "follower")

    def new_address(self, node: int) -> None:
        """The file says another place for `node` from now on."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        self._held.append(held)
        line = f'{node} = "127.0.0.1:{held.getsockname()[1]}"'
        text, count = re.subn(rf"^{node} = .*$", line, self.config.read_text(), flags=re.MULTILINE)
        assert count == 1
        self.config.write_text(text)

    def submit(self, *words: str) -> list[str]:
        """Results, through a client of its own."""
        done = self.paxos("submit", "-c", self.config, "-o", "json", "--timeout", 20, *words)
        assert done.status == 0, done.err
        return [one["result"] for one in done.json["results"]]

    def status(self) -> dict[int, dict[str, Any]]:
        done = self.paxos("status", "-c", self.config, "-o", "json", "--timeout", "0.5")
        return {one["node"]: one for one in done.json["nodes"] if one["reachable"]}

    def balance(self) -> int:
        (result,) = self.submit(SHOW)
        return int(json.loads(result)["balance"])


def read_state(machines: Machines, node: int, copy: Path) -> dict[str, int]:
    """What `state_of_a_copy` finds in a copy, which it must leave as it is."""
    # Whoever opens a store removes what an unfinished checkpoint left behind.
    (copy / "log.new").write_bytes(b"unfinished")
    before = {path: path.read_bytes() for path in copy.iterdir()}
    output = machines.directory / "accounts.state"
    output.unlink(missing_ok=True)
    words = ["--config", str(machines.config), "--node", str(node), "--machine", MACHINE]
    done = subprocess.run(
        [sys.executable, "-m", "examples.operate.state_of_a_copy", *words, copy, output],
        cwd=machines.directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"bytes, the state after \d+ slots\n", done.stderr)
    assert {path: path.read_bytes() for path in copy.iterdir()} == before
    state: dict[str, int] = json.loads(output.read_bytes())
    return state


def test_a_backup_of_a_stopped_node_begins_a_new_cluster(tmp_path: Path, paxos: Paxos) -> None:
    with Machines(tmp_path / "old", paxos) as machines:
        machines.start_all()
        machines.submit(DEPOSIT, "--count", "5")
        copy = tmp_path / "backup" / "node"
        state: dict[str, int] = {}
        # A node notes down late what is chosen: a copy may lack the last moments.
        for _ in range(10):
            # A command that comes later tells it that those before are chosen.
            assert machines.balance() == 500
            # One that was started a moment ago has yet to learn what it missed.
            machines.wait_until_equal()
            node = machines.follower()
            assert machines.end(node, signal.SIGTERM) == 0
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(machines.store(node), copy)
            machines.start(node)
            state = read_state(machines, node, copy)
            if state == {"ada": 500}:
                break
        assert state == {"ada": 500}
        machines.submit(DEPOSIT)
        assert machines.balance() == 600

    restored = "from accounts import Accounts\n\nclass Restored(Accounts):\n"
    restored += "    def __init__(self):\n        super().__init__()\n"
    restored += "        self.restore(open('origin.state', 'rb').read())\n"
    with Machines(tmp_path / "new", paxos, "accounts-2") as machines:
        (machines.directory / "restored.py").write_text(restored)
        shutil.copy(tmp_path / "old" / "accounts.state", machines.directory / "origin.state")
        machines.machine = "restored:Restored"
        machines.start_all()
        assert machines.balance() == 500
        # It is the state of the log's beginning, so a restart does not repeat it.
        machines.submit(DEPOSIT)
        node = machines.follower()
        machines.kill(node)
        machines.start(node)
        machines.wait_until_equal()
        assert machines.balance() == 600


def test_a_snapshot_of_a_file_system_under_load_is_consistent(tmp_path: Path, paxos: Paxos) -> None:
    with Machines(tmp_path / "cluster", paxos) as machines:
        machines.start_all()
        machines.submit(DEPOSIT, "--count", "5")
        node = machines.follower()
        words = ["submit", DEPOSIT, "--count", "500", "--outstanding", "50"]
        load = spawn(*words, "-c", str(machines.config), err=tmp_path / "load.log")
        wait_until_grown(machines.store(node))
        # All that the process wrote, and nothing later: as of one moment.
        process = machines.running[node]
        process.send_signal(signal.SIGSTOP)
        shutil.copytree(machines.store(node), tmp_path / "copy")
        process.send_signal(signal.SIGCONT)
        assert load.wait(END_SECONDS) == 0
        assert load.stdin is not None
        load.stdin.close()
        cents = read_state(machines, node, tmp_path / "copy")["ada"]
        assert cents % 100 == 0
        assert 500 <= cents <= machines.balance() == 50_500


def wait_until_grown(store: Path) -> None:
    """Wait until the store is written to: the seal changes with every write."""
    seal = store / "sealed"
    before, until = seal.read_bytes(), time.monotonic() + END_SECONDS
    while seal.read_bytes() == before:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_node_moves_to_another_machine_with_its_store_and_its_vote(
    tmp_path: Path, paxos: Paxos
) -> None:
    with Machines(tmp_path / "cluster", paxos) as machines:
        machines.start_all()
        machines.submit(DEPOSIT, "--count", "5")
        moved = machines.follower()
        assert machines.end(moved, signal.SIGTERM) == 0
        old = machines.store(moved)
        machines.places[moved] = tmp_path / "another-machine"
        machines.new_address(moved)
        machines.give_file(moved)
        machines.store(moved).parent.mkdir()
        shutil.move(old, machines.store(moved))
        machines.start(moved)
        machines.wait_until_equal()
        others = [node for node in machines.nodes if node != moved]
        for node in others:
            machines.give_file(node)
            assert machines.end(node, signal.SIGTERM) == 0
            machines.start(node)
            machines.submit(DEPOSIT)
            machines.wait_until_equal()
        # It votes: with one of the others away it is needed for every decision.
        machines.kill(others[0])
        machines.submit(DEPOSIT)
        assert machines.balance() == 800


def test_a_node_whose_store_is_lost_comes_back_without_a_vote(tmp_path: Path, paxos: Paxos) -> None:
    with Machines(tmp_path / "cluster", paxos) as machines:
        machines.start_all()
        machines.submit(DEPOSIT, "--count", "5")
        lost = machines.follower()
        machines.kill(lost)
        shutil.rmtree(machines.store(lost))
        machines.start(lost)
        assert machines.wait(lost) == 1
        assert "there is no store" in machines.said(lost).splitlines()[-1]
        assert paxos("init", "--node", lost, "--non-voting", "-c", machines.file(lost)).status == 0
        machines.start(lost)
        said = machines.wait_until_equal()
        assert [one["voting"] for one in said.values()].count(False) == 1
        assert not said[lost]["voting"]
        assert machines.balance() == 500
        # The quorums stay what they were: now both others must be up.
        other = next(node for node in machines.nodes if node != lost)
        machines.kill(other)
        refused = paxos("submit", DEPOSIT, "-c", machines.config, "--timeout", 1)
        assert refused.status == 1
        machines.start(other)
        machines.wait_for_leader()
        assert machines.balance() in (500, 600)


@pytest.mark.parametrize("copy", ["nothing", "another"])
def test_what_is_no_copy_is_one_line(tmp_path: Path, paxos: Paxos, copy: str) -> None:
    machines = Machines(tmp_path / "cluster", paxos)
    with machines:
        paxos("init", "--node", 1, "-c", machines.file(1))
    (tmp_path / "nothing").mkdir()
    shutil.copytree(machines.store(1), tmp_path / "another")
    words = ["--node", "2", "--machine", MACHINE, tmp_path / copy, tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "examples.operate.state_of_a_copy", *words],
        cwd=machines.directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
