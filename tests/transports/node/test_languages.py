"""Which transport nodes answer over that do not answer over ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from transports.node import Node, open_node
from transports.node.config import ClusterConfig
from transports.node.languages import find_languages
from transports.node.machines import Journal
from transports.testing import free_tcp_addresses


@asynccontextmanager
async def one_node(directory: Path, **fields: object) -> AsyncIterator[tuple[Node, ClusterConfig]]:
    config = ClusterConfig(nodes=free_tcp_addresses(2), base=directory, store="memory")
    config = replace(config, **fields)  # type: ignore[arg-type]
    async with open_node(config, 1, Journal(), first_start=True) as node:
        yield node, config


async def test_who_answers_and_how(tmp_path: Path) -> None:
    async with one_node(tmp_path, transport="udp") as (_, config):
        assert await find_languages(config, [1, 2]) == {1: "udp"}
        assert await find_languages(replace(config, transport="tcp"), [1, 2]) == {1: "udp"}
        addresses = {node: f"tcp://{address}" for node, address in config.nodes.items()}
        zeromq = replace(config, transport="zeromq", nodes=addresses)
        assert await find_languages(zeromq, [1, 2]) == {1: "udp"}


async def test_a_node_of_another_cluster_is_none_of_ours(tmp_path: Path) -> None:
    """Two clusters may share hosts and ports, one over streams and one over datagrams."""
    async with one_node(tmp_path, transport="udp", cluster="other") as (_, config):
        ours = replace(config, transport="tcp", cluster="ours")
        assert await find_languages(ours, [1, 2]) == {}


async def test_one_that_only_troubles_another_speaks_as_that(tmp_path: Path) -> None:
    options = {"over": "tcp", "loss": 0.5}
    async with one_node(tmp_path) as (_, config):
        faulty = "transports.node.faulty:open_faulty"
        troubled = replace(config, transport=faulty, transport_options=options)
        assert await find_languages(troubled, [1, 2]) in ({1: faulty}, {})


async def test_addresses_without_a_port_lead_nowhere(tmp_path: Path) -> None:
    mac = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02/2"}
    config = ClusterConfig(nodes=mac, base=tmp_path, transport="ethernet")
    assert await find_languages(config, [1, 2]) == {}
    pipes = {1: "ipc:///tmp/one", 2: "ipc:///tmp/two"}
    assert await find_languages(replace(config, transport="zeromq", nodes=pipes), [1, 2]) == {}


async def test_what_cannot_be_asked_is_not_asked(tmp_path: Path) -> None:
    """No certificate for a client, and addresses of two kinds, which UDP does not take."""
    config = ClusterConfig(
        nodes={1: "127.0.0.1:1", 2: "[::1]:1"},
        base=tmp_path,
        transport_options={"tls_certificate": "none.pem", "tls_authority": "none.pem"},
    )
    assert await find_languages(config, [1, 2]) == {}


@pytest.mark.parametrize(("disturbed", "first_bytes"), [(False, {0}), (True, {0, 0xFF})])
async def test_a_port_where_our_transport_may_answer_is_left_alone(
    tmp_path: Path, disturbed: bool, first_bytes: set[int]
) -> None:
    """There a question in ZeroMQ, which begins with 0xff, would look like a mistake."""
    config = ClusterConfig(nodes=free_tcp_addresses(2), base=tmp_path, store="memory")
    came: set[int] = set()

    async def note(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):
                came.update((await stream.receive_some(1))[:1])

    port = int(config.nodes[2].rpartition(":")[2])
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, note, port, host="127.0.0.1"))
        assert await find_languages(config, [2], disturbed=disturbed) == {}
        nursery.cancel_scope.cancel()
    assert came == first_bytes
