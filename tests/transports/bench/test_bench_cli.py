import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import transports.bench.cli as cli
import transports.bench.cluster as cluster_module
from transports.bench.cluster import (
    DISK_BYTES_MIN,
    Setup,
    config_text,
    make_directory,
    open_cluster,
)
from transports.bench.measure import Effort
from transports.bench.processes import MeasureFailed
from transports.bench.report import BEGIN, END
from transports.bench.rows import ROWS
from transports.bench.run import Results, Step, make_plan, run_plan
from transports.bench.wire import Message
from transports.node.cli import main
from transports.node.config import parse_config

TINY = ("--repeats", "1", "--seconds", "0.2", "--quick")


PAXOS = "import sys; from transports.node.cli import main; sys.exit(main())"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.bench, ["commit", *arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "speed"], "no row is called 'speed'; there are memory-latency"),
        (["--rows", ","], "no row is named"),
        (["--transport", "pigeon"], "no transport is called 'pigeon'"),
        (["--transport", "memory"], "tasks of one process"),
        (["--repeats", "0"], "--repeats"),
        (["--seconds", "nan"], "nan"),
        (["--directory", "/nonexistent"], "--directory"),
        (["--write", "/nonexistent"], "--write"),
        (["--output", "xml"], "--output"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_page_without_markers_is_refused_before_anything_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers")
    result = run("--write", str(page))
    assert result.exit_code == 2
    assert BEGIN in result.output
    assert page.read_text() == "no markers"


def test_a_missing_peer_is_wrong_use_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)
    result = run("--peers")
    assert result.exit_code == 2
    assert "pip install 'pluggable-paxos[peers]'" in result.output


def test_a_missing_peer_is_a_note_when_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)
    notes: list[str] = []
    assert cli._read_peers(None, notes) is False
    assert "pluggable-paxos[peers]" in notes[0]


def test_the_names_of_rows_are_the_rows() -> None:
    assert tuple(ROWS) == cli.ROW_IDS


def test_help_shows_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "paxos bench commit --quick --rows" in result.output


def test_the_command_line_loads_neither_trio_nor_the_measurements() -> None:
    check = "import sys, transports.bench.cli; print('trio' in sys.modules, 'rich' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert shown.stdout.split() == [b"False", b"False"]


def test_repeats_are_interleaved_and_peers_stand_beside_their_row() -> None:
    effort = Effort(repeats=2, warm_seconds=0.1, seconds=0.1, kills=1)
    setup = Setup("tcp", Path(), 1 << 20)
    rows = ["memory-latency", "durable-throughput", "failover"]
    results = Results()
    steps = make_plan(setup, effort, rows, results, peers=True, progress=print)
    ours, inside, outside = "memory-latency", "latency", "latency-outside"
    series = {**results.rows, **results.peers}
    names = [next(name for name in series if series[name] is step.series) for step in steps]
    once = [ours, inside, outside, "durable-throughput"]
    assert names == [*once, *once, "failover"]


async def test_a_failed_step_is_noted_and_the_rest_goes_on() -> None:
    async def fail() -> Message:
        raise MeasureFailed("port in use")

    async def succeed() -> Message:
        return {"figure": 1}

    results = Results()
    setup, effort = Setup("tcp", Path(), 1 << 20), Effort(1, 0.1, 0.1, 1)
    make_plan(setup, effort, ["growth", "failover"], results, peers=False, progress=print)
    first, second = results.rows["growth"], results.rows["failover"]
    said: list[str] = []
    steps = [Step("first", first, fail, 1.0), Step("second", second, succeed, 1.0)]
    await run_plan(steps, said.append)
    assert first.failures == ["port in use"]
    assert second.good == [{"figure": 1}]
    assert "failed: port in use" in said
    assert results.failed


def test_a_signal_ends_the_run_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PAXOS, "bench", "commit", "--quick", "--no-peers"]
    bench = subprocess.Popen(
        [*command, "--directory", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with bench:
        assert bench.stderr is not None
        assert bench.stderr.readline().startswith("1/")
        bench.send_signal(signal.SIGINT)
        out, err = bench.communicate(timeout=60)
    assert (bench.returncode, out, err) == (130, "", "paxos: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_measurement_is_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> Message:
        raise MeasureFailed("port in use")

    monkeypatch.setattr("transports.bench.measure.latency", fail)
    options = ["--rows", "memory-latency", "--no-peers", "--directory", str(tmp_path)]
    assert main(["bench", "commit", *TINY, *options]) == 1
    out, err = capsys.readouterr()
    assert "failed: port in use" in out
    assert err.splitlines()[-1].startswith("paxos: not everything could be measured")


def test_wrong_use_begins_as_every_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "commit", "--rows", "speed"]) == 2
    assert capsys.readouterr().err.startswith("paxos: --rows: no row is called 'speed'; ")


def test_a_full_disk_is_said_before_a_store_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = DISK_BYTES_MIN - 1

    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage)
    with pytest.raises(MeasureFailed, match="1023 MiB are free"):
        make_directory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MeasureFailed, match="No such file"):
        make_directory(tmp_path / "gone")


def test_the_cluster_differs_from_the_defaults_only_in_what_is_said(tmp_path: Path) -> None:
    addresses = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
    text = config_text(Setup("tcp", tmp_path, 12345), "memory", addresses)
    config = parse_config(text, source="bench", base=tmp_path)
    plain = parse_config(
        '[nodes]\n1 = "127.0.0.1:1"\n2 = "127.0.0.1:2"\n3 = "127.0.0.1:3"\n',
        source="plain",
        base=tmp_path,
    )
    assert config.limits.log_bytes_max == 12345
    assert config.timing == plain.timing
    assert config.tick_ms == plain.tick_ms
    assert config.quorum == plain.quorum
    assert replace(config.limits, log_bytes_max=1) == replace(plain.limits, log_bytes_max=1)
    assert dict(config.nodes) == dict(plain.nodes)


async def test_a_node_that_dies_is_named(tmp_path: Path) -> None:
    async with open_cluster(Setup("tcp", tmp_path, 1 << 20), "memory") as cluster:
        await cluster.kill(2)
        with pytest.raises(MeasureFailed, match=r"^node 2 ended with signal 9"):
            await cluster.agree()
    assert os.listdir(tmp_path) == []


async def test_a_port_in_use_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = [used, *cluster_module.loopback_addresses(2)]
        monkeypatch.setattr(cluster_module, "loopback_addresses", lambda _count: addresses)
        setup = Setup("tcp", tmp_path, 1 << 20)
        with pytest.raises(MeasureFailed, match=r"node 1.* listen .*address already in use"):
            await AsyncExitStack().enter_async_context(open_cluster(setup, "memory"))
    assert os.listdir(tmp_path) == []


def test_a_real_run_measures_writes_the_page_and_leaves_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    stores = tmp_path / "stores"
    stores.mkdir()
    rows = "memory-latency,durable-throughput,failover"
    options = ["--rows", rows, "--no-peers", "--kills", "1", "--output", "json"]
    places = ["--directory", str(stores), "--write", str(page)]
    done = subprocess.run(
        [sys.executable, "-c", PAXOS, "bench", "commit", *TINY, *options, *places],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows_found = found["rows"]
    assert list(rows_found) == rows.split(",")
    assert rows_found["memory-latency"]["repeats"][0]["samples"] > 0
    assert rows_found["memory-latency"]["reached"] is None
    assert rows_found["durable-throughput"]["repeats"][0]["commands_per_second"] > 0
    assert len(rows_found["failover"]["repeats"][0]["seconds"]) == 1
    assert found["command"] == (
        f"paxos bench commit --quick --rows {rows} --repeats 1 --seconds 0.2 --kills 1 --no-peers"
    )
    assert "| memory store, one outstanding, p50 |" in page.read_text()
    assert list(stores.iterdir()) == []


def test_a_real_run_measures_the_peer(tmp_path: Path) -> None:
    pytest.importorskip("pysyncobj")
    options = ["--rows", "memory-latency", "--peers", "--output", "json"]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PAXOS,
            "bench",
            "commit",
            *TINY,
            *options,
            "--directory",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["rows"]["memory-latency"]["ratios"]) == {"latency", "latency-outside"}
    assert all(peer["repeats"] for peer in found["peers"].values())
