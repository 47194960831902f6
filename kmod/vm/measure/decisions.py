"""What a decision costs: three replicas and a client, one network namespace each.

The laboratory's network: veth pairs and a bridge. Stores are in memory, commands of 64 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from harness import instructions

from transports.bench import worker_node
from transports.node.cli.lab.plan import INTERFACE, Plan, addresses, options

from . import python_client
from .programs import MeasureFailed, Program, forked, running

NODES = (1, 2, 3)
LEADER = 1
COMMAND_BYTES = 64
WARM_UP = 200
PX_SECONDS = 60
_SWITCHES = re.compile(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)$", re.MULTILINE)

Measured = Mapping[str, Any]


@dataclass(frozen=True)
class Load:
    """What one measurement does."""

    outstanding: int
    commands: int


@dataclass
class Cluster:
    """A running cluster, just before its commands."""

    leader: Program
    followers: Sequence[Program]
    client: Program
    """Reads a line, and then says what it measured; perhaps it is the leader."""


def _measure(cluster: Cluster, load: Load) -> Measured:
    """Lets the cluster decide its commands and counts what that takes."""
    followers = [program.pid for program in cluster.followers]
    switches = _switches(followers)
    with instructions.count([cluster.leader.pid, *followers, cluster.client.pid]) as counted:
        cluster.client.tell()
        cluster.client.wait_until("done")
    said = cluster.client.read_json()
    measured = {
        "outstanding": load.outstanding,
        **(_px_node_said(said) if cluster.client is cluster.leader else said),
        "busy_ns": counted.busy,
        "switches": counted.switches,
        "leader_ns": counted.of[cluster.leader.pid],
        "client_ns": counted.of[cluster.client.pid],
        "follower_ns": sum(counted.of[pid] for pid in followers) / len(followers),
        "follower_switches": (_switches(followers) - switches) / len(followers),
    }
    if measured["commands"] < load.commands or not measured["slots"]:
        raise MeasureFailed(f"{load.commands} commands were wanted, and {said} came")
    return measured


def _switches(pids: Sequence[int]) -> int:
    """Context switches of all their threads so far."""
    files = [path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(number) for path in files for number in _SWITCHES.findall(path.read_text()))


# px_node: the C core, in its own process or in the kernel


def _measure_plain_c(
    mode: str, plan: Plan, programs: Path, loads: Sequence[Load]
) -> Iterator[Measured]:
    members = [f"{node}={mac}" for node, mac in addresses(plan, "ethernet").items()]
    common = [word for member in members for word in ("--member", member)]
    common += ["--interface", INTERFACE, "--seconds", str(PX_SECONDS)]
    for load in loads:
        leads = ["--outstanding", load.outstanding, "--commands", load.commands]
        leads += ["--bytes", COMMAND_BYTES, "--warm-up", WARM_UP, "--hold"]
        with ExitStack() as stack:
            nodes = [
                stack.enter_context(
                    running(
                        plan.node(node).namespace, programs / "px_node", mode,
                        "--node", str(node), *common, *map(str, leads if node == LEADER else ()),
                    )
                )
                for node in NODES
            ]  # fmt: skip
            leader, followers = nodes[LEADER - 1], nodes[LEADER:]
            leader.wait_until("ready")
            yield _measure(Cluster(leader, followers, leader), load)


def _px_node_said(said: Mapping[str, Any]) -> Mapping[str, float]:
    if "latency_us" not in said:
        raise MeasureFailed(f"the leader did not stay leader: it said {said}")
    return {
        "commands": said["commands"],
        "slots": said["slots"],
        "ns": said["seconds"] * 1e9,
        "p50_ns": said["latency_us"]["p50"] * 1e3,
    }


# Nodes and a client of Python


def _config(plan: Plan, transport: str, settings: Mapping[str, str]) -> str:
    top = {"cluster": "figures", "transport": transport, "store": "memory", **settings}
    lines = [f'{key} = "{value}"' for key, value in top.items()]
    lines += ["[log]", 'level = "warning"', "[nodes]"]
    lines += [f'{node} = "{address}"' for node, address in addresses(plan, transport).items()]
    lines += ["[transport_options]"]
    lines += [f'{key} = "{value}"' for key, value in options(transport).items()]
    return "\n".join(lines) + "\n"


def _measure_python(
    transport: str, settings: Mapping[str, str], plan: Plan, _programs: Path, loads: Sequence[Load]
) -> Iterator[Measured]:
    with TemporaryDirectory() as directory, ExitStack() as stack:
        path = Path(directory, "paxos.toml")
        path.write_text(_config(plan, transport, settings))

        def start(namespace: str, name: str, act: Callable[[], Awaitable[None]]) -> Program:
            return stack.enter_context(forked(namespace, name, lambda: trio.run(act)))

        nodes = {}
        for node in NODES:
            act = partial(worker_node.run, str(path), node, first_start=True)
            nodes[node] = start(plan.node(node).namespace, f"node {node}", act)
        for node, program in nodes.items():
            if program.read_json().get("ready") != node:
                raise MeasureFailed(f"node {node} did not start")
        client = start(plan.client.namespace, "client", partial(python_client.run, path))
        for load in loads:
            client.tell(f"{load.outstanding} {load.commands} {WARM_UP} {COMMAND_BYTES}")
            leader = client.read_json()["ready"]
            others = [program for node, program in nodes.items() if node != leader]
            yield _measure(Cluster(nodes[leader], others, client), load)


Run = Callable[[Plan, Path, Sequence[Load]], Iterator[Measured]]


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    title: str
    run: Run
    """Starts the cluster and measures each load."""
    commands: Mapping[int, int]
    """By how many are outstanding: enough for a steady figure, few enough for the time."""


_C = {1: 5_000, 64: 50_000}
_PYTHON = {1: 300, 64: 6_000}

ROWS: Mapping[str, Row] = {
    "python-udp": Row("Python core, UDP", partial(_measure_python, "udp", {}), _PYTHON),
    "python-ethernet": Row(
        "Python core, Ethernet", partial(_measure_python, "ethernet", {}), _PYTHON
    ),
    "python-relay": Row("Python core, relay", partial(_measure_python, "kmod", {}), _PYTHON),
    "c-python-ethernet": Row(
        "C core in the Python node, Ethernet",
        partial(_measure_python, "ethernet", {"core": "c"}),
        _PYTHON,
    ),
    "c-ethernet": Row("C core in `px_node`, Ethernet", partial(_measure_plain_c, "core"), _C),
    "c-kernel": Row("C core in the kernel, `px_node`", partial(_measure_plain_c, "device"), _C),
}
"""By name, in the order of the table."""
