"""The C core's memory: shared out without overlap, given back, and inputs refused whole."""

from __future__ import annotations

import ctypes
import functools
import random
import sys
from pathlib import Path

import core_library as c
import pytest

from paxos_core import Codec, Limits, QuorumSystem, ReplicaConfig
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import ChosenUpTo, ChosenValue, encode_record
from paxos_core.messages import Accept
from paxos_core.testing.chance import Chance, stream
from paxos_core.types import make_ballot

sys.path.insert(0, str(c.ROOT))
from tests.differential import build
from tests.differential.moves import attack
from tests.differential.setup import CLUSTER, Setup
from tests.differential.twin import NoMemory, Twin

UNIT = 128
EPISODES = 120


# The allocator alone


class Memory:
    """A struct px_memory over a block; what it gave is filled, and looked at when given back."""

    def __init__(self, units: int) -> None:
        self.library = c.prototypes(c.load())
        self._state = ctypes.create_string_buffer(4096)
        size = units * UNIT + self.library.px_memory_overhead(units)
        self._block = ctypes.create_string_buffer(b"\xa5" * size, size)
        self.library.px_memory_init(self._state, self._block, size)
        self.taken: dict[int, tuple[int, bytes]] = {}

    def take(self, units: int, fill: int) -> bool:
        at = self.library.px_memory_take(self._state, units)
        if at is None:
            return False
        start = ctypes.addressof(self._block)
        assert at % UNIT == 0
        assert start <= at
        assert at + units * UNIT <= start + len(self._block)
        content = bytes([fill]) * (units * UNIT)
        ctypes.memmove(at, content, len(content))
        self.taken[at] = units, content
        return True

    def give(self, at: int, units: int) -> None:
        """The last `units` of what lies at `at`."""
        size, content = self.taken.pop(at)
        assert ctypes.string_at(at, size * UNIT) == content
        if units < size:
            self.taken[at] = size - units, content[: (size - units) * UNIT]
        self.library.px_memory_give(self._state, at + (size - units) * UNIT, units)

    def most(self) -> int:
        """How many units there are, found by taking them all."""
        count = 0
        while self.take(1, 0):
            count += 1
        for at in list(self.taken):
            self.give(at, self.taken[at][0])
        return count


@pytest.mark.parametrize("units", [1, 2, 3, 64, 1000])
def test_all_memory_can_be_had_in_units_whatever_happened_before(units: int) -> None:
    memory = Memory(units)
    chance = random.Random(units)
    assert memory.most() >= units
    every = memory.most()
    for step in range(2000):
        if memory.taken and chance.random() < 0.5:
            at = chance.choice(list(memory.taken))
            memory.give(at, chance.randint(1, memory.taken[at][0]))
        else:
            memory.take(chance.randint(1, max(1, units // 4)), step % 251)
    for at in list(memory.taken):
        memory.give(at, memory.taken[at][0])
    assert memory.most() == every
    largest = 1 << every.bit_length() - 1
    assert memory.take(largest, 7), "free neighbours have grown together again"


# The core when memory is short


@functools.cache
def library_with_inside() -> Path:
    """The core, and inside.c."""
    c.need_compiler()
    files = [*build.sources(), Path(__file__).with_name("inside.c")]
    output = build.scratch() / "px-inside.so"
    return build.compile_c(output, files, "-shared", "-fPIC", *build.includes())


class ShortTwin(Twin):
    """A twin whose memory is away during some of its inputs; those it drops come again."""

    dropped = 0
    taken = 0

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, library_with_inside())
        self._chance: Chance = stream(setup.config.seed, 77)
        self._inside = ctypes.CDLL(str(library_with_inside()))
        self._inside.test_lost_units.restype = ctypes.c_int64
        for name in ("free_units", "reserve", "steal", "give_back", "lost_units"):
            getattr(self._inside, f"test_{name}").argtypes = [ctypes.c_void_p] + (
                [ctypes.c_uint32] if name == "steal" else []
            )

    def _word(self, error: int) -> str:
        if error == -6:
            return "no memory"
        return super()._word(error)

    def frame(self, sender: int, frame: bytes) -> str:
        return self._short(lambda: super(ShortTwin, self).frame(sender, frame))

    def tick(self) -> str:
        return self._short(lambda: super(ShortTwin, self).tick())

    def propose(self, command: bytes) -> str:
        return self._short(lambda: super(ShortTwin, self).propose(command))

    def _short(self, act):  # type: ignore[no-untyped-def]
        # Who is about to lead may wait for memory, and a leader may send less again: both are
        # like losses. All else is whole or not at all.
        if self.full_status()["role"] != 0 or not self._chance.happens(300):
            return act()
        inside, core = self._inside, self._core
        reserve, free = inside.test_reserve(core), inside.test_free_units(core)
        before = self.dump()
        inside.test_steal(core, self._chance.between(0, reserve + 80))
        word = act()
        inside.test_give_back(core)
        if word != "no memory":
            ShortTwin.taken += 1
            return word
        ShortTwin.dropped += 1
        assert self.dump() == before, "a dropped input has changed something"
        assert inside.test_free_units(core) == free, "a dropped input keeps memory"
        return act()

    def lost_units(self) -> int:
        """How many units nobody knows of; the twin is gone then."""
        return int(self._inside.test_lost_units(self._core))


def test_an_input_that_memory_is_too_short_for_changes_nothing() -> None:
    """And one that is taken is taken whole: then it does what it does in Python."""
    for seed in range(EPISODES):
        attack(seed, ShortTwin)
    assert ShortTwin.dropped > 500
    assert ShortTwin.taken > 50


def test_no_memory_is_lost_and_none_is_given_back_twice() -> None:
    twins: list[ShortTwin] = []

    def make(setup: Setup) -> ShortTwin:
        twins.append(ShortTwin(setup))
        return twins[-1]

    for seed in range(EPISODES):
        attack(seed, make)
    assert [twin.lost_units() for twin in twins] == [0] * len(twins)


# The least memory


def follower(block_bytes: int = 0, **limits: int) -> Twin:
    """Node 2 of three, with the least memory, or `block_bytes`."""
    config = ReplicaConfig(2, QuorumSystem([1, 2, 3]), limits=Limits(**limits))
    setup = Setup(config, open_slots_max=1 << 10, log_slots_max=1 << 10, memory_bytes=0)
    return Twin(setup, library_with_inside(), block_bytes)


@pytest.mark.parametrize("size", [0, 100, 5000, 65000])
def test_the_least_memory_suffices_as_long_as_the_application_compacts(size: int) -> None:
    """Whatever log_keep_slots asks to keep: at least it does not keep the log full."""
    twin = follower(log_keep_slots=1000)
    leader, ballot, said, slots = Codec(CLUSTER, 1), make_ballot(1, 1), 0, 3000
    for slot in range(slots):
        value = encode_batch([b"%08d" % slot + b"x" * size])
        accept = leader.encode(Accept(ballot, slot, slot, checksum(value), value))
        for _ in range(5):
            word = twin.frame(1, accept)
            out = twin.take()
            if out.write_id:
                twin.persisted(out.write_id)
                twin.take()
            read = twin.full_status()["read_slot"]
            if twin.full_status()["snapshot_due"]:
                assert twin.compact(read, b"") == ""
                said += 1
            if word == "":
                break
        assert word == "", f"slot {slot} is not taken"
    assert twin.full_status()["watermark"] == slots - 1
    assert 0 < said < slots / 4


def test_user_space_that_reads_nothing_cannot_use_up_the_reserve() -> None:
    """Each call may be refused; but no event or record finds no unit, which would be the end."""
    limits = Limits(snapshot_bytes_max=10, window_slots=1, vote_slots_max=2)
    config = ReplicaConfig(2, QuorumSystem([1, 2, 3]), frame_bytes_max=512, limits=limits)
    twin = Twin(Setup(config, (), 1 << 10, 1 << 10, 0), library_with_inside())
    leader, ballot = Codec(CLUSTER, 1), make_ballot(1, 1)
    for slot in range(50):
        value = encode_batch([b"%d" % slot])
        twin.frame(1, leader.encode(Accept(ballot, slot, slot, checksum(value), value)))
    twin.take()
    for turn in range(3000):
        assert twin.compact(0, b"eleven byte") == ""
        assert twin.last_word == "too large"
        twin.compact(turn % 40, b"")
        twin._px.px_take(twin._core)
        twin.tick()
        twin.persisted(twin.full_status()["write_id"])
    assert twin.full_status()["poisoned"] == 0


def test_too_little_memory_for_what_was_restored_is_said_at_the_start() -> None:
    value = b"x" * 60000
    records = [ChosenValue(slot, checksum(value), value) for slot in range(200)]
    data = tuple(map(encode_record, [*records, ChosenUpTo(200)]))
    config = ReplicaConfig(2, QuorumSystem([1, 2, 3]))
    with pytest.raises(NoMemory):
        Twin(Setup(config, data, 1 << 10, 1 << 10, 0), library_with_inside())
    twin = Twin(Setup(config, data, 1 << 10, 1 << 10, 16 << 20), library_with_inside())
    assert [entry[0] for entry in twin.take().decided] == list(range(200))
