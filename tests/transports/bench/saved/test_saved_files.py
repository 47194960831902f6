"""Saved runs: resumed, cut, of another version, damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bench_kit import full_cells, make_head, make_run, make_sample
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from transports.bench.saved.files import (
    RunError,
    create_run,
    read_histograms,
    read_run,
    resume_run,
    trial_id,
)
from transports.bench.saved.schema import Calls, Cell, Closed, Failure, Growth, Skip

CELL = Cell(layer="tcp", rung="paxos", variant="python", load=Closed(outstanding=1))
LARGE = Cell(layer="tcp", rung="paxos", variant="python", load=Closed(outstanding=64))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [CELL, LARGE], 2, extra=(Skip(subject="x", reason="no root"),))
    found = read_run(tmp_path / "run")
    assert found.head.finished
    assert [(s.cell, s.repeat) for s in found.samples()] == [
        (CELL.id, 0),
        (LARGE.id, 0),
        (CELL.id, 1),
        (LARGE.id, 1),
    ]
    assert found.samples()[0] == make_sample(CELL, 0)
    assert found.skipped() == {"x": "no root"}
    assert sorted(read_histograms(tmp_path / "run", CELL.id)) == [0, 1]


def test_a_histogram_is_a_log_that_others_read(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [CELL], 2)
    path = tmp_path / "run" / "histograms" / f"{CELL.id}.hlog"
    reader = HistogramLogReader(str(path), HdrHistogram(1, 120_000_000_000, 3))
    try:
        counts = [
            interval.get_total_count()
            for interval in iter(reader.get_next_interval_histogram, None)
        ]
    finally:
        reader.close()
    assert counts == [1000, 1000]


def test_a_cut_last_line_is_left_out_and_measured_again(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [CELL], 2)
    entries = folder / "entries.jsonl"
    data = entries.read_bytes()
    entries.write_bytes(data[:-20])
    found = read_run(folder)
    assert found.tried() - {("", 0)} == {(CELL.id, 0)}
    with resume_run(found) as writer:
        writer.add(make_sample(CELL, 1))
    assert read_run(folder).tried() - {("", 0)} == {(CELL.id, 0), (CELL.id, 1)}
    assert entries.read_bytes() == data


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [CELL], 1)
    head = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**head, "schema": 99, "new": 1}))
    with pytest.raises(RunError, match=r"saved by another version \(format 99, this one reads 1\)"):
        read_run(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "\0\xff"])
def test_what_is_no_head_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError):
        read_run(tmp_path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [CELL, LARGE], 1)
    lines = (folder / "entries.jsonl").read_text().splitlines()
    (folder / "entries.jsonl").write_text(f"{lines[0]}\n{{'oops'}}\n")
    with pytest.raises(RunError, match=r"line 2: .*measure again"):
        read_run(folder)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="name the folder of a saved run"):
        read_run(tmp_path)


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [CELL], 1)
    with (
        pytest.raises(RunError, match="holds a run already"),
        create_run(folder, make_head([CELL])),
    ):
        pass


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with (
        create_run(tmp_path / "run", make_head([CELL])) as writer,
        open("/dev/full", "wb", buffering=0) as full,
    ):
        writer._stream = full
        with pytest.raises(RunError, match="No space left on device; name another --save"):
            writer.add(make_sample(CELL, 0))


def test_a_run_stopped_before_its_first_entry_goes_on(tmp_path: Path) -> None:
    with create_run(tmp_path / "run", make_head([CELL])):
        pass
    (tmp_path / "run" / "entries.jsonl").unlink()
    assert read_run(tmp_path / "run").entries == []


def test_what_was_measured_later_is_not_left_out(tmp_path: Path) -> None:
    skips = (Skip(subject="tcp", reason="no root"), Skip(subject="udp", reason="no root"))
    run = read_run(make_run(tmp_path / "run", [CELL], 1, extra=skips))
    assert run.skipped() == {"udp": "no root"}


def test_a_full_disk_is_said_with_its_cure_by_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No space left on device; name another --save"):
        write_to_full_disk(tmp_path)


def write_to_full_disk(base: Path) -> None:
    (base / "run").mkdir()
    (base / "run" / "entries.jsonl").symlink_to("/dev/full")
    with create_run(base / "run", make_head([CELL])) as writer:
        writer.add(make_sample(CELL, 0))


def test_trials_are_known_by_what_they_left() -> None:
    loaded = Cell(layer="udp", rung="paxos", variant="python", load=Closed(outstanding=1024))
    assert trial_id(Calls(cell=loaded.id, commands=1, by_role={})) == "calls.udp.1024"
    growth = Growth(layer="tcp", few=1, many=2, few_kib=[1], many_kib=[1])
    assert trial_id(growth) == "growth.tcp"
    assert trial_id(Failure(cell="x", repeat=0, reason="")) == ""


def test_a_histogram_after_a_cut_one_is_a_line_of_its_own(tmp_path: Path) -> None:
    cells = full_cells()[:1]
    folder = make_run(tmp_path / "run", cells, 1)
    path = folder / "histograms" / f"{cells[0].id}.hlog"
    path.write_bytes(path.read_bytes()[:-20])
    with resume_run(read_run(folder)) as writer:
        writer.add_histogram(cells[0].id, 1, 0.0, "whole")
    assert read_histograms(folder, cells[0].id)[1] == "whole"


def test_nobody_else_writes_into_a_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    saved = read_run(folder)
    with resume_run(saved) as writer:
        with (
            pytest.raises(RunError, match="another process measures into it"),
            resume_run(saved),
        ):
            pass
        writer.add(Skip(subject="tcp", reason="none"))
    with pytest.raises(RunError, match="was measured into meanwhile"), resume_run(saved):
        pass


def test_a_figure_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    entries = folder / "entries.jsonl"
    entries.write_bytes(entries.read_bytes() * 2)
    with pytest.raises(RunError, match="is there twice"):
        read_run(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"per_second":', '"per_second":-'),
        ('"commands":', '"commands":0,"x":'),
        ('"seconds":0.5', '"seconds":0'),
        ('"p50_us":', '"p50_us":1e300,"x":'),
    ],
)
def test_a_figure_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    entries = folder / "entries.jsonl"
    entries.write_text(entries.read_text().replace(old, new, 1))
    with pytest.raises(RunError, match="the file is damaged"):
        read_run(folder)


def test_what_failed_is_tried_again_and_made_good(tmp_path: Path) -> None:
    cells = full_cells()[:1]
    failure = Failure(cell=cells[0].id, repeat=1, reason="node 2 ended")
    folder = make_run(tmp_path / "run", cells, 1, extra=(failure,))
    saved = read_run(folder)
    assert saved.failures() == [failure]
    assert (cells[0].id, 1) not in saved.tried()
    with resume_run(saved) as writer:
        writer.add(make_sample(cells[0], 1))
    assert read_run(folder).failures() == []


def test_a_pipe_is_no_saved_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells()[:1], 1)
    (folder / "entries.jsonl").unlink()
    os.mkfifo(folder / "entries.jsonl")
    with pytest.raises(RunError, match="is no file"):
        read_run(folder)
