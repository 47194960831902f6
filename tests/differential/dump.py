"""Every number of a replica's state, in the order of `px_dump` (kmod/core/px.h).

The Python core has no such view of itself: it is only for this comparison, so
it stands here and reads what is private there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from paxos_core import Replica
from paxos_core.election import Role
from paxos_core.proposer import Phase
from paxos_core.types import U64_MAX

_PHASES = {Phase.IDLE: 0, Phase.PREPARE: 1, Phase.LEAD: 2}
_ROLES = {Role.FOLLOWER: 0, Role.CANDIDATE: 1, Role.LEADER: 2}


def dump(replica: Replica) -> bytes:
    """The numbers as `px_dump` gives them: native 64-bit integers, end to end."""
    numbers: list[int] = [replica._now, int(replica.poison is not None)]
    _acceptor(replica, numbers)
    _learner(replica, numbers)
    _proposer(replica, numbers)
    _election(replica, numbers)
    _catchup(replica, numbers)
    outbox = replica._outbox
    numbers += (outbox._taken, outbox._persisted, len(outbox._gated))
    numbers += (
        replica._recorded,
        len(replica._unrecorded),
        replica._unrecorded_bytes,
        replica._kept_bytes,
    )
    return array("Q", numbers).tobytes()


def _acceptor(replica: Replica, numbers: list[int]) -> None:
    acceptor = replica._acceptor
    numbers += (acceptor.promised, acceptor.watermark, len(acceptor.votes))
    for slot in sorted(acceptor.votes):
        vote = acceptor.votes[slot]
        numbers += (slot, vote.ballot, vote.checksum, len(vote.value))


def _learner(replica: Replica, numbers: list[int]) -> None:
    learner = replica._learner
    numbers += (learner.first_slot, learner.watermark, learner.known_chosen, learner.log_bytes)
    log = learner.log
    for slot in range(learner.first_slot, learner.watermark):
        crc, value = log[slot]
        numbers += (crc, len(value))
    numbers.append(len(learner._ahead))
    for slot in sorted(learner._ahead):
        crc, value = learner._ahead[slot]
        numbers += (slot, crc, len(value))


def _proposer(replica: Replica, numbers: list[int]) -> None:
    proposer = replica._proposer
    numbers += (
        _PHASES[proposer.phase],
        proposer.ballot,
        proposer._from_slot,
        proposer._promised_mask,
        proposer._prepare_tick,
        proposer.promised_watermark,
        proposer.next_slot,
        len(proposer.pending),
        proposer.pending_bytes,
        len(proposer.in_flight),
    )
    for slot, proposal in sorted(proposer.in_flight.items()):
        accept = proposal.accept
        numbers += (slot, accept.ballot, accept.watermark, accept.checksum, len(accept.value))
        numbers += (proposal.mask, proposal.sent_tick)
    pages = proposer._pages
    numbers += (pages.get(node, 0) for node in replica.config.quorums.members)
    # Below the watermark that was promised nobody proposes, so the twin forgets those.
    votes = {s: v for s, v in proposer._votes.items() if s >= proposer.promised_watermark}
    numbers.append(len(votes))
    for slot in sorted(votes):
        vote = votes[slot]
        numbers += (slot, vote.ballot, vote.checksum, len(vote.value))


def _election(replica: Replica, numbers: list[int]) -> None:
    election = replica._election
    numbers += (
        _ROLES[election.role],
        election.leader,
        election.leader_ballot,
        election.seen,
        election.silent_ticks,
        election.led_ticks,
        election._waited_ticks,
        election._timeout_ticks,
        election._asked,
        election._grants_mask,
        election._reached_mask,
        election._answered_mask,
        election._sequence,
        election._checked_sequence,
        election._jitter.state,
    )


def _catchup(replica: Replica, numbers: list[int]) -> None:
    catchup = replica._catchup
    numbers += (catchup._turn, catchup._patience, catchup._asked_from)
    numbers += (part & U64_MAX for part in catchup._progress)
    numbers.append(catchup._strangers_left)
    wanted = catchup._wanted
    if wanted is None:
        numbers += (0, 0, 0, 0, 0)
    else:
        numbers += (1, wanted.slot, wanted.bytes_total, wanted.checksum, len(catchup._buffer))
    snapshot = catchup.snapshot
    if snapshot is None:
        numbers += (0, 0, 0, 0)
    else:
        numbers += (1, snapshot.slot, snapshot.checksum, len(snapshot.data))


# Names, for a difference that people are to read


def describe(data: bytes, members: tuple[int, ...]) -> list[tuple[str, int]]:
    """Each number of a dump with its name; stops where the dump is too short."""
    numbers = array("Q", data)
    return list(zip(_names(numbers, members), numbers, strict=False))


def _names(numbers: array[int], members: tuple[int, ...]) -> Iterator[str]:
    at = 0

    def plain(text: str) -> Iterator[str]:
        nonlocal at
        for name in text.split():
            at += 1
            yield name

    def table(name: str, columns: str) -> Iterator[str]:
        """Rows of `columns`, as many as the number just named says."""
        count = numbers[at - 1]
        for row in range(count):
            slot = numbers[at] if at < len(numbers) else row
            yield from plain(" ".join(f"{name}[{slot}].{column}" for column in columns.split()))

    yield from plain("now poisoned acceptor.promised acceptor.watermark acceptor.votes")
    yield from table("acceptor.votes", "slot ballot checksum bytes")
    yield from plain("learner.first_slot learner.watermark learner.known_chosen learner.log_bytes")
    for slot in range(numbers[at - 4], numbers[at - 3]):
        yield from plain(f"learner.log[{slot}].checksum learner.log[{slot}].bytes")
    yield from plain("learner.ahead")
    yield from table("learner.ahead", "slot checksum bytes")
    names = "phase ballot from_slot promised_mask prepare_tick promised_watermark next_slot"
    names += " pending pending_bytes in_flight"
    yield from plain(" ".join(f"proposer.{name}" for name in names.split()))
    yield from table("proposer.in_flight", "slot ballot watermark checksum bytes mask sent_tick")
    yield from plain(" ".join(f"proposer.pages[{node}]" for node in members))
    yield from plain("proposer.votes")
    yield from table("proposer.votes", "slot ballot checksum bytes")
    names = "role leader leader_ballot seen silent_ticks led_ticks waited_ticks timeout_ticks"
    names += " asked grants_mask reached_mask answered_mask sequence checked_sequence jitter"
    yield from plain(" ".join(f"election.{name}" for name in names.split()))
    names = "turn patience asked_from progress_slot progress_bytes strangers_left"
    names += " wanted wanted.slot wanted.bytes_total wanted.checksum wanted.buffered"
    names += " snapshot snapshot.slot snapshot.checksum snapshot.bytes"
    yield from plain(" ".join(f"catchup.{name}" for name in names.split()))
    yield from plain("gate.taken gate.persisted gate.gated")
    yield from plain("recorded unrecorded unrecorded_bytes kept_bytes")
    while True:
        yield from plain("(after the end)")
