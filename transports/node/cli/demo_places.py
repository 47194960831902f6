"""Where the nodes of a demo go, for each transport: ports on loopback, or a laboratory."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from transports.node.cli.failures import Failure
from transports.node.config import Scalar

LOOPBACK: Final = "127.0.0.1"
PORT_MIN: Final = 10_240
EPHEMERAL_DEFAULT: Final = 32_768
TRIES: Final = 1_000


def _as_it_is(node: int) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the nodes of one demo are, and how they get there."""

    addresses: Mapping[int, str]
    """Node -> address."""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """What the transport must be told there."""
    one_process: bool = False
    entering: Callable[[int], Sequence[str]] = _as_it_is
    """The words that go before the command of a node's process."""


def _one_hub(nodes: Sequence[int], held: ExitStack) -> Place:
    return Place({node: f"demo/{node}" for node in nodes}, one_process=True)


def _stream_ports(nodes: Sequence[int], held: ExitStack, scheme: str = "") -> Place:
    addresses = {}
    for node in nodes:
        # Bound for the whole demo, and never listening: so nobody else is given the port, and
        # the node, which sets SO_REUSEADDR as well, can listen on it.
        holder = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        addresses[node] = f"{scheme}{LOOPBACK}:{holder.getsockname()[1]}"
    return Place(addresses)


def _zeromq_ports(nodes: Sequence[int], held: ExitStack) -> Place:
    return _stream_ports(nodes, held, "tcp://")


def _datagram_ports(nodes: Sequence[int], held: ExitStack) -> Place:
    """Free ports below those that the system gives out.

    A datagram port cannot be held for somebody else, and while a killed node is away the
    client's own socket must not be given its port.
    """
    chance = random.Random()
    last = _first_ephemeral_port() - 1
    ports: list[int] = []
    for _ in range(TRIES):
        port = chance.randint(PORT_MIN, last)
        if port not in ports and _is_free(port):
            ports.append(port)
        if len(ports) == len(nodes):
            found = zip(nodes, ports, strict=True)
            return Place({node: f"{LOOPBACK}:{port}" for node, port in found})
    raise Failure(f"no free UDP ports on {LOOPBACK} from {PORT_MIN} to {last}; stop something")


def _first_ephemeral_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return max(PORT_MIN + TRIES, int(file.read().split()[0]))
    except (OSError, ValueError):
        return EPHEMERAL_DEFAULT


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _laboratory(nodes: Sequence[int], held: ExitStack, transport: str = "ethernet") -> Place:
    """A network namespace for each node and one for the client, which this thread enters."""
    from transports.node.cli.lab.inside import inside
    from transports.node.cli.lab.network import open_network
    from transports.node.cli.lab.plan import addresses, entering, options

    plan, _claim = held.enter_context(open_network(nodes))
    held.enter_context(inside(plan.client.namespace))
    return Place(
        addresses(plan, transport),
        options(transport),
        entering=lambda node: entering(plan.node(node).namespace),
    )


def _laboratory_with_the_module(nodes: Sequence[int], held: ExitStack) -> Place:
    from transports.chardev import availability

    reason = availability()
    if reason is not None:
        raise Failure(f"kmod: {reason}")
    return _laboratory(nodes, held, "kmod")


PLACES: Final[Mapping[str, Callable[[Sequence[int], ExitStack], Place]]] = {
    "memory": _one_hub,
    "tcp": _stream_ports,
    "udp": _datagram_ports,
    "zeromq": _zeromq_ports,
    "ethernet": _laboratory,
    "kmod": _laboratory_with_the_module,
}


def make_place(transport: str, nodes: Sequence[int], held: ExitStack) -> Place:
    """Where the nodes of a demo over `transport` go; what that needs is put on the stack.

    A transport that is not known here gets ports on loopback, as `tcp` does. Raises `Failure`.
    """
    return PLACES.get(transport, _stream_ports)(nodes, held)
