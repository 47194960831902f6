"""`submit`, `status` and `log`, against three nodes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, Cluster, Result

from transports.node.cli.output import CELL_CHARACTERS_MAX, clean
from transports.node.cli.submit import Tally, ranges, summary
from transports.node.client import OutcomeUnknown, Overloaded


@pytest.fixture(autouse=True)
def _here(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.directory)


def submit(paxos, *arguments: object) -> list[dict[str, str]]:
    result: Result = paxos("submit", "--output", "json", *arguments)
    assert (result.status, result.err) == (0, "")
    results: list[dict[str, str]] = result.json["results"]
    return results


def log(paxos, *arguments: object) -> list[dict[str, object]]:
    result: Result = paxos("log", "--limit", 0, "--output", "json", *arguments)
    assert (result.status, result.err) == (0, "")
    lines: list[dict[str, object]] = result.json["log"]
    return lines


def test_submit_prints_results_in_order(paxos) -> None:
    (base,) = submit(paxos, "base")
    number = int(base["result"])
    results = submit(paxos, "first", "second", "third")
    assert [one["command"] for one in results] == ["first", "second", "third"]
    assert [int(one["result"]) for one in results] == [number + 1, number + 2, number + 3]
    assert {one["state"] for one in results} == {"applied"}
    table = paxos("submit", "fourth").out.splitlines()
    assert table[0].split() == ["number", "command", "result"]
    assert table[-1].split() == ["1", "fourth", str(number + 4)]


def test_submit_many_at_a_time_applies_each_once(paxos) -> None:
    results = submit(paxos, "again", "--count", 200, "--outstanding", 50)
    assert len({one["result"] for one in results}) == 200
    long = paxos("submit", "short", "--count", 30)
    assert long.out.endswith("\nthe first 20 of 30 (--output json prints all)\n")


def test_submit_reads_lines(paxos, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"one\n\ntwo\r\n\xff\x00\nlast")
    results = submit(paxos, "--file", tmp_path / "lines")
    assert [one.get("command") for one in results] == ["one", "two", None, "last"]
    assert results[2]["command_hex"] == "ff00"
    piped = subprocess.run(
        [sys.executable, "-m", "transports.node.cli", "submit", "--file", "-", "-o", "json"],
        input=b"a\nb\n",
        capture_output=True,
        cwd=cluster.directory,
    )
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert Result(0, piped.stdout.decode(), "").json["counts"]["applied"] == 2
    (tmp_path / "empty").write_bytes(b"\n\n")
    nothing = paxos("submit", "--file", tmp_path / "empty")
    assert (nothing.status, nothing.err) == (0, "")
    assert nothing.out == "there are no commands, so nothing was submitted\n"


def test_a_command_too_large_ends_it_there(paxos) -> None:
    result = paxos("submit", "before", "x" * 40_000, "after", "-o", "json")
    assert result.status == 1
    assert result.complaint == (
        "command 1 was applied; command 2 was not applied: "
        "a command of 40000 bytes: at most 32768 are taken"
    )
    assert [one["state"] for one in result.json["results"]] == ["applied", "not applied"]
    assert result.json["results"][1]["error"] == "CommandTooLarge"
    assert "after" not in [line.get("command") for line in log(paxos)]


def test_a_failure_does_not_wait_for_more_lines(cluster: Cluster) -> None:
    reading = subprocess.Popen(
        [sys.executable, "-m", "transports.node.cli", "submit", "--file", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=cluster.directory,
    )
    with reading:
        assert reading.stdin is not None
        reading.stdin.write(b"x" * 40_000 + b"\n")
        reading.stdin.flush()
        assert reading.wait(END_SECONDS) == 1
        assert reading.stderr is not None
        assert reading.stderr.read().startswith(b"paxos: command 1 was not applied: ")


def test_the_log_is_the_same_everywhere_and_has_what_was_submitted(paxos) -> None:
    submit(paxos, "seen", "by all")
    submit(paxos, "barrier")
    logs = [log(paxos, "--node", node) for node in (1, 2, 3)]
    known = min(map(len, logs))
    assert logs[0][:known] == logs[1][:known] == logs[2][:known]
    best = log(paxos)
    said = [line.get("command") for line in best]
    assert said[-1] == "barrier"
    at = said.index("seen")
    assert said[at + 1] == "by all"
    assert best[at]["session"] == best[at + 1]["session"]
    assert [best[at]["number"], best[at + 1]["number"]] == [1, 2]
    assert best[at - 1]["kind"] == "opens a session"
    assert f" {best[at]['session']:#x} " in paxos("log", "--limit", 0).out


def test_a_part_of_the_log(paxos) -> None:
    submit(paxos, *"abcdef")
    part = paxos("log", "--from", 2, "--limit", 3, "-o", "json").json
    assert sorted({line["slot"] for line in part["log"]}) == [2, 3, 4]
    assert part["next_slot"] == 5
    assert part["chosen"] > 5
    table = paxos("log", "--from", 2, "--limit", 3)
    assert table.out.splitlines()[0].split() == ["slot", "session", "number", "command"]
    assert table.out.endswith("; more with --from 5\n")
    beyond = paxos("log", "--from", 1_000_000)
    assert beyond.status == 0
    assert "slots to be chosen" in beyond.out


def test_what_a_terminal_obeys_is_not_printed(paxos) -> None:
    submit(paxos, "\x1b[31mred\x07", "[red]plain[/red]")
    out = paxos("log", "--limit", 0).out
    assert "\x1b" not in out
    assert "0x" + b"\x1b[31mred\x07".hex() in out
    assert "[red]plain[/red]" in out


def test_status_of_a_whole_cluster(paxos) -> None:
    table = paxos("status")
    assert (table.status, table.err) == (0, "")
    head, _, *rows, verdict = table.out.splitlines()
    assert head.split() == [
        "node", "role", "leader", "ballot", "chosen", "applied", "log", "hash", "sessions",
        "dropped",
    ]  # fmt: skip
    assert max(map(len, table.out.splitlines())) <= 80
    assert sorted(row.split()[1] for row in rows) == ["follower", "follower", "leader"]
    whole = paxos("status", "--output", "json").json
    assert verdict == f"node {whole['leader']} leads, as 3 of 3 nodes say"
    assert whole["problem"] is None
    assert {node["leader"] for node in whole["nodes"]} == {whole["leader"]}


def test_no_answer_can_write_to_the_terminal() -> None:
    assert clean("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert len(clean("x" * 1000)) == CELL_CHARACTERS_MAX
    assert ranges([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"


def test_watching_writes_one_document_a_line(paxos, cluster: Cluster) -> None:
    arguments = ["status", "--watch", "--interval", "0.1", "-o", "json"]
    watch = subprocess.Popen(
        [sys.executable, "-m", "transports.node.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cluster.directory,
    )
    assert watch.stdout is not None
    lines = [watch.stdout.readline().decode() for _ in range(2)]
    watch.terminate()
    _, err = watch.communicate()
    assert (watch.returncode, err) == (0, b"")
    assert all(len(Result(0, line, "").json["nodes"]) == 3 for line in lines)


def test_a_reader_that_has_enough_is_no_error(cluster: Cluster) -> None:
    command = f"{sys.executable} -m transports.node.cli log --limit 0 | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, cwd=cluster.directory)
    assert done.stdout.split()[0] == b"slot"
    assert done.stderr == b""


def test_what_was_applied_is_said_also_where_the_results_cannot_be_printed(
    cluster: Cluster,
) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "transports.node.cli", "submit", "x", "y" * 40_000],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=cluster.directory,
        )
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(b"paxos: command 1 was applied; command 2 was not applied: ")
    assert second == b"paxos: the output cannot be written (No space left on device)"


def test_a_closed_output_is_said_before_anything_is_submitted(paxos, cluster: Cluster) -> None:
    command = f"{sys.executable} -m transports.node.cli submit unheard >&-"
    done = subprocess.run(
        command, shell=True, stderr=subprocess.PIPE, cwd=cluster.directory, check=False
    )
    assert done.returncode == 1
    assert done.stderr == b"paxos: the output cannot be written (standard output is closed)\n"
    assert "unheard" not in [line.get("command") for line in log(paxos)]


def test_the_words_for_what_became_of_commands() -> None:
    tally = Tally()
    for number, outcome in enumerate((b"", b"", OutcomeUnknown("silence"), b"", Overloaded("no"))):
        tally.end(tally.begin(b"%d" % number), outcome)
    begin = "commands 1-2, 4 were applied; "
    unknown, refused = "of command 3 it is unknown", "command 5 was not applied"
    assert summary(tally) == f"{begin}{unknown}; {refused}"
    assert summary(tally, Overloaded("no")) == f"{begin}{unknown}; {refused}: no"
    assert summary(tally, OutcomeUnknown("silence")) == f"{begin}{refused}; {unknown}: silence"
    assert summary(Tally()) == "nothing was submitted"


def test_the_store_of_a_stopped_node_and_the_lack_of_it(paxos, cluster: Cluster) -> None:
    """Last in this module: it stops two nodes."""
    submit(paxos, "for the store")
    busy = paxos("log", "--node", 1, "--store")
    assert busy.status == 1
    assert "another process holds this store" in busy.complaint
    live = log(paxos, "--node", 1)
    cluster.end(1, 15)
    offline = log(paxos, "--node", 1, "--store")
    assert len(offline) > 0
    assert offline[: len(live)] == live[: len(offline)]
    cluster.wait_for_leader()
    two = paxos("status", "--timeout", "0.3")
    assert two.status == 0
    assert two.out.count("unreachable") == 1
    assert two.out.splitlines()[-1].endswith("leads, as 2 of 3 nodes say")
    silent = paxos("log", "--node", 1, "--timeout", "0.2")
    assert silent.status == 1
    assert silent.complaint.startswith("node 1 does not answer within 0.2 s")
    cluster.kill(2)
    assert paxos("status", "--timeout", "0.3").status == 1
