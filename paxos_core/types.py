"""The protocol's numbers: who speaks, in which ballot, about which slot.

All are plain integers that fit 64 bits, so that the kernel's twin of this code
(`u64`) and a network capture show the very same values.
"""

from __future__ import annotations

from typing import Final

NodeId = int
"""Who sends or receives. 1..65535 is a replica; above that, a client's endpoint."""

Slot = int
"""A position in the log, from 0. Each slot is one instance of single-decree Paxos."""

Ballot = int
"""A proposal number: ``round << 16 | node``. 0 is below every real ballot."""

WriteId = int
"""Numbers the batches of records that a replica hands out, from 1."""

NODE_BITS: Final = 16
NODE_MAX: Final = (1 << NODE_BITS) - 1
U64_MAX: Final = (1 << 64) - 1
NO_BALLOT: Final[Ballot] = 0
NO_NODE: Final[NodeId] = 0
ROUND_MAX: Final = (1 << (64 - NODE_BITS)) - 1
ROUND_BELIEVED_MAX: Final = ROUND_MAX >> 1
"""Nobody counts this far. A higher round is a damaged number: believed, it would leave no
ballot above it."""
SLOT_BELIEVED_MAX: Final = U64_MAX >> 1
"""No log is this long. A snapshot of a later slot is a lie: behind it the numbers would end."""


def make_ballot(round_number: int, node: NodeId) -> Ballot:
    """The ballot of `node` in `round_number` (1 .. 2**48 - 1).

    Two nodes never share a ballot, because the node is part of the number
    (Paxos Made Simple, 2.2: "different proposals have different numbers").

    Raises `ValueError` when either part is out of range.
    """
    if not 0 < node <= NODE_MAX:
        raise ValueError(f"a replica's node id is 1..{NODE_MAX}, not {node}")
    if not 0 < round_number <= ROUND_MAX:
        raise ValueError(f"a ballot's round is 1..{ROUND_MAX}, not {round_number}")
    return round_number << NODE_BITS | node


def ballot_round(ballot: Ballot) -> int:
    """The round of a ballot; 0 for `NO_BALLOT`."""
    return ballot >> NODE_BITS


def ballot_node(ballot: Ballot) -> NodeId:
    """The node that owns a ballot; `NO_NODE` for `NO_BALLOT`."""
    return ballot & NODE_MAX


def next_ballot(above: Ballot, node: NodeId) -> Ballot:
    """The lowest ballot of `node` whose round is above that of `above`."""
    return make_ballot(ballot_round(above) + 1, node)


def is_proposer(sender: NodeId, ballot: Ballot) -> bool:
    """Whether `sender` may speak as the proposer of `ballot`, and the ballot is to be believed."""
    return ballot & NODE_MAX == sender and ballot >> NODE_BITS <= ROUND_BELIEVED_MAX


def format_ballot(ballot: Ballot) -> str:
    """A ballot for people: ``round.node``, or ``-`` for `NO_BALLOT`."""
    return f"{ballot_round(ballot)}.{ballot_node(ballot)}" if ballot else "-"
