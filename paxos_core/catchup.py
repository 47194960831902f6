"""How a replica that lags gets the chosen log, or a snapshot and then the log.

It pulls: it asks one peer for the next page, and asks again when the page is
through or nothing came for a tick. So a loss costs a tick, nobody keeps state
for others, and an answer is bounded whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from paxos_core.checksum import checksum
from paxos_core.config import ReplicaConfig
from paxos_core.durable import Snapshot
from paxos_core.learner import Learner
from paxos_core.messages import Chosen, Learn, SnapshotChunk, SnapshotRequest
from paxos_core.ready import CaughtUp, Outbox
from paxos_core.types import NO_NODE, SLOT_BELIEVED_MAX, NodeId, Slot

PAGE_SLOTS_MAX = 256
CHUNK_OVERHEAD_BYTES = 160
ASKS_PER_PEER = 3
STRANGER_PAGES_PER_TICK = 4


class CatchUp:
    """Asks for what is missing here, and answers others from the log and the last snapshot."""

    __slots__ = (
        "_asked_from",
        "_buffer",
        "_config",
        "_learner",
        "_outbox",
        "_patience",
        "_peers",
        "_progress",
        "_served",
        "_strangers_left",
        "_turn",
        "_wanted",
        "snapshot",
    )

    def __init__(
        self, config: ReplicaConfig, outbox: Outbox, learner: Learner, snapshot: Snapshot | None
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._learner = learner
        self._peers = config.peers
        self._turn = 0
        self._patience = 0
        self._asked_from: NodeId = NO_NODE
        self._progress = (-1, -1)
        self._served: set[NodeId] = set()
        self._strangers_left = STRANGER_PAGES_PER_TICK
        self.snapshot = snapshot
        """The latest, ours or received: what a peer below our log gets."""
        self._wanted: SnapshotChunk | None = None
        self._buffer = bytearray()

    # Asking

    def tick(self, leader: NodeId) -> None:
        """Ask, if we lag and nothing came since the last tick.

        First the leader; a peer is asked `ASKS_PER_PEER` times in a row for nothing
        before the next one gets its turn.
        """
        self._strangers_left = STRANGER_PAGES_PER_TICK
        if not self._learner.lags:
            self._finish()
            return
        progress = (self._learner.watermark, len(self._buffer))
        stalled = progress == self._progress
        self._progress = progress
        if not stalled:
            # Only losses in a row make a peer look dead: a long snapshot has many.
            self._patience = ASKS_PER_PEER
        if not stalled or not self._peers:
            return
        if self._asked_from == NO_NODE and leader in self._peers:
            self._choose(leader)
        elif self._asked_from == NO_NODE or self._patience == 0:
            self._turn += 1
            self._choose(self._peers[self._turn % len(self._peers)])
        self._patience -= 1
        self._ask(self._asked_from)

    def _choose(self, peer: NodeId) -> None:
        """Ask `peer` from now on. Its snapshot may be another one, so begin that anew."""
        self._asked_from = peer
        self._patience = ASKS_PER_PEER
        self._drop_snapshot()

    def _drop_snapshot(self) -> None:
        self._wanted = None
        self._buffer = bytearray()

    def _ask(self, peer: NodeId) -> None:
        if self._wanted is not None and self._wanted.slot <= self._learner.watermark:
            self._drop_snapshot()
        if self._wanted is not None:
            request = SnapshotRequest(self._wanted.slot, len(self._buffer))
            self._outbox.send(peer, request)
        else:
            self._outbox.send(peer, Learn(self._learner.watermark))

    def _finish(self) -> None:
        if self._asked_from == NO_NODE:
            return
        self._asked_from = NO_NODE
        self._drop_snapshot()
        self._outbox.events.append(CaughtUp(self._learner.watermark))

    def receive_chosen(self, sender: NodeId, chosen: Chosen) -> None:
        """A chosen value, to be learnt whoever sent it: what is chosen stays chosen."""
        self._learner.hear_watermark(chosen.watermark)
        self._learner.learn(chosen.slot, chosen.checksum, chosen.value)

    def after_chosen(self, sender: NodeId, chosen: Chosen) -> None:
        """Once the value is delivered: go on to the next page if this one is through."""
        watermark = self._learner.watermark
        if sender == self._asked_from and watermark == chosen.page_end and self._learner.lags:
            self._ask(sender)

    def receive_snapshot_chunk(self, sender: NodeId, chunk: SnapshotChunk) -> Snapshot | None:
        """The next bytes of a snapshot; the whole once it is complete and sound."""
        if not self._learner.watermark < chunk.slot <= SLOT_BELIEVED_MAX:
            return None
        if chunk.bytes_total > self._config.limits.snapshot_bytes_max:
            return None
        self._learner.hear_watermark(chunk.slot)
        if not self._continues(chunk):
            return None
        self._buffer += chunk.chunk
        if len(self._buffer) < chunk.bytes_total:
            if len(self._buffer) == chunk.page_end and sender == self._asked_from:
                self._ask(sender)
            return None
        return self._assemble(chunk)

    def _continues(self, chunk: SnapshotChunk) -> bool:
        wanted = self._wanted
        whole = (chunk.slot, chunk.bytes_total, chunk.checksum)
        if wanted is None or whole != (wanted.slot, wanted.bytes_total, wanted.checksum):
            # The peer's snapshot moved on, or this is the first we hear of one.
            if chunk.offset != 0 or (wanted is not None and chunk.slot < wanted.slot):
                return False
            self._wanted = chunk
            self._buffer = bytearray()
        room = chunk.bytes_total - len(self._buffer)
        fits = 0 < len(chunk.chunk) <= room or chunk.bytes_total == 0
        return chunk.offset == len(self._buffer) and fits

    def _assemble(self, chunk: SnapshotChunk) -> Snapshot | None:
        data = bytes(self._buffer)
        self._drop_snapshot()
        if checksum(data) != chunk.checksum:
            return None
        return Snapshot(chunk.slot, chunk.checksum, data)

    def installed(self, sender: NodeId) -> None:
        """A received snapshot is in place: ask at once for the log behind it."""
        if self._learner.lags and sender in self._peers:
            self._ask(sender)

    # Answering

    def new_drain(self) -> None:
        """The answers of the last drain are on their way: everybody may ask again."""
        self._served.clear()

    def _may_serve(self, sender: NodeId) -> bool:
        """One page for a member and drain, a few a tick for all others together.

        A question is small and its answer large; whoever asked too often asks again.
        """
        if sender in self._served:
            return False
        if sender not in self._peers:
            if self._strangers_left == 0:
                return False
            self._strangers_left -= 1
        self._served.add(sender)
        return True

    def receive_learn(self, sender: NodeId, learn: Learn) -> None:
        """A page of the log from `learn.from_slot`. If the log begins later, a member gets the
        snapshot, and anybody else the log from where it begins.
        """
        learner = self._learner
        first = learn.from_slot
        if first >= learner.watermark or not self._may_serve(sender):
            return
        if first < learner.first_slot and sender in self._peers:
            self._send_snapshot_page(sender, SnapshotRequest(0, 0))
            return
        first = max(first, learner.first_slot)
        end = self._page_end(first)
        for slot in range(first, end):
            crc, value = learner.log[slot]
            self._outbox.send(sender, Chosen(slot, end, learner.watermark, crc, value))

    def _page_end(self, slot: Slot) -> Slot:
        learner = self._learner
        end = min(slot + PAGE_SLOTS_MAX, learner.watermark)
        room = self._config.limits.page_bytes_max
        first = slot
        while slot < end:
            room -= len(learner.log[slot][1])
            if room < 0 and slot > first:
                break
            slot += 1
        return slot

    def receive_snapshot_request(self, sender: NodeId, request: SnapshotRequest) -> None:
        """A page of our snapshot: from the offset asked for, or all anew if ours is another."""
        if self._may_serve(sender):
            self._send_snapshot_page(sender, request)

    def _send_snapshot_page(self, sender: NodeId, request: SnapshotRequest) -> None:
        snapshot = self.snapshot
        if snapshot is None:
            return
        for chunk in snapshot_page(self._config, snapshot, request.slot, request.offset):
            self._outbox.send(sender, chunk)


def snapshot_page(
    config: ReplicaConfig, snapshot: Snapshot, slot: Slot, offset: int
) -> Iterator[SnapshotChunk]:
    """The page of `snapshot` from `offset` on; from 0 if `slot`, who asks says, is not its own."""
    data = snapshot.data
    first = offset if slot == snapshot.slot else 0
    total = len(data)
    end = min(first + config.limits.page_bytes_max, total)
    step = config.frame_bytes_max - CHUNK_OVERHEAD_BYTES
    for start in range(first, max(end, 1), step):
        chunk = data[start : min(start + step, end)]
        yield SnapshotChunk(snapshot.slot, start, end, total, snapshot.checksum, chunk)
