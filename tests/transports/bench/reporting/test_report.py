"""The report of a run that was made up: what it says, what it escapes, what it leaves."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bench_kit import everything_else, full_cells, make_run

from transports.bench.ladder.plan import VM_LAYERS, VM_ROWS, Choice, plan_cells
from transports.bench.reporting import PLOTS, sentences, write_report
from transports.bench.reporting.aims import judge
from transports.bench.reporting.compare import compare_runs
from transports.bench.reporting.markdown import to_markdown
from transports.bench.reporting.select import Figures, load_figures
from transports.bench.saved.files import RunError, read_run
from transports.bench.saved.schema import Cell, Closed, Failure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("report")
    make_run(base / "run", extra=everything_else())
    cells = plan_cells(Choice(VM_LAYERS), VM_ROWS, quick=False)
    make_run(base / "vm", cells, place="vm")
    write_report(base / "run", base / "vm")
    return base / "run"


@pytest.fixture(scope="module")
def figures(folder: Path) -> Figures:
    return load_figures(read_run(folder))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href") and not (value or "").startswith(
                ("#", "data:")
            ):
                self.loads.append(value or "")


def test_the_page_is_one_file_that_loads_nothing(folder: Path) -> None:
    tags = Tags((folder / "index.html").read_text())
    assert tags.loads == []
    assert "script" not in tags.tags
    assert "link" in tags.tags  # the icon, which is data
    assert tags.tags.count("svg") >= len(PLOTS)


def test_no_id_is_there_twice(folder: Path) -> None:
    ids = Tags((folder / "index.html").read_text()).ids
    assert len(ids) == len(set(ids))


def test_hostile_text_is_shown_and_not_obeyed(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "Linux &lt;1&gt;" in text


def test_every_plot_is_there_in_three_forms(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    for name in PLOTS:
        assert f'<figure id="{name}">' in text
        assert (folder / "plots" / f"{name}.svg").read_text().startswith("<?xml")
        assert (folder / "plots" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_the_emulated_machine_has_a_part_of_its_own(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    host, vm = text.split('<section id="vm">')
    assert "replica in the kernel" not in host
    assert "replica in the kernel" in vm
    assert '<figure id="vm-ladder">' in vm


def test_what_is_missing_is_said(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    assert "node 2 ended: killed" in text
    assert "kmod-relay.paxos.python.3" in text


def test_the_data_is_the_same(folder: Path, figures: Figures) -> None:
    data = json.loads((folder / "data.json").read_text())
    assert set(data["cells"]) == set(figures.samples)
    with open(folder / "data.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == sum(len(repeats) for repeats in figures.samples.values())
    first = rows[0]
    assert float(first["p50_us"]) > 0
    assert {"layer", "rung", "variant", "load", "repeat", "receive_us", "idle_us"} <= set(first)


def test_every_sentence_is_computed(figures: Figures) -> None:
    said = {name: say(figures) for name, (_heading, _draw, say) in PLOTS.items()}
    assert sentences.NOTHING not in said.values()
    assert re.search(r"one command alone takes \d+ us: an echo takes", said["ladder"])
    assert "With 1,024 outstanding" in said["throughput"]
    assert "killed" not in said["calls"]
    assert said["failover"].startswith("Until the next answer it took 0.30 s")
    assert "the best rate of etcd" in sentences.peers(figures)


def test_noise_is_called_noise(tmp_path: Path) -> None:
    cells = [
        Cell(layer=layer, rung="paxos", variant="python", load=Closed(outstanding=1))
        for layer in ("tcp", "tcp-veth")
    ]
    figures = load_figures(read_run(make_run(tmp_path / "run", cells, 9)))
    assert "no more than noise before" in sentences.latency(figures)


def test_an_empty_selection_is_no_sentence(tmp_path: Path) -> None:
    cells = [Cell(layer="tcp", rung="echo", load=Closed(outstanding=1))]
    folder = make_run(tmp_path / "run", cells, 1)
    figures = load_figures(read_run(folder))
    for _heading, _draw, say in PLOTS.values():
        assert say(figures)
    # And the page is made all the same.
    assert write_report(folder).exists()


def test_a_run_without_a_figure_has_no_report(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", full_cells(), 0)
    with pytest.raises(RunError, match="holds no figure yet"):
        write_report(folder)


def test_aims_are_judged(figures: Figures) -> None:
    aims = {aim.what: aim for aim in judge(figures)}
    assert aims["TCP, durable, alone, median"].reached is True
    assert aims["ZeroMQ to TCP, loopback, alone"].reached is False
    assert aims["leader killed, until the next answer, every layer"].reached is True
    assert aims["Ethernet or UDP with the C core, alone, median"].reached is False


def test_an_aim_without_a_figure_is_left_out(tmp_path: Path) -> None:
    cells = [Cell(layer="tcp", rung="echo", load=Closed(outstanding=1))]
    assert judge(load_figures(read_run(make_run(tmp_path / "run", cells)))) == []


def test_few_repeats_prove_nothing(tmp_path: Path) -> None:
    cells = full_cells()
    few = read_run(make_run(tmp_path / "few", cells, 5))
    slower = read_run(make_run(tmp_path / "slower", cells, 5, slower=2.0))
    assert {aim.reached for aim in judge(load_figures(few))} == {None}
    found = compare_runs(few, slower, 0.05)
    assert not any(change.regression for change in found.changes)
    assert "some cells have 5 repeats: with fewer than 6 no change is certain" in found.warnings


def test_a_cell_that_failed_after_is_named(tmp_path: Path) -> None:
    cells = full_cells()[:2]
    failure = Failure(cell=cells[1].id, repeat=0, reason="node 2 ended")
    before = read_run(make_run(tmp_path / "a", cells))
    after = read_run(make_run(tmp_path / "b", cells[:1], extra=(failure,)))
    found = compare_runs(before, after, 0.05)
    assert found.lost == [cells[1].id]


def test_the_page_of_the_docs_has_tables_and_the_command(figures: Figures) -> None:
    text = to_markdown(figures)
    assert "| layer | alone, median |" in text
    assert "$ paxos bench --peers" in text
    assert "Linux &lt;1>" in text


def test_by_what_was_measured_in_emulation_no_aim_is_judged(figures: Figures) -> None:
    outside, inside = to_markdown(figures), to_markdown(figures, inside=True)
    assert "The aims of this project" in outside
    assert "The aims of this project" not in inside
    assert inside.startswith("What each layer costs")
    assert "Linux &lt;1>" in inside


def test_a_slower_run_is_a_regression(tmp_path: Path) -> None:
    before = make_run(tmp_path / "a", repeats=6)
    after = make_run(tmp_path / "b", repeats=6, slower=1.3)
    found = compare_runs(read_run(before), read_run(after), 0.05)
    assert all(change.regression for change in found.changes)
    back = compare_runs(read_run(after), read_run(before), 0.05)
    assert all(change.improvement for change in back.changes)
    same = compare_runs(read_run(before), read_run(before), 0.05)
    assert not any(change.regression or change.improvement for change in same.changes)


def test_what_makes_runs_unlike_is_said(tmp_path: Path) -> None:
    cells = full_cells()[:4]
    before = read_run(make_run(tmp_path / "a", cells, 2))
    after = read_run(make_run(tmp_path / "b", cells[1:], 3, place="vm"))
    warnings = " ".join(compare_runs(before, after, 0.05).warnings)
    assert "emulated machine" in warnings
    assert "different times" in warnings
    assert f"1 cells are in the run before alone: {cells[0].id}" in warnings
