"""What the simulator takes for a `Replica`: a C twin alone, or a pair in lockstep."""

from __future__ import annotations

from paxos_core import (
    CaughtUp,
    Codec,
    CommandTooLarge,
    LeaderChanged,
    NotLeader,
    Overloaded,
    Poisoned,
    Ready,
    ReplicaStatus,
    decode_record,
)
from paxos_core.durable import Snapshot
from paxos_core.election import Role
from paxos_core.messages import Message
from paxos_core.ready import Decided, SnapshotTooLarge

from .outputs import Frames, Outputs
from .pair import Pair
from .setup import CLUSTER, Setup
from .twin import Twin

_ROLES = (Role.FOLLOWER, Role.CANDIDATE, Role.LEADER)


class TwinCore:
    """A C twin with the methods of `Replica` that a driver calls."""

    def __init__(self, setup: Setup, twin: Twin) -> None:
        self.config = setup.config
        self.twin = twin
        self.dropped = 0
        """Inputs that the twin had no memory for."""
        self._codecs: dict[int, Codec] = {}

    def receive(self, sender: int, message: Message) -> None:
        """Replica.receive()"""
        codec = self._codecs.get(sender)
        if codec is None:
            codec = self._codecs[sender] = Codec(CLUSTER, sender)
        before = self.twin.dump()
        word = self.twin.frame(sender, codec.encode(message))
        assert word != "no memory" or self.twin.dump() == before, "a drop changed something"
        self._settle(word)

    def tick(self) -> None:
        """Replica.tick()"""
        self._settle(self.twin.tick())

    def propose(self, command: bytes) -> None:
        """Replica.propose()"""
        match self.twin.propose(command):
            case "not leader":
                raise NotLeader(self.leader)
            case "overloaded" | "no memory":
                raise Overloaded("too much waits to be proposed")
            case "too large":
                raise CommandTooLarge("the command does not fit")
            case word:
                self._settle(word)

    def persisted(self, write_id: int) -> None:
        """Replica.persisted()"""
        self._settle(self.twin.persisted(write_id))

    def compact(self, slot: int, data: bytes) -> None:
        """Replica.compact()"""
        self._settle(self.twin.compact(slot, data))

    def take(self) -> Ready:
        """Replica.take()"""
        if self.twin.poisoned:
            raise Poisoned("the twin's invariant broke")
        return ready_of(self.twin.take())

    def _settle(self, word: str) -> None:
        if word == "no memory":
            self.dropped += 1
        elif word == "poisoned":
            raise AssertionError("the twin is poisoned")
        else:
            assert word in ("", "not for the core"), word

    @property
    def snapshot_due(self) -> bool:
        """Replica.snapshot_due"""
        return bool(self.twin.full_status()["snapshot_due"])

    @property
    def leader(self) -> int:
        """Replica.leader"""
        return self.twin.full_status()["leader"]

    def status(self) -> ReplicaStatus:
        """Replica.status()"""
        status = self.twin.status()
        del status["snapshot_due"]
        return ReplicaStatus(
            node=self.config.node,
            role=_ROLES[status.pop("role")],
            voting=bool(status.pop("voting")),
            lags=bool(status.pop("lags")),
            **status,
        )


def ready_of(out: Outputs) -> Ready:
    """What Python's driver expects, out of bytes."""
    install = Snapshot(*out.install) if out.install is not None else None
    return Ready(
        out.write_id,
        [decode_record(record) for record in out.records],
        out.checkpoint,
        _messages(out.messages) + _messages(out.chunks),
        [Decided(slot, crc, list(commands)) for slot, crc, commands in out.decided],
        install,
        [_event(*event) for event in out.events],
    )


def _messages(frames: Frames) -> list[tuple[int, Message]]:
    decode = Codec(CLUSTER, 0).decode
    found: list[tuple[int, Message]] = []
    last: bytes | None = None
    for to, frame in frames:
        # One object for one frame to many, as Python has it.
        if frame is not last:
            last, message = frame, decode(frame)[1]
        found.append((to, message))
    return found


def _event(name: str, first: int, second: int) -> LeaderChanged | CaughtUp | SnapshotTooLarge:
    match name:
        case "leader":
            return LeaderChanged(first, second)
        case "caught up":
            return CaughtUp(first)
    return SnapshotTooLarge(first)


class PairCore(TwinCore):
    """A pair in lockstep; what the simulator sees is Python's half."""

    def __init__(self, setup: Setup, pair: Pair) -> None:
        self.config = setup.config
        self.pair = pair
        self.replica = pair.python.replica

    def receive(self, sender: int, message: Message) -> None:
        """Replica.receive(), on both"""
        self.pair.receive(sender, message)

    def tick(self) -> None:
        """Replica.tick(), on both"""
        self.pair.tick()

    def propose(self, command: bytes) -> None:
        """Replica.propose(), on both"""
        self.pair.propose(command)
        match self.pair.answer:
            case "not leader":
                raise NotLeader(self.replica.leader)
            case "overloaded":
                raise Overloaded("too much waits to be proposed")
            case "too large":
                raise CommandTooLarge("the command does not fit")

    def persisted(self, write_id: int) -> None:
        """Replica.persisted(), on both"""
        self.pair.persisted(write_id)

    def compact(self, slot: int, data: bytes) -> None:
        """Replica.compact(), on both"""
        assert self.pair.apply(("compact", slot, data)), "a driver may compact what was delivered"

    def take(self) -> Ready:
        """Replica.take(), on both"""
        self.pair.take()
        if self.replica.poison is not None:
            raise Poisoned(self.replica.poison)
        return self.pair.python.ready

    @property
    def snapshot_due(self) -> bool:
        """Replica.snapshot_due"""
        return self.replica.snapshot_due

    @property
    def leader(self) -> int:
        """Replica.leader"""
        return self.replica.leader

    def status(self) -> ReplicaStatus:
        """Replica.status()"""
        return self.replica.status()
