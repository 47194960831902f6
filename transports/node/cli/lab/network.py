"""Makes and removes a laboratory's network.

[ n1: eth0 ]----n1-.
[ n2: eth0 ]----n2--[ br0 ]     each bracket is a network namespace
[ client: eth0 ]--client-'
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from transports.node.cli.failures import Failure
from transports.node.cli.lab.claim import (
    NAMESPACES,
    Claim,
    Laboratory,
    claimed,
    is_maker,
    laboratories,
    taken_over,
)
from transports.node.cli.lab.inside import inside
from transports.node.cli.lab.ip import ip, unavailable
from transports.node.cli.lab.plan import (
    BRIDGE,
    HUB,
    INTERFACE,
    IPV6_MTU_MIN,
    MTU_DEFAULT,
    Plan,
    Station,
    namespace_of,
)

END_SECONDS: Final = 3.0
IPV6_SIGN: Final = "/proc/net/if_inet6"
KEEP_ADDRESS: Final = f"/proc/sys/net/ipv6/conf/{INTERFACE}/keep_addr_on_down"


@contextmanager
def open_network(
    nodes: Sequence[int], mtu_bytes: int = MTU_DEFAULT, *, ipv6: bool = False
) -> Iterator[tuple[Plan, Claim]]:
    """A network for `nodes` and a client, removed at the end with all that runs in it.

    Without `ipv6` it is no failure if the kernel has none. What dead processes left
    behind is removed first. Raises `Failure`.
    """
    reason = unavailable()
    if reason is not None:
        raise Failure(reason)
    clean()
    plan = Plan(os.getpid(), tuple(nodes), mtu_bytes, ipv6)
    with claimed(plan.laboratory) as claim:
        claim.describe(nodes=plan.nodes, mtu_bytes=mtu_bytes)
        try:
            _make(plan)
            yield plan, claim
        finally:
            _remove(plan.laboratory)
            # Only now: while something is left of it, its file tells so.
            claim.forget()


def _make(plan: Plan) -> None:
    hub, mtu = plan.hub, str(plan.mtu_bytes)
    ip("netns", "add", hub)
    # Without the delays of a spanning tree, and without guesses about who wants what.
    quiet = ("forward_delay", "0", "stp_state", "0", "mcast_snooping", "0")
    ip("-n", hub, "link", "add", BRIDGE, "type", "bridge", *quiet)
    for station in plan.stations:
        _make_station(plan, station)
    ip("-n", hub, "link", "set", BRIDGE, "mtu", mtu, "up")


def _make_station(plan: Plan, station: Station) -> None:
    hub, port, there, mtu = plan.hub, station.name, station.namespace, str(plan.mtu_bytes)
    ip("netns", "add", there)
    # Made from within the hub, so that the machine's own namespace never sees it.
    peer = ("peer", "name", INTERFACE, "netns", there, "mtu", mtu, "address", station.mac)
    ip("-n", hub, "link", "add", port, "mtu", mtu, "type", "veth", *peer)
    ip("-n", hub, "link", "set", port, "master", BRIDGE, "up")
    ip("-n", there, "link", "set", "lo", "up")
    ip("-n", there, "addr", "add", f"{station.ipv4}/24", "dev", INTERFACE)
    _give_ipv6(plan, station)
    ip("-n", there, "link", "set", INTERFACE, "up")


def _give_ipv6(plan: Plan, station: Station) -> None:
    """Raises `Failure` if the plan needs it and the kernel refuses."""
    if not plan.ipv6 and (plan.mtu_bytes < IPV6_MTU_MIN or not os.path.exists(IPV6_SIGN)):
        return
    there = station.namespace
    try:
        ip("-n", there, "addr", "add", f"{station.ipv6}/64", "dev", INTERFACE, "nodad")
        # Else an interface that goes down loses this address, as it never does the other.
        with inside(there), open(KEEP_ADDRESS, "w", encoding="ascii") as setting:
            setting.write("1")
    except (Failure, OSError) as error:
        # Compiled in, and switched off: then there is none.
        if plan.ipv6:
            raise Failure(f"no IPv6 on this machine ({error}); leave out --ipv6") from error


def set_link(laboratory: int, station: str, *, up: bool) -> None:
    """Plug the station's cable into the bridge, or pull it out. Raises `Failure`."""
    hub = namespace_of(laboratory, HUB)
    ip("-n", hub, "link", "set", station, "up" if up else "down")


def link_is_up(laboratory: int, station: str) -> bool:
    """Whether the station's cable is plugged in."""
    try:
        said = ip("-n", namespace_of(laboratory, HUB), "-o", "link", "show", "dev", station)
    except Failure:
        return False
    flags = said.partition("<")[2].partition(">")[0].split(",")
    return "UP" in flags


def clean(*, also_held: bool = False) -> list[int]:
    """Remove every laboratory whose process is gone, and return their numbers.

    With `also_held` the others as well: their processes are ended. Raises `Failure`.
    """
    removed = []
    for found in laboratories():
        if found.held and not (also_held and _end_maker(found)):
            continue
        with taken_over(found.number) as ours:
            if ours:
                _remove(found.number)
                _remove_directory(found)
                removed.append(found.number)
    return removed


def _end_maker(found: Laboratory) -> bool:
    """Have the process that made it end, which removes it; true if something is left to do."""
    if found.number == os.getpid() or not is_maker(found.number, found.number):
        return False
    with suppress(ProcessLookupError):
        os.kill(found.number, signal.SIGTERM)
    until = time.monotonic() + 2 * END_SECONDS
    while any(one.number == found.number and one.held for one in laboratories()):
        if time.monotonic() > until:
            raise Failure(
                f"process {found.number} does not end, so its laboratory stays; "
                f"try: kill -9 {found.number}, then paxos lab clean"
            )
        time.sleep(0.02)
    return True


def _remove(laboratory: int) -> None:
    """End what runs in a laboratory and remove its network. Raises `Failure` for the last."""
    names = [
        path.name for path in NAMESPACES.glob(f"{namespace_of(laboratory, '')}*") if path.exists()
    ]
    _end_processes(names)
    hub = namespace_of(laboratory, HUB)
    if hub in names:
        _cut_cables(hub)
    failed: Failure | None = None
    for name in names:
        try:
            ip("netns", "delete", name)
        except Failure as error:
            failed = error
    if failed is not None:
        raise failed


def _cut_cables(hub: str) -> None:
    # A namespace that some process still holds lives on without a name, and its interface
    # with it; without the bridge's end there is no other end.
    with suppress(Failure):
        for line in ip("-n", hub, "-o", "link", "show", "type", "veth").splitlines():
            port = line.split(": ")[1].partition("@")[0]
            with suppress(Failure):
                ip("-n", hub, "link", "delete", port)


def _end_processes(namespaces: Sequence[str]) -> None:
    """Politely, then not. Whatever is in a laboratory was started there."""
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, END_SECONDS)):
        until = time.monotonic() + seconds
        told = False
        while pids := [pid for name in namespaces for pid in processes_in(name)]:
            if not told:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                told = True
            if time.monotonic() > until:
                break
            time.sleep(0.01)
        if not pids:
            return


def processes_in(namespace: str) -> list[int]:
    """The ids of the processes in a namespace, without this one."""
    try:
        said = ip("netns", "pids", namespace)
    except Failure:
        return []
    return [pid for pid in map(int, said.split()) if pid != os.getpid()]


def _remove_directory(found: Laboratory) -> None:
    directory = found.description.directory
    if directory:
        shutil.rmtree(Path(directory), ignore_errors=True)
