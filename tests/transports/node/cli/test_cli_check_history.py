"""`paxos check-history` from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
{:process 0, :type :invoke, :f :put, :key "a", :value "1"}
{:process 0, :type :ok, :f :put, :key "a", :value "1"}
{:process 1, :type :invoke, :f :get, :key "a", :value nil}
{:process 1, :type :ok, :f :get, :key "a", :value "1"}
"""
BAD = GOOD.replace(':value "1"}\n', ':value "1"}\n', 1).removesuffix('"1"}\n') + '""}\n'


def paxos(*words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transports.node.cli", "check-history", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def test_a_good_history_is_linearizable(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(GOOD)
    done = paxos(str(tmp_path / "good"), "--model", "kv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "linearizable: 2 operations of 2 processes, 0 of unknown outcome\n"


def test_a_bad_one_is_shown_by_its_smallest_window() -> None:
    done = paxos("-", "--model", "kv", text=BAD)
    assert (done.returncode, done.stderr) == (1, "")
    assert "not linearizable" in done.stdout
    assert "on key 'a'" in done.stdout
    assert "put '1'" in done.stdout
    assert "get: ''" in done.stdout


def test_programs_get_json() -> None:
    done = paxos("-", "--model", "kv", "--output", "json", text=BAD)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["linearizable"] is False
    assert [o["kind"] for o in found["window"]] == ["put", "get"]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (GOOD, ("--model", "register"), "line 1: a register has no 'put'"),
        (GOOD[:-30], ("--model", "kv"), "line 4: this is no event"),
        ("", ("--model", "kv"), "there is no operation"),
        (GOOD, (), "missing option '--model'"),
        (GOOD, ("--model", "graph"), "'graph' is not one of"),
        (GOOD, ("--model", "kv", "--states", "1"), "given up after 1 states"),
    ],
)
def test_what_cannot_be_read_has_status_two(
    text: str, words: tuple[str, ...], expected: str
) -> None:
    done = paxos("-", *words, text=text)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_no_text_has_status_two(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    done = paxos(str(tmp_path / "binary"), "--model", "kv")
    assert done.returncode == 2
    assert "no text in UTF-8" in done.stderr
    missing = paxos(str(tmp_path / "missing"), "--model", "kv")
    assert missing.returncode == 2
