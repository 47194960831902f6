"""The paper's Table I: one client in user space, four kinds of echo.

    namespace west                          namespace east
    client, w0 10.81.0.1  ------veth------  e0 10.81.0.2, the echo

A veth pair without a bridge, which would add the same to all four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness import instructions

from transports._paxos_device import MODE_ECHO, PaxosDevice, make_config
from transports.node.cli.lab.inside import inside

from .programs import MeasureFailed, Program, run, running

WEST, EAST = "paxos-west", "paxos-east"
EAST_MAC = "02:50:41:58:01:02"
WEST_ADDRESS = "10.81.0.1"
EAST_ADDRESS, PORT = "10.81.0.2", "7000"
ETHERTYPE = "0x88b5"
UDP, ETHERNET = "udp", "ethernet"
SERVER = 1
WARM_UP = 500


@contextmanager
def two_namespaces() -> Iterator[None]:
    """The network; gone afterwards, with all that is in it."""
    try:
        for namespace in (WEST, EAST):
            run("ip", "netns", "add", namespace)
        there = ("peer", "name", "e0", "netns", EAST, "address", EAST_MAC)
        run("ip", "-n", WEST, "link", "add", "w0", "type", "veth", *there)
        ends = ((WEST, "w0", WEST_ADDRESS), (EAST, "e0", EAST_ADDRESS))
        for namespace, interface, address in ends:
            run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", interface)
            run("ip", "-n", namespace, "link", "set", interface, "up")
        yield
    finally:
        for namespace in (WEST, EAST):
            run("ip", "netns", "delete", namespace)


# The echoes: contexts that give the process that answers, or None.


@contextmanager
def _in_user_space(medium: str, programs: Path) -> Iterator[Program | None]:
    where = (EAST_ADDRESS, PORT) if medium == UDP else ("e0", ETHERTYPE)
    with running(EAST, programs / "echo", "server", medium, *where) as server:
        server.wait_until("ready")
        yield server


@contextmanager
def _udp_in_kernel(programs: Path, *, thread: bool) -> Iterator[Program | None]:
    module = programs / "paxos_udp_echo.ko"
    run("insmod", module, f"port={PORT}", f"thread={int(thread)}", namespace=EAST)
    try:
        yield None
    finally:
        run("rmmod", module.stem)


@contextmanager
def _ethernet_in_kernel(programs: Path) -> Iterator[Program | None]:
    members = {SERVER: bytes.fromhex(EAST_MAC.replace(":", ""))}
    with inside(EAST):
        device = PaxosDevice("/dev/paxos")
    try:
        device.configure(make_config(MODE_ECHO, SERVER, "e0", members))
        yield None
    finally:
        device.close()


Server = Callable[[Path], AbstractContextManager[Program | None]]


@dataclass(frozen=True)
class Echo:
    """One row of the table."""

    title: str
    medium: str
    serve: Server


ECHOES: Mapping[str, Echo] = {
    "udp-user": Echo("UDP, user space", UDP, partial(_in_user_space, UDP)),
    "udp-kernel": Echo("UDP, kernel (softirq)", UDP, partial(_udp_in_kernel, thread=False)),
    "ethernet-user": Echo("Ethernet, user space", ETHERNET, partial(_in_user_space, ETHERNET)),
    "ethernet-kernel": Echo("Ethernet, kernel (`PAXOS_MODE_ECHO`)", ETHERNET, _ethernet_in_kernel),
    "udp-thread": Echo("UDP, kernel thread", UDP, partial(_udp_in_kernel, thread=True)),
}
"""By name, in the order of the table; the last is ours, to explain the paper's second."""


def measure(echo: Echo, programs: Path, count: int, outstanding: int) -> Mapping[str, Any]:
    """Counts of `count` echoes, each with 64 bytes, so many of them on their way at a time."""
    with echo.serve(programs) as server, running(
        WEST, programs / "echo", "client", echo.medium, *_address(echo.medium),
        str(count), str(outstanding), str(WARM_UP),
    ) as client:  # fmt: skip
        client.wait_until("ready")
        pids = [client.pid, *([server.pid] if server else [])]
        with instructions.count(pids) as counted:
            client.tell()
            client.wait_until("done")
        said = client.read_json()
    if said.get("count") != count:
        raise MeasureFailed(f"{echo.title}: of {count} echoes came {said}")
    return {
        "outstanding": outstanding,
        "count": count,
        "busy_ns": counted.busy,
        "switches": counted.switches,
        "echo_ns": counted.of[server.pid] if server else 0,
        "elapsed_ns": said["ns"],
        "p50_ns": said["p50_ns"],
    }


def _address(medium: str) -> tuple[str, ...]:
    return (EAST_ADDRESS, PORT) if medium == UDP else ("w0", ETHERTYPE, EAST_MAC)
