"""Real nodes write their traces; merged they are one run with exact clocks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from clusters import Recorder, make_config
from fake_kernel import fake_kernel
from native_kit import need_compiler

from paxos_core.trace import Trace, merge_traces, read_trace
from transports.node import ClusterConfig, open_client, open_node
from transports.node.config import to_toml
from transports.node.logs import NodeLogger
from transports.node.tracing import TraceError, TraceFile


def read(path: Path) -> Trace:
    with path.open() as file:
        return read_trace(file)


def check(trace: Trace) -> None:
    """Program order and messages give the clocks, and the order of the events agrees."""
    sendings: dict[str, dict[str, int]] = {}
    last: dict[int, dict[str, int]] = {}
    for event in trace.events:
        if "node" not in event:
            continue
        node = event["node"]
        clock = dict(last.get(node, {}))
        message = event.get("message")
        if event["kind"] == "receive" and "from" not in message:
            for entry, count in sendings[message["id"]].items():
                clock[entry] = max(clock.get(entry, 0), count)
        clock[str(node)] = clock.get(str(node), 0) + 1
        assert event["clock"] == clock
        last[node] = clock
        for message in event.get("sent", ()):
            assert message["id"] not in sendings
            sendings[message["id"]] = clock


async def run_traced(config: ClusterConfig, folder: Path) -> Trace:
    """Three nodes in this process that decide some commands; their traces as one."""
    paths = [folder / f"node{node}.trace" for node in config.nodes]
    async with AsyncExitStack() as stack:
        for node, path in zip(config.nodes, paths, strict=True):
            opened = open_node(config, node, Recorder(), first_start=True, trace=path)
            await stack.enter_async_context(opened)
        async with open_client(config) as client:
            for number in range(5):
                await client.submit(b"command %d" % number)
    traces = list(map(read, paths))
    for trace in traces:
        assert not trace.problems
        assert trace.header["unit"] == "s"
    assert os.stat(paths[0]).st_mode & 0o077 == 0
    return merge_traces(traces)


@pytest.mark.parametrize("store", ["memory", "durable"])
@pytest.mark.parametrize("core", ["python", "c"])
async def test_three_nodes_give_one_trace(tmp_path: Path, core: str, store: str) -> None:
    if core == "c":
        need_compiler()
    config = make_config(tmp_path, transport="memory", store=store, core=core)
    merged = await run_traced(config, tmp_path)
    assert not merged.problems
    check(merged)
    assert merged.header["nodes"] == [1, 2, 3]
    rules = {event.get("rule") for event in merged.events}
    assert rules >= {"restart", "phase 1a", "phase 1b", "phase 2a", "stable leader"}
    leaders = {e["state"]["leader"] for e in merged.events if e.get("state", {}).get("leader")}
    assert leaders
    decided = {slot["value"] for e in merged.events for slot in e.get("decided", ())}
    assert {f"command {number}" for number in range(5)} <= decided
    # Every receipt found its sending.
    receipts = [event for event in merged.events if event["kind"] == "receive"]
    assert receipts
    assert all("from" not in event["message"] for event in receipts)


async def test_a_replica_in_the_kernel_tells_what_it_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_kernel(monkeypatch):
        options = '[transport_options]\ninterface = "eth0"\nmode = "replica"\n'
        config = make_config(tmp_path, transport="kmod", store="durable", extra=options, core=None)
        merged = await run_traced(config, tmp_path)
    assert not merged.problems
    check(merged)
    kinds = {event["kind"] for event in merged.events}
    assert "tick" not in kinds
    assert kinds >= {"start", "take", "propose", "persisted"}
    decided = {slot["value"] for e in merged.events for slot in e.get("decided", ())}
    assert {f"command {number}" for number in range(5)} <= decided
    assert any(e.get("state", {}).get("leader") for e in merged.events)


async def test_processes_that_are_killed_go_on_in_the_same_file(tmp_path: Path) -> None:
    config = make_config(tmp_path, transport="tcp", store="durable")
    path = tmp_path / "paxos.toml"
    path.write_text(to_toml(config))
    running: dict[int, subprocess.Popen[bytes]] = {}

    def start(node: int) -> None:
        words = ["node", str(node), "--config", str(path), "--trace", str(trace_of(node))]
        command = [sys.executable, "-m", "transports.node.cli", *words]
        running[node] = subprocess.Popen(command)

    def trace_of(node: int) -> Path:
        return tmp_path / f"node{node}.trace"

    try:
        for node in config.nodes:
            start(node)
        async with open_client(config, timeout=60) as client:
            await client.submit(b"one")
            status = await client.status(1)
            assert status is not None
            leader = int(status["leader"]) or 1
            killed = running.pop(leader)
            killed.kill()
            killed.wait()
            await client.submit(b"two")
            start(leader)
            await until_chosen(client, leader, 2)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        assert {process.wait() for process in running.values()} == {0}
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    traces = [read(trace_of(node)) for node in config.nodes]
    again = traces[list(config.nodes).index(leader)]
    assert [e["kind"] for e in again.events].count("start") == 2
    merged = merge_traces(traces)
    check(merged)
    # SIGKILL takes what was not flushed: the last line of one drain, at most.
    told = [problem.text for problem in merged.problems]
    assert all("cut off" in text or "were sent in no file" in text for text in told)
    times = [e["at"] for e in again.events]
    assert times == sorted(times)


async def until_chosen(client: Any, node: int, slots: int) -> None:
    with trio.fail_after(60):
        while (status := await client.status(node)) is None or status["chosen"] < slots:
            await trio.sleep(0.02)


# The file


class Log(NodeLogger):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(1)
        self.told: list[tuple[str, dict[str, object]]] = []

    def warning(self, name: str, /, **fields: object) -> None:
        self.told.append((name, fields))

    def error(self, name: str, /, **fields: object) -> None:
        self.told.append((name, fields))


def test_lines_are_appended_and_a_cut_one_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text('{"cut')
    file = TraceFile(path, Log())
    file.write({"kind": "start"})
    assert path.read_text() == '{"cut'
    file.flush()
    assert path.read_text() == '{"cut\n{"kind":"start"}\n'
    file.write({"kind": "tick"})
    file.close()
    assert path.read_text().splitlines()[2] == '{"kind":"tick"}'


def test_at_its_limit_a_last_line_says_so(tmp_path: Path) -> None:
    path, log = tmp_path / "trace", Log()
    file = TraceFile(path, log, bytes_max=200)
    for at in range(100):
        file.write({"kind": "tick", "at": at})
    file.close()
    assert file.ended
    lines = path.read_text().splitlines()
    assert len(lines) < 20
    last = json.loads(lines[-1])
    assert last["kind"] == "fault"
    assert last["text"] == "the trace ends here: it may have 200 bytes"
    assert [name for name, _ in log.told] == ["trace_full"]


def test_a_file_that_fails_is_said_once() -> None:
    log = Log()
    file = TraceFile("/dev/full", log)
    for _ in range(3):
        file.write({"kind": "tick"})
        file.flush()
    file.close()
    ((name, fields),) = log.told
    assert name == "trace_failed"
    assert fields["reason"] == "No space left on device"
    assert fields["file"] == "/dev/full"


def test_much_is_written_before_the_drain_ends(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    file = TraceFile(path, Log())
    file.write({"kind": "tick", "text": "x" * (2 << 20)})
    assert path.stat().st_size > 2 << 20
    file.close()


@pytest.mark.parametrize("name", ["no/such/folder", "."])
def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceError, match="; name another file"):
        TraceFile(tmp_path / name, Log())


async def test_a_node_whose_trace_fails_goes_on(tmp_path: Path) -> None:
    config = make_config(tmp_path, size=1)
    async with (
        open_node(config, 1, Recorder(), first_start=True, trace="/dev/full"),
        open_client(config) as client,
    ):
        assert await client.submit(b"one") == b"1"


async def test_a_node_without_a_trace_has_no_wrapper(tmp_path: Path) -> None:
    from paxos_core import Replica

    config = make_config(tmp_path, size=1)
    async with open_node(config, 1, Recorder(), first_start=True) as node:
        assert type(node._service.replica) is Replica


def test_the_command_says_why_it_cannot_trace(tmp_path: Path) -> None:
    config = make_config(tmp_path, transport="tcp", store="durable")
    path = tmp_path / "paxos.toml"
    path.write_text(to_toml(config))
    words = ["node", "1", "--config", str(path), "--trace", str(tmp_path / "no" / "trace")]
    done = subprocess.run(
        [sys.executable, "-m", "transports.node.cli", *words], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "No such file or directory; name another file" in done.stderr
