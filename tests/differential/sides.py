"""The two that are compared: what both can do, and the Python core in that form."""

from __future__ import annotations

from typing import Any, Protocol

from paxos_core import (
    Codec,
    CommandTooLarge,
    DecodeError,
    NotLeader,
    Overloaded,
    Poisoned,
    Ready,
    RecordError,
    Replica,
    decode_record,
    replay,
)
from paxos_core.messages import ClientMessage

from .dump import dump
from .outputs import Outputs, outputs
from .setup import CLUSTER, Setup

Status = dict[str, int]


class BadRecords(Exception):
    """The records contradict themselves: whoever reads them must not start."""


class Side(Protocol):
    """One of the two. Inputs answer with the word for why they were not taken, or ''."""

    def frame(self, sender: int, frame: bytes) -> str:
        """A frame that `sender`, as the transport knows it, has sent."""
        ...

    def tick(self) -> str:
        """Time passes."""
        ...

    def propose(self, command: bytes) -> str:
        """A command."""
        ...

    def persisted(self, write_id: int) -> str:
        """Records up to `write_id` are on stable storage."""
        ...

    def compact(self, slot: int, data: bytes) -> str:
        """The application's snapshot."""
        ...

    def take(self) -> Outputs:
        """What followed."""
        ...

    def dump(self) -> bytes:
        """Every number of its state."""
        ...

    def status(self) -> Status:
        """A look at it."""
        ...

    @property
    def poisoned(self) -> bool:
        """Whether an invariant broke."""
        ...


class PythonSide:
    """A `Replica` under the interface of the twin."""

    def __init__(self, setup: Setup, replica: Replica | None = None) -> None:
        config = setup.config
        if replica is None:
            try:
                replica = Replica(config, replay(map(decode_record, setup.records)))
            except RecordError as error:
                raise BadRecords(str(error)) from error
        self.replica = replica
        self.codec = Codec(CLUSTER, config.node)
        self.ready = Ready()
        """Of the last take."""
        # What follows from the limits here is a setting there: small, a short trace reaches it.
        replica._proposer.open_slots_max = setup.open_slots_max

    def frame(self, sender: int, frame: bytes) -> str:
        try:
            named, message = self.codec.decode(frame)
        except DecodeError as error:
            return error.cause
        if named != sender:
            return "misattributed"
        if isinstance(message, ClientMessage):
            return "not for the core"
        return self._do(self.replica.receive, sender, message)

    def tick(self) -> str:
        return self._do(self.replica.tick)

    def propose(self, command: bytes) -> str:
        return self._do(self.replica.propose, command)

    def persisted(self, write_id: int) -> str:
        return self._do(self.replica.persisted, write_id)

    def compact(self, slot: int, data: bytes) -> str:
        return self._do(self.replica.compact, slot, data)

    def take(self) -> Outputs:
        try:
            self.ready = self.replica.take()
            return outputs(self.ready, self.codec)
        except (AssertionError, Poisoned):
            assert self.replica.poison is not None
            return Outputs()

    def dump(self) -> bytes:
        return dump(self.replica)

    def status(self) -> Status:
        status = self.replica.status()
        return {
            "leader": status.leader,
            "ballot": status.ballot,
            "promised": status.promised,
            "watermark": status.watermark,
            "first_slot": status.first_slot,
            "log_bytes": status.log_bytes,
            "pending_bytes": status.pending_bytes,
            "in_flight_slots": status.in_flight_slots,
            "role": ("follower", "candidate", "leader").index(status.role.value),
            "voting": int(status.voting),
            "lags": int(status.lags),
            "snapshot_due": int(self.replica.snapshot_due),
        }

    @property
    def poisoned(self) -> bool:
        return self.replica.poison is not None

    def _do(self, act: Any, *arguments: Any) -> str:
        try:
            act(*arguments)
        except NotLeader:
            return "not leader"
        except Overloaded:
            return "overloaded"
        except CommandTooLarge:
            return "too large"
        except (AssertionError, Poisoned):
            # Anything else that is raised is a defect of the Python core.
            assert self.replica.poison is not None
            return "poisoned"
        return ""
