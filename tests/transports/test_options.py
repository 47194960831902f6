"""Options with more than the system has numbers for."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from transports.api import OPTION_MAX, Frame, TransportError
from transports.chardev import open_kmod
from transports.registry import call_opener
from transports.testing import free_tcp_addresses

CLIENT = 70_000


@pytest.mark.parametrize(
    ("transport", "option"),
    [
        ("tcp", "unacknowledged_seconds"),
        ("tcp", "connect_seconds"),
        ("udp", "buffer_bytes"),
        ("udp", "resolve_seconds"),
        ("zeromq", "queue_messages_max"),
        ("zeromq", "unacknowledged_seconds"),
        ("zeromq", "queue_bytes_max"),
    ],
)
async def test_the_most_that_an_option_may_be_is_taken(transport: str, option: str) -> None:
    options: dict[str, Any] = {option: OPTION_MAX}
    scheme = "tcp://" if transport == "zeromq" else ""
    peers = {node: f"{scheme}{address}" for node, address in free_tcp_addresses(1).items()}
    arrived: list[Frame] = []
    with trio.fail_after(60):
        async with (
            call_opener(transport, 1, peers, options) as one,
            call_opener(transport, CLIENT, peers, options) as client,
        ):
            while not arrived:
                client.send([(1, b"x")])
                with trio.move_on_after(0.1):
                    arrived = await one.receive()
    assert (CLIENT, b"x") in arrived


@pytest.mark.parametrize("option", ["queue_bytes_max", "clients_max"])
async def test_more_than_the_module_counts_in_is_refused(option: str) -> None:
    peers = {1: "00:00:00:00:00:00"}
    with pytest.raises(TransportError, match=f"kmod: {option} cannot be {1 << 32}; give less"):
        async with open_kmod(1, peers, interface="lo", **{option: 1 << 32}):
            pass
