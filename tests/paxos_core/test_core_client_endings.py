"""How a command ends: what the client says, it knows."""

from __future__ import annotations

import pytest
from client_kit import ME, SESSION, Bench

from paxos_core import SessionLimits
from paxos_core import messages as m
from paxos_core.client import (
    ClientError,
    ClusterUnreachable,
    CommandTooLarge,
    OutcomeUnknown,
    Overloaded,
)
from paxos_core.session import pack_results

# Endings


def test_without_any_session_the_cluster_is_unreachable() -> None:
    bench = Bench(session=None, deadline_ticks=50)
    ticket, _ = bench.submit(b"a", b"b")
    bench.ticks(49)
    assert bench.outcomes() == {}
    bench.ticks(1)
    assert bench.kinds() == {ticket: ClusterUnreachable, ticket + 1: ClusterUnreachable}
    assert bench.client.outstanding == 0


def test_once_sent_and_never_answered_the_outcome_is_unknown() -> None:
    bench = Bench(deadline_ticks=50)
    ticket, _ = bench.submit(b"a")
    bench.ticks(50)
    assert bench.kinds() == {ticket: OutcomeUnknown}
    assert bench.client.outstanding == 0


def test_one_attempt_without_an_answer_among_refusals_leaves_it_unknown() -> None:
    bench = Bench(deadline_ticks=50)
    ticket, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.NOT_LEADER, 1, leader=2)
    bench.take()
    bench.ticks(50)
    assert bench.kinds() == {ticket: OutcomeUnknown}


def test_refused_by_every_node_that_was_asked_it_was_certainly_not_applied() -> None:
    bench = Bench(deadline_ticks=50, retry_ticks=100)
    ticket, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.NOT_LEADER, 1, leader=2)
    bench.take()
    bench.refuse(request, m.Reason.OVERLOADED, 2)
    assert bench.kinds() == {ticket: Overloaded}


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (m.Reason.OVERLOADED, Overloaded),
        (m.Reason.OUT_OF_WINDOW, Overloaded),
        (m.Reason.TOO_LARGE, CommandTooLarge),
        (m.Reason.MALFORMED, ClientError),
    ],
)
@pytest.mark.parametrize("resent", [False, True])
def test_a_refusal_ends_a_command_only_with_certainty(
    reason: m.Reason, error: type[ClientError], resent: bool
) -> None:
    bench = Bench(retry_ticks=4, deadline_ticks=200)
    ticket, ((_, request),) = bench.submit(b"a")
    if resent:
        bench.ticks(5)
    bench.refuse(request, reason, 1)
    if not resent:
        assert bench.kinds() == {ticket: error}
        return
    assert bench.outcomes() == {}
    bench.answer(request, 2)
    assert bench.outcomes() == {ticket: b"re:a"}


@pytest.mark.parametrize("reason", [r for r in m.Reason if r is not m.Reason.NOT_LEADER])
def test_one_refusal_of_two_attempts_at_a_node_is_not_certain(reason: m.Reason) -> None:
    bench = Bench(nodes=(1,), retry_ticks=4, deadline_ticks=200)
    ticket, ((_, request),) = bench.submit(b"a")
    assert [to for to, _ in bench.ticks(5)] == [1]
    bench.refuse(request, reason)
    if reason is m.Reason.UNKNOWN_SESSION:
        assert bench.kinds() == {ticket: OutcomeUnknown}
    else:
        assert bench.outcomes() == {}
        bench.answer(request)
        assert bench.outcomes() == {ticket: b"re:a"}


@pytest.mark.parametrize("sender", [2, 3, 4])
def test_a_refusal_from_who_was_not_asked_is_ignored(sender: int) -> None:
    bench = Bench()
    _, ((_, request),) = bench.submit(b"a")
    for reason in m.Reason:
        bench.refuse(request, reason, sender)
    assert bench.requests() == []
    assert bench.outcomes() == {}


def test_its_own_queue_is_bounded() -> None:
    bench = Bench(outstanding_max=3)
    bench.submit(b"a", b"b")
    with pytest.raises(Overloaded):
        bench.client.submit([b"c", b"d"])
    ticket, _ = bench.submit(b"c")
    with pytest.raises(Overloaded):
        bench.client.submit([b"d"])
    assert bench.client.outstanding == 3
    assert ticket == 3


def test_a_command_too_large_is_refused_before_it_is_queued() -> None:
    bench = Bench(frame_bytes_max=512)
    most = bench.client.command_bytes_max
    with pytest.raises(CommandTooLarge, match=str(most)):
        bench.client.submit([b"ok", bytes(most + 1)])
    assert bench.client.outstanding == 0
    bench.client.submit([bytes(most)])


def test_numbers_never_run_past_the_window() -> None:
    window = SessionLimits().window
    bench = Bench(outstanding_max=3 * window)
    one, ((_, oldest),) = bench.submit(b"a")
    bench.client.submit([b"x"] * (2 * window))
    for _, request in bench.requests():
        assert request.first + request.count <= oldest.first + window
        bench.answer(request)
    assert bench.requests() == []
    bench.answer(oldest)
    assert bench.requests()
    assert one in bench.outcomes()


# A lost session


def test_a_lost_session_is_replaced_and_what_was_sent_in_it_is_unknown() -> None:
    # Sent once is not enough: a second copy may have been applied in the old session.
    bench = Bench()
    ticket, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.UNKNOWN_SESSION)
    assert bench.kinds() == {ticket: OutcomeUnknown}
    later = bench.client.submit([b"b"])
    assert bench.take() == [(1, m.OpenSession(ME))]
    bench.client.receive(1, m.SessionOpened(ME, SESSION + 1))
    ((_, fresh),) = bench.requests()
    assert (fresh.session, fresh.first) == (SESSION + 1, 1)
    bench.answer(fresh)
    assert bench.outcomes()[later] == b"re:b"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_every_command_of_a_lost_session_ends(order: tuple[int, ...]) -> None:
    bench = Bench()
    tickets, requests = [], []
    for command in (b"a", b"b", b"c"):
        ticket, ((_, request),) = bench.submit(command)
        tickets.append(ticket)
        requests.append(request)
    for at in order:
        bench.refuse(requests[at], m.Reason.UNKNOWN_SESSION)
    assert bench.kinds() == dict.fromkeys(tickets, OutcomeUnknown)
    assert bench.client.outstanding == 0


def test_a_late_copy_does_not_bring_a_lost_session_back() -> None:
    # Its numbers are used up: a new command under an old one would get an old answer.
    bench = Bench()
    _, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.UNKNOWN_SESSION)
    bench.client.submit([b"b"])
    bench.take()
    bench.client.receive(1, m.SessionOpened(ME, SESSION))
    assert bench.requests() == []
    bench.client.receive(1, m.SessionOpened(ME, SESSION + 1))
    assert [x.session for _, x in bench.requests()] == [SESSION + 1]


def test_an_answer_of_the_old_session_is_not_taken_for_one_of_the_new() -> None:
    bench = Bench()
    _, ((_, old),) = bench.submit(b"a")
    bench.refuse(old, m.Reason.UNKNOWN_SESSION)
    ticket = bench.client.submit([b"b"])
    bench.take()
    bench.client.receive(1, m.SessionOpened(ME, SESSION + 1))
    bench.client.receive(1, m.Reply(SESSION, 1, 1, pack_results([b"old"])))
    bench.client.receive(1, m.Reply(SESSION, 2, 1, pack_results([b"old"])))
    assert ticket not in bench.outcomes()
