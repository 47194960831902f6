"""Real nodes, some of them killed: what their lanes and tables say of those that are gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from clusters import make_config

from paxos_core.trace import read_trace
from transports.node import ClusterConfig, open_client
from transports.node.config import to_toml
from transports.viewer.page import render_page

LONGER_SECONDS = 1.2
"""How much longer the others' traces go on: more than `SILENT_SECONDS`."""


class Processes:
    """The nodes of one cluster, each a process that writes its trace."""

    def __init__(self, config: ClusterConfig, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "paxos.toml"
        self.config.write_text(to_toml(config))
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def trace(self, node: int) -> Path:
        return self.folder / f"node{node}.trace"

    def start(self, node: int) -> None:
        words = ["node", str(node), "--config", str(self.config), "--trace", str(self.trace(node))]
        command = [sys.executable, "-m", "transports.node.cli", *words]
        self.running[node] = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def end(self, node: int, how: signal.Signals) -> None:
        process = self.running.pop(node)
        process.send_signal(how)
        process.wait()

    def last(self, node: int) -> float:
        """When the last whole line of its trace was written, since 1970."""
        lines = self.trace(node).read_text().splitlines()[:-1]
        parts = [entry for line in lines if "trace" in (entry := json.loads(line))]
        found: float = parts[-1]["began"] + json.loads(lines[-1]).get("at", 0)
        return found


@contextmanager
def started(config: ClusterConfig, folder: Path) -> Iterator[Processes]:
    processes = Processes(config, folder)
    try:
        for node in config.nodes:
            processes.start(node)
        yield processes
    finally:
        for process in processes.running.values():
            process.kill()
            process.wait()


async def soon(holds: Any) -> None:
    with trio.fail_after(60):
        while not await holds():
            await trio.sleep(0.02)


async def run(folder: Path) -> tuple[int, int, int]:
    """The leader is killed and comes back, then a follower is killed, and at last all stop."""
    config = make_config(folder, transport="tcp", store="durable")
    with started(config, folder) as nodes:
        async with open_client(config, timeout=60) as client:
            await client.submit(b"one")
            status = await client.status(1)
            assert status is not None
            again = int(status["leader"]) or 1
            gone, stays = (node for node in config.nodes if node != again)
            nodes.end(again, signal.SIGKILL)
            await client.submit(b"two")
            nodes.start(again)

            async def is_back() -> bool:
                found = await client.status(again)
                return found is not None and found["chosen"] >= 2

            await soon(is_back)
            nodes.end(gone, signal.SIGKILL)
            killed = nodes.last(gone)

            async def is_later() -> bool:
                return nodes.last(stays) > killed + LONGER_SECONDS

            await soon(is_later)
        for node in (again, stays):
            nodes.end(node, signal.SIGTERM)
    return again, gone, stays


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int, int]:
    folder = tmp_path_factory.mktemp("ends")
    again, gone, stays = trio.run(run, folder)
    traces = []
    for node in sorted((again, gone, stays)):
        with (folder / f"node{node}.trace").open() as lines:
            traces.append(read_trace(lines))
    path = folder / "run.html"
    path.write_text(render_page(traces, "Two were killed"))
    return path, again, gone, stays


def steps(page: Any, node: int, kind: str) -> list[int]:
    found: list[int] = page.evaluate(
        """([node, kind]) => PaxosViewer.viewer.model.events.flatMap((event, step) =>
          event.node === node && event.kind === kind ? [step] : [])""",
        [node, kind],
    )
    return found


def go(page: Any, step: int) -> None:
    page.evaluate("step => PaxosViewer.viewer.player.goTo(step)", step)


def cells(page: Any, node: int) -> dict[str, str]:
    found: dict[str, str] = page.evaluate(
        """node => Object.fromEntries([...document.querySelectorAll(
          `#pv-nodes tr[data-node='${node}'] td`)].map((td) => [td.dataset.cell, td.innerText]))""",
        node,
    )
    return found


def head(page: Any, node: int) -> str:
    group = page.locator(".pv-headrow g", has_text=f"node {node}")
    found: str = group.locator(".pv-role").text_content()
    return found


def test_a_node_that_was_killed_for_good_ends_where_its_trace_does(
    visits: Any, cluster: tuple[Path, int, int, int]
) -> None:
    path, _, gone, _ = cluster
    visit = visits.open(path)
    page = visit.page
    [end] = steps(page, gone, "end")
    go(page, end - 1)
    before = cells(page, gone)
    go(page, end)
    assert page.locator(".pv-rows .pv-current .pv-mark.pv-end").count() == 1
    assert page.locator(".pv-still-end").count() > 2
    assert "Writes no more, its trace ends here" in page.locator("#pv-step .pv-what").inner_text()
    heard = page.locator("#pv-step [aria-live]").inner_text()
    assert heard.startswith(
        f"Step {end}, node {gone}: writes no more, its trace ends here. The others' traces"
    )
    for step in (end, page.evaluate("PaxosViewer.viewer.model.length") - 1):
        go(page, step)
        now = cells(page, gone)
        assert now["role"] == "trace ended, as last known"
        assert {key: now[key] for key in ("promised", "accepted", "chosen")} == {
            key: before[key] for key in ("promised", "accepted", "chosen")
        }
        assert head(page, gone) == "trace ended"
    assert now["promised"] != "-"
    # What was not flushed when a node was killed is named as well.
    said = f"The trace of node {gone} ends at step {end}:"
    assert page.locator(".pv-problems li", has_text=said).count() == 1
    assert visit.console == []


def test_one_that_comes_back_was_down_and_one_that_stops_says_so(
    visits: Any, cluster: tuple[Path, int, int, int]
) -> None:
    path, again, _, stays = cluster
    page = visits.open(path).page
    [end] = steps(page, again, "end")
    _, start = steps(page, again, "start")
    assert end < start
    go(page, end)
    assert "it was killed, or failed" in page.locator("#pv-step .pv-why").inner_text()
    assert cells(page, again)["role"] == "down, as last known"
    assert page.locator(".pv-still-crash").count() == 1
    spans = page.evaluate(
        """node => [...PaxosViewer.viewer.model.downs.query(0, 1e6)]
          .filter((span) => span.node === node).map((span) => [span.start, span.end])""",
        again,
    )
    assert spans[0] == [end, start]
    go(page, start)
    assert "last known" not in cells(page, again)["role"]
    for node in (again, stays):
        [stop] = steps(page, node, "stop")
        go(page, stop)
        assert head(page, node) == "stopped"
        assert "Is stopped" in page.locator("#pv-step .pv-what").inner_text()
        assert steps(page, node, "end") == ([end] if node == again else [])
