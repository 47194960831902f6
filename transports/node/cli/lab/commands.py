"""``paxos lab``: a laboratory of network namespaces on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from transports.node.cli.failures import Failure, Interrupted, Misuse
from transports.node.cli.lab.plan import (
    IPV6_MTU_MIN,
    MTU_DEFAULT,
    MTU_MAX,
    MTU_MIN,
    NODES_MAX,
    RAW,
    namespace_of,
)
from transports.node.cli.options import (
    JSON,
    FiniteRange,
    check_core,
    check_transport_name,
    core_option,
    mode_option,
    output_option,
)

if TYPE_CHECKING:
    from transports.node.cli.lab.claim import Laboratory
    from transports.node.config import CoreKind, StoreKind

LOSS_MAX: Final = 0.9
DELAY_MS_MAX: Final = 1_000.0

_Command = TypeVar("_Command", bound=Callable[..., Any])


def lab_option(command: _Command) -> _Command:
    """``--lab NUMBER``, as `number`."""
    return click.option(
        "--lab",
        "number",
        type=click.IntRange(1),
        metavar="NUMBER",
        help="Which laboratory. Not needed while there is only one.",
    )(command)


@click.group(
    epilog="""\b
Example:
  paxos lab run --transport ethernet
  paxos lab exec client -- paxos submit hello     (in another terminal)
  paxos lab link n1 down
"""
)
def lab() -> None:
    """Run nodes in network namespaces, joined by a bridge.

    Each node has a namespace with one interface, and so has the client. Nothing
    is added to the machine's own network, and all is removed at the end. Needs
    root, and the command ip of iproute2.
    """


@lab.command(
    epilog="""\b
Examples:
  paxos lab run
  paxos lab run --transport udp --nodes 5 --mtu 9000
  paxos lab run --transport tcp --ipv6
  paxos lab run --transport ethernet --loss 0.1 --delay 5
"""
)
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_MAX),
    default=3,
    show_default=True,
    metavar="N",
    help="How many nodes.",
)
@click.option(
    "--transport",
    default="ethernet",
    show_default=True,
    metavar="NAME",
    help="What carries the frames; see: paxos transports.",
)
@core_option("python")
@mode_option
@click.option(
    "--store",
    type=click.Choice(["memory", "durable"]),
    default="memory",
    show_default=True,
    help="Where a node keeps its promises: on the disk, or in its process alone.",
)
@click.option(
    "--mtu",
    type=click.IntRange(MTU_MIN, MTU_MAX),
    default=MTU_DEFAULT,
    show_default=True,
    metavar="BYTES",
    help="Of every interface.",
)
@click.option(
    "--loss",
    type=FiniteRange(0, LOSS_MAX),
    default=0.0,
    metavar="P",
    help="Each frame is lost with this probability, where it arrives.",
)
@click.option(
    "--delay",
    type=FiniteRange(0, DELAY_MS_MAX),
    default=0.0,
    metavar="MS",
    help="Each frame is late by so many milliseconds.",
)
@click.option("--ipv6", is_flag=True, help="Nodes have IPv6 addresses, in place of IPv4.")
def run(
    nodes: int,
    transport: str,
    core: CoreKind | None,
    mode: str | None,
    store: StoreKind,
    mtu: int,
    loss: float,
    delay: float,
    ipv6: bool,
) -> None:
    """Make a laboratory, and run a node in each namespace until Ctrl-C."""
    from transports.node.cli.lab.run import Wish, run_laboratory
    from transports.node.cli.running import run as run_under_trio

    check_transport_name(transport)
    if transport == "memory":
        raise Misuse("--transport memory joins tasks of one process; choose another, such as tcp")
    if ipv6:
        _check_ipv6(transport, mtu)
    check_core(transport, mode, core)
    if mode == "replica" and (loss or delay):
        raise Misuse("--loss and --delay reach no replica in the kernel; take --mode relay")
    wish = Wish(nodes, transport, store, mtu, loss, delay, ipv6, core or "python", mode)
    try:
        run_under_trio(lambda: run_laboratory(wish, click.echo), last=True)
    except Interrupted:
        # This is how a laboratory is meant to end.
        return


def _check_ipv6(transport: str, mtu_bytes: int) -> None:
    if transport in RAW:
        raise Misuse("--ipv6 is for transports over IP, and raw Ethernet has none; leave it out")
    if mtu_bytes < IPV6_MTU_MIN:
        raise Misuse(f"--mtu {mtu_bytes}: IPv6 needs {IPV6_MTU_MIN} or more; raise it")


@lab.command(
    "exec",
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  paxos lab exec client -- paxos status
  paxos lab exec n2 -- ip address
""",
)
@lab_option
@click.argument("station")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(number: int | None, station: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in the namespace of a node, `n1`, or of the `client`.

    The laboratory's configuration is in the environment variable PAXOS_CONFIG,
    which every `paxos` command there reads.
    """
    found = _choose(number)
    name = _station(found, station)
    environment = _environment(found)
    if shutil.which(command[0], path=environment["PATH"]) is None:
        raise Misuse(f"{command[0]}: there is no such command; check its name")
    # Nothing must be lost of what was printed so far: this process ends here.
    sys.stdout.flush()
    namespace = namespace_of(found.number, name)
    try:
        os.execvpe("ip", ["ip", "netns", "exec", namespace, *command], environment)
    except OSError as error:
        raise Failure(f"ip: {error.strerror}; on Debian: apt-get install iproute2") from error


def _environment(found: Laboratory) -> dict[str, str]:
    """With the laboratory's configuration, and with `paxos` also where it is not on the path."""
    here = Path(sys.executable).parent
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{here}"
    environment = {**os.environ, "PATH": path}
    if found.description.config:
        environment["PAXOS_CONFIG"] = found.description.config
    return environment


@lab.command(
    short_help="Pull the cable of a station out, or plug it in again.",
    epilog="""\b
Examples:
  paxos lab link n1 down      cut node 1 off
  paxos lab link n1 up
""",
)
@lab_option
@click.argument("station")
@click.argument("state", type=click.Choice(["up", "down"]))
def link(number: int | None, station: str, state: str) -> None:
    """Pull the cable of a node, `n1`, or of the `client`, or plug it in again."""
    from transports.node.cli.lab.network import set_link

    found = _choose(number)
    set_link(found.number, _station(found, station), up=state == "up")


@lab.command(
    "list",
    epilog="""\b
Example:
  paxos lab list --output json
""",
)
@output_option
def list_(output: str) -> None:
    """List the laboratories on this machine."""
    from transports.node.cli.lab.claim import laboratories
    from transports.node.cli.lab.network import link_is_up
    from transports.node.cli.output import print_json, print_table

    _check_available()
    found = laboratories()
    stations = {one.number: [station.name for station in one.plan.stations] for one in found}
    down = {
        one.number: [name for name in stations[one.number] if not link_is_up(one.number, name)]
        for one in found
    }
    if output == JSON:
        print_json([_as_dict(one, stations[one.number], down[one.number]) for one in found])
        return
    rows = [
        (
            one.number,
            "running" if one.held else "left behind",
            len(one.description.nodes),
            one.description.transport or "-",
            ", ".join(down[one.number]) or "-",
        )
        for one in found
    ]
    print_table((">laboratory", "state", ">nodes", "transport", "*links down"), rows)


def _as_dict(found: Laboratory, stations: list[str], down: list[str]) -> dict[str, Any]:
    return {
        "laboratory": found.number,
        "running": found.held,
        "nodes": list(found.description.nodes),
        "transport": found.description.transport,
        "store": found.description.store,
        "config": found.description.config,
        "mtu_bytes": found.description.mtu_bytes,
        "namespaces": list(found.namespaces),
        "links": {station: "down" if station in down else "up" for station in stations},
    }


@lab.command(
    short_help="Remove the laboratories whose processes are gone.",
    epilog="""\b
Examples:
  paxos lab clean
  paxos lab clean --all
""",
)
@click.option("--all", "everything", is_flag=True, help="Those in use too: ends their processes.")
@output_option
def clean(everything: bool, output: str) -> None:
    """Remove the laboratories whose processes are gone, with all that runs in them.

    A laboratory removes itself however it ends, unless it is killed. Starting
    another one cleans as well.
    """
    from transports.node.cli.lab.network import clean as clean_up
    from transports.node.cli.output import print_json

    _check_available()
    removed = clean_up(also_held=everything)
    if output == JSON:
        print_json({"removed": removed})
        return
    numbers = ", ".join(map(str, removed))
    click.echo(f"removed: {numbers}" if removed else "nothing to remove")


def _check_available() -> None:
    """Without the rights one would see a part, and take it for the whole. Raises `Failure`."""
    from transports.node.cli.lab.ip import unavailable

    reason = unavailable()
    if reason is not None:
        raise Failure(reason)


def _choose(number: int | None) -> Laboratory:
    """The laboratory that is meant. Raises `Misuse`, and `Failure` if there is none."""
    from transports.node.cli.lab.claim import laboratories

    _check_available()
    running = {one.number: one for one in laboratories() if one.held}
    if not running:
        raise Failure("no laboratory is running; make one with: paxos lab run")
    known = ", ".join(map(str, running))
    if number is None:
        if len(running) > 1:
            raise Misuse(f"which laboratory? choose with --lab one of {known}")
        return next(iter(running.values()))
    if number not in running:
        raise Misuse(f"--lab {number}: no such laboratory is running; choose one of {known}")
    return running[number]


def _station(found: Laboratory, word: str) -> str:
    """`1`, `n1` or `client` as the name of a station. Raises `Misuse`."""
    name = f"n{word}" if word.isdecimal() else word
    known = [station.name for station in found.plan.stations]
    if name not in known:
        raise Misuse(f"{word}: no such place in laboratory {found.number}; "
                     f"choose one of {', '.join(known)}")  # fmt: skip
    return name
