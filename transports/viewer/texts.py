"""Text from outside, made safe to show: what a reader cannot see is written out.

Control characters, characters that turn the direction of writing, those without
a width, and halves of surrogate pairs become escapes like ``\\u202e``: nothing
in a trace can hide, reorder or imitate what stands beside it.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str, limit: int) -> str:
    """`text` with what is hidden escaped, and at most `limit` characters of it."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(map(_seen, cut))
    return cut if len(text) <= limit else f"{cut}…"


def _seen(character: str) -> str:
    # Other spaces than the plain one are not "printable", and do no harm.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if unicodedata.category(character) in _HIDDEN:
        return character.encode("unicode_escape").decode()
    return character


def readable(data: bytes) -> str:
    """Bytes as text where they are printable UTF-8, else with escapes for what is not."""
    text = data.decode("utf-8", "backslashreplace")
    return clean(text, len(text))
