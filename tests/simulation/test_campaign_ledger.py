"""What a campaign keeps in its ledger, and what it refuses to go on from."""

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaign_cases import run_command
from click.testing import CliRunner
from teeth import BREAKS

import paxos_core
from paxos_core.testing import Options, SimulationFailure
from paxos_core.testing.failure import Violation
from transports.node.cli.simulate.campaign import describe_failure
from transports.node.cli.simulate.code import code_digest
from transports.node.cli.simulate.command import simulate as command
from transports.node.cli.simulate.ledger import LEDGER_BYTES_MAX, LedgerFile


def test_a_campaign_goes_on_where_its_ledger_ends(tmp_path: Path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run_command(f"--seeds 0:9 --ledger {whole}")[0] == 0
    assert run_command(f"--seeds 0:4 --ledger {parts}")[0] == 0
    status, said = run_command(f"--seeds 0:9 --ledger {parts}")
    assert status == 0
    assert "9 seeds, all hold" in said
    found = [json.loads(path.read_text()) for path in (whole, parts)]
    for document in found:
        del document["processor_seconds"]
    assert found[0] == found[1]
    assert found[0]["seeds"] == 9


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no ledger of a campaign"),
        (b"\xff\xfe", "it is no text"),
        (b"[]", "no ledger of a campaign"),
        (b'{"format": "paxos simulate, ledger 2"}', "no ledger of a campaign"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "ledger"
    path.write_bytes(content)
    status, said = run_command(f"--seeds 0:2 --ledger {path}")
    assert status == 2
    assert expected in said
    assert path.read_bytes() == content


def test_a_ledger_of_other_options_is_refused(tmp_path: Path):
    path, longer = tmp_path / "ledger", tmp_path / "longer"
    assert run_command(f"--seeds 0:2 --ledger {path}")[0] == 0
    assert run_command(f"--seeds 0:2 --seconds 9 --ledger {longer}")[0] == 0
    for line, file, expected in (
        ("--seeds 1:3", path, "that begins with seed 0, and not with 1; name another"),
        ("--seeds 0:2 --seconds 9", path, "without --seconds 9; name another file"),
        ("--seed 0 --without loss", path, "without --without loss; name another file"),
        ("--seeds 0:2", longer, "with --seconds 9; name another file"),
        ("--seeds 0:2 --seconds 8", longer, "with --seconds 9, not 8; name another file"),
    ):
        status, said = run_command(f"{line} --ledger {file}")
        assert status == 2
        assert f"{file}: the ledger is of a campaign {expected}" in said


@pytest.mark.parametrize("options", ["", 7, "paxos simulate --seed \u001b", "paxos demo --seed 1"])
def test_options_that_no_campaign_has_are_refused(ledger: Path, options: Any):
    change(ledger, options=options)
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 2
    assert "no ledger of a campaign" in said


def test_a_ledger_that_cannot_be_written_is_told_at_once(tmp_path: Path):
    status, said = run_command(f"--seeds 0:1000000 --ledger {tmp_path}/no/ledger")
    assert status == 1
    assert "cannot be written (No such file or directory)" in said


def test_a_failure_is_told_though_the_ledger_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    BREAKS["phase_1_quorums_miss_phase_2_quorums"](monkeypatch)
    replace, replaced = LedgerFile._replace, []

    def replace_once(self: LedgerFile, content: bytes) -> None:
        if replaced:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replaced.append(content)
        replace(self, content)

    monkeypatch.setattr(LedgerFile, "_replace", replace_once)
    done = CliRunner().invoke(command, ["--seeds", "0:60", "--ledger", str(tmp_path / "ledger")])
    assert done.exit_code == 1
    for said in (done.stdout, done.stderr):
        assert "FAIL seed " in said
        assert "replay: paxos simulate --seed " in said
    assert "cannot be written (No space left on device)" in done.stderr


BROKEN = "seed 0, step 3: safety: two values\nreplay: paxos simulate --seed 0"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    assert run_command(f"--seeds 0:2 --ledger {path}")[0] == 0
    return path


def change(ledger: Path, **values: Any) -> bytes:
    content = json.dumps(json.loads(ledger.read_text()) | values).encode()
    ledger.write_bytes(content)
    return content


@pytest.mark.parametrize(
    "values",
    [
        {"seeds": -1},
        {"seeds": True},
        {"seeds": 1.0},
        {"seeds": 10**30},
        {"steps": -1},
        {"units": -1},
        {"units": 10**400},
        {"processor_seconds": float("nan")},
        {"processor_seconds": float("inf")},
        {"processor_seconds": -1},
        {"processor_seconds": "1"},
        {"processor_seconds": 10**400},
        {"counts": {"crash": -1}},
        {"counts": {"crash": "1"}},
        {"counts": [1]},
        {"failures": "seed"},
        {"failures": [1]},
        {"failures": [BROKEN, BROKEN]},
        {"failures": ["x"]},
        {"failures": [BROKEN.replace("seed 0,", "seed 2,")]},
        {"failures": [BROKEN.replace("safety:", "safety:\x1b[2J")]},
        {"failures": [BROKEN.replace("safety:", "safety:\u2028")]},
        {"failures": [BROKEN + "\n9 seeds, all hold"]},
        {"failures": ["9 seeds, all hold\n" + BROKEN]},
        {"failures": [BROKEN.replace("safety", "safe\n9 seeds, all hold")]},
        {"failures": [BROKEN + "; rm"]},
        {"counts": {"crash\n9 seeds, all hold": 1}},
        {"counts": {"x" * 81: 1}},
    ],
    ids=str,
)
def test_numbers_that_no_campaign_gives_are_refused(ledger: Path, values: dict[str, Any]):
    content = change(ledger, **values)
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 2
    assert "no ledger of a campaign" in said
    assert ledger.read_bytes() == content


@pytest.mark.parametrize(
    "failure",
    [
        BROKEN,
        f"{BROKEN} --without loss\nminimised: {BROKEN} --drop 1,4 --commands 2",
        "seed 1: its process died\nreplay: paxos simulate --seed 1 --core c",
    ],
)
def test_a_failure_is_told_again(ledger: Path, failure: str):
    change(ledger, failures=[failure])
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 1
    assert f"FAIL {failure}\n" in said


def test_a_failure_of_several_lines_can_be_read_again(ledger: Path):
    """An exception of the core has any text."""
    raised = SimulationFailure(Options(1), 3, Violation("the core raises nothing", "one\ntwo\x1b"))
    change(ledger, failures=[describe_failure(raised, None, shrink=False)])
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 1
    assert "nothing: one\\ntwo\\x1b\nreplay: paxos simulate --seed 1\n" in said


def test_a_number_written_as_infinite_is_refused(ledger: Path):
    change(ledger, processor_seconds="@")
    ledger.write_text(ledger.read_text().replace('"@"', "1e999"))
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 2
    assert "no ledger of a campaign" in said


def test_a_ledger_with_more_seeds_than_are_asked_for_is_refused(ledger: Path):
    status, said = run_command(f"--seeds 0:1 --ledger {ledger}")
    assert status == 2
    assert "the ledger has 2 seeds already, which is more than the 1 of this campaign; ask" in said


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/full", path)])
def test_only_a_regular_file_is_a_ledger(tmp_path: Path, make: Callable[[Path], None]):
    path = tmp_path / "ledger"
    make(path)
    status, said = run_command(f"--seeds 0:2 --ledger {path}")
    assert status == 2
    assert "this is no regular file" in said


def test_a_file_too_large_for_a_ledger_is_not_read(tmp_path: Path):
    path = tmp_path / "ledger"
    path.touch()
    os.truncate(path, LEDGER_BYTES_MAX + 1)
    status, said = run_command(f"--seeds 0:2 --ledger {path}")
    assert status == 2
    assert "larger than 16 MiB" in said


def test_a_ledger_of_other_code_is_refused(ledger: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("transports.node.cli.simulate.ledger.code_digest", lambda _core: "f" * 32)
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 2
    assert "of other code than this; name another file, or go on with the code" in said


def test_an_older_ledger_is_refused(ledger: Path):
    change(ledger, format="paxos simulate, ledger 1")
    status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 2
    assert "does not say of which code it is" in said


def test_other_sources_are_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = [code_digest("python"), code_digest("c")]
    (tmp_path / "testing").mkdir()
    monkeypatch.setattr(paxos_core, "__path__", [str(tmp_path)])
    for content in ("one", "two"):
        (tmp_path / "testing" / "plan.py").write_text(content)
        found.append(code_digest("python"))
    assert len(set(found)) == 4
    assert code_digest("mixed") == code_digest("c")


def test_two_campaigns_do_not_keep_one_ledger(ledger: Path):
    content = ledger.read_bytes()
    with open(ledger, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, said = run_command(f"--seeds 0:2 --ledger {ledger}")
    assert status == 1
    assert "another campaign keeps this ledger" in said
    assert ledger.read_bytes() == content


def test_a_ledger_stays_claimed_when_it_is_replaced(tmp_path: Path, ledger: Path):
    with LedgerFile(ledger, Options(0), 2) as kept:
        kept.save(kept.load())
        assert run_command(f"--seeds 0:2 --ledger {ledger}")[0] == 1
    assert run_command(f"--seeds 0:2 --ledger {ledger}")[0] == 0
    assert list(tmp_path.iterdir()) == [ledger]
