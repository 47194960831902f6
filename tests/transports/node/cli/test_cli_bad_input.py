"""Every mistake is one line and the right status: 2 to change what was written, 1 for the world."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from cli_cases import Result

NODES = '[nodes]\n1 = "127.0.0.1:{}"\n2 = "127.0.0.1:{}"\n3 = "127.0.0.1:{}"\n'


def nodes() -> str:
    """Three free ports."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    text = NODES.format(*(one.getsockname()[1] for one in held))
    for one in held:
        one.close()
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tick = 1\n", "paxos.toml:1: tick: unknown key"),
        ("store = 5\n", "paxos.toml:1: store:"),
        ('store = "tape"\n', "paxos.toml:1: store:"),
        ("store = \n", "paxos.toml:1: not valid TOML"),
        ("[quorum]\nphase1 = 1\nphase2 = 1\n", "paxos.toml:"),
        ("[timing]\ntick_ms = 0\n", "paxos.toml:"),
    ],
)
def test_a_wrong_configuration(paxos, home: Path, text: str, message: str) -> None:
    Path("paxos.toml").write_text(text + nodes())
    for arguments in (["node", 1], ["status"], ["submit", "x"], ["log"], ["init", "--all"]):
        result = paxos(*arguments)
        assert result.status == 2, arguments
        assert result.complaint.startswith(message)
        assert result.out == ""


@pytest.mark.parametrize(
    "text",
    [
        '[nodes]\n1 = "127.0.0.1:7101"\n2 = "127.0.0.1:7101"\n',
        "[nodes]\n",
        'transport = "pigeon"\n[nodes]\n1 = "127.0.0.1:7101"\n',
        '[transport_options]\nsped = 1\n[nodes]\n1 = "127.0.0.1:7101"\n',
        '[transport_options]\nframe_bytes_max = 100\n[nodes]\n1 = "127.0.0.1:7101"\n',
        '[nodes]\n1 = "somewhere"\n',
        'transport = "no_such_module:opener"\n[nodes]\n1 = "127.0.0.1:7101"\n',
    ],
)
def test_a_configuration_that_cannot_work(paxos, home: Path, text: str) -> None:
    Path("paxos.toml").write_text('store = "memory"\n' + text)
    result = paxos("node", 1)
    assert result.status == 2
    assert result.complaint


@pytest.fixture
def stores(paxos, home: Path) -> Path:
    Path("paxos.toml").write_text(nodes())
    assert paxos("init", "--all").status == 0
    return Path("data")


def start(paxos, node: int = 1) -> Result:
    """A start that fails."""
    result: Result = paxos("node", node)
    assert result.out == ""
    return result


def test_a_missing_store(paxos, stores: Path) -> None:
    shutil.rmtree(stores / "node-1")
    result = start(paxos)
    assert result.status == 1
    assert "there is no store; make it once with: paxos init --node 1;" in result.complaint
    assert result.complaint.endswith("paxos init --node 1 --non-voting")
    assert not (stores / "node-1").exists()
    offline = paxos("log", "--node", 1, "--store")
    assert offline.status == 1
    assert "there is no store" in offline.complaint


def test_the_store_of_another_node(paxos, stores: Path) -> None:
    shutil.rmtree(stores / "node-1")
    (stores / "node-2").rename(stores / "node-1")
    result = start(paxos)
    assert result.status == 1
    assert "the store of node 2, not of node 1" in result.complaint


def test_the_store_of_another_cluster(paxos, stores: Path) -> None:
    Path("paxos.toml").write_text('cluster = "other"\n' + nodes())
    result = start(paxos)
    assert result.status == 1
    assert "the store of another cluster" in result.complaint


def test_a_damaged_store(paxos, stores: Path) -> None:
    with open(stores / "node-1" / "identity", "r+b") as file:
        file.seek(20)
        byte = file.read(1)
        file.seek(20)
        file.write(bytes([byte[0] ^ 1]))
    result = start(paxos)
    assert result.status == 1
    assert "damaged at offset" in result.complaint
    assert "paxos init --node 1 --non-voting" in result.complaint


def test_a_store_that_another_process_holds(paxos, stores: Path) -> None:
    directory = os.open(stores / "node-1", os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    try:
        result = start(paxos)
    finally:
        os.close(directory)
    assert result.status == 1
    assert "another process holds this store" in result.complaint


def test_a_port_in_use(paxos, stores: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        Path("paxos.toml").write_text(f'[nodes]\n1 = "127.0.0.1:{port}"\n')
        result = start(paxos)
    assert result.status == 1
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in result.complaint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["node", 4], "paxos.toml: node 4 is not in [nodes]; known are 1, 2, 3"),
        (["node", 1, "--first-start"], '--first-start is for store = "memory"'),
        (["node", 1, "--machine", "accounts"], "--machine accounts: write MODULE:FACTORY"),
        (["node", 1, "--machine", "no_such:x"], "--machine no_such:x: No module named"),
        (["node", 1, "--machine", "json:nothing"], "--machine json:nothing: module 'json' has no"),
        (["node", 1, "--machine", "json:__doc__"], "--machine json:__doc__: is not callable"),
        (["node", 1, "--machine", "builtins:dict"], "--machine builtins:dict: what it makes has"),
        (["log", "--node", 9], "paxos.toml: node 9 is not in [nodes]"),
        (["log", "--store"], "whose store?"),
        (["submit", "x", "--file", "y"], "give either COMMANDs or --file FILE"),
        (["submit", "--file", "no/such"], "no/such: cannot be read (No such file or directory)"),
        (["submit", "--file", "-", "--count", 2], "--count goes with COMMANDs"),
        (["demo", "--transport", "pigeon"], "no transport is called 'pigeon': choose one of"),
        (["demo", "--keep", "data"], "--keep data: is not empty"),
        (["demo", "--keep", "paxos.toml"], "--keep paxos.toml: "),
    ],
)
def test_wrong_use(paxos, stores: Path, arguments: list[object], message: str) -> None:
    result = paxos(*arguments)
    assert result.status == 2
    assert result.complaint.startswith(message)
    assert result.out == ""


def test_a_machine_that_fails_to_be_made(paxos, stores: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(".")
    Path("broken_machine_module.py").write_text("1 / 0\n")
    Path("broken_machine_factory.py").write_text("def make(): raise OSError('no luck')\n")
    for name, reason in (
        ("broken_machine_module:make", "ZeroDivisionError: division by zero"),
        ("broken_machine_factory:make", "OSError: no luck"),
    ):
        result = paxos("node", 1, "--machine", name)
        assert result.status == 1
        assert result.complaint == f"--machine {name}: {reason}"


def test_nobody_is_there(paxos, stores: Path) -> None:
    status = paxos("status", "--timeout", "0.1")
    assert status.status == 1
    assert status.out.count("unreachable") == 3
    assert "no leader that a majority agrees on: 0 of 3 nodes answered" in status.out
    assert "is `cluster` in their configuration the same?" in status.out
    log = paxos("log", "--timeout", "0.1")
    assert log.status == 1
    assert "no node answers within 0.1 s" in log.complaint
    assert log.complaint.endswith("is it running? For a stopped node's log: --store")
    submit = paxos("submit", "a", "b", "--timeout", "0.2")
    assert submit.status == 1
    assert submit.complaint.startswith("command 1 was not applied: no leader answered in time")
    assert submit.complaint.endswith(
        "are its cluster, transport, addresses and keys those of this configuration?"
    )


def test_a_host_that_nobody_knows_is_named(
    paxos, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(host: str, port: int, **_: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("transports.node.cli.hosts.trio.socket.getaddrinfo", look_up)
    text = Path("paxos.toml").read_text().replace('2 = "127.0.0.1', '2 = "nowhere.invalid')
    Path("paxos.toml").write_text(text)
    for arguments in (["status", "-o", "json"], ["submit", "x"]):
        result = paxos(*arguments, "--timeout", "0.1")
        assert result.status == 1
        said = result.json["problem"] if arguments[0] == "status" else result.complaint
        assert "The host '127.0.0.1' of node 1 is unknown (Name or service not known)" in said


def test_the_memory_transport_does_not_join_processes(paxos, home: Path) -> None:
    text = 'transport = "memory"\nstore = "memory"\n[nodes]\n1 = "hub/1"\n'
    Path("paxos.toml").write_text(text)
    for arguments in (["node", 1], ["submit", "x"], ["status"], ["log"]):
        result = paxos(*arguments)
        assert (result.status, result.out) == (2, ""), arguments
        assert result.complaint == (
            'paxos.toml: transport = "memory" joins tasks of one process; write transport = "tcp"'
        )


OWN = """
from contextlib import asynccontextmanager
from transports import TransportError

@asynccontextmanager
async def open_own(local, peers, **options):
    raise TransportError("own was found; all is well")
    yield
"""


@pytest.mark.parametrize("command", ["status", "demo --transport own:open_own"])
def test_a_transport_in_the_current_directory_is_found(
    paxos, home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    # As the installed command has it, not `python -m`.
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(OWN)
    Path("paxos.toml").write_text('transport = "own:open_own"\n' + nodes())
    result = paxos(*command.split())
    assert "own was found" in result.err, result.err
    monkeypatch.delitem(sys.modules, "own")


def test_an_option_before_its_command(paxos) -> None:
    result = paxos("--config", "paxos.toml", "status")
    assert result.status == 2
    assert "options stand behind the command" in result.complaint
