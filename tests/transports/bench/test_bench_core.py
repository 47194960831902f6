"""`paxos bench core`: every step is there, and the sums are theirs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import transports.bench.cli as cli
from transports.bench.core_steps import BESIDE, measure_steps


@pytest.fixture(autouse=True)
def garbage_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.bench.core_steps.collect_less", lambda: None)


def test_every_step_of_a_command_is_measured() -> None:
    steps = measure_steps(20, 64)
    assert list(steps) == [
        "client: submission, request leaves",
        "leader: request, accepts leave",
        "leader: its own vote",
        "follower: accept, accepted leaves",
        "other follower: accept, accepted leaves",
        "leader: first accepted, reply leaves",
        "client: reply, result",
        "leader: second accepted",
    ]
    assert set(BESIDE) < set(steps)
    assert min(steps.values()) > 0


def test_the_sums_are_those_of_the_steps() -> None:
    result = CliRunner().invoke(cli.bench, ["core", "--commands", "20", "--output", "json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    steps = found["steps_us"]
    beside = sum(steps[step] for step in BESIDE)
    assert found["total_us"] == pytest.approx(sum(steps.values()))
    assert found["client_waits_for_us"] == pytest.approx(sum(steps.values()) - beside)


def test_people_get_a_table() -> None:
    result = CliRunner().invoke(cli.bench, ["core", "--commands", "20"])
    assert result.exit_code == 0
    assert "follower: accept, accepted leaves" in result.stdout
