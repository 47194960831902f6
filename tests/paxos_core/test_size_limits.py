"""Sizes that are exactly at a limit: what a configuration allows is taken, from end to end."""

from __future__ import annotations

import pytest
from core_kit import config, drain

from paxos_core import Limits, Replica, Service
from paxos_core.client import Client, ClientConfig, Outcome, Overloaded
from paxos_core.service import QUEUED_OVERHEAD_BYTES, largest_command

CLIENT = 70_000


class Scale:
    """Answers each command with its length."""

    def apply(self, command: bytes) -> bytes:
        return b"%d" % len(command)

    def snapshot(self) -> bytes:
        return b""

    def restore(self, snapshot: bytes) -> None:
        pass


def outcome_of(command: bytes, frame_bytes_max: int, limits: Limits) -> Outcome:
    """What a client of a cluster of one is told."""
    service = Service(
        Replica(config(1, (1,), frame_bytes_max=frame_bytes_max, limits=limits)), Scale()
    )
    client = Client(ClientConfig(CLIENT, (1,), frame_bytes_max))
    client.submit([command])
    for _ in range(100):
        service.tick()
        client.tick()
        ready = client.take()
        if ready.completions:
            return ready.completions[0].outcomes[0]
        for _, message in ready.messages:
            service.receive(CLIENT, message)
        for _, message in drain(service).messages:
            client.receive(1, message)
    raise AssertionError("no outcome")


@pytest.mark.parametrize("frame_bytes_max", [512, 1000, 1474, 65_536])
def test_the_largest_command_of_a_frame_is_taken_and_answered(frame_bytes_max: int) -> None:
    command = bytes(largest_command(frame_bytes_max))
    limits = Limits(
        command_bytes_max=len(command), pending_bytes_max=len(command) + QUEUED_OVERHEAD_BYTES
    )
    assert outcome_of(command, frame_bytes_max, limits) == b"%d" % len(command)


def test_the_queue_of_a_leader_holds_no_byte_more_than_it_says() -> None:
    limits = Limits(command_bytes_max=1000, pending_bytes_max=999 + QUEUED_OVERHEAD_BYTES)
    assert isinstance(outcome_of(bytes(1000), 4096, limits), Overloaded)
    assert outcome_of(bytes(999), 4096, limits) == b"999"


def test_an_empty_command_is_a_command() -> None:
    assert outcome_of(b"", 512, Limits()) == b"0"
