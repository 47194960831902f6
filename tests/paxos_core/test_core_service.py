"""Requests to log commands, decisions to replies, state to snapshots."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from core_kit import campaign, chosen, config, drain, elect, of_type, value_of

from paxos_core import (
    Codec,
    Limits,
    MachineFailed,
    Ready,
    Replica,
    Service,
    SessionLimits,
    SnapshotError,
    encode_record,
    replay,
)
from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.durable import Record, Snapshot
from paxos_core.service import CLIENTS_MAX
from paxos_core.session import encode_group, session_number, unpack_results
from paxos_core.types import U64_MAX, make_ballot

CLIENT = 70000


class Tape:
    """A state machine that remembers all it was told."""

    def __init__(self, answer_bytes: int = 0) -> None:
        self.commands: list[bytes] = []
        self.answer_bytes = answer_bytes

    def apply(self, command: bytes) -> bytes:
        self.commands.append(command)
        return b"%d:" % len(self.commands) + command + bytes(self.answer_bytes)

    def snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(self.commands)
        return packed

    def restore(self, snapshot: bytes) -> None:
        self.commands = msgpack.unpackb(snapshot)


def alone(answer_bytes: int = 0, state: Any = None, **settings: Any) -> tuple[Service, Tape]:
    """A service of one member, leading."""
    tape = Tape(answer_bytes)
    service = Service(Replica(config(1, (1,), **settings), state), tape)
    for _ in range(60):
        service.tick()
        drain(service)
    assert service.replica.leader == 1
    return service, tape


def opened(service: Service, client: int = CLIENT) -> int:
    service.receive(client, m.OpenSession(client))
    (answer,) = of_type(drain(service).messages, m.SessionOpened)
    assert answer.nonce == client
    return answer.session


def request(session: int, first: int, *commands: bytes, floor: int = 1) -> m.Request:
    return m.Request(session, floor, first, len(commands), value_of(*commands))


def ask(service: Service, message: m.Message, client: int = CLIENT) -> list[m.Message]:
    service.receive(client, message)
    return [answer for to, answer in drain(service).messages if to == client]


def results(answers: list[m.Message]) -> dict[int, bytes | None]:
    found: dict[int, bytes | None] = {}
    for answer in answers:
        assert isinstance(answer, m.Reply)
        page = unpack_results(answer.results, answer.count)
        assert page is not None
        found.update(enumerate(page, answer.first))
    return found


def refused(answers: list[m.Message]) -> m.Reason:
    (answer,) = answers
    assert isinstance(answer, m.Refused)
    return m.Reason(answer.reason)


# Requests


def test_a_request_is_applied_and_answered_once() -> None:
    service, tape = alone()
    session = opened(service)
    assert results(ask(service, request(session, 1, b"a", b"b"))) == {1: b"1:a", 2: b"2:b"}
    for _ in range(2):
        assert results(ask(service, request(session, 1, b"a", b"b"))) == {1: b"1:a", 2: b"2:b"}
    assert tape.commands == [b"a", b"b"]
    assert service.applied_commands == 2


def test_a_retry_of_what_is_decided_takes_no_slot() -> None:
    service, _ = alone()
    session = opened(service)
    ask(service, request(session, 1, b"a"))
    before = service.applied
    ask(service, request(session, 1, b"a"))
    assert service.applied == before


def test_a_request_under_way_is_proposed_once() -> None:
    service, tape = alone()
    session = opened(service)
    for _ in range(5):
        service.receive(CLIENT, request(session, 1, b"a"))
    ready = drain(service)
    assert sum(len(entry.commands) for entry in ready.decided) == 1
    assert tape.commands == [b"a"]


def test_a_follower_names_the_leader_and_answers_what_it_applied() -> None:
    session = session_number(0, 0, 5)
    tape = Tape()
    service = Service(Replica(config(1)), tape)
    ballot = make_ballot(1, 2)
    service.receive(2, m.Heartbeat(ballot, 0, 1))
    assert refused(ask(service, request(session, 1, b"a"))) is m.Reason.NOT_LEADER
    service.receive(CLIENT, m.OpenSession(5))
    assert (CLIENT, m.Refused(0, 5, 0, m.Reason.NOT_LEADER, 2)) in drain(service).messages
    opening = value_of(encode_group(0, 5, 0, value_of()))
    service.receive(2, chosen(0, opening, 2, 2))
    service.receive(2, chosen(1, value_of(encode_group(session, 1, 1, value_of(b"a"))), 2, 2))
    assert drain(service).messages == []
    assert results(ask(service, request(session, 1, b"a"))) == {1: b"1:a"}


@pytest.mark.parametrize(
    "bad",
    [
        m.Request(1, 1, 1, 0, value_of()),
        m.Request(1, 1, 1, 2, value_of(b"a")),
        m.Request(1, 1, 1, 1, b""),
        m.Request(1, 1, 1, U64_MAX, value_of(b"a")),
        m.Request(0, 1, 1, 1, value_of(b"a")),
        m.Request(1, 1, 1, 1, msgpack.packb([b"a"])),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(bad: m.Request) -> None:
    service, tape = alone()
    assert refused(ask(service, bad)) is m.Reason.MALFORMED
    assert tape.commands == []


def test_an_unknown_session_and_a_full_window_are_refused() -> None:
    service, _ = alone()
    assert refused(ask(service, request(99, 1, b"a"))) is m.Reason.UNKNOWN_SESSION
    session = opened(service)
    far = 1 + SessionLimits().window
    assert refused(ask(service, request(session, far, b"a"))) is m.Reason.OUT_OF_WINDOW


def test_a_command_over_the_limit_is_refused() -> None:
    service, tape = alone(limits=Limits(command_bytes_max=10))
    session = opened(service)
    assert refused(ask(service, request(session, 1, bytes(11)))) is m.Reason.TOO_LARGE
    assert results(ask(service, request(session, 1, bytes(10))))
    assert len(tape.commands) == 1


def test_commands_that_fit_a_client_s_frame_and_not_a_value_are_refused() -> None:
    service, tape = alone(frame_bytes_max=512)
    session = opened(service)
    assert refused(ask(service, request(session, 1, *[bytes(150)] * 3))) is m.Reason.TOO_LARGE
    assert results(ask(service, request(session, 1, b"a")))
    assert tape.commands == [b"a"]


def test_too_much_waiting_is_refused_and_applied_when_asked_again() -> None:
    service, tape = alone(limits=Limits(pending_bytes_max=100))
    session = opened(service)
    service.receive(CLIENT, request(session, 1, bytes(30)))
    service.receive(CLIENT, request(session, 2, bytes(30)))
    answers = [answer for _, answer in drain(service).messages]
    assert {type(answer) for answer in answers} == {m.Reply, m.Refused}
    assert refused([a for a in answers if isinstance(a, m.Refused)]) is m.Reason.OVERLOADED
    assert results(ask(service, request(session, 2, bytes(30))))
    assert len(tape.commands) == 2


@pytest.mark.parametrize("sender", [1, 2, 65535])
def test_a_replica_is_no_client(sender: int) -> None:
    service, tape = alone()
    session = opened(service)
    service.receive(sender, request(session, 1, b"a"))
    service.receive(sender, m.OpenSession(1))
    assert drain(service).messages == []
    assert tape.commands == []


@pytest.mark.parametrize("floor", [0, 1, U64_MAX - 1, U64_MAX])
@pytest.mark.parametrize("first", [0, U64_MAX - 1, U64_MAX])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_whatever_numbers_a_client_sends_the_answers_fit_the_wire(
    floor: int, first: int, count: int
) -> None:
    service, _ = alone(answer_bytes=200, frame_bytes_max=512)
    session = opened(service)
    encode = Codec(1, 1).encode
    for size in (1, count):
        commands = [b"%d" % n for n in range(size)]
        for answer in ask(service, request(session, first, *commands, floor=floor)):
            assert len(encode(answer)) <= 512


# Replies


@pytest.mark.parametrize("answer_bytes", [0, 50, 180, 186, 187, 500])
def test_replies_are_paged_to_fit_the_frame(answer_bytes: int) -> None:
    service, _ = alone(answer_bytes=answer_bytes, frame_bytes_max=512)
    session = opened(service)
    commands = [b"%d" % n for n in range(15)]
    answers = ask(service, request(session, 1, *commands))
    encode = Codec(1, 1).encode
    assert all(len(encode(answer)) <= 512 for answer in answers)
    found = results(answers)
    assert list(found) == list(range(1, 16))
    for number, result in found.items():
        whole = b"%d:%d" % (number, number - 1) + bytes(answer_bytes)
        assert result == (whole if len(whole) <= 512 - 320 - 5 else None)


def test_only_the_leader_answers_what_is_decided() -> None:
    service = Service(Replica(config(1)), Tape())
    service.receive(CLIENT, m.OpenSession(CLIENT))
    drain(service)
    service.receive(2, chosen(0, value_of(encode_group(0, CLIENT, 0, value_of())), 1, 1))
    ready = drain(service)
    assert [entry.slot for entry in ready.decided] == [0]
    assert ready.messages == []


def test_who_asked_is_remembered_for_a_bounded_number_of_clients() -> None:
    service, _ = alone()
    for session in range(1, CLIENTS_MAX + 50):
        service.receive(CLIENT, request(session, 1, b"a"))
        service.receive(CLIENT, m.OpenSession(session))
        if session % 500 == 0:
            drain(service)
    assert len(service._clients) <= CLIENTS_MAX
    assert len(service._openers) <= CLIENTS_MAX


def test_status_is_answered_to_anyone_with_its_nonce() -> None:
    service, _ = alone()
    (answer,) = ask(service, m.StatusRequest(42), client=5)  # no member, no client
    assert isinstance(answer, m.StatusReply)
    assert answer.nonce == 42
    status = msgpack.unpackb(answer.status)
    assert (status["node"], status["role"], status["applied"]) == (1, "leader", service.applied)
    assert all(isinstance(v, int | str | bool) for v in status.values())


def test_a_flood_of_questions_for_the_status_is_answered_once_a_drain() -> None:
    service, _ = alone()
    for nonce in range(100):
        service.receive(5, m.StatusRequest(nonce))
    (answer,) = of_type(drain(service).messages, m.StatusReply)
    assert answer.nonce == 0
    assert ask(service, m.StatusRequest(100), client=5)


# The log's hash


def test_equal_logs_have_equal_hashes_and_others_do_not() -> None:
    def digest(*values: bytes) -> str:
        service = Service(Replica(config(1)), Tape())
        for slot, value in enumerate(values):
            service.receive(2, chosen(slot, value, len(values), len(values)))
        drain(service)
        return service.digest

    a, b = value_of(b"a"), value_of(b"b")
    assert digest(a, b) == digest(a, b)
    assert len({digest(), digest(a), digest(b), digest(a, b), digest(b, a)}) == 5


# Snapshots


def snapshots_often(**more: Any) -> dict[str, Any]:
    return {"limits": Limits(log_bytes_max=1000, log_keep_slots=2), **more}


def test_a_snapshot_trims_the_log_and_a_restart_goes_on_from_it() -> None:
    service, tape = alone(**snapshots_often())
    session = opened(service)
    records: list[Record] = []
    for number in range(1, 60):
        service.receive(CLIENT, request(session, number, b"%d" % number, floor=number))
        ready = drain(service)
        records = ready.records if ready.checkpoint else records + ready.records
        assert service.replica.status().log_bytes < 3000
    assert service.replica.status().first_slot > 0
    assert any(isinstance(record, Snapshot) for record in records)

    other, other_tape = alone(state=replay(records), **snapshots_often())
    assert other_tape.commands == tape.commands
    assert (other.applied, other.digest) == (service.applied, service.digest)
    assert results(ask(other, request(session, 59, b"59"))) == {59: b"59:59"}
    assert other_tape.commands == tape.commands


def test_a_snapshot_from_a_peer_replaces_everything() -> None:
    giver, tape = alone(**snapshots_often())
    session = opened(giver)
    for number in range(1, 40):
        ask(giver, request(session, number, b"%d" % number, floor=number))
    giver.receive(2, m.SnapshotRequest(0, 0))
    service = Service(Replica(config(1)), Tape())
    for chunk in of_type(drain(giver).messages, m.SnapshotChunk):
        service.receive(2, chunk)
    drain(service)
    giver.receive(2, m.Learn(service.applied))
    for entry in of_type(drain(giver).messages, m.Chosen):
        service.receive(2, entry)
    drain(service)
    assert isinstance(service.machine, Tape)
    assert service.machine.commands == tape.commands
    assert (service.applied, service.digest) == (giver.applied, giver.digest)
    assert results(ask(service, request(session, 39, b"39"))) == {39: b"39:39"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb(5),
        msgpack.packb([]),
        msgpack.packb([1, 2]),
        msgpack.packb([99, b"", [], b""]),
        msgpack.packb([1, b"", 5, b""]),
        msgpack.packb([1, b"", [[1]], b""]),
        msgpack.packb([1, b"", [[1, 2, [[3, 4]]]], b""]),
        msgpack.packb([1, b"", [], b""]) + b"\x00",
    ],
)
def test_a_snapshot_that_we_did_not_write_is_named_as_such(data: bytes) -> None:
    state = replay([Snapshot(3, checksum(data), data)])
    service = Service(Replica(config(1), state), Tape())
    with pytest.raises(SnapshotError, match="snapshot of slot 3"):
        service.take()


def test_what_the_state_machine_raises_stops_the_service() -> None:
    class Broken(Tape):
        def apply(self, command: bytes) -> bytes:
            raise LookupError("no such key")

    service = Service(Replica(config(1, (1,))), Broken())
    for _ in range(60):
        service.tick()
        drain(service)
    session = opened(service)
    service.receive(CLIENT, request(session, 1, b"a"))
    with pytest.raises(MachineFailed, match=r"at slot 1: apply raised LookupError: no such key$"):
        drain(service)


def test_a_result_that_is_no_bytes_stops_the_service() -> None:
    class Wrong(Tape):
        def apply(self, command: bytes) -> bytes:
            return "text"  # type: ignore[return-value]

    service = Service(Replica(config(1, (1,))), Wrong())
    for _ in range(60):
        service.tick()
        drain(service)
    session = opened(service)
    service.receive(CLIENT, request(session, 1, b"a"))
    with pytest.raises(MachineFailed, match=r"at slot 1: apply returned str, not bytes$"):
        drain(service)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (LookupError("no such key"), r"snapshot raised LookupError: no such key$"),
        ("text", r"snapshot returned str, not bytes$"),
    ],
)
def test_a_snapshot_that_fails_stops_the_service(answer: object, reason: str) -> None:
    class Broken(Tape):
        def snapshot(self) -> bytes:
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[return-value]

    service, _ = alone(**snapshots_often())
    service.machine = Broken()
    session = opened(service)
    for number in range(1, 21):
        service.receive(CLIENT, request(session, number, bytes(100)))
    with pytest.raises(MachineFailed, match=reason):
        drain(service)


def test_a_snapshot_that_cannot_be_restored_stops_the_service() -> None:
    class Broken(Tape):
        def restore(self, snapshot: bytes) -> None:
            raise LookupError("no such key")

    data = msgpack.packb([1, bytes(16), [], b"state"])
    service = Service(Replica(config(1)), Broken())
    service.receive(2, m.SnapshotChunk(5, 0, len(data), len(data), checksum(data), data))
    with pytest.raises(MachineFailed, match=r"restore raised LookupError: no such key$"):
        drain(service)
    assert service.applied == 0


# Leaders come and go


def test_a_request_lost_with_the_leadership_is_proposed_by_the_next() -> None:
    tape = Tape()
    service = Service(Replica(config(1)), tape)
    elect(service.replica)
    drain(service)
    service.receive(CLIENT, request(1, 1, b"a"))
    first: Ready = drain(service)
    assert of_type(first.messages, m.Accept)
    service.receive(2, m.Prepare(make_ballot(9, 2), 0))
    drain(service)
    assert refused(ask(service, request(1, 1, b"a"))) is m.Reason.NOT_LEADER
    prepare = campaign(service.replica)
    for peer in (2, 3):
        service.receive(peer, m.Promise(prepare.ballot, 0, m.NO_MORE, 0, []))
    drain(service)
    service.receive(CLIENT, request(1, 1, b"a"))
    assert of_type(drain(service).messages, m.Accept)


def test_records_of_a_service_are_records() -> None:
    service, _ = alone()
    session = opened(service)
    service.receive(CLIENT, request(session, 1, b"a"))
    records = drain(service).records
    assert records
    assert all(encode_record(record) for record in records)


def test_a_core_that_is_short_of_room_gets_its_snapshot_though_nothing_is_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, _ = alone()
    compacted: list[int] = []
    monkeypatch.setattr(Replica, "compact", lambda _, slot, data: compacted.append(slot))
    service.tick()
    service.take()
    assert not compacted
    monkeypatch.setattr(Replica, "snapshot_due", True)
    service.tick()
    assert not service.take().decided
    assert compacted == [service.applied]
