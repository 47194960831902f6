"""The store behind RESP: Redis's answers, and keys that end by the log's time alone."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.kv.machine import (
    REPLY_BYTES_MAX,
    STALE_MAX,
    VALUE_BYTES_MAX,
    Store,
    pack,
    unpack_result,
)

LOADED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time says nothing on a machine that is shared."""


class Talk:
    """A store, and the time at which it is spoken to."""

    def __init__(self) -> None:
        self.store, self.now_ms = Store(), 1_000_000

    def __call__(self, line: str) -> str:
        request = [word.encode() for word in line.split()]
        count, reply = unpack_result(self.store.apply(pack(self.now_ms, [request])))
        assert count == 1
        return reply.decode().replace("\r\n", " ").strip()


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        (["SET a 1", "GET a", "GET b"], ["+OK", "$1 1", "$-1"]),
        (["SET a 1 NX", "SET a 2 NX", "SET a 3 XX", "GET a", "SET b 1 XX"],
         ["+OK", "$-1", "+OK", "$1 3", "$-1"]),
        (["SET a 1 NX XX"], ["-ERR syntax error"]),
        (["SET a 1 EX"], ["-ERR syntax error"]),
        (["SET a 1 EX 0"], ["-ERR invalid expire time in 'set' command"]),
        (["SET a 1 PX 99999999999999999999"], ["-ERR syntax error"]),
        (["MSET a 1 b 2", "MGET a x b"], ["+OK", "*3 $1 1 $-1 $1 2"]),
        (["MSET a 1 b"], ["-ERR wrong number of arguments for 'mset' command"]),
        (["SET a 1", "DEL a a b", "EXISTS a"], ["+OK", ":1", ":0"]),
        (["SET a 1", "EXISTS a a"], ["+OK", ":2"]),
        (["INCR n", "INCRBY n 41", "DECR n", "INCRBY n -50"], [":1", ":42", ":41", ":-9"]),
        (["SET n 9223372036854775807", "INCR n", "GET n"],
         ["+OK", "-ERR increment or decrement would overflow", "$19 9223372036854775807"]),
        (["SET n x", "INCR n"], ["+OK", "-ERR value is not an integer or out of range"]),
        (["SET n 01", "INCR n"], ["+OK", "-ERR value is not an integer or out of range"]),
        (["APPEND a x", "APPEND a yz", "GET a"], [":1", ":3", "$3 xyz"]),
        (["TTL a", "SET a 1", "TTL a", "EXPIRE a 10", "TTL a", "EXPIRE b 10"],
         [":-2", "+OK", ":-1", ":1", ":10", ":0"]),
        (["SET a 1", "EXPIRE a -1", "GET a"], ["+OK", ":1", "$-1"]),
        (["SET a 1", "SET b 2", "DBSIZE", "FLUSHALL", "DBSIZE"], ["+OK", "+OK", ":2", "+OK", ":0"]),
        (["GET"], ["-ERR wrong number of arguments for 'get' command"]),
        (["NOSUCH a"], ["-ERR unknown command"]),
    ],
)  # fmt: skip
def test_it_answers_as_redis_does(lines: list[str], answers: list[str]) -> None:
    talk = Talk()
    assert [talk(line) for line in lines] == answers


def test_a_key_ends_when_the_log_says_so() -> None:
    talk = Talk()
    assert talk("SET a 1 PX 500") == "+OK"
    talk.now_ms += 499
    assert talk("GET a") == "$1 1"
    talk.now_ms += 1
    assert talk("GET a") == "$-1"
    assert talk("DBSIZE") == ":0"


def test_a_key_that_is_set_again_and_again_leaves_little_behind() -> None:
    talk = Talk()
    talk("SET b 1 EX 10")
    for _ in range(10 * STALE_MAX):
        talk("SET a 1 EX 10")
    assert len(talk.store._due) <= 2 * 2 + STALE_MAX
    talk.now_ms += 10_001
    assert talk("EXISTS a b") == ":0"


def test_time_only_goes_forward() -> None:
    talk = Talk()
    talk("SET a 1 EX 10")
    talk.now_ms += 10_000
    talk("GET a")
    talk.now_ms -= 60_000
    assert talk("GET a") == "$-1", "another server's clock is behind: what has ended stays so"
    assert talk("SET b 1 EX 5") == "+OK"
    assert talk("TTL b") == ":5"


def test_what_replaces_a_value_decides_whether_it_ends() -> None:
    talk = Talk()
    talk("SET a 1 EX 10")
    talk("INCR a")
    assert talk("TTL a") == ":10"
    talk("SET a 1")
    assert talk("TTL a") == ":-1"
    talk.now_ms += 20_000
    assert talk("GET a") == "$1 1"


def test_a_batch_stops_where_its_replies_no_longer_fit() -> None:
    store = Store()
    store.apply(pack(0, [[b"SET", b"a", bytes(10_000)]]))
    count, replies = unpack_result(store.apply(pack(0, [[b"GET", b"a"]] * 9)))
    assert count == 3
    assert len(replies) < 32 << 10


def test_what_is_too_large_is_refused_before_it_changes_anything() -> None:
    store = Store()
    large = bytes(VALUE_BYTES_MAX + 1)
    for request in (
        [b"SET", b"a", large],
        [b"MSET", b"b", b"1", b"a", large],
        [b"APPEND", b"a", large],
    ):
        _, reply = unpack_result(store.apply(pack(0, [request])))
        assert reply.startswith(b"-ERR string exceeds")
    _, reply = unpack_result(store.apply(pack(0, [[b"DBSIZE"]])))
    assert reply == b":0\r\n"
    store.apply(pack(0, [[b"MSET", *(x for n in range(3) for x in (b"%d" % n, bytes(10_000)))]]))
    _, reply = unpack_result(store.apply(pack(0, [[b"MGET", b"0", b"1", b"2"]])))
    assert reply == b"-ERR the values are larger than %d bytes together\r\n" % REPLY_BYTES_MAX


WORDS = st.sampled_from([b"a", b"b", b"1", b"-3", b"EX", b"PX", b"NX", b"5", b""])
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([b"SET", b"GET", b"DEL", b"INCR", b"APPEND", b"EXPIRE", b"TTL", b"MSET"]),
        st.lists(WORDS, max_size=5),
        st.integers(0, 9000),
    ),
    max_size=30,
)


@LOADED
@given(REQUESTS, st.integers(0, 30))
def test_a_snapshot_is_the_whole_state(
    found: list[tuple[bytes, list[bytes], int]], at: int
) -> None:
    one, other = Store(), Store()
    for number, (name, words, now_ms) in enumerate(found):
        if number == at:
            other.restore(one.snapshot())
        command = pack(now_ms, [[name, *words]])
        said = one.apply(command)
        if number >= at:
            assert other.apply(command) == said
    if len(found) > at:
        assert other.snapshot() == one.snapshot()


@LOADED
@given(st.binary(max_size=60))
def test_any_bytes_are_survived(command: bytes) -> None:
    assert unpack_result(Store().apply(command))[0] >= 0


@pytest.mark.parametrize(
    "value",
    [
        [1],
        [1, 2],
        [1, 2, [3]],
        ["x", 2, []],
        [1, 4, [[b"GET", b"a"]]],
        [1, 2, [[{}]]],
        [1, 2, [[]]],
        [1, 2, [[b"SET", 1, 2]]],
        [1, 2, [[b"INCRBY", b"a", None]]],
        [1, 2, [[b"GET", [1]]]],
        [1, 2, {}],
        [2**63, 2, [[b"GET", b"a"]]],
        [float("nan"), 2, []],
    ],
)
def test_a_command_of_any_shape_is_survived(value: object) -> None:
    store = Store()
    store.apply(msgpack.packb(value))
    assert unpack_result(store.apply(pack(0, [[b"GET", b"a"]])))[1] == b"$-1\r\n"
    store.restore(store.snapshot())
