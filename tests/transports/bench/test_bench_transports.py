import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import transports.bench.cli as cli
import transports.bench.layer_run as layer_run
import transports.bench.trace as trace
from transports.bench.cli_layers import LAYER_IDS
from transports.bench.cluster import Setup, config_text
from transports.bench.floor import ADDED_BYTES, floor, frame_bytes
from transports.bench.floor_worker import ROLES
from transports.bench.layer_report import MARKERS, LayerReport
from transports.bench.layer_rows import Judged, judge
from transports.bench.layers import LAYERS, LayerResults, Results, has_failed, make_plan
from transports.bench.measure import Effort
from transports.bench.places import LOOPBACK, Place
from transports.bench.processes import MeasureFailed
from transports.bench.rows import Series
from transports.ethernet import availability
from transports.node.cli.failures import Failure
from transports.node.cli.lab.ip import unavailable
from transports.node.cli.lab.network import open_network
from transports.node.cli.lab.plan import Plan
from transports.node.config import parse_config

PAXOS = "import sys; from transports.node.cli import main; sys.exit(main())"
BRIEF = Effort(repeats=1, warm_seconds=0.05, seconds=0.2, kills=0)
BEGIN, END = MARKERS
TABLE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 62.50    0.000050           0       150           recvfrom
 37.50    0.000030           1        30         5 sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000080           0       180         5 total
"""


def times(p50: float) -> Series:
    return Series([{"p50_us": p50, "p90_us": p50, "p99_us": 3 * p50, "p999_us": 4 * p50}])


def measured(p50: float, below: float, rate: float, calls: float) -> LayerResults:
    return LayerResults(
        times(p50),
        times(below),
        Series([{"commands_per_second": rate}]),
        Series([{"calls_per_command": calls}]),
    )


def reached(results: Results) -> dict[str, bool | None]:
    return {judged.title: judged.reached for judged in judge(results)}


def make_report(results: Results) -> LayerReport:
    return LayerReport(results, {"date": "today"}, {"nodes": 3}, BRIEF, "paxos bench transports")


def test_the_ids_of_layers_are_the_layers() -> None:
    assert tuple(LAYERS) == LAYER_IDS


def test_aims_that_are_just_reached() -> None:
    results = {
        "tcp": measured(200, 100, 60_000, 0.19),
        "udp": measured(200, 100, 60_000, 0.59),
        "zeromq": measured(300, 1, 60_000, 0.19),
        "udp-veth": measured(200, 100, 60_000, 0.59),
        "ethernet-veth": measured(200, 1, 30_000, 0.59),
    }
    found = reached(results)
    assert set(found.values()) == {True}
    assert len(found) == 5 + 2 * len(results)


def test_aims_that_are_just_missed() -> None:
    results = {
        "tcp": measured(201, 100, 59_999, 0.2),
        "udp": measured(202, 100, 59_999, 0.6),
        "zeromq": measured(302, 1, 59_999, 0.2),
        "udp-veth": measured(200, 100, 59_999, 0.6),
        "ethernet-veth": measured(201, 1, 29_999, 0.6),
    }
    assert set(reached(results).values()) == {False}


def test_an_aim_without_its_figures_is_open_and_says_why() -> None:
    results = {
        "ethernet-veth": measured(1, 1, 99_999, 0.1),
        "udp-veth": LayerResults(skipped="needs root"),
    }
    found = {judged.title: judged for judged in judge(results)}
    pair = found["Ethernet to UDP, veth, p50"]
    assert pair == Judged(pair.title, "needs root", "at most 1", None)
    assert found["UDP, veth, 1,024 outstanding"].reached is None
    alone = judge({"udp": measured(1, 1, 99_999, 0.1)})
    assert [judged.reached for judged in alone] == [True, None, True, True]


def test_layers_are_interleaved_with_their_floors_and_calls_come_last() -> None:
    effort = Effort(repeats=2, warm_seconds=0.1, seconds=0.1, kills=0)
    results: Results = {
        "tcp": LayerResults(),
        "udp": LayerResults(calls_skipped="no strace"),
        "udp-veth": LayerResults(skipped="needs root"),
        "ethernet-veth": LayerResults(),
    }
    veth = Place(Plan(1, (1, 2, 3)))
    steps = make_plan(Setup("tcp", Path(), 1 << 20), effort, results, veth)
    titles = [step.title for step in steps]
    once = [
        f"{name}: {what}"
        for name in ("TCP, loopback", "UDP, loopback", "Ethernet, veth")
        for what in ("one outstanding", "its floor")
    ]
    loaded = [
        f"{name}: 1,024 outstanding"
        for name in ("TCP, loopback", "UDP, loopback", "Ethernet, veth")
    ]
    calls = ["TCP, loopback: system calls", "Ethernet, veth: system calls"]
    assert titles == [*once, *loaded, *once, *loaded, *calls]


def test_without_root_the_rows_over_veth_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_run, "unavailable", lambda: "needs root")
    results = layer_run.look_around(["tcp", "ethernet-veth"])
    assert (results["tcp"].skipped, results["ethernet-veth"].skipped) == ("", "needs root")
    report = make_report(results)
    assert report.lines()[1][:2] == ("Ethernet, veth", "not measured: needs root")
    assert "Ethernet, veth: not measured: needs root" in report.problems()
    assert not has_failed(results)


async def test_a_network_that_cannot_be_made_leaves_its_layers_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_nodes: object) -> None:
        raise Failure("no veth here")

    monkeypatch.setattr(layer_run, "open_network", refuse)
    results: Results = {"udp-veth": LayerResults(), "ethernet-veth": LayerResults()}
    await layer_run.run_layers(Setup("tcp", tmp_path, 1 << 20), BRIEF, results, print)
    assert {result.skipped for result in results.values()} == {"no veth here"}


def test_without_strace_the_reason_stands_where_the_figure_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    results = layer_run.look_around(["tcp"])
    assert "apt-get install strace" in results["tcp"].calls_skipped
    results["tcp"].latency = times(1)
    assert "strace is missing" in make_report(results).lines()[0][-1]


def test_the_calls_of_a_table_are_counted_without_its_total() -> None:
    assert trace.parse_calls(TABLE) == {"recvfrom": 150, "sendto": 30}
    with pytest.raises(MeasureFailed, match="counted nothing"):
        trace.parse_calls("strace: Process 1 detached\n")


def test_the_floor_has_the_sizes_of_the_protocols_frames() -> None:
    small, large = frame_bytes("tcp", 64), frame_bytes("udp", 164)
    assert list(small) == ["request", "accept", "accepted", "reply"]
    added = ADDED_BYTES["udp"] - ADDED_BYTES["tcp"]
    assert {name: large[name] - small[name] - added for name in small} == {
        "request": 100,
        "accept": 100,
        "accepted": 0,
        "reply": 0,
    }
    assert small["accept"] > small["request"] > 64 > small["reply"] - 32


@pytest.mark.parametrize("kind", ["tcp", "udp", "zeromq"])
async def test_the_floor_takes_its_time_on_loopback(kind: str, tmp_path: Path) -> None:
    found = await floor(Setup(kind, tmp_path, 1 << 20), BRIEF)
    assert found["samples"] > 0
    assert 0 < found["p50_us"] <= found["p99_us"]
    assert os.listdir(tmp_path) == []


async def test_the_floor_over_ethernet_crosses_namespaces(tmp_path: Path) -> None:
    if reason := unavailable() or availability():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with open_network((1, 2, 3)) as (plan, _claim):
        setup = Setup("ethernet", tmp_path, 1 << 20, place=Place(plan))
        found = await floor(setup, BRIEF)
    assert found["samples"] > 0


async def test_a_floor_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Place, "interface", "absent0")
    with pytest.raises(MeasureFailed, match=r"^floor \(ethernet\), follower: "):
        await floor(Setup("ethernet", tmp_path, 1 << 20, place=LOOPBACK), BRIEF)
    assert os.listdir(tmp_path) == []


def test_a_process_of_the_floor_loads_neither_trio_nor_paxos() -> None:
    check = (
        "import sys, transports.bench.floor_worker; "
        "print(*sorted({'trio', 'paxos_core', 'zmq'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert shown.stdout == b"\n"
    assert list(ROLES) == ["follower", "leader", "client"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layers", "pigeon"], "no layer is called 'pigeon'; there are tcp, udp"),
        (["--layers", ","], "no layer is named"),
        (["--seconds", "nan"], "nan"),
        (["--repeats", "0"], "--repeats"),
        (["--write", "/nonexistent"], "--write"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(cli.bench, ["transports", *arguments])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_page_without_its_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n")
    result = CliRunner().invoke(cli.bench, ["transports", "--write", str(page)])
    assert result.exit_code == 2
    assert BEGIN in result.output


def test_failures_are_shown_and_fail_the_run() -> None:
    results = {"tcp": measured(1, 1, 1, 1)}
    results["tcp"].floor = Series([], ["port in use"])
    report = make_report(results)
    assert has_failed(results)
    assert report.problems() == ["TCP, loopback, floor: 1 of 1 runs failed: port in use"]
    assert report.lines()[0][2:4] == ("failed: port in use", "")
    console = Console(width=140, record=True, quiet=True)
    report.show(console)
    assert "port in use" in report.to_markdown()


def test_the_nodes_of_a_run_have_the_core_that_was_asked_for(tmp_path: Path) -> None:
    for core in ("python", "c"):
        setup = Setup("tcp", tmp_path, 1 << 20, core=core)
        text = config_text(setup, "memory", ["a:1", "a:2", "a:3"])
        assert parse_config(text, source="bench", base=tmp_path).core == core


def test_a_real_run_measures_writes_the_page_and_leaves_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\n{END}\nbelow\n")
    stores = tmp_path / "stores"
    stores.mkdir()
    tiny = ("--quick", "--layers", "tcp", "--repeats", "1", "--seconds", "0.2")
    outputs = ("--output", "json", "--write", str(page))
    done = subprocess.run(
        [sys.executable, "-c", PAXOS, "bench", "transports", *tiny, *outputs],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(stores)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    layer = found["layers"]["tcp"]
    assert layer["latency"]["repeats"][0]["samples"] > 0
    assert layer["floor"]["repeats"][0]["samples"] > 0
    assert layer["floor_ratio"] > 1
    assert layer["throughput"]["repeats"][0]["commands_per_second"] > 0
    counted = layer["calls"]["repeats"] or [{"calls_per_command": 1.0}]
    assert counted[0]["calls_per_command"] > 0
    assert len(found["aims"]) == 3
    assert found["command"] == (
        "paxos bench transports --quick --layers tcp --repeats 1 --seconds 0.2"
    )
    text = page.read_text()
    assert text.startswith(f"above\n{BEGIN}\n| layer |")
    assert text.endswith(f"\n{END}\nbelow\n")
    assert list(stores.iterdir()) == []
