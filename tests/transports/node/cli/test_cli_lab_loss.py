"""Frames that the kernel drops on a laboratory's cable."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from lab_cases import need_laboratory

from transports.node.cli.failures import Failure
from transports.node.cli.lab import loss
from transports.node.cli.lab.inside import inside
from transports.node.cli.lab.loss import Loss, why_no_loss
from transports.node.cli.lab.network import open_network
from transports.node.cli.lab.plan import Plan

DATAGRAMS = 60
"""Few enough for a receive buffer."""
PORT = 7100
PATIENCE_SECONDS = 20.0


class Pair:
    """A socket of the client's and one of node 1's, which know each other's address."""

    def __init__(self, plan: Plan, opened: ExitStack) -> None:
        stations = plan.client, plan.node(1)
        self.addresses = [(station.ipv4, PORT) for station in stations]
        self.sockets = []
        for station, address in zip(stations, self.addresses, strict=True):
            with inside(station.namespace):
                sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind(address)
            sock.settimeout(PATIENCE_SECONDS)
            self.sockets.append(sock)

    def send(self, sender: int, datagrams: int = DATAGRAMS) -> None:
        for _ in range(datagrams):
            self.sockets[sender].sendto(b"counts", self.addresses[1 - sender])

    def wait_until_whole(self) -> None:
        """A new cable is up a moment later; and who has which address is asked only once."""
        for end, sock in enumerate(self.sockets):
            until = time.monotonic() + PATIENCE_SECONDS
            while not select.select([sock], [], [], 0.1)[0]:
                assert time.monotonic() < until
                self.send(1 - end, 1)
            # All of them: what was held back comes together.
            while select.select([sock], [], [], 0.2)[0]:
                sock.recv(100)

    def arrived(self, receiver: int) -> int:
        """How many came before a last one, which is sent when nothing is lost any more."""
        self.sockets[1 - receiver].sendto(b"last", self.addresses[receiver])
        found = 0
        while self.sockets[receiver].recv(100) != b"last":
            found += 1
        return found


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    need_laboratory()
    if reason := why_no_loss():
        pytest.skip(reason)
    with open_network([1]) as (made, _claim):
        yield made


@pytest.fixture
def pair(plan: Plan) -> Iterator[Pair]:
    with ExitStack() as opened:
        made = Pair(plan, opened)
        made.wait_until_whole()
        yield made


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 60, 60), (0.5, 8, 52), (1.0, 0, 0)])
@pytest.mark.parametrize("sender", [0, 1])
def test_a_share_is_lost_in_both_directions(
    plan: Plan, pair: Pair, sender: int, share: float, least: int, most: int
) -> None:
    lossy = Loss(plan, 1, share)
    try:
        pair.send(sender)
    finally:
        lossy.close()
    assert least <= pair.arrived(1 - sender) <= most


def test_no_cable_no_loss(plan: Plan) -> None:
    with pytest.raises(Failure, match="cable of n9: no interface with this name"):
        Loss(plan, 9, 0.5)


def test_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss.platform, "machine", lambda: "abacus")
    assert "bpf(2) on abacus is not known" in (why_no_loss() or "")


def test_a_kernel_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_command: int, _attributes: bytes) -> int:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(loss, "_bpf", refuse)
    assert "takes no BPF program (Operation not permitted)" in (why_no_loss() or "")
