from __future__ import annotations

from core_kit import explore
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.jitter import SplitMix64
from paxos_core.types import U64_MAX


def test_it_gives_the_published_numbers() -> None:
    jitter = SplitMix64(1234567)
    assert [jitter.next() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_seed_is_taken_modulo_two_to_the_64() -> None:
    assert SplitMix64(1234567 + 2**64).next() == 6457827717110365317
    assert SplitMix64(-1).next() == SplitMix64(U64_MAX).next()


@explore
@given(st.integers(0, U64_MAX), st.integers(0, 100), st.integers(0, 100))
def test_between_stays_between(seed: int, low: int, width: int) -> None:
    jitter = SplitMix64(seed)
    drawn = [jitter.between(low, low + width) for _ in range(20)]
    assert all(low <= number <= low + width for number in drawn)


def test_between_reaches_both_ends() -> None:
    jitter = SplitMix64(1)
    assert {jitter.between(15, 18) for _ in range(100)} == {15, 16, 17, 18}


def test_between_is_the_remainder_so_that_c_can_do_the_same() -> None:
    assert SplitMix64(1234567).between(15, 30) == 15 + 6457827717110365317 % 16
