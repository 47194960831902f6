"""What a node says that cannot agree with anybody, because configurations differ."""

from __future__ import annotations

import logging
from io import StringIO
from pathlib import Path

import pytest
import trio
from clusters import make_config, open_cluster

from transports.node import Node
from transports.node.doubts import DOUBTS, REPEAT_SECONDS, SILENCE_SECONDS, tell_doubts
from transports.node.logs import LOGGER_NAME, configure_logging


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    logger = logging.getLogger(LOGGER_NAME)
    for name in ("handlers", "level", "propagate"):
        monkeypatch.setattr(logger, name, getattr(logger, name))
    logger.handlers = []
    stream = StringIO()
    configure_logging(stream=stream)
    return stream


def said(log: StringIO, event: str) -> list[str]:
    return [line for line in log.getvalue().splitlines() if f" {event} " in line]


async def watch(node: Node, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await tell_doubts(node)


async def test_a_node_that_waits_says_for_what(
    tmp_path: Path, autojump_clock: object, log: StringIO
) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config) as cluster:
        await cluster.stop(1)
        await cluster.stop(2)
        await cluster.until(lambda: cluster.nodes[3].leader == 0)
        await watch(cluster.nodes[3], SILENCE_SECONDS / 2)
        assert said(log, "waiting") == []
        await watch(cluster.nodes[3], REPEAT_SECONDS / 2)
    (line,) = said(log, "waiting")
    assert "2 of 3 nodes must be up; do 1, 2 run" in line
    assert "transport (memory)" in line


async def test_a_cluster_that_agrees_says_nothing(
    tmp_path: Path, autojump_clock: object, log: StringIO
) -> None:
    async with open_cluster(make_config(tmp_path)) as cluster:
        await cluster.leader()
        await watch(cluster.nodes[1], REPEAT_SECONDS)
    assert said(log, "waiting") == said(log, "foreign") == []


@pytest.mark.parametrize("cause", DOUBTS)
async def test_what_comes_and_does_not_belong_is_told_once(
    tmp_path: Path, autojump_clock: object, log: StringIO, cause: str
) -> None:
    async with open_cluster(make_config(tmp_path)) as cluster:
        await cluster.leader()
        node = cluster.nodes[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, node, 10.0)
            for _ in range(5):
                node.dropped[cause] += 3
                await trio.sleep(1)
    (line,) = said(log, "foreign")
    assert f"cause={cause} " in line
    assert "{" not in line


async def test_an_interface_that_is_down_is_told(
    tmp_path: Path, autojump_clock: object, log: StringIO
) -> None:
    async with open_cluster(make_config(tmp_path)) as cluster:
        await cluster.leader()
        cluster.nodes[1].dropped["interface_down"] += 3
        await watch(cluster.nodes[1], 5)
    (line,) = said(log, "not_sent")
    assert "cause=interface_down count=3 " in line
    assert "it is used again once it is up" in line
