"""What the C twin leaves to user space, and where its answers part from Python's by intent."""

import ctypes

import pytest

from paxos_core import Codec, encode_record
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Snapshot
from paxos_core.types import SLOT_BELIEVED_MAX, make_ballot
from transports import _paxos_device as uapi

from . import binding as px
from .pair import Pair
from .port import PortTwin
from .require import need_compiler
from .setup import CLUSTER, Setup, make_config
from .sides import BadRecords
from .twin import Twin

CONFIG = make_config(
    1, (1, 2, 3), (2, 2), (1, 3, 5, 2), (2, 500, 4, 400, 1, 2000, 700, 100), frame_bytes_max=512
)
SETUP = Setup(CONFIG, open_slots_max=64, log_slots_max=16)
STATE = bytes(range(250)) * 5


@pytest.fixture(autouse=True)
def _compiler() -> None:
    need_compiler()


def learn(pair: Pair, first: int, count: int) -> None:
    for slot in range(first, first + count):
        value = encode_batch([b"%d" % slot])
        pair.receive(2, m.Chosen(slot, 0, 0, checksum(value), value))


class Watched(Twin):
    """Notes every event as the core gives it."""

    seen: list[tuple[int, ...]] = []  # noqa: RUF012

    def _one_event(self, event: px.Event, out: object) -> None:
        self.seen.append((event.type, event.a, event.b, event.c, event.bytes))
        super()._one_event(event, out)  # type: ignore[arg-type]


@pytest.fixture
def watched() -> Pair:
    Watched.seen = []
    return Pair(SETUP, Watched)


def test_it_names_the_page_of_a_snapshot_and_user_space_sends_it(watched: Pair) -> None:
    learn(watched, 0, 5)
    watched.take()
    watched.compact(5, STATE)
    watched.receive(2, m.SnapshotRequest(5, 352))
    frames = watched.take().chunks
    assert (px.SERVE, 2, 5, 352, 0) in watched.twin.seen
    page = [Codec(CLUSTER, 1).decode(frame)[1] for _, frame in frames]
    assert b"".join(chunk.chunk for chunk in page) == STATE[352 : 352 + 700]


def test_it_checks_a_peers_snapshot_and_user_space_keeps_its_bytes(watched: Pair) -> None:
    for at in range(0, len(STATE), 300):
        chunk = STATE[at : at + 300]
        watched.receive(2, m.SnapshotChunk(7, at, 0, len(STATE), checksum(STATE), chunk))
    out = watched.take()
    assert out.install == (7, checksum(STATE), STATE)
    kinds = [event[0] for event in watched.twin.seen if event[0] != px.LEADER]
    assert kinds[:6] == [px.SNAPSHOT_BYTES] * 5 + [px.INSTALL]


def test_a_checkpoint_describes_the_snapshot_and_user_space_writes_it(watched: Pair) -> None:
    learn(watched, 0, 5)
    watched.take()
    watched.compact(4, STATE)
    records = watched.take().records
    assert encode_record(Snapshot(4, checksum(STATE), STATE)) in records


def test_a_restored_snapshot_is_checked_by_user_space():
    snapshot = Snapshot(4, checksum(STATE) ^ 1, STATE)
    with pytest.raises(BadRecords):
        Pair(Setup(CONFIG, (encode_record(snapshot),), 64, 16))


@pytest.mark.parametrize(("slot", "good"), [(SLOT_BELIEVED_MAX, True), (1 << 63, False)])
def test_both_start_from_a_snapshot_of_any_slot_that_is_believed(slot: int, good: bool):
    setup = Setup(CONFIG, (encode_record(Snapshot(slot, checksum(STATE), STATE)),), 64, 16)
    if good:
        assert Pair(setup).python.status()["watermark"] == slot
    else:
        with pytest.raises(BadRecords):
            Pair(setup)


def test_a_call_that_no_driver_may_make_changes_nothing():
    """Python would break an invariant, and so stop; the core says that the call was wrong."""
    pair = Pair(SETUP)
    learn(pair, 0, 3)
    twin, before = pair.twin, pair.twin.dump()
    assert twin.persisted(1) == "bad call"
    assert twin.compact(4, STATE) == "bad call"
    # Delivered, but not handed out yet.
    assert twin.compact(3, STATE) == "bad call"
    assert twin.dump() == before
    pair.take()
    pair.compact(3, STATE)
    assert twin.compact(2, STATE) == "bad call"
    pair.take()


def test_what_was_not_read_cannot_be_on_stable_storage():
    """A PERSISTED before its records are out opens no gate: nobody can have written them."""
    twin = PortTwin(SETUP)
    prepare = Codec(CLUSTER, 2).encode(m.Prepare(make_ballot(1, 2), 0))
    assert twin.frame(2, prepare) == ""
    assert twin._px.px_port_settle(ctypes.byref(twin._port)) == 1
    assert twin.full_status()["write_id"] == 1
    assert twin.persisted(1) == "bad call"
    out = twin.take()
    assert (out.write_id, out.messages) == (1, [])
    assert twin.persisted(1) == ""
    ((to, frame),) = twin.take().messages
    assert to == 2
    assert isinstance(Codec(CLUSTER, 1).decode(frame)[1], m.Promise)


def test_a_full_log_delivers_no_more_until_it_is_compacted():
    """The ring has 16 slots; Python's log has no end."""
    twin = Twin(SETUP)
    for slot in range(20):
        value = encode_batch([b"%d" % slot])
        chosen = m.Chosen(slot, 0, 0, checksum(value), value)
        twin.frame(2, Codec(CLUSTER, 2).encode(chosen))
    found = [slot for slot, _, _ in twin.take().decided]
    assert found == list(range(len(found)))
    assert 0 < len(found) <= 16
    status = twin.full_status()
    assert status["snapshot_due"]
    assert status["watermark"] == len(found)
    assert twin.compact(len(found), STATE) == ""
    # What was learnt already waited ahead of the log.
    found += [slot for slot, _, _ in twin.take().decided]
    assert found == list(range(20))


def test_a_record_that_is_none_keeps_it_from_starting():
    good = encode_record(Promised(1 << 16 | 1))
    for spoilt in (b"", good[:-1], good + b"\0", b"\x93" + good[1:]):
        with pytest.raises(BadRecords):
            Twin(Setup(CONFIG, (spoilt,), 64, 16))


@pytest.mark.parametrize(
    "more",
    [
        uapi.pack_record(uapi.TICK, 1, flags=1),
        uapi.pack_record(uapi.TICK, 1, b=1),
        uapi.pack_record(uapi.PROPOSE, 1, payload=b"x"),
        uapi.pack_record(uapi.PERSISTED, 0, d=1),
        uapi.pack_record(uapi.COMPACT, 0, d=1),
        uapi.pack_record(uapi.COMPACT, 0, b=1 << 32),
    ],
    ids=["flags", "a second number", "of a command", "a fourth", "after a third", "long checksum"],
)
def test_a_record_that_says_more_than_its_type_has_is_none(more: bytes):
    """What means nothing yet may mean something later, so it is not passed over."""
    twin = PortTwin(SETUP)
    before, port = twin.dump(), ctypes.byref(twin._port)
    assert twin._px.px_port_write(port, more, len(more)) == -1  # PX_DROP_MALFORMED
    assert twin.dump() == before
    both = uapi.pack_record(uapi.TICK, 1) + more
    assert twin._px.px_port_write(port, both, len(both)) == 40
