"""`paxos lab`: what it makes, what can be done in it, and that nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_cases import END_SECONDS, spawn, wait_until_gone
from lab_cases import LabProcess, interfaces, laboratory, left_of, need_laboratory, run

from transports.node.cli import main
from transports.node.cli.failures import Failure
from transports.node.cli.lab import claim, commands, network
from transports.node.cli.lab import ip as lab_ip
from transports.node.cli.lab.claim import Description, Laboratory
from transports.node.cli.lab.inside import inside
from transports.node.cli.lab.network import open_network, processes_in
from transports.node.cli.lab.plan import CLIENT, Plan


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with laboratory(tmp_path_factory.mktemp("lab"), "--mtu", "9000") as running:
        yield running


def within(lab: LabProcess, station: str, *command: str) -> subprocess.CompletedProcess[str]:
    words = ["lab", "exec", "--lab", str(lab.number), station, "--", *command]
    return subprocess.run(
        [commands.sys.executable, "-m", "transports.node.cli", *words],
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
    )


def listed(paxos: Any, number: int) -> dict[str, Any]:
    (found,) = (
        one for one in paxos("lab", "list", "-o", "json").json if one["laboratory"] == number
    )
    return dict(found)


def test_a_client_in_it_is_served(paxos, lab: LabProcess) -> None:
    submitted = within(lab, "client", "paxos", "submit", "hello", "-o", "json")
    assert submitted.returncode == 0, submitted.stderr
    assert '"applied": 1' in submitted.stdout
    assert within(lab, "client", "paxos", "status").returncode == 0
    # The command's own status comes out.
    assert within(lab, "n1", "sh", "-c", "exit 7").returncode == 7


def test_the_list(paxos, lab: LabProcess) -> None:
    found = listed(paxos, lab.number)
    assert found["running"]
    assert (found["nodes"], found["transport"]) == ([1, 2, 3], "ethernet")
    assert (found["store"], found["mtu_bytes"]) == ("memory", 9_000)
    assert set(found["namespaces"]) == {
        f"paxos-{lab.number}-{name}" for name in ("n1", "n2", "n3", "client", "hub")
    }
    assert set(found["links"].values()) == {"up"}
    table = paxos("lab", "list")
    assert table.status == 0
    assert str(lab.number) in table.out


def test_its_stations_have_the_addresses_that_are_documented(lab: LabProcess) -> None:
    for node in (1, 2, 3):
        said = within(lab, f"n{node}", "ip", "address", "show", "eth0").stdout
        assert f"02:50:41:58:00:0{node}" in said
        assert f"10.80.0.{node}/24" in said
        assert "mtu 9000" in said
    said = within(lab, "client", "ip", "address", "show", "eth0").stdout
    assert "10.80.0.100/24" in said


def test_nothing_is_in_the_machines_own_network(lab: LabProcess) -> None:
    assert not {name for name in interfaces() if name.startswith(("n1", "br0", "client"))}
    assert "paxos" not in run("ip", "link")


def test_a_cable_pulled_out_cuts_a_node_off_until_it_is_back(paxos, lab: LabProcess) -> None:
    assert paxos("lab", "link", "--lab", lab.number, "n3", "down").status == 0
    assert listed(paxos, lab.number)["links"] == {
        "n1": "up", "n2": "up", "n3": "down", "client": "up",
    }  # fmt: skip
    # Its own end is up, as with a real cable, and nothing comes through.
    assert "10.80.0.3" in within(lab, "n3", "ip", "address", "show", "up", "dev", "eth0").stdout
    cut_off = within(lab, "client", "paxos", "status", "-o", "json")
    assert cut_off.stdout.count('"reachable": false') == 1
    assert paxos("lab", "link", "--lab", lab.number, "3", "up").status == 0
    whole = within(lab, "client", "paxos", "status", "-o", "json")
    assert '"reachable": false' not in whole.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exec", "n9", "--", "true"], "n9: no such place in laboratory "),
        (["exec", "hub", "--", "true"], "hub: no such place in laboratory "),
        (["exec", "n1", "--", "no-such-command"], "no-such-command: there is no such command"),
        (["exec", "n1"], "missing argument 'COMMAND...'"),
        (["link", "n1", "sideways"], "invalid value for '{up|down}'"),
    ],
)
def test_wrong_use_of_one_that_runs(
    paxos, lab: LabProcess, arguments: list[str], message: str
) -> None:
    command, *others = arguments
    result = paxos("lab", command, "--lab", lab.number, *others)
    assert result.status == 2
    assert result.complaint.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--transport", "memory"], "--transport memory joins tasks of one process"),
        (["run", "--transport", "pigeon"], "no transport is called 'pigeon'"),
        (["run", "--nodes", "0"], "invalid value for '--nodes'"),
        (["run", "--nodes", "16"], "invalid value for '--nodes'"),
        (["run", "--mtu", "100"], "invalid value for '--mtu'"),
        (["run", "--loss", "1"], "invalid value for '--loss'"),
        (["run", "--delay", "-1"], "invalid value for '--delay'"),
        (["run", "--ipv6"], "--ipv6 is for transports over IP, and raw Ethernet has none"),
        (["run", "--ipv6", "--transport", "udp", "--mtu", "576"], "--mtu 576: IPv6 needs 1280"),
    ],
)
def test_wrong_use(paxos, arguments: list[str], message: str) -> None:
    result = paxos("lab", *arguments)
    assert result.status == 2
    assert result.complaint.startswith(message)


def test_without_rights(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for arguments in (["run"], ["clean"], ["list"], ["link", "n1", "up"], ["exec", "n1", "true"]):
        result = paxos("lab", *arguments)
        assert result.status == 1
        assert result.complaint.startswith("a laboratory needs root")


def test_as_a_root_without_rights(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that nobody gave more."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lab_ip, "_rights", lambda: 1 << 12)
    for arguments in (["run"], ["clean"], ["list"]):
        result = paxos("lab", *arguments)
        assert result.status == 1
        assert result.complaint.startswith(
            "a laboratory needs the right CAP_SYS_ADMIN, which this root has not: run it outside"
        )


def test_without_the_tool(paxos, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(home))
    result = paxos("lab", "run")
    assert result.status == 1
    assert result.complaint.startswith("a laboratory needs the command ip")


def test_which_one_is_meant(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    need_laboratory()
    there: list[Laboratory] = []
    monkeypatch.setattr(claim, "laboratories", lambda: there)
    none = paxos("lab", "link", "n1", "down")
    assert none.status == 1
    assert none.complaint.startswith("no laboratory is running")
    description = Description(nodes=(1,))
    there += [Laboratory(number, True, (), description) for number in (71, 72)]
    there.append(Laboratory(73, False, (), description))
    several = paxos("lab", "link", "n1", "down")
    assert several.status == 2
    assert several.complaint == "which laboratory? choose with --lab one of 71, 72"
    wrong = paxos("lab", "link", "--lab", 73, "n1", "down")
    assert wrong.status == 2
    assert wrong.complaint.startswith("--lab 73: no such laboratory is running")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("transport", ["ethernet", "udp"])
def test_a_signal_removes_everything(home: Path, transport: str, number: int) -> None:
    with laboratory(home, "--transport", transport, "--store", "durable") as lab:
        assert f"paxos-{lab.number}-n1" in lab.remains
        nodes = [pid for n in (1, 2, 3) for pid in processes_in(f"paxos-{lab.number}-n{n}")]
        assert len(nodes) == 3
        # Whatever else was started there ends as well.
        shell = within_background(lab, "sleep", "1000")
        assert lab.end(number) == 0
        wait_until_gone(nodes)
        assert shell.wait(END_SECONDS) == -signal.SIGTERM
        assert lab.remains == set()
        assert "Traceback" not in lab.err.read_text()


def within_background(lab: LabProcess, *command: str) -> subprocess.Popen[bytes]:
    namespace = f"paxos-{lab.number}-client"
    process = subprocess.Popen(["ip", "netns", "exec", namespace, *command])
    while process.pid not in processes_in(namespace):
        assert process.poll() is None
    return process


def test_what_a_kill_leaves_behind_is_cleaned(paxos, home: Path) -> None:
    with laboratory(home, "--store", "durable") as lab:
        nodes = [pid for n in (1, 2, 3) for pid in processes_in(f"paxos-{lab.number}-n{n}")]
        shell = within_background(lab, "sleep", "1000")
        assert lab.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until_gone(nodes)
        assert not listed(paxos, lab.number)["running"]
        assert len(lab.remains) == 7
        cleaned = paxos("lab", "clean", "-o", "json")
        assert cleaned.status == 0
        assert lab.number in cleaned.json["removed"]
        assert shell.wait(END_SECONDS) == -signal.SIGTERM
        assert lab.remains == set()
    assert lab.number not in paxos("lab", "clean", "-o", "json").json["removed"]


def test_a_kill_while_it_is_made_leaves_nothing_that_is_not_cleaned(paxos, home: Path) -> None:
    need_laboratory()
    temporary = home / "tmp"
    temporary.mkdir()
    process = spawn("lab", "run", err=home / "err", env={**os.environ, "TMPDIR": str(temporary)})
    while not any(temporary.iterdir()):
        assert process.poll() is None
    process.kill()
    process.wait(END_SECONDS)
    assert process.stdin is not None
    process.stdin.close()
    assert process.pid in paxos("lab", "clean", "-o", "json").json["removed"]
    assert left_of(process.pid) == set()
    assert list(temporary.iterdir()) == []


def test_the_next_one_cleans_too(home: Path) -> None:
    with laboratory(home) as lab:
        lab.end(signal.SIGKILL)
        assert lab.remains
        with open_network([1]) as (plan, _):
            assert lab.remains == set()
            assert left_of(plan.laboratory)
        assert left_of(plan.laboratory) == set()


def test_one_in_use_is_cleaned_only_if_asked(
    paxos, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with laboratory(home) as lab:

        def only_this() -> list[Laboratory]:
            return [one for one in claim.laboratories() if one.number == lab.number]

        # Others on this machine may be somebody else's.
        monkeypatch.setattr(network, "laboratories", only_this)
        assert paxos("lab", "clean").out == "nothing to remove\n"
        assert lab.process.poll() is None
        result = paxos("lab", "clean", "--all", "-o", "json")
        assert result.status == 0
        assert lab.process.wait(END_SECONDS) == 0
        assert lab.remains == set()


def test_a_failure_on_the_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    need_laboratory()
    ip = network.ip

    def failing(*words: str) -> str:
        if "n2" in words and "master" in words:
            raise Failure("no luck today")
        return ip(*words)

    monkeypatch.setattr(network, "ip", failing)
    with pytest.raises(Failure, match="no luck today"), open_network([1, 2]):
        pytest.fail("it was made")
    assert left_of(os.getpid()) == set()


def test_a_kernel_that_refuses_is_one_line(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    need_laboratory()
    monkeypatch.setattr(network, "BRIDGE", "a-name-that-is-much-too-long")
    result = paxos("lab", "run")
    assert result.status == 1
    assert result.complaint.startswith("ip -n paxos-")
    assert left_of(os.getpid()) == set()


def test_nodes_that_all_end_end_it(home: Path) -> None:
    with laboratory(home, "--nodes", "1") as lab:
        (node,) = processes_in(f"paxos-{lab.number}-n1")
        os.kill(node, signal.SIGKILL)
        assert lab.process.wait(END_SECONDS) == 1
        assert lab.err.read_text().endswith(
            "paxos: all nodes have ended; what they said stands above\n"
        )
        assert lab.remains == set()


@pytest.mark.parametrize("transport", ["udp", "tcp", "zeromq"])
def test_nodes_over_ipv6(home: Path, transport: str) -> None:
    with laboratory(home, "--transport", transport, "--ipv6") as lab:
        config = within(lab, "client", "sh", "-c", "cat $PAXOS_CONFIG").stdout
        assert "[fd50:4158::3]:7100" in config
        assert "10.80.0" not in config
        assert within(lab, "client", "paxos", "submit", "one").returncode == 0
        # An interface that goes down keeps its address: its node is there again.
        for state in ("down", "up"):
            assert within(lab, "n3", "ip", "link", "set", "eth0", state).returncode == 0
        assert "fd50:4158::3/64" in within(lab, "n3", "ip", "address", "show", "eth0").stdout
        until = time.monotonic() + END_SECONDS
        while '"reachable": false' in within(lab, "client", "paxos", "status", "-o", "json").stdout:
            assert time.monotonic() < until
        assert within(lab, "client", "paxos", "submit", "two").returncode == 0


def test_a_kernel_without_ipv6_is_one_line(paxos, monkeypatch: pytest.MonkeyPatch) -> None:
    need_laboratory()
    ip = network.ip

    def refusing(*words: str) -> str:
        if any(word.startswith("fd50:") for word in words):
            raise Failure("permission denied")
        return ip(*words)

    monkeypatch.setattr(network, "ip", refusing)
    result = paxos("lab", "run", "--transport", "udp", "--ipv6")
    assert result.status == 1
    assert result.complaint == ("no IPv6 on this machine (permission denied); leave out --ipv6")
    assert left_of(os.getpid()) == set()
    with open_network([1]) as (plan, _):
        assert plan.node(1).ipv4 in run("ip", "-n", plan.node(1).namespace, "address")


@pytest.mark.parametrize("transport", ["tcp", "zeromq"])
def test_loss_and_delay(home: Path, transport: str) -> None:
    options = ["--transport", transport, "--loss", "0.1", "--delay", "2", "--nodes", "2"]
    with laboratory(home, *options) as lab:
        many = within(lab, "client", "paxos", "submit", "x", "--count", "10", "-o", "json")
        assert '"applied": 10' in many.stdout
        status = within(lab, "client", "paxos", "status", "--timeout", "9", "-o", "json")
        assert '"faulty_loss"' in status.stdout


def test_entering_and_leaving() -> None:
    need_laboratory()
    with open_network([1]) as (plan, _), inside(plan.client.namespace):
        assert interfaces() == {"lo", "eth0"}
    assert "lo" in interfaces()
    with pytest.raises(Failure, match="no such network namespace"), inside("paxos-0-none"):
        pytest.fail("entered")


def test_two_processes_cannot_have_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "STATE", tmp_path)
    monkeypatch.setattr(claim, "LOCK_SECONDS", 0.1)
    with claim.claimed(7) as held:
        held.describe(transport="udp", nodes=(1, 2))
        (found,) = (one for one in claim.laboratories() if one.number == 7)
        assert found.held
        assert found.description == Description(transport="udp", nodes=(1, 2))
        with pytest.raises(Failure, match="laboratory 7 is in use"), claim.claimed(7):
            pytest.fail("taken")
        with claim.taken_over(7) as ours:
            assert not ours
    # Not forgotten: who comes next can tell that something may be left.
    assert not claim.is_held(7)
    with claim.taken_over(7) as ours:
        assert ours
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"nodes": "x"}', b"\xff" * 100])
def test_a_description_that_is_damaged_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(claim, "STATE", tmp_path)
    (tmp_path / "7.json").write_bytes(content)
    (found,) = (one for one in claim.laboratories() if one.number == 7)
    assert not found.held
    assert found.description == Description()


def test_every_station_has_an_address_of_its_own() -> None:
    plan = Plan(7, tuple(range(1, 16)))
    for kind in ("namespace", "mac", "ipv4", "ipv6"):
        assert len({getattr(station, kind) for station in plan.stations}) == 16
    assert plan.client.name == CLIENT
    assert main(["lab", "--help"]) == 0


def test_the_groups_commands_have_help_with_examples(paxos) -> None:
    for name in commands.lab.commands:
        result = paxos("lab", name, "--help")
        assert result.status == 0
        assert f"  paxos lab {name}" in result.out


def test_a_signal_while_it_is_made_removes_it(home: Path) -> None:
    need_laboratory()
    process = spawn("lab", "run", err=home / "err")
    while not left_of(process.pid):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(END_SECONDS) == 0
    assert process.stdin is not None
    process.stdin.close()
    assert left_of(process.pid) == set()
