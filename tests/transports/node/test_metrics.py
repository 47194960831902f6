"""Metrics: what a scrape says is what the node counts, and a hostile scraper is only refused."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from clusters import Recorder, make_config
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from transports._paxos_device import StatsStruct, describe_stats
from transports.node import MetricsError, Node, open_client, open_metrics, open_node
from transports.node.counts import WRITE_BOUNDS, LoopCounts
from transports.node.metrics import check_metrics, collector, serving

LABELS = {"node", "transport", "cause", "role", "core", "store", "le"}
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving_node(
    base: Path, store: str = "memory", size: int = 1
) -> AsyncIterator[tuple[Node, str]]:
    """A node of a cluster in this process, with a client's worth of work done, and its address."""
    config = make_config(base, store=store, size=size, extra="[timing]\ntick_ms = 4\n")
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                open_node(config, node, Recorder(), first_start=store == "memory")
            )
            for node in config.nodes
        ]
        client = await stack.enter_async_context(open_client(config))
        await client.submit_many([b"command %d" % number for number in range(100)])
        where = await stack.enter_async_context(open_metrics(nodes[0], "0"))
        yield nodes[0], where


async def connect(where: str) -> trio.SocketStream:
    host, _, port = where.rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def ask(where: str, request: bytes) -> bytes:
    """All that comes back until the server closes."""
    with trio.fail_after(20):
        async with await connect(where) as stream:
            await stream.send_all(request)
            return b"".join([chunk async for chunk in stream])


async def scrape(where: str) -> dict[str, Metric]:
    head, _, body = (await ask(where, GET)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"text/plain; version=" in head
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    (found,) = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


async def test_a_scrape_says_what_the_node_counts(tmp_path: Path) -> None:
    async with serving_node(tmp_path, "durable", size=3) as (node, where):
        await node.wait_for_leader()
        with trio.fail_after(20):
            while node.status()["commands"] < 100:
                await trio.sleep(0.01)
        families = await scrape(where)
        status = node.status()
        assert value(families, "paxos_leader_node") == node.leader
        assert value(families, "paxos_role", role=status["role"]) == 1
        assert sum(sample.value for sample in families["paxos_role"].samples) == 1
        assert value(families, "paxos_voting") == 1
        assert f"{value(families, 'paxos_ballot_round'):.0f}.{node.leader}" == status["ballot"]
        assert value(families, "paxos_promised_round") >= 1
        for name in ("chosen", "applied"):
            assert 0 < value(families, f"paxos_{name}_slots") <= status[name]
        assert 0 < value(families, "paxos_slots_applied_total") <= status["applied"]
        assert value(families, "paxos_commands_applied_total") == 100
        assert value(families, "paxos_sessions") == 1
        assert value(families, "paxos_leader_changes_total") == node.counts.leader_changes > 0
        assert 0 < value(families, "paxos_drains_total") <= node.counts.drains
        assert value(families, "paxos_store_log_bytes") > 0
        writes = value(families, "paxos_store_write_seconds_count")
        assert writes == value(families, "paxos_store_syncs_total") > 0
        assert value(families, "paxos_store_write_seconds_bucket", le="+Inf") == writes
        assert value(families, "paxos_store_write_seconds_sum") > 0
        for name in ("frames_sent", "frames_received"):
            assert 0 < value(families, f"paxos_{name}_total", transport="memory") <= status[name]
        assert value(families, "paxos_node_info", core="python", store="durable") == 1
        assert value(families, "process_cpu_seconds_total") > 0
        assert value(families, "process_resident_memory_bytes") > 0


async def test_names_labels_and_helps_follow_the_conventions(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (node, where):
        node.dropped["malformed"] += 2
        for family in (await scrape(where)).values():
            assert family.name.startswith(("paxos_", "process_"))
            assert family.documentation.endswith((".", "s"))
            assert not family.name.endswith(("_ms", "_us", "_kb", "_count", "_total"))
            for sample in family.samples:
                assert set(sample.labels) <= LABELS
                assert sample.name.startswith("process_") or sample.labels["node"] == "1"
                if family.type == "counter":
                    assert sample.name == f"{family.name}_total"
        dropped = (await scrape(where))["paxos_frames_dropped"].samples
        assert {s.labels["cause"]: s.value for s in dropped}["malformed"] == 2


async def test_what_the_kernel_module_counts_is_there_where_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = StatsStruct(frames_sent=3, frames_received=4, decisions=5)
    async with serving_node(tmp_path) as (node, where):
        assert not any(name.startswith("paxos_kernel_") for name in await scrape(where))
        described = {"kernel": describe_stats(counted)}
        monkeypatch.setattr(node._transport, "describe", lambda: described)
        families = await scrape(where)
        assert value(families, "paxos_kernel_frames_sent_total") == 3
        assert value(families, "paxos_kernel_frames_received_total") == 4
        assert value(families, "paxos_kernel_decisions_total") == 5


async def test_causes_are_bounded(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (node, where):
        node.dropped.update({f"cause {number:03}": 2 for number in range(1000)})
        samples = (await scrape(where))["paxos_frames_dropped"].samples
        assert len(samples) == collector.CAUSES_MAX
        assert sum(s.value for s in samples) == sum(node.status()["dropped"].values()) >= 2000
        assert samples[-1].labels["cause"] == collector.OTHER


def test_durations_are_counted_up_to_their_bounds() -> None:
    counts = LoopCounts()
    for seconds in (0.0, WRITE_BOUNDS[0], WRITE_BOUNDS[0] * 1.01, WRITE_BOUNDS[-1], 99.0):
        counts.note_write(seconds)
    within = dict(counts.writes_within())
    assert within[WRITE_BOUNDS[0]] == 2
    assert within[WRITE_BOUNDS[1]] == 3
    assert within[WRITE_BOUNDS[-1]] == 4
    assert within[float("inf")] == 5


@pytest.mark.parametrize(
    ("request_line", "status", "said"),
    [
        (b"GET / HTTP/1.1", 200, b"/metrics"),
        (b"GET /metrics?name[]=x HTTP/1.1", 200, b"paxos_voting"),
        (b"GET /metrics HTTP/1.0", 200, b"paxos_voting"),
        (b"GET /metrics/ HTTP/1.1", 404, b"there is /metrics"),
        (b"GET /etc/passwd HTTP/1.1", 404, b"there is /metrics"),
        (b"POST /metrics HTTP/1.1", 405, b"Allow: GET, HEAD"),
        (b"DELETE / HTTP/1.1", 405, b"Allow: GET, HEAD"),
        (b"\x16\x03\x01\x02\x00\x01", 400, b""),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 431, b""),
    ],
)
async def test_each_request_has_its_answer(
    tmp_path: Path, request_line: bytes, status: int, said: bytes
) -> None:
    async with serving_node(tmp_path) as (_, where):
        answer = await ask(where, request_line + b"\r\nHost: evil.example\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert said in answer
        assert (await scrape(where))["paxos_voting"]


async def test_what_follows_a_request_does_not_take_its_answer_back(tmp_path: Path) -> None:
    head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    async with serving_node(tmp_path) as (_, where):
        for _ in range(3):
            answer = await ask(where, head + bytes(60_000))
            assert answer.startswith(b"HTTP/1.1 405 ")


async def test_head_is_get_without_the_text(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (_, where):
        head, _, body = (await ask(where, GET.replace(b"GET", b"HEAD"))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Length: 0" not in head
        assert body == b""


async def test_slow_clients_hold_up_neither_the_node_nor_the_next_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "EXCHANGE_SECONDS", 0.3)
    monkeypatch.setattr(serving, "PACE_SECONDS", 0.001)
    async with serving_node(tmp_path) as (node, where), AsyncExitStack() as stack:
        for number in range(serving.CONNECTIONS_MAX + 4):
            slow = await stack.enter_async_context(await connect(where))
            await slow.send_all(GET[: number % len(GET)])
        async with open_client(node.config) as client:
            assert await client.submit(b"one more") == b"101"
        assert (await scrape(where))["paxos_voting"]


async def test_who_does_not_read_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "EXCHANGE_SECONDS", 0.3)
    page = serving.make_page
    huge = b"x" * (64 << 20)
    monkeypatch.setattr(serving, "make_page", lambda node: lambda: (huge, page(node)()[1]))
    monkeypatch.setattr(serving, "CONNECTIONS_MAX", 1)
    async with serving_node(tmp_path) as (_, where), await connect(where) as deaf:
        await deaf.send_all(GET)
        # The only place is taken until the first is given up.
        answer = await ask(where, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.endswith(serving.WELCOME)


async def test_a_client_that_resets_or_says_nothing_is_no_matter(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (_, where):
        for sent in (b"", GET[:9], GET):
            stream = await connect(where)
            await stream.send_all(sent)
            # With no time to linger, closing resets.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await trio.aclose_forcefully(stream)
        assert await ask(where, GET)


async def test_a_counter_that_cannot_be_read_ends_the_scrape_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_node(tmp_path) as (node, where):
        with monkeypatch.context() as patched:

            def describe() -> dict[str, Any]:
                raise RuntimeError("a transport of somebody's")

            patched.setattr(node._transport, "describe", describe)
            assert (await ask(where, GET)).startswith(b"HTTP/1.1 500 ")
        assert (await scrape(where))["paxos_voting"]


async def test_an_address_in_use_is_one_clear_line(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (node, where):
        with pytest.raises(MetricsError, match=f"served at {where} .*in use.*another") as raised:
            async with open_metrics(node, where):
                pass
        assert isinstance(raised.value.__cause__, OSError)


async def test_a_host_that_is_no_name_is_one_clear_line(tmp_path: Path) -> None:
    async with serving_node(tmp_path) as (node, _):
        with pytest.raises(MetricsError, match=r"\(not a host's name\); give --metrics another"):
            async with open_metrics(node, f"{'a' * 64}.test:9464"):
                pass


@pytest.mark.parametrize("address", ["", "x", "host", "1.2.3.4", "70000", ":x", "a b:1", "::1:80"])
def test_what_is_no_address_is_one_clear_line(address: str) -> None:
    with pytest.raises(MetricsError, match=r"write host:port.*a port alone"):
        check_metrics(address)


@pytest.mark.parametrize("address", ["9464", ":9464"])
def test_a_port_alone_is_on_loopback(address: str) -> None:
    assert serving._read_address(address) == ("127.0.0.1", 9464)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::]:9464", ("::", 9464)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_another_host_is_taken_when_it_is_named(address: str, expected: tuple[str, int]) -> None:
    assert serving._read_address(address) == expected


@pytest.mark.parametrize("name", ["prometheus_client", "h11"])
def test_a_missing_extra_is_one_clear_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    expected = rf"{name.replace('_', '-')}, which is not installed.*pip install '\.\[metrics\]'"
    with pytest.raises(MetricsError, match=expected):
        check_metrics("9464")


def test_a_node_that_serves_no_metrics_loads_nothing_for_it() -> None:
    code = "import sys, transports.node.cli.run_node; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
