"""RESP: every cut of the bytes gives the same requests; what is no request is refused early."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.kv import resp
from examples.kv.resp import Parser, ProtocolError, Request

REQUESTS = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), max_size=5)

LOADED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time says nothing on a machine that is shared."""


def wire(requests: list[Request]) -> bytes:
    return b"".join(resp.array(map(resp.bulk, request)) for request in requests)


@LOADED
@given(REQUESTS, st.lists(st.integers(0, 200), max_size=8))
def test_however_the_bytes_are_cut(requests: list[Request], cuts: list[int]) -> None:
    data, parser = wire(requests), Parser()
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found: list[Request] = []
    for begin, end in pairwise(places):
        found += parser.feed(data[begin:end])
    assert found == requests


def test_a_line_of_words_is_a_request_and_an_empty_one_is_none() -> None:
    assert list(Parser().feed(b"\r\n  PING  hello\r\n*0\r\nPING\n")) == [
        [b"PING", b"hello"],
        [b"PING"],
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"*-1\r\n", "invalid multibulk length"),
        (b"*1025\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '\\$', got ':'"),
        (b"*1\r\n\r\n", "expected '\\$', got ' '"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$1048577\r\n", "invalid bulk length"),
        (b"*1\r\n$1\r\nabc", "does not end where it said"),
        (b"x" * 5000, "too big inline request"),
        (b"*5\r\n" + b"$1000000\r\n%b\r\n" % bytes(1_000_000) * 5, "too large"),
    ],
)
def test_what_is_no_request(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        list(Parser().feed(data))


@LOADED
@given(st.binary(max_size=300))
def test_any_bytes_give_requests_or_one_error(data: bytes) -> None:
    try:
        for request in Parser().feed(data):
            assert request
    except ProtocolError:
        pass


def test_an_error_is_one_line() -> None:
    assert resp.error("ERR two\r\nlines") == b"-ERR two lines\r\n"
