"""The client: finds the leader, keeps its numbers over retries, and says only what it knows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from client_kit import ME, SESSION, Bench
from core_kit import any_message, explore
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import ClientConfig
from paxos_core import messages as m
from paxos_core.batch import BATCH_COMMANDS_MAX, decode_batch
from paxos_core.client import (
    ResultTooLarge,
)
from paxos_core.codec import Codec
from paxos_core.session import pack_results

# The plain way


def test_a_session_is_opened_for_the_first_command_and_kept() -> None:
    bench = Bench(session=None)
    assert bench.take() == []
    assert bench.submit(b"a") == (0, [])
    assert bench.sent == [(1, m.OpenSession(ME))]
    bench.client.receive(1, m.SessionOpened(ME, SESSION))
    ((to, request),) = bench.requests()
    assert (to, request.session, request.first, request.count) == (1, SESSION, 1, 1)
    assert decode_batch(request.commands) == [b"a"]
    bench.answer(request)
    assert bench.outcomes() == {0: b"re:a"}
    assert bench.client.outstanding == 0


def test_what_was_submitted_between_two_takes_shares_a_frame() -> None:
    bench = Bench()
    one, two = bench.client.submit([b"a", b"b"]), bench.client.submit([b"c"])
    ((_, request),) = bench.requests()
    assert decode_batch(request.commands) == [b"a", b"b", b"c"]
    bench.answer(request)
    assert bench.outcomes() == {one: b"re:a", one + 1: b"re:b", two: b"re:c"}


def test_nothing_submitted_sends_nothing() -> None:
    bench = Bench()
    ticket, requests = bench.submit()
    assert requests == []
    assert bench.submit(b"a")[0] == ticket


def test_numbers_go_up_and_the_floor_follows_the_oldest_unanswered() -> None:
    bench = Bench()
    ((_, one),) = bench.submit(b"a", b"b")[1]
    ((_, two),) = bench.submit(b"c")[1]
    assert (one.first, two.first) == (2, 4)
    assert (one.floor, two.floor) == (2, 2)
    bench.answer(two)
    ((_, three),) = bench.submit(b"d")[1]
    assert (three.first, three.floor) == (5, 2)
    bench.answer(one)
    ((_, four),) = bench.submit(b"e")[1]
    assert (four.first, four.floor) == (6, 5)


@pytest.mark.parametrize(
    "sizes", [[1000] * 30, [0] * (BATCH_COMMANDS_MAX + 5), [150], [149, 1, 0, 60]]
)
def test_requests_fit_the_frame_and_hold_every_command_in_order(sizes: list[int]) -> None:
    frame_bytes = 4096 if max(sizes) > 200 else 512
    bench = Bench(frame_bytes_max=frame_bytes)
    size_max = bench.client.command_bytes_max
    commands = [b"%d:" % n + bytes(size) for n, size in enumerate(sizes)]
    commands = [command[:size_max] for command in commands]
    ticket, requests = bench.submit(*commands)
    encode = Codec(1, ME).encode
    assert all(len(encode(request)) <= frame_bytes for _, request in requests)
    assert [c for _, request in requests for c in decode_batch(request.commands) or []] == commands
    for _, request in requests:
        bench.answer(request)
    assert bench.outcomes() == {ticket + n: b"re:" + c for n, c in enumerate(commands)}


def test_paged_replies_are_put_together_in_any_order() -> None:
    bench = Bench()
    ticket, ((_, request),) = bench.submit(b"a", b"b", b"c", b"d")
    parts: list[tuple[int, list[bytes | None]]] = [
        (4, [b"C", None]),
        (2, [b"A"]),
        (2, [b"A"]),
        (3, [b"B"]),
    ]
    for first, page in parts:
        assert bench.outcomes() == {}
        reply = m.Reply(request.session, first, len(page), pack_results(page))
        bench.client.receive(1, reply)
    found = bench.outcomes()
    assert [found[ticket + n] for n in range(3)] == [b"A", b"B", b"C"]
    assert isinstance(found[ticket + 3], ResultTooLarge)


def test_one_reply_may_answer_several_requests() -> None:
    bench = Bench()
    one, two = bench.submit(b"a", b"b")[0], bench.submit(b"c")[0]
    bench.client.receive(1, m.Reply(SESSION, 2, 3, pack_results([b"A", b"B", b"C"])))
    assert bench.outcomes() == {one: b"A", one + 1: b"B", two: b"C"}


def test_an_answer_that_comes_twice_or_late_changes_nothing() -> None:
    bench = Bench()
    ticket, ((_, request),) = bench.submit(b"a")
    for _ in range(3):
        bench.answer(request)
        bench.refuse(request, m.Reason.UNKNOWN_SESSION)
    assert bench.outcomes() == {ticket: b"re:a"}
    assert bench.client.outstanding == 0


# Finding the leader


def test_a_hint_is_followed_at_once_under_the_same_number() -> None:
    bench = Bench()
    _, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.NOT_LEADER, sender=1, leader=3)
    assert bench.requests() == [(3, request)]
    assert [to for to, _ in bench.submit(b"b")[1]] == [3]


def test_without_a_hint_the_next_node_is_asked() -> None:
    bench = Bench()
    _, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.NOT_LEADER, sender=1, leader=0)
    assert [to for to, _ in bench.requests()] == [2]


def test_nodes_that_name_each_other_do_not_make_it_run_in_circles() -> None:
    bench = Bench()
    ticket, sent = bench.submit(b"a")
    asked = 0
    while sent and asked < 1000:
        (to, request), *sent = sent
        asked += 1
        bench.refuse(request, m.Reason.NOT_LEADER, sender=to, leader=1 + to % 2)
        sent += bench.requests()
    assert asked <= 20
    assert bench.outcomes() == {}
    assert [x for _, x in bench.ticks(2)] != []
    assert ticket not in bench.outcomes()


@pytest.mark.parametrize("leader", [4, 65535, ME, 2**64 - 1])
def test_a_hint_at_a_stranger_is_no_hint(leader: int) -> None:
    bench = Bench()
    _, ((_, request),) = bench.submit(b"a")
    bench.refuse(request, m.Reason.NOT_LEADER, sender=1, leader=leader)
    assert [to for to, _ in bench.requests()] == [2]


def test_silence_is_retried_at_another_node_with_the_same_bytes() -> None:
    bench = Bench(retry_ticks=4)
    _, ((to, request),) = bench.submit(b"a")
    assert to == 1
    retries = [(to, x) for to, x in bench.ticks(100) if isinstance(x, m.Request)]
    assert retries
    assert all(x == request for _, x in retries)
    assert {to for to, _ in retries} >= {2, 3}


def test_retries_grow_rarer_up_to_a_bound() -> None:
    bench = Bench(retry_ticks=4, deadline_ticks=1000)
    bench.submit(b"a")
    times = [
        tick for tick in range(400) if any(isinstance(x, m.Request) for _, x in bench.ticks(1))
    ]
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == sorted(gaps)
    assert max(gaps) <= 32


@pytest.mark.parametrize("nodes", [(1, 2, 3), (1, 2, 3, 4, 5)])
def test_each_node_is_asked_in_turn_before_a_wait_grows(nodes: tuple[int, ...]) -> None:
    """Else a command that was on its way at a failover waits for seconds, though a node leads.

    Seen with processes: the leader was killed, the next node was just starting and did not
    hear the retry, and the third attempt was already waited for eight times as long.
    """
    bench = Bench(nodes=nodes, retry_ticks=4, deadline_ticks=1000)
    bench.submit(b"a")
    asked = [to for to, x in bench.ticks(4 * len(nodes)) if isinstance(x, m.Request)]
    assert asked == [*nodes[1:], nodes[0]]


def test_a_leader_that_lost_one_frame_is_asked_again_soon() -> None:
    """The others name it, and it is passed over for a retry time, not for seconds."""
    bench = Bench(retry_ticks=4, deadline_ticks=1000)
    _, ((leader, request),) = bench.submit(b"a")
    asked: list[int] = []
    for _ in range(9):
        bench.client.tick()
        while sent := bench.requests():
            asked += [to for to, _ in sent]
            for to, x in sent:
                if to != leader:
                    bench.refuse(x, m.Reason.NOT_LEADER, sender=to, leader=leader)
    # Both others first, so that one which knows better is heard.
    assert set(asked[: asked.index(leader)]) == {2, 3}
    bench.answer(request)
    assert len(bench.outcomes()) == 1


def test_opening_is_retried_elsewhere_too() -> None:
    bench = Bench(session=None, retry_ticks=4)
    bench.submit(b"a")
    asked = [to for to, x in bench.ticks(30) if isinstance(x, m.OpenSession)]
    assert set(asked) >= {2, 3}
    bench = Bench(session=None)
    bench.submit(b"a")
    bench.client.receive(1, m.Refused(0, ME, 0, m.Reason.NOT_LEADER, 3))
    assert bench.take() == [(3, m.OpenSession(ME))]


# Whatever comes


@pytest.mark.parametrize("sender", [4, 65535, ME + 1])
def test_a_stranger_cannot_open_a_session_or_stop_the_client(sender: int) -> None:
    bench = Bench(session=None, retry_ticks=4, deadline_ticks=100)
    bench.submit(b"a")
    bench.client.receive(sender, m.SessionOpened(ME, SESSION))
    assert bench.requests() == []
    asked = {to for to, _ in bench.ticks(100)}
    assert asked <= {1, 2, 3}


some_sender = st.integers(0, 5)
refusals = st.builds(
    m.Refused,
    st.just(SESSION),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 8),
    st.integers(0, 5),
)
pages = st.lists(st.none() | st.binary(max_size=3), max_size=4)
replies = st.builds(
    lambda first, page: m.Reply(SESSION, first, len(page), pack_results(page)),
    st.integers(0, 6),
    pages,
)
openings = st.builds(m.SessionOpened, st.just(ME), st.integers(0, 3))
answers = st.tuples(some_sender, any_message | refusals | replies | openings)


@explore
@given(st.lists(answers | st.sampled_from(["tick", "take", "submit"]), max_size=60))
def test_no_message_makes_it_raise_and_every_command_ends_once(script: list[Any]) -> None:
    bench = Bench(retry_ticks=2, deadline_ticks=20, outstanding_max=10)
    submitted = 0
    for what in script:
        if what == "tick":
            bench.client.tick()
        elif what == "take":
            bench.take()
        elif what == "submit":
            if bench.client.outstanding <= 8:
                bench.client.submit([b"x", b"y"])
                submitted += 2
        else:
            bench.client.receive(*what)
        assert 0 <= bench.client.outstanding <= 10
    bench.ticks(50)
    assert len(bench.outcomes()) == submitted
    assert bench.client.outstanding == 0
    assert not bench.client._groups


@pytest.mark.parametrize(("endpoint", "nodes"), [(65535, (1,)), (0, (1,)), (ME, ())])
def test_an_impossible_client_is_refused(endpoint: int, nodes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="client"):
        ClientConfig(endpoint, nodes)
