"""Runs of the real core are runs of the specification; runs that were tampered with are not."""

import os
from dataclasses import replace

import pytest
import tlc
import traces

from paxos_core.proposer import Proposer


@pytest.fixture(scope="module", autouse=True)
def _needs_tlc() -> None:
    try:
        tlc.java(), tlc.jar()
    except tlc.TlcMissing as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_run_of_the_core_is_allowed(seed: int):
    events = traces.walk(seed, traces.STEPS)
    assert {"stand", "propose", "receive", "crash"} <= {event.kind for event in events}
    assert traces.allowed(events)


def test_a_promise_that_was_never_made_is_refused():
    events = traces.walk(1, 30)
    number = next(i for i, event in enumerate(events) if "Promise" in event.said)
    events[number] = replace(events[number], promised="0")
    assert not traces.allowed(events)
    assert traces.first_refused(events) == number + 1


def test_a_hidden_vote_is_refused():
    events = traces.walk(1, traces.STEPS)
    number = next(
        i for i, event in enumerate(events) if "Promise" in event.said and "Put" in event.said
    )
    hidden = events[number].said.split("votes |-> ")[0] + "votes |-> NoVotes]}"
    events[number] = replace(events[number], said=hidden)
    assert not traces.allowed(events[: number + 1])


def test_another_value_in_a_log_is_refused():
    events = traces.walk(1, traces.STEPS)
    number = next(i for i, event in enumerate(events) if event.log != "<<>>")
    events[number] = replace(events[number], log="<<11>>")
    assert not traces.allowed(events[: number + 1])


def test_a_core_that_breaks_a_rule_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Proposer, "can_lead", lambda self: self._promised_mask != 0)
    assert not all(traces.allowed(traces.walk(seed, traces.STEPS)) for seed in (1, 2, 4))


def test_wrong_seeds_are_wrong_use(capsys: pytest.CaptureFixture[str]):
    assert traces.main(["many"]) == 2
    assert "0:100" in capsys.readouterr().err
