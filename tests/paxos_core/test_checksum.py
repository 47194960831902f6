from __future__ import annotations

from core_kit import explore
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.checksum import checksum


def test_it_is_the_crc_of_ieee_802_3() -> None:
    # The check value that every catalogue of CRCs gives for CRC-32.
    assert checksum(b"123456789") == 0xCBF43926
    assert checksum(b"") == 0


@explore
@given(st.binary(min_size=1, max_size=100), st.data())
def test_any_one_bit_flipped_is_seen(data: bytes, draw: st.DataObject) -> None:
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    assert checksum(bytes(changed)) != checksum(data)
