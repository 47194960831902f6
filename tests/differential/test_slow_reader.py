"""Who reads seldom misses nothing: what several takes left there comes out in the same order."""

import ctypes
from dataclasses import dataclass, field

import pytest

from paxos_core.testing.chance import stream

from . import binding as px
from .adversary import Adversary
from .moves import MOVES, campaign, compact, restart
from .outputs import Frames, Outputs
from .require import need_compiler
from .setup import Setup, Step
from .sides import PythonSide
from .stub import planted
from .twin import Twin

QUIET = [move for move in MOVES if move not in (compact, restart)]
"""A compact needs a reader that has read, and a crash loses what was not read."""
_READER = 35
_TWO_VALUES = 2
"""PX_POISON_TWO_VALUES of kmod/core/state.h"""


@dataclass
class Read:
    """What came out of several takes."""

    messages: Frames = field(default_factory=list)
    records: list[tuple[int, bool, bytes]] = field(default_factory=list)
    decided: list[tuple[int, int, tuple[bytes, ...]]] = field(default_factory=list)
    installs: list[int] = field(default_factory=list)

    def add(self, out: Outputs) -> None:
        self.messages += out.messages
        self.records += [(out.write_id, out.checkpoint, data) for data in out.records]
        self.decided += out.decided
        if out.install is not None:
            self.installs.append(out.install[0])


class SlowTwin(Twin):
    """Takes, and hands out when it is asked to."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.read = Read()

    def take(self) -> Outputs:
        assert self._px.px_take(self._core) >= 0
        return Outputs()

    def hand_out(self) -> None:
        out = Outputs()
        self._take_events(out)
        self._take_messages(out)
        self._take_decided(out)
        record = self._record
        while self._next("px_next_record", record):
            data = self._bytes_of(record)
            self.read.records.append((record.write_id, record.checkpoint, data))
        self.read.add(out)

    def _bytes_of(self, record: px.Record) -> bytes:
        if record.snapshot:
            # One that has been overtaken before it was read: its numbers are enough here.
            return b"snapshot %d" % record.snapshot_slot
        frame = ctypes.create_string_buffer(record.bytes)
        self._px.px_encode_record(self._core, ctypes.byref(record), frame)
        return frame.raw


def trace(seed: int) -> tuple[Setup, list[Step]]:
    """The steps of one life of a pair."""
    world = Adversary(seed, planted())
    if world.chance.happens(400):
        campaign(world)
    while len(world.pair.steps) < 200 and not world.pair.over:
        world.chance.choice(QUIET)(world)
    world.take()
    return world.setup, world.pair.steps


def apply(side: PythonSide | SlowTwin, step: Step) -> Outputs:
    what, number, data = step
    match what:
        case "frame":
            side.frame(number, data)
        case "tick":
            side.tick()
        case "propose":
            side.propose(data)
        case "persisted":
            side.persisted(number)
        case "take":
            return side.take()
    return Outputs()


def without_data(records: list[tuple[int, bool, bytes]]) -> list[tuple[int, bool, bytes]]:
    return [
        (write_id, checkpoint, b"snapshot %d" % int.from_bytes(data[4:12], "big"))
        if data[2] == 5
        else (write_id, checkpoint, data)
        for write_id, checkpoint, data in records
    ]


def test_what_is_read_late_is_what_was_taken():
    need_compiler()
    writes = installs = 0
    for seed in range(150):
        setup, steps = trace(seed)
        python, twin = PythonSide(setup), SlowTwin(setup)
        reader = stream(seed, _READER)
        expected = Read()
        for step in steps:
            expected.add(apply(python, step))
            if python.poisoned:
                break
            apply(twin, step)
            if reader.happens(30):
                twin.hand_out()
        else:
            twin.hand_out()
            assert twin.read.messages == expected.messages
            assert twin.read.records == without_data(expected.records)
            # A snapshot that was installed meanwhile stands for what lies below it.
            assert set(expected.decided) >= set(twin.read.decided)
            if not expected.installs:
                assert twin.read.decided == expected.decided
            writes += len(expected.records)
            installs += len(expected.installs)
    assert writes > 1000
    assert installs > 10


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_that_never_reads_makes_nobody_forget(seed: int) -> None:
    """Until memory ends, and also then: inputs are dropped whole.

    What its peers say may break an invariant, but only the one that they alone can break.
    """
    need_compiler()
    setup, steps = trace(seed + 1000)
    setup = Setup(setup.config, (), setup.open_slots_max, setup.log_slots_max, 0)
    twin = SlowTwin(setup)
    for step in steps * 60:
        before = twin.dump()
        if step[0] not in ("persisted", "take"):
            apply(twin, step)
        if twin.last_word == "no memory":
            assert twin.dump() == before
        if twin.poisoned:
            assert twin.full_status()["poisoned"] == _TWO_VALUES
            break
        twin.take()
    assert twin.dump()
