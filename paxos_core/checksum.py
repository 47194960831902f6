"""The end-to-end checksum of values and snapshots: CRC-32 as in IEEE 802.3 (zlib's)."""

from __future__ import annotations

from zlib import crc32 as checksum

__all__ = ["checksum"]
