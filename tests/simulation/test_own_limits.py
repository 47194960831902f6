"""Limits are each node's own, and may be others at the next start."""

from __future__ import annotations

import pytest
from campaign_cases import hold

from paxos_core.acceptor import Acceptor
from paxos_core.testing import Options, SimulationFailure, simulate
from paxos_core.testing.plan import draw_plan

SEEDS = 120
STANDS_STILL = 239
"""A seed in which a narrow leader finds what a wide one left open, and needs its own vote."""


@pytest.mark.slow
def test_every_seed_holds_with_limits_of_each_nodes_own() -> None:
    hold(Options(0, own_limits=True), range(SEEDS))


def test_a_vote_that_is_withheld_for_good_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(STANDS_STILL, own_limits=True)
    simulate(options)
    monkeypatch.setattr(Acceptor, "has_yet_to_vote", lambda self, accept: False)
    with pytest.raises(SimulationFailure, match="liveness"):
        simulate(options)


def test_nodes_and_starts_differ_and_nothing_else_does() -> None:
    plan, own = draw_plan(Options(3)), draw_plan(Options(3, own_limits=True))
    assert {plan.limits_of(node, 1) for node in (1, 2, 3)} == {plan.limits}
    drawn = [own.limits_of(node, start) for node in (1, 2, 3) for start in (1, 2, 3)]
    assert drawn == [own.limits_of(node, start) for node in (1, 2, 3) for start in (1, 2, 3)]
    assert len({(it.window_slots, it.log_keep_slots) for it in drawn}) > 3
    assert (plan.faults, plan.timing) == (own.faults, own.timing)


def test_the_command_says_it() -> None:
    assert "--own-limits" in Options(1, own_limits=True).command()
