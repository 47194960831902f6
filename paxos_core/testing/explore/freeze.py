"""The state of a replica as one hashable value, and what is forgotten of it.

Two replicas with the same frozen state do the same from then on. The walk reads
every field there is, so a field that the core gains is never left out.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

from paxos_core.config import ReplicaConfig
from paxos_core.ready import Outbox
from paxos_core.replica import Replica

_PLAIN = (int, bytes, str, bool, type(None))
_LEFT_OUT = {"config", "_config", "_handlers"}
"""The same for the whole life of a replica."""


def stop_clocks(replica: Replica) -> None:
    """Take out of `replica` what only time reads. The model has no time: whether a node
    stands, or sends again, is the search's choice at every step.

    Write numbers are counted from the last one that is on stable storage.
    """
    replica._now = 0
    replica._proposer._prepare_tick = 0
    for proposal in replica._proposer.in_flight.values():
        proposal.sent_tick = 0
    election = replica._election
    election._jitter.state = 0
    election._timeout_ticks = replica.config.timing.election_ticks_max
    election.silent_ticks = election.led_ticks = election._waited_ticks = 0
    election._sequence = election._checked_sequence = 0
    election._answered_mask = election._grants_mask = election._reached_mask = election._asked = 0
    catchup = replica._catchup
    catchup._turn %= max(1, len(catchup._peers))
    catchup._patience = 0
    catchup._progress = (replica._learner.watermark, len(catchup._buffer))
    renumber_writes(replica, replica._outbox)


def renumber_writes(replica: Replica, outbox: Outbox) -> None:
    """Count write numbers from the last one that is on stable storage."""
    acceptor = replica._acceptor
    if acceptor._run_gate is None or acceptor._run_gate != outbox.gate:
        # Whatever is voted for next begins another run.
        acceptor._run = acceptor._run_gate = None
    shift = outbox._persisted
    outbox._taken -= shift
    outbox._persisted = 0
    outbox._gated = deque((write - shift, to, message) for write, to, message in outbox._gated)
    if acceptor._run_gate is not None:
        acceptor._run_gate -= shift


def freeze(thing: Any) -> Any:
    """`thing`, with everything it refers to, as nested tuples."""
    return _freeze(thing, {})


def _freeze(thing: Any, known: dict[int, int]) -> Any:
    if isinstance(thing, _PLAIN):
        return thing
    if isinstance(thing, Enum):
        return thing.value
    if isinstance(thing, tuple | list | deque):
        return tuple(_freeze(item, known) for item in thing)
    if isinstance(thing, dict):
        return tuple((key, _freeze(thing[key], known)) for key in sorted(thing))
    if isinstance(thing, set | frozenset):
        return tuple(sorted(thing))
    if isinstance(thing, bytearray):
        return bytes(thing)
    if isinstance(thing, ReplicaConfig):
        return None
    if type(thing).__module__ not in ("paxos_core.messages", "paxos_core.durable"):
        # Roles refer to one another; each is read once.
        if id(thing) in known:
            return known[id(thing)]
        known[id(thing)] = len(known)
    return (type(thing).__name__, *(_freeze(value, known) for value in _fields(thing)))


def _fields(thing: Any) -> list[Any]:
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    names = slots or sorted(vars(thing))
    return [getattr(thing, name) for name in names if name not in _LEFT_OUT]
