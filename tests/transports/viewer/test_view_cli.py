"""`paxos view`, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import click
import pytest
from view_kit import eventful_run

from paxos_core.trace.read import EVENTS_MAX
from transports.node.cli import main
from transports.viewer import sources

SCRIPT = "> cluster 3\n> campaign 1\n> stabilize\n> propose 1 blue\n> stabilize\n"


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(click, "launch", found.append)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launched: list[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.trace").write_text(eventful_run().text())
    return tmp_path


def view(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["view", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_without_a_run_it_tells_a_story(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view(capsys) == (0, "paxos-leader-dies.html\n", "")
    text = (home / "paxos-leader-dies.html").read_text()
    assert sources.STORY_TITLE in text
    assert '"rule":"P2c"' in text


def test_a_trace_becomes_a_page_beside_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view(capsys, home / "run.trace") == (0, f"{home / 'run.html'}\n", "")
    assert "<h1>run.trace</h1>" in (home / "run.html").read_text()


def test_a_script_is_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("blue.script").write_text(SCRIPT)
    assert view(capsys, "blue.script", "-o", "there.html") == (0, "there.html\n", "")
    assert "Accepted" in Path("there.html").read_text()


def test_the_traces_of_all_nodes_make_one_page(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = eventful_run()
    for node in (1, 2):
        own = [event for event in whole.events if event.get("node") == node]
        lines = [{**whole.header, "node": node}, *own]
        Path(f"node{node}.trace").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert view(capsys, "node1.trace", "node2.trace") == (0, "node1-and-1-more.html\n", "")
    text = Path("node1-and-1-more.html").read_text()
    assert "<h1>node1.trace, node2.trace</h1>" in text
    assert "alone" not in text.split("<main")[0]
    view(capsys, "node2.trace")
    assert "of node 2 alone" in Path("node2.html").read_text()


def test_the_page_can_go_to_standard_output(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = view(capsys, "run.trace", "-o", "-")
    assert (status, err) == (0, "")
    assert out.startswith("<!doctype html>")
    assert not Path("run.html").exists()


@pytest.mark.parametrize("form", ["page", "shiviz"])
def test_what_is_no_character_has_a_page(
    home: Path, capsysbinary: pytest.CaptureFixture[bytes], form: str
) -> None:
    name = os.fsdecode(b"n\xff")
    first, event, *rest = Path("run.trace").read_text().splitlines()
    odd = json.dumps({**json.loads(event), "kind": "fault", "text": "\ud800"})
    Path(f"{name}.trace").write_text("\n".join([first, event, odd, *rest]))
    for target in (f"{name}.out", "-"):
        assert main(["view", f"{name}.trace", "-o", target, "--format", form]) == 0
    out, err = capsysbinary.readouterr()
    assert err == b""
    assert out == b"n\\udcff.out\n" + Path(f"{name}.out").read_bytes()


def test_shiviz_reads_it_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view(capsys, "run.trace", "--format", "shiviz") == (0, "run.shiviz.log\n", "")
    assert Path("run.shiviz.log").read_text()


def test_it_opens_a_browser_only_where_that_is_wanted(
    home: Path, launched: list[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DISPLAY", ":0")
    view(capsys, "run.trace")
    assert launched == []  # nobody sits before this output
    view(capsys, "run.trace", "--open")
    assert launched == [(home / "run.html").as_uri()]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    view(capsys, "run.trace")
    assert len(launched) == 2
    view(capsys, "run.trace", "--no-open")
    assert len(launched) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["absent.trace"], 2, "absent.trace: cannot be read (No such file or directory)"),
        (["."], 2, ".: cannot be read (Is a directory)"),
        (["run.trace", "-o", "run.trace"], 2, "that is the trace itself"),
        (["run.trace", "-o", "no/where.html"], 1, "no/where.html: No such file"),
        (["a.script", "run.trace"], 2, "a script is a whole run"),
        (["bad.script"], 2, "line 2: > dance 1: no action 'dance'"),
        (["bytes.script"], 2, "this is no text in UTF-8"),
        (["run.trace", "--format", "pdf"], 2, "invalid value for '--format'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    Path("bad.script").write_text("> cluster 3\n> dance 1\n")
    Path("bytes.script").write_bytes(b"> cluster 3\n\xff\n")
    ended, out, err = view(capsys, *arguments)
    assert (ended, out) == (status, "")
    assert err.startswith("paxos: ")
    assert words in err
    assert err.count("\n") == 1


def test_what_could_not_be_read_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (home / "run.trace").read_text()
    (home / "cut.trace").write_text(whole[: len(whole) // 2])
    status, out, err = view(capsys, "cut.trace")
    assert (status, out) == (0, "cut.html\n")
    (line,) = err.splitlines()
    assert line.startswith("paxos: cut.trace, line ")
    assert "cut off" in line


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n" * 9, b"{}\n", b'{"trace":1}\n'])
def test_a_run_of_which_nothing_can_be_shown_has_no_page(
    home: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (home / "bad.trace").write_bytes(content)
    status, out, err = view(capsys, "bad.trace")
    assert (status, out) == (1, "")
    assert "paxos: bad.trace: there is no event in it that could be shown\n" in err
    assert not (home / "bad.html").exists()


def test_a_line_without_end_is_left_out(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINE_BYTES_MAX", 5000)
    with Path("run.trace").open("a") as file:
        file.write("x" * 20000 + "\n")
    assert view(capsys, "run.trace")[0] == 0
    assert "it has more than 5,000 bytes" in Path("run.html").read_text()


def test_a_line_without_an_end_is_not_read_for_ever(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINE_BYTES_MAX", 10)
    monkeypatch.setattr(sources, "SKIPPED_MAX", 3)
    Path("run.trace").write_text("x" * 41)
    status, _, err = view(capsys, "run.trace")
    assert status == 1
    assert "it has no end: nothing behind it was read" in err


@pytest.mark.parametrize("arguments", [["pipe"], ["pipe.script"], ["run.trace", "-o", "pipe"]])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    for name in ("pipe", "pipe.script"):
        os.mkfifo(name)
    status, _, error = view(capsys, *arguments)
    assert status == 2
    assert f"{arguments[-1]}: this is no regular file" in error


def test_a_trace_of_as_many_events_as_are_read_is_read_whole() -> None:
    assert sources.LINES_MAX == EVENTS_MAX + 2


def test_a_trace_of_too_many_lines_is_cut(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINES_MAX", 9)
    assert view(capsys, "run.trace")[0] == 0
    assert "only the first 9 lines were read" in Path("run.html").read_text()


def test_the_makefile_leaves_nothing_in_a_clone_but_in_its_build_directory() -> None:
    root = Path(__file__).parents[3]
    for given, wanted in (([], "-o build/"), (["FILE=my.trace"], "view my.trace")):
        told = subprocess.run(
            ["make", "-n", "-C", str(root), "view", *given], capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        assert wanted in told
