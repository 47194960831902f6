"""Ways to break the core, each of which the simulator must notice.

Every function takes one rule out of the running code by way of `monkeypatch`;
the core itself has no switch for any of this.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from paxos_core import durable
from paxos_core.acceptor import Acceptor
from paxos_core.catchup import CatchUp
from paxos_core.client import Client
from paxos_core.durable import Promised, Voted
from paxos_core.election import Election, Verdict
from paxos_core.errors import Overloaded
from paxos_core.learner import Learner
from paxos_core.messages import Accept, Heartbeat, Vote
from paxos_core.proposer import Phase, Proposer
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Outbox
from paxos_core.replica import Replica
from paxos_core.session import SessionTable, _Session
from paxos_core.testing.members import SimulatedNode

Break = Callable[[pytest.MonkeyPatch], None]
BREAKS: dict[str, Break] = {}


def tooth(break_it: Break) -> Break:
    BREAKS[break_it.__name__] = break_it
    return break_it


# The acceptor


@tooth
def promises_do_not_bind(patch: pytest.MonkeyPatch) -> None:
    def receive_prepare(self: Acceptor, sender: int, prepare: Any) -> None:
        self.promised = prepare.ballot
        self._outbox.record(Promised(prepare.ballot))
        self._outbox.send_gated(sender, self._promise_page(prepare))

    def receive_accept(self: Acceptor, sender: int, accept: Any) -> bool:
        self.promised = accept.ballot
        return True

    patch.setattr(Acceptor, "receive_prepare", receive_prepare)
    patch.setattr(Acceptor, "receive_accept", receive_accept)


@tooth
def accepts_below_the_promise(patch: pytest.MonkeyPatch) -> None:
    def receive_accept(self: Acceptor, sender: int, accept: Any) -> bool:
        return True

    def vote(self: Acceptor, accept: Any) -> bool:
        if accept.slot < self.watermark:
            return True
        self.votes[accept.slot] = Vote(accept.slot, accept.ballot, accept.checksum, accept.value)
        self._outbox.record(Voted(accept.slot, accept.ballot, accept.checksum, accept.value))
        return True

    patch.setattr(Acceptor, "receive_accept", receive_accept)
    patch.setattr(Acceptor, "vote", vote)


@tooth
def votes_are_not_recorded(patch: pytest.MonkeyPatch) -> None:
    real = Outbox.record

    def record(self: Outbox, record: Any) -> None:
        if not isinstance(record, Voted):
            real(self, record)

    patch.setattr(Outbox, "record", record)


@tooth
def promises_are_not_recorded(patch: pytest.MonkeyPatch) -> None:
    def promise(self: Acceptor, ballot: int) -> None:
        self.promised = max(self.promised, ballot)

    patch.setattr(Acceptor, "_promise", promise)


@tooth
def a_promise_forgets_the_votes(patch: pytest.MonkeyPatch) -> None:
    real = Acceptor._promise

    def promise(self: Acceptor, ballot: int) -> None:
        if ballot > self.promised:
            self.votes.clear()
        real(self, ballot)

    patch.setattr(Acceptor, "_promise", promise)


@tooth
def votes_are_forgotten_a_slot_too_early(patch: pytest.MonkeyPatch) -> None:
    real = Acceptor.advance

    def advance(self: Acceptor, watermark: int) -> None:
        real(self, watermark)
        self.votes.pop(watermark, None)

    patch.setattr(Acceptor, "advance", advance)


@tooth
def promises_say_no_watermark(patch: pytest.MonkeyPatch) -> None:
    real = Acceptor._promise_page

    def promise_page(self: Acceptor, prepare: Any) -> Any:
        return replace(real(self, prepare), watermark=0)

    patch.setattr(Acceptor, "_promise_page", promise_page)


# The proposer


@tooth
def no_revealed_value_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proposer, "_merge", lambda self, votes: None)


@tooth
def any_revealed_value_is_kept(patch: pytest.MonkeyPatch) -> None:
    def merge(self: Proposer, votes: list[Vote]) -> None:
        for vote in votes:
            self._votes[vote.slot] = vote

    patch.setattr(Proposer, "_merge", merge)


@tooth
def only_the_first_page_is_read(patch: pytest.MonkeyPatch) -> None:
    real = Acceptor._promise_page

    def promise_page(self: Acceptor, prepare: Any) -> Any:
        return replace(real(self, prepare), next_slot=(1 << 64) - 1)

    patch.setattr(Acceptor, "_promise_page", promise_page)


@tooth
def leads_before_it_has_caught_up(patch: pytest.MonkeyPatch) -> None:
    def can_lead(self: Proposer) -> bool:
        return self.phase is Phase.PREPARE and self._config.quorums.is_phase1(self._promised_mask)

    patch.setattr(Proposer, "can_lead", can_lead)


@tooth
def nothing_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proposer, "resend", lambda self, now: None)


@tooth
def own_promise_has_one_page(patch: pytest.MonkeyPatch) -> None:
    def ask_page(self: Proposer, sender: int, prepare: Any) -> None:
        self._outbox.send_gated(sender, prepare)

    patch.setattr(Proposer, "_ask_page", ask_page)


# Watermarks, which are a node's own: what it heard from others it cannot vouch for


@tooth
def heartbeats_say_what_was_heard(patch: pytest.MonkeyPatch) -> None:
    real = Replica.tick

    def tick(self: Replica) -> None:
        before = len(self._outbox.messages)
        real(self)
        for _, message in self._outbox.messages[before:]:
            if isinstance(message, Heartbeat):
                message.watermark = self._learner.known_chosen

    patch.setattr(Replica, "tick", tick)


@tooth
def proposals_say_what_was_heard(patch: pytest.MonkeyPatch) -> None:
    real = Proposer._propose

    def propose(self: Proposer, value: bytes, crc: int | None, now: int) -> None:
        before = len(self._outbox.messages)
        real(self, value, crc, now)
        for _, message in self._outbox.messages[before:]:
            if isinstance(message, Accept):
                message.watermark = self._learner.known_chosen

    patch.setattr(Proposer, "_propose", propose)


@tooth
def resent_proposals_say_what_was_heard(patch: pytest.MonkeyPatch) -> None:
    real = Proposer._resend_proposal

    def resend_proposal(self: Proposer, proposal: Any, now: int) -> None:
        before = len(self._outbox.messages)
        real(self, proposal, now)
        for _, message in self._outbox.messages[before:]:
            if isinstance(message, Accept):
                message.watermark = self._learner.known_chosen

    patch.setattr(Proposer, "_resend_proposal", resend_proposal)


# Quorums


@tooth
def phase_1_quorums_miss_phase_2_quorums(patch: pytest.MonkeyPatch) -> None:
    def is_phase1(self: QuorumSystem, mask: int) -> bool:
        return mask.bit_count() >= max(1, self.phase1 - 1)

    patch.setattr(QuorumSystem, "is_phase1", is_phase1)


@tooth
def phase_2_quorums_miss_phase_1_quorums(patch: pytest.MonkeyPatch) -> None:
    def is_phase2(self: QuorumSystem, mask: int) -> bool:
        return mask.bit_count() >= max(1, self.phase2 - 1)

    patch.setattr(QuorumSystem, "is_phase2", is_phase2)


@tooth
def half_of_the_members_is_a_majority(patch: pytest.MonkeyPatch) -> None:
    real = QuorumSystem.__init__

    def init(self: QuorumSystem, members: Any, phase1: Any = None, phase2: Any = None) -> None:
        real(self, members, phase1, phase2)
        if phase1 is None and phase2 is None:
            self.phase1 = self.phase2 = len(self.members) // 2

    patch.setattr(QuorumSystem, "__init__", init)


# Durability


@tooth
def nothing_waits_for_the_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Outbox, "send_gated", Outbox.send)


@tooth
def replay_ignores_promises(patch: pytest.MonkeyPatch) -> None:
    real = durable._replay_one

    def replay_one(state: Any, values: Any, record: Any) -> None:
        if not isinstance(record, Promised):
            real(state, values, record)

    patch.setattr(durable, "_replay_one", replay_one)


@tooth
def replay_ignores_votes(patch: pytest.MonkeyPatch) -> None:
    real = durable._replay_one

    def replay_one(state: Any, values: Any, record: Any) -> None:
        real(state, values, record)
        if isinstance(record, Voted):
            del state.votes[record.slot]

    patch.setattr(durable, "_replay_one", replay_one)


@tooth
def a_checkpoint_leaves_out_votes(patch: pytest.MonkeyPatch) -> None:
    real = Outbox.restate

    def restate(self: Outbox, records: list[Any]) -> None:
        real(self, [record for record in records if not isinstance(record, Voted)])

    patch.setattr(Outbox, "restate", restate)


@tooth
def a_wiped_node_votes_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedNode, "voting", property(lambda self: True, lambda self, value: None))


# The learner


@tooth
def a_watermark_vouches_for_any_vote(patch: pytest.MonkeyPatch) -> None:
    def hear_chosen(self: Replica, ballot: int, watermark: int) -> None:
        learner = self._learner
        learner.hear_watermark(watermark)
        votes = self._acceptor.votes
        for slot in range(learner.watermark, min(watermark, learner.watermark + len(votes))):
            if slot not in votes:
                break
            learner.learn(slot, votes[slot].checksum, votes[slot].value)

    patch.setattr(Replica, "_hear_chosen", hear_chosen)


@tooth
def delivers_over_a_gap(patch: pytest.MonkeyPatch) -> None:
    def deliver(self: Learner) -> Iterator[tuple[int, int, bytes]]:
        for slot in sorted(self._ahead):
            entry = self._ahead.pop(slot)
            self.log[slot] = entry
            self.watermark = slot + 1
            yield slot, *entry
        self.known_chosen = max(self.known_chosen, self.watermark)

    patch.setattr(Learner, "deliver", deliver)


@tooth
def never_asks_for_what_it_lacks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CatchUp, "tick", lambda self, leader: None)


@tooth
def every_copy_asks_for_the_next_page(patch: pytest.MonkeyPatch) -> None:
    def receive_chosen(self: Replica, sender: int, chosen: Any) -> None:
        self._catchup.receive_chosen(sender, chosen)
        self._deliver()
        self._catchup.after_chosen(sender, chosen)

    patch.setattr(Replica, "_receive_chosen", receive_chosen)


@tooth
def a_leader_refuses_some_commands_for_no_reason(patch: pytest.MonkeyPatch) -> None:
    real = Replica.propose

    def propose(self: Replica, command: bytes) -> None:
        if not self._proposer.pending_bytes and sum(command) % 4 == 0:
            raise Overloaded("no")
        real(self, command)

    patch.setattr(Replica, "propose", propose)


# The election


@tooth
def a_leader_without_a_quorum_stays(patch: pytest.MonkeyPatch) -> None:
    real = Election._tick_leader

    def tick_leader(self: Election, watermark: int) -> Verdict:
        real(self, watermark)
        return Verdict.WAIT

    patch.setattr(Election, "_tick_leader", tick_leader)


# Sessions and clients


@tooth
def duplicates_are_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionTable, "_is_new", staticmethod(lambda known, first: True))


def what_was_given_up_is_applied_late(patch: pytest.MonkeyPatch) -> None:
    """Results are kept for good here, or it would be found as applied twice. No tooth: it takes
    clients that give up far sooner than frames are lost, which no seed draws.
    """
    real = SessionTable._run_slowly

    def raise_floor(self: Any, floor: int) -> int:
        self.floor = floor
        return 0

    def run_slowly(self: SessionTable, known: Any, *rest: Any) -> Iterator[Any]:
        floor, known.floor = known.floor, 0
        yield from real(self, known, *rest)
        known.floor = floor

    patch.setattr(_Session, "raise_floor", raise_floor)
    patch.setattr(SessionTable, "_run_slowly", run_slowly)


@tooth
def snapshots_leave_out_the_sessions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionTable, "dump", lambda self: [])


@tooth
def a_retry_keeps_its_session_for_longer(patch: pytest.MonkeyPatch) -> None:
    """Only on the node that was asked, so that the nodes drop different sessions."""
    real = SessionTable.lookup

    def lookup(self: SessionTable, session: int, first: int, count: int) -> Any:
        if session in self._sessions:
            self._sessions.move_to_end(session)
        return real(self, session, first, count)

    patch.setattr(SessionTable, "lookup", lookup)


@tooth
def results_from_a_snapshot_weigh_nothing(patch: pytest.MonkeyPatch) -> None:
    real = SessionTable.load

    def load(self: SessionTable, dumped: list[Any]) -> None:
        real(self, dumped)
        self._bytes = 0

    patch.setattr(SessionTable, "load", load)


@tooth
def a_snapshot_forgets_which_sessions_were_never_used(patch: pytest.MonkeyPatch) -> None:
    real = SessionTable.load

    def load(self: SessionTable, dumped: list[Any]) -> None:
        real(self, dumped)
        self._fresh.clear()

    patch.setattr(SessionTable, "load", load)


@tooth
def a_retry_takes_a_new_number(patch: pytest.MonkeyPatch) -> None:
    real = Client._send_group

    def send_group(self: Client, group: Any) -> None:
        if group.attempts:
            request = group.request
            del self._groups[request.session, request.first]
            group.request = replace(request, first=self._next_number)
            self._next_number += request.count
            self._groups[request.session, group.request.first] = group
        real(self, group)

    patch.setattr(Client, "_send_group", send_group)


@tooth
def commands_of_unlike_tickets_are_merged(patch: pytest.MonkeyPatch) -> None:
    def merge_following(self: Client, head: Any, count_max: int) -> None:
        queue = self._queue
        while queue and len(head.commands) + len(queue[0].commands) <= 4:
            head.commands += queue.popleft().commands

    patch.setattr(Client, "_merge_following", merge_following)
