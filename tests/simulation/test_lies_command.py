"""``python -m paxos_core.testing.lies`` prints the table, and says if a line of it is not so."""

from __future__ import annotations

import sys

import pytest

from paxos_core.testing.lies import LIES, Harm
from paxos_core.testing.lies import __main__ as command

ONE_OF_EACH = {
    harm: next(name for name, kind in LIES.items() if kind.harm is harm) for harm in Harm
}


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lies", *words])
    return command.main()


def few(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(command, "LIES", {name: LIES[name] for name in names})


def test_every_kind_of_harm_has_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, *ONE_OF_EACH.values())
    assert run(monkeypatch, "--seeds", "10") == 0
    said = capsys.readouterr().out
    for harm, name in ONE_OF_EACH.items():
        assert f"\n{name:34} {harm.value:9} " in said
    assert "not so" not in said


def test_a_line_that_is_not_so_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, ONE_OF_EACH[Harm.BREAKS])
    monkeypatch.setattr(command, "_holds", lambda *_: False)
    assert run(monkeypatch, "--seeds", "1") == 1
    assert "not so" in capsys.readouterr().out


def test_the_smallest_script_ends_in_the_disagreement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--seeds", "10", "--script", ONE_OF_EACH[Harm.BREAKS]) == 0
    assert "slot" in capsys.readouterr().out.splitlines()[-1]
    assert run(monkeypatch, "--seeds", "1", "--script", ONE_OF_EACH[Harm.NONE]) == 1
    assert "no disagreement in 1 seeds" in capsys.readouterr().err
