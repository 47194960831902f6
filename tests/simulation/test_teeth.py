"""A simulator that finds nothing proves nothing: each break in `teeth.py` must be found.

The seed beside each break is the first that finds it today. When the core or
the simulator changes, the dice fall otherwise; then the test searches on.
"""

from dataclasses import replace
from pathlib import Path

import disk_teeth  # noqa: F401  (its breaks join the others)
import pytest
from teeth import BREAKS, what_was_given_up_is_applied_late

from paxos_core.proposer import Proposer
from paxos_core.testing import Options, Simulation, SimulationFailure, run_script, simulate
from paxos_core.testing.network import FRACTION, Rates
from paxos_core.testing.plan import draw_plan
from paxos_core.testing.script import ScriptError

SEEDS_MAX = 1500
FOUND = {
    "promises_do_not_bind": (1, "promises never regress"),
    "accepts_below_the_promise": (2, "promises never regress"),
    "votes_are_not_recorded": (0, "durable before sent"),
    "promises_are_not_recorded": (0, "durable before sent"),
    "a_promise_forgets_the_votes": (2, "a promise reveals every vote"),
    "votes_are_forgotten_a_slot_too_early": (3, "a promise reveals every vote"),
    "promises_say_no_watermark": (13, "a promise reveals every vote"),
    "no_revealed_value_is_kept": (2, "P2b: a later ballot proposes the chosen value"),
    "any_revealed_value_is_kept": (246, "P2b: a later ballot proposes the chosen value"),
    "only_the_first_page_is_read": (2, "a promise reveals every vote"),
    "leads_before_it_has_caught_up": (76, "P2b: a later ballot proposes the chosen value"),
    "nothing_is_sent_again": (0, "liveness"),
    "own_promise_has_one_page": (2, "the core raises nothing"),
    "heartbeats_say_what_was_heard": (2, "a watermark is true"),
    "proposals_say_what_was_heard": (2, "a watermark is true"),
    "resent_proposals_say_what_was_heard": (2, "a watermark is true"),
    "phase_1_quorums_miss_phase_2_quorums": (1, "a proposer has a quorum's promises"),
    "phase_2_quorums_miss_phase_1_quorums": (0, "one value per slot"),
    "half_of_the_members_is_a_majority": (0, "quorums meet"),
    "nothing_waits_for_the_disk": (0, "durable before sent"),
    "replay_ignores_promises": (1, "promises survive a crash"),
    "replay_ignores_votes": (2, "the core raises nothing"),
    "a_checkpoint_leaves_out_votes": (11, "the core raises nothing"),
    "a_wiped_node_votes_again": (9, "who lost its disk does not vote"),
    "a_watermark_vouches_for_any_vote": (3, "commands are applied in one order"),
    "delivers_over_a_gap": (3, "the core raises nothing"),
    "never_asks_for_what_it_lacks": (0, "liveness"),
    "every_copy_asks_for_the_next_page": (16, "catching up asks once"),
    "a_leader_without_a_quorum_stays": (5, "liveness"),
    "a_leader_refuses_some_commands_for_no_reason": (0, "liveness"),
    "duplicates_are_applied": (3, "applied exactly once"),
    "snapshots_leave_out_the_sessions": (3, "session tables are equal"),
    "a_retry_keeps_its_session_for_longer": (2, "session tables are equal"),
    "results_from_a_snapshot_weigh_nothing": (2, "session tables are equal"),
    "a_snapshot_forgets_which_sessions_were_never_used": (3, "session tables are equal"),
    "a_retry_takes_a_new_number": (2, "applied exactly once"),
    "commands_of_unlike_tickets_are_merged": (14, "frames fit"),
    "a_torn_write_is_believed": (13, "damage is found"),
    "acknowledged_damage_is_cut_like_a_torn_tail": (9, "damage is found"),
    "a_torn_tail_is_taken_for_damage": (2, "a sound disk is read"),
    "small_files_are_not_checked": (161, "damage is found"),
    "a_missing_store_is_a_new_one": (10, "damage is found"),
    "a_rebuilt_node_votes": (57, "votes survive a crash"),
    "the_sync_is_not_waited_for": (0, "durable before sent"),
    "a_failed_sync_is_tried_again": (1, "a failed sync is final"),
    "a_full_disk_is_ignored": (1, "durable before sent"),
    "an_old_copy_of_a_whole_store_is_started": (9, "promises survive a crash"),
}


OF_SEVEN = {
    "phase_1_quorums_miss_phase_2_quorums": (2, "a proposer has a quorum's promises"),
    "phase_2_quorums_miss_phase_1_quorums": (0, "one value per slot"),
    "half_of_the_members_is_a_majority": (0, "quorums meet"),
}
"""Few seeds draw seven nodes, and quorums may be counted wrongly for those alone."""


def first_failure(pinned: int, nodes: int | None = None) -> SimulationFailure:
    for seed in (pinned, *range(SEEDS_MAX)):
        try:
            simulate(Options(seed, nodes=nodes))
        except SimulationFailure as failure:
            return failure
    pytest.fail(f"nothing was noticed in {SEEDS_MAX} seeds")


def test_every_break_has_its_seed():
    assert set(FOUND) == set(BREAKS)


@pytest.mark.parametrize("name", FOUND)
def test_a_broken_core_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    seed, invariant = FOUND[name]
    BREAKS[name](monkeypatch)
    failure = first_failure(seed)
    if failure.seed == seed:
        assert failure.invariant == invariant


@pytest.mark.parametrize("name", OF_SEVEN)
def test_quorums_of_seven_that_lack_one_are_found(name: str, monkeypatch: pytest.MonkeyPatch):
    seed, invariant = OF_SEVEN[name]
    BREAKS[name](monkeypatch)
    failure = first_failure(seed, nodes=7)
    if failure.seed == seed:
        assert failure.invariant == invariant


def hasty(seed: int) -> Simulation:
    """A third of all frames comes late, and clients do not wait for that."""
    options = Options(seed, without=frozenset({"evict", "tiny"}))
    plan = draw_plan(options)
    plan.clients = [replace(c, deadline_ticks=6, retry_ticks=3) for c in plan.clients]
    plan.rates = Rates(1, 30, late=FRACTION // 3, late_span=4000)
    plan.kinds |= {"late", "impatient"}
    return Simulation(options, plan=plan)


def test_a_command_applied_after_a_later_answer_is_found(monkeypatch: pytest.MonkeyPatch):
    assert hasty(38).run().counts["settled as not applied"]
    what_was_given_up_is_applied_late(monkeypatch)
    invariants = set()
    for seed in (38, *range(500)):
        try:
            hasty(seed).run()
        except SimulationFailure as failure:
            invariants.add(failure.invariant)
            break
    assert invariants == {"not applied after a later answer"}


def test_a_leader_that_does_not_resign_is_found(monkeypatch: pytest.MonkeyPatch):
    """It needs so much to go wrong at once that a script shows it better than a seed."""
    transcripts = Path(__file__).parent / "transcripts"
    script = (transcripts / "deposed_leader.txt").read_text()
    monkeypatch.setattr(Proposer, "advance", lambda self, watermark: True)
    with pytest.raises(ScriptError, match="node 2 decides another value for slot 0: ours"):
        run_script(script)
