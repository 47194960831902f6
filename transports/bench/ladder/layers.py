"""The layers that are compared, and why one of them cannot run here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transports.node.cli.lab.ip import unavailable
from transports.registry import describe


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the comparison."""

    id: str
    transport: str
    """As a configuration names it."""
    title: str
    veth: bool = False
    """In the laboratory, every process in a network namespace of its own."""
    mode: str = ""
    """Of the kernel module: runs where that is loaded."""

    @property
    def one_process(self) -> bool:
        """Whether its endpoints are those of one process."""
        return self.transport == "memory"


LAYERS: Final = {
    layer.id: layer
    for layer in (
        Layer("memory", "memory", "memory, one process"),
        Layer("tcp", "tcp", "TCP, loopback"),
        Layer("udp", "udp", "UDP, loopback"),
        Layer("zeromq", "zeromq", "ZeroMQ over TCP, loopback"),
        Layer("ethernet", "ethernet", "Ethernet, loopback"),
        Layer("tcp-veth", "tcp", "TCP, veth", veth=True),
        Layer("udp-veth", "udp", "UDP, veth", veth=True),
        Layer("zeromq-veth", "zeromq", "ZeroMQ over TCP, veth", veth=True),
        Layer("ethernet-veth", "ethernet", "Ethernet, veth", veth=True),
        Layer("kmod-relay", "kmod", "kernel module as relay, veth", veth=True, mode="relay"),
        Layer("kmod-replica", "kmod", "replica in the kernel, veth", veth=True, mode="replica"),
    )
}


def why_not(layer: Layer) -> str:
    """Why `layer` cannot be measured here, with the cure; empty if it can."""
    missing = {info.name: info.unavailable for info in describe()}[layer.transport]
    if missing:
        return missing
    return (unavailable() or "") if layer.veth else ""
