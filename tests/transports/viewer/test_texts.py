"""Text from outside: nothing in it hides, turns or imitates what stands beside it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.viewer.texts import clean, readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set a 1", "set a 1"),
        ("größer, 順序 ✓", "größer, 順序 ✓"),
        ("a\x00b\x1b[31m", "a\\x00b\\x1b[31m"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("half \ud800", "half \\ud800"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


def test_long_text_is_cut_with_a_sign() -> None:
    assert clean("x" * 11, 10) == "x" * 10 + "…"
    assert clean("x" * 10, 10) == "x" * 10


@given(st.text(), st.integers(0, 50))
def test_no_hidden_character_is_left(text: str, limit: int) -> None:
    kinds = {unicodedata.category(character) for character in clean(text, limit)}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.binary())
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert readable(data).isprintable()
