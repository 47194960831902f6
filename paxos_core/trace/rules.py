"""The rules that a node follows, by name: what `why` and `rule` of a trace refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MADE_SIMPLE: Final = "Paxos Made Simple"
OWN: Final = "this project"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name, where it is from, what it says, and where the core obeys it."""

    name: str
    source: str
    text: str
    code: tuple[str, ...]
    """Dotted names: ``paxos_core.acceptor.Acceptor.receive_prepare``."""


_ALL: Final = (
    Rule(
        "phase 1a",
        f"{MADE_SIMPLE}, 2.2, phase 1 (a)",
        "A proposer that wants to lead chooses a ballot above every one that it has heard of, "
        "and asks the acceptors to promise it: once, for all slots that are open.",
        (
            "paxos_core.election.Election.next_ballot",
            "paxos_core.proposer.Proposer.prepare",
        ),
    ),
    Rule(
        "phase 1b",
        f"{MADE_SIMPLE}, 2.2, phase 1 (b)",
        "An acceptor promises a ballot that is above every one it has promised so far, and "
        "shows with it the votes that it has cast in lower ones.",
        (
            "paxos_core.acceptor.Acceptor.receive_prepare",
            "paxos_core.proposer.Proposer.receive_promise",
        ),
    ),
    Rule(
        "phase 2a",
        f"{MADE_SIMPLE}, 2.2, phase 2 (a)",
        "A proposer proposes only once a phase 1 quorum has promised its ballot; from then on "
        "it leads.",
        ("paxos_core.proposer.Proposer.can_lead", "paxos_core.proposer.Proposer.lead"),
    ),
    Rule(
        "P2c",
        f"{MADE_SIMPLE}, 2.2, P2c",
        "Of the votes that the promises of a quorum show for a slot, the one with the highest "
        "ballot is proposed again; only where there is none may a value of one's own be.",
        (
            "paxos_core.proposer.Proposer.receive_promise",
            "paxos_core.proposer.Proposer.lead",
        ),
    ),
    Rule(
        "no-op",
        f"{MADE_SIMPLE}, 3",
        "A new leader fills a slot that nobody voted for, below one that has votes, with a "
        "value that does nothing, so that the log has no gap.",
        ("paxos_core.proposer.Proposer.lead",),
    ),
    Rule(
        "stable leader",
        f"{MADE_SIMPLE}, 3",
        "Phase 1 was done once for all slots, so a leader proposes a command for the next slot "
        "with phase 2 alone; what waits together goes into one slot.",
        ("paxos_core.proposer.Proposer.fill_window",),
    ),
    Rule(
        "phase 2b",
        f"{MADE_SIMPLE}, 2.2, phase 2 (b)",
        "An acceptor accepts a proposal unless it has promised a higher ballot; each acceptor "
        "counts once, however often it says so.",
        (
            "paxos_core.acceptor.Acceptor.vote",
            "paxos_core.proposer.Proposer.receive_accepted",
        ),
    ),
    Rule(
        "P1a",
        f"{MADE_SIMPLE}, 2.2, P1a",
        "An acceptor that has promised a higher ballot refuses the proposal.",
        ("paxos_core.acceptor.Acceptor.receive_accept",),
    ),
    Rule(
        "chosen",
        f"{MADE_SIMPLE}, 2.3",
        "A value is chosen once a phase 2 quorum has accepted it in one ballot.",
        ("paxos_core.proposer.Proposer.receive_accepted",),
    ),
    Rule(
        "stable storage",
        f"{MADE_SIMPLE}, 2.5",
        "What promises or votes leaves a node only when its record is on stable storage.",
        ("paxos_core.ready.Outbox.send_gated", "paxos_core.ready.Outbox.persisted"),
    ),
    Rule(
        "ballot owner",
        f"{MADE_SIMPLE}, 2.5",
        "A ballot belongs to the node in its number. Whoever speaks in another's is not heard, nor "
        "is a ballot so high that none would be left above it.",
        ("paxos_core.types.make_ballot", "paxos_core.types.is_proposer"),
    ),
    Rule(
        "watermark",
        f"{OWN}; {MADE_SIMPLE}, 2.2, P2b",
        "The leader says below which slot all is chosen. A vote in its very ballot tells which "
        "value that is: a ballot proposes one value for a slot.",
        ("paxos_core.replica.Replica._hear_chosen",),
    ),
    Rule(
        "in order",
        f"{MADE_SIMPLE}, 3",
        "Chosen values are delivered in the order of their slots; one that is early waits.",
        ("paxos_core.learner.Learner.learn", "paxos_core.learner.Learner.deliver"),
    ),
    Rule(
        "heartbeat",
        OWN,
        "A leader tells the others at intervals that it is there; they answer, and wait.",
        (
            "paxos_core.election.Election.tick",
            "paxos_core.election.Election.answer_heartbeat",
        ),
    ),
    Rule(
        "follow",
        OWN,
        "Whoever speaks as the leader of a ballot that is not below what was promised is followed.",
        ("paxos_core.election.Election.follow",),
    ),
    Rule(
        "pre-vote",
        f"{OWN}, after Ongaro's thesis on Raft (2014), 9.6",
        "A node that hears no leader asks the others before it disturbs anyone; they agree only if "
        "they hear none either.",
        (
            "paxos_core.election.Election.canvass",
            "paxos_core.election.Election.receive_pre_vote",
            "paxos_core.election.Election.receive_pre_vote_reply",
        ),
    ),
    Rule(
        "step down",
        f"{OWN}, after Ongaro's thesis on Raft (2014), 6.2",
        "A leader that no phase 2 quorum answers gives up, and so does one that learns of a "
        "value which it did not propose: somebody leads with a higher ballot.",
        (
            "paxos_core.election.Election.tick",
            "paxos_core.proposer.Proposer.advance",
        ),
    ),
    Rule(
        "nack",
        f"{MADE_SIMPLE}, 2.2",
        "An acceptor says aloud that it promised a higher ballot, so that nobody goes on with a "
        "lower one in vain; a new proposer that hears so gives way.",
        (
            "paxos_core.acceptor.Acceptor.receive_prepare",
            "paxos_core.replica.Replica._receive_nack",
        ),
    ),
    Rule(
        "established leader",
        OWN,
        "A leader that has been one for a while answers a refusal with a ballot above it, so "
        "that an acceptor which comes back with an old promise costs no election.",
        ("paxos_core.replica.Replica._receive_nack",),
    ),
    Rule(
        "retransmission",
        OWN,
        "What has waited some ticks for an answer is sent again: messages may be lost.",
        ("paxos_core.proposer.Proposer.resend",),
    ),
    Rule(
        "catch-up",
        OWN,
        "A node that lacks chosen values asks another for them, page by page. What is chosen stays "
        "chosen, so it is learnt from anybody.",
        (
            "paxos_core.catchup.CatchUp.tick",
            "paxos_core.catchup.CatchUp.receive_learn",
            "paxos_core.catchup.CatchUp.receive_chosen",
        ),
    ),
    Rule(
        "snapshot",
        OWN,
        "The application's state after a slot stands for the log up to there, which can then "
        "be forgotten; a node that is further behind gets the snapshot.",
        (
            "paxos_core.replica.Replica.compact",
            "paxos_core.catchup.CatchUp.receive_snapshot_chunk",
        ),
    ),
    Rule(
        "window",
        OWN,
        "A leader keeps only so many slots open at a time; more commands wait for room.",
        ("paxos_core.proposer.Proposer.fill_window",),
    ),
    Rule(
        "limits",
        OWN,
        "What a node keeps, believes and answers for others is bounded.",
        (
            "paxos_core.acceptor.Acceptor.vote",
            "paxos_core.catchup.CatchUp._may_serve",
            "paxos_core.replica.Replica.propose",
        ),
    ),
    Rule(
        "stale",
        OWN,
        "What is about a ballot or a question that is over, or is known already, changes nothing.",
        (
            "paxos_core.proposer.Proposer.receive_promise",
            "paxos_core.proposer.Proposer.receive_accepted",
            "paxos_core.learner.Learner.learn",
        ),
    ),
    Rule(
        "damaged",
        OWN,
        "A value that fails its checksum, or a frame that cannot be read, was damaged on its "
        "way, and is as good as lost.",
        ("paxos_core.codec.Codec.decode", "paxos_core.learner.Learner.learn"),
    ),
    Rule(
        "membership",
        OWN,
        "Only members take part; anybody may ask for the log.",
        ("paxos_core.replica.Replica.receive",),
    ),
    Rule(
        "no vote",
        f"{OWN}; {MADE_SIMPLE}, 2.5",
        "A node that may have forgotten its promises does not vote under its identity; it learns.",
        ("paxos_core.config.ReplicaConfig",),
    ),
    Rule(
        "not leader",
        OWN,
        "Only a leader takes commands; others say whom to ask.",
        ("paxos_core.replica.Replica.propose",),
    ),
    Rule(
        "drain",
        OWN,
        "What arrives together is decided together: all that followed is written with one sync.",
        ("paxos_core.replica.Replica.take",),
    ),
    Rule(
        "restart",
        f"{MADE_SIMPLE}, 2.5",
        "A node starts from its records, and keeps what promises and votes are in them.",
        ("paxos_core.durable.replay",),
    ),
    Rule(
        "crash",
        "Paxos Made Simple, 2.1",
        "A node may stop at any time; what was not on stable storage is lost.",
        (),
    ),
    Rule(
        "pause",
        "Paxos Made Simple, 2.1",
        "A node may be slow without limit; what arrives meanwhile waits.",
        (),
    ),
    Rule(
        "invariant",
        OWN,
        "A node that finds one of its invariants broken takes no further part.",
        ("paxos_core.errors.Poisoned",),
    ),
)

RULES: Final[dict[str, Rule]] = {rule.name: rule for rule in _ALL}
"""Every rule by its name."""
