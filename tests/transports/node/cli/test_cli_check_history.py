"""`paxos check-history` from outside."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
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
    assert done.stdout.splitlines()[-1].endswith("'1'"), "what it could have returned"


def test_programs_get_json() -> None:
    done = paxos("-", "--model", "kv", "--output", "json", text=BAD)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["linearizable"] is False
    assert [o["kind"] for o in found["window"]] == ["put", "get"]
    assert [o["could_return"] for o in found["window"]] == [[], ["1"]]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (GOOD, ("--model", "register"), "line 1: a register has no 'put'"),
        (GOOD[:-30], ("--model", "kv"), "line 4: this is no event"),
        ("", ("--model", "kv"), "there is no operation"),
        (GOOD, (), "missing option '--model'. Choose from: register, kv; see:"),
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
    assert "line 1: this is no text in UTF-8" in done.stderr
    missing = paxos(str(tmp_path / "missing"), "--model", "kv")
    assert missing.returncode == 2


def hard(writes: int) -> str:
    """A history of a register whose search takes longer than anybody waits."""
    event = "{{:process {0}, :type :{1}, :f :{2}, :value {3}}}\n"
    calls = [event.format(n, "invoke", "write", n) for n in range(writes)]
    returns = [event.format(n, "ok", "write", n) for n in range(writes)]
    read = event.format(0, "invoke", "read", "nil") + event.format(0, "ok", "read", -1)
    return "".join([*calls, *returns, read])


def in_little_memory(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transports.node.cli", "check-history", *words]
    most = 160 << 20
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=200,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )


def test_when_the_memory_is_full_a_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "hard").write_text(hard(30))
    done = in_little_memory(str(tmp_path / "hard"), "--model", "register", "--states", "100000000")
    assert done.returncode == 2, done.stderr
    assert "the memory is full" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("piece", "expected"),
    [(b"\n", "line 2000001: a history has at most"), (b"x", "line 1: it has more than")],
)
def test_a_file_is_not_read_whole(tmp_path: Path, piece: bytes, expected: str) -> None:
    with (tmp_path / "large").open("wb") as file:
        for _ in range(200):
            file.write(piece * (1 << 20))
    done = in_little_memory(str(tmp_path / "large"), "--model", "kv")
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_while_it_searches(tmp_path: Path) -> None:
    (tmp_path / "hard").write_text(hard(30))
    command = [sys.executable, "-m", "transports.node.cli", "check-history"]
    words = [str(tmp_path / "hard"), "--model", "register", "--states", "100000000"]
    process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
    try:
        wait_until_it_searches(process.pid)
        process.send_signal(signal.SIGINT)
        _output, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, complaint) == (130, "paxos: interrupted\n")


def wait_until_it_searches(pid: int) -> None:
    """Until it holds more memory than any program needs that has not begun to search."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        if pages * os.sysconf("SC_PAGE_SIZE") > 64 << 20:
            return
        time.sleep(0.02)
    raise AssertionError("it did not begin to search")
