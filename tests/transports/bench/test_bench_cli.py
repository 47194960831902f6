"""`paxos bench` from outside: a tiny real run, its report, and wrong use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bench_kit import full_cells, make_run

from transports.bench.saved.files import read_run
from transports.bench.saved.schema import Failover, Sample

PAXOS = (sys.executable, "-m", "transports.node.cli")
TINY = ("--repeats", "1", "--seconds", "0.3", "--no-pin")


def paxos(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*PAXOS, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=200)


@pytest.mark.slow
def test_a_tiny_run_over_every_rung(tmp_path: Path) -> None:
    words = ("--layers", "memory,tcp", "--loads", "1,16", "--payloads", "64", "--nodes", "3")
    done = paxos("bench", *words, *TINY, "--save", tmp_path / "run", "--report")
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert run.head.finished
    assert run.head.command == (
        "paxos bench --layers memory,tcp --nodes 3 --loads 1,16 --payloads 64 --repeats 1 "
        "--seconds 0.3 --no-pin"
    )
    samples = run.samples()
    assert {sample.cell for sample in samples} == {cell.id for cell in run.head.cells}
    assert {cell.rung for cell in run.head.cells} == {"echo", "hops", "quorum", "paxos", "durable"}
    check_samples(samples)
    assert "TCP, loopback" in done.stdout
    assert (tmp_path / "run" / "index.html").exists()


def check_samples(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.commands > 0, sample.cell
        assert 0 < sample.latency.p50_us <= sample.latency.p99_us
        assert sum(p.user_seconds + p.system_seconds for p in sample.processes) > 0
        layer, rung = sample.cell.split(".")[:2]
        if layer == "tcp":
            assert sample.wire_frames > 0, sample.cell
        if rung == "durable":
            assert sum(p.syncs for p in sample.processes) > 0, sample.cell
        if layer == "tcp" and rung in ("paxos", "durable"):
            check_parts(sample)


def check_parts(sample: Sample) -> None:
    nodes = [p for p in sample.processes if p.role != "client"]
    assert sorted(p.role.partition(" ")[0] for p in nodes) == ["follower", "follower", "leader"]
    assert sum(process.parts_seconds["core"] for process in nodes) > 0
    for process in nodes:
        parts = process.parts_seconds
        assert set(parts) == {"receive", "decode", "core", "encode", "store", "send", "idle"}
        assert sum(parts.values()) == pytest.approx(sample.seconds, rel=0.01)


@pytest.mark.slow
def test_an_open_loop_and_a_killed_leader(tmp_path: Path) -> None:
    words = ("--layers", "tcp", "--rungs", "quorum,paxos", "--loads", "open-300")
    trials = ("--nodes", "3", "--payloads", "64", "--variants", "python", "--trials", "failover")
    done = paxos("bench", *words, *TINY, *trials, "--seconds", "0.3", "--save", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    for sample in run.samples():
        assert sample.per_second == pytest.approx(300, rel=0.3), sample.cell
    (failover,) = [entry for entry in run.entries if isinstance(entry, Failover)]
    assert failover.pause_seconds > 0
    assert sum(failover.answers) > 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_there_and_resume_goes_on(tmp_path: Path) -> None:
    words = ["bench", "--layers", "tcp", "--rungs", "echo,quorum", "--loads", "1", *TINY]
    command = [*PAXOS, *words, "--payloads", "64", "--save", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "2/2" in line:
            os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"go on with: paxos bench --resume {tmp_path / 'run'}" in said
    assert len(read_run(tmp_path / "run").samples()) == 1
    done = paxos("bench", "--resume", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert run.head.finished
    assert len(run.samples()) == 2
    again = paxos("bench", "--resume", tmp_path / "run")
    assert "nothing is left to measure" in again.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--layers", "avian"), "--layers: there is no 'avian'"),
        (("--loads", "many"), "--loads: 'many' is none"),
        (("--payloads", "0"), "--payloads: '0' is none"),
        (("--rungs", "hops", "--layers", "memory", "--trials", "none"), "nothing to measure"),
        (
            ("--seconds", "nan"),
            "invalid value for '--seconds': nan is not a number from 0.05 to 600",
        ),
        (("--repeats", "0"), "0 is not a whole number from 1"),
        (("--resume", "/nowhere"), "'/nowhere' does not exist"),
        (("--resume", "/", "--repeats", "3"), "--resume goes on as the run was planned"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    done = paxos("bench", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_begun_elsewhere_does_not_go_on_here(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    head = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(head | {"finished": False}))
    done = paxos("bench", "--resume", folder)
    assert done.returncode == 1
    assert "was begun with processor 2 cores, made up, and here it is" in done.stderr
    assert "begin a run of its own" in done.stderr


def test_a_folder_that_holds_a_run_is_not_touched(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    done = paxos("bench", "--layers", "tcp", "--rungs", "echo", "--save", folder)
    assert done.returncode == 1
    assert "holds a run already" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = paxos("bench", "--layers", "tcp", "--rungs", "echo", "--save", tmp_path / "file" / "run")
    assert done.returncode == 1
    assert "Not a directory" in done.stderr


@pytest.mark.parametrize("command", ["report", "compare"])
def test_what_is_no_run_is_refused(tmp_path: Path, command: str) -> None:
    words = (tmp_path,) if command == "report" else (tmp_path, tmp_path)
    done = paxos("bench", command, *words)
    assert done.returncode == 2
    assert "name the folder of a saved run" in done.stderr


def test_the_tables_of_both_runs_go_into_the_page(tmp_path: Path) -> None:
    cells = full_cells()[:3]
    host = make_run(tmp_path / "host", cells)
    inside = make_run(tmp_path / "vm", cells, place="vm")
    page = tmp_path / "page.md"
    page.write_text("<!-- layers: begin -->\n<!-- layers: end -->\n")
    words = ("bench", "report", host, "--vm", inside, "--write", page)
    refused = paxos(*words)
    assert refused.returncode == 2
    assert "layers-vm" in refused.stderr
    assert "What each layer costs" not in page.read_text()
    page.write_text(page.read_text() + "<!-- layers-vm: begin -->\n<!-- layers-vm: end -->\n")
    assert paxos(*words).returncode == 0
    above, below = page.read_text().split("<!-- layers-vm: begin -->")
    assert "What each layer costs" in above
    assert "What each layer costs" in below


def test_a_regression_has_a_status(tmp_path: Path) -> None:
    cells = full_cells()[:3]
    before = make_run(tmp_path / "a", cells)
    after = make_run(tmp_path / "b", cells, slower=1.5)
    done = paxos("bench", "compare", before, after)
    assert done.returncode == 1
    assert "6 of 6 figures are worse" in done.stdout
    done = paxos("bench", "compare", after, before, "--output", "json")
    assert done.returncode == 0
    assert {change["verdict"] for change in json.loads(done.stdout)["changes"]} == {"better"}


def test_what_makes_two_runs_hard_to_compare_is_said(tmp_path: Path) -> None:
    cells = [cell for cell in full_cells() if cell.command_bytes == 0][:2]
    before, after = make_run(tmp_path / "a", cells, 2), make_run(tmp_path / "b", cells, 2)
    entries = after / "entries.jsonl"
    entries.write_text(entries.read_text().replace('"command_bytes":32768', '"command_bytes":9'))
    head = json.loads((after / "run.json").read_text())
    (after / "run.json").write_text(json.dumps(head | {"versions": {"trio": "9"}}))
    done = paxos("bench", "compare", before, after)
    assert "trio differs: none before, 9 after" in done.stdout
    assert f"commands of 2 cells differ in size, as of {cells[0].id}" in done.stdout


def test_runs_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    cells = full_cells()
    before, after = make_run(tmp_path / "a", cells[:1], 1), make_run(tmp_path / "b", cells[1:2], 1)
    done = paxos("bench", "compare", before, after)
    assert done.returncode == 2
    assert "no cell in common" in done.stderr
