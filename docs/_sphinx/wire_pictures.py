"""Pictures of the wire format, drawn from the codec's own tables.

``python docs/_sphinx/wire_pictures.py`` writes them to docs/pictures, for hosts of
Markdown; a test compares the files with what is drawn. The site draws them anew
(`picture_inline`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from svg import Picture  # noqa: E402
from wire_tables import (  # noqa: E402
    Layout,
    example_pieces,
    message_layouts,
    record_layouts,
    vote_layout,
)

FOLDER = ROOT / "docs" / "pictures"
BYTE = 30
"""The width of one byte that is written out."""
ROW = 30
NAME_WIDTH = 176
FIELD_WIDTH = 88
MARKER_WIDTH = 10
TABLE_ROW = 26


def frame_picture() -> Picture:
    """One whole frame, byte by byte."""
    pieces = example_pieces()
    described = "; ".join(
        f"offset {piece.offset}: {piece.data.hex(' ')}, {piece.text}" for piece in pieces
    )
    picture = Picture("wire-frame", 640, "An Accept, byte by byte", described + ".")
    picture.text(0, 14, "offset", "quiet")
    picture.text(56, 14, "bytes", "quiet")
    picture.text(56 + 9 * BYTE + 16, 14, "what they say", "quiet")
    y = 24.0
    for piece in pieces:
        picture.text(40, y + 16.5, str(piece.offset), "quiet end")
        for at, byte in enumerate(piece.data):
            picture.box(56 + at * BYTE, y, BYTE, ROW - 6, "marker" if at < piece.markers else "")
            weight = "quiet middle over" if at < piece.markers else "bold middle"
            picture.text(56 + at * BYTE + BYTE / 2, y + 16.5, f"{byte:02x}", weight)
        picture.text(56 + 9 * BYTE + 16, y + 16.5, piece.text)
        y += ROW
    _legend(picture, y + 8, "a marker: which form the next bytes have", None)
    return picture


def _legend(picture: Picture, y: float, marker: str, body: str | None) -> None:
    picture.box(56, y, 18, 14, "marker")
    picture.text(82, y + 11.5, marker, "quiet")
    if body is not None:
        picture.box(56, y + 22, 18, 14, "body")
        picture.text(82, y + 33.5, body, "quiet")


def _says(layout: Layout) -> str:
    """A layout as words."""
    kind = f"kind {layout.kind}, " if layout.kind is not None else ""
    parts = [f"{offset} {name}" for offset, name in layout.fields]
    if layout.body:
        parts.append(f"{layout.body[0]} {layout.body[1]} (a body)")
    return f"{layout.name}: {kind}{', '.join(parts)}; {layout.size} bytes" + (
        " and the body" if layout.body else ""
    )


def _table(picture: Picture, y: float, layouts: list[Layout]) -> float:
    """Rows of layouts whose offsets are the same; returns where they end."""
    start = layouts[0].fields[0][0]
    most = max(len(layout.fields) + bool(layout.body) for layout in layouts)
    for at in range(most):
        x = NAME_WIDTH + at * FIELD_WIDTH
        picture.text(x, y + 10, str(start + 9 * at), "quiet small")
        picture.line(x, y + 14, x, y + 18 + TABLE_ROW * len(layouts))
    y += 18
    for layout in layouts:
        if layout.kind is not None:
            picture.text(18, y + 15, str(layout.kind), "quiet end")
        picture.text(30, y + 15, layout.name)
        picture.text(NAME_WIDTH - 10, y + 15, f"{layout.array:02x}", "quiet end")
        for at, (_, name) in enumerate(layout.fields):
            _field(picture, NAME_WIDTH + at * FIELD_WIDTH, y, name, is_body=False)
        end = NAME_WIDTH + len(layout.fields) * FIELD_WIDTH
        if layout.body:
            _field(picture, end, y, layout.body[1], is_body=True)
            end += FIELD_WIDTH
        picture.text(end + 8, y + 15, f"{layout.size}{' +' if layout.body else ''}", "quiet")
        y += TABLE_ROW
    return y


def _field(picture: Picture, x: float, y: float, name: str, *, is_body: bool) -> None:
    height = TABLE_ROW - 5
    picture.box(x, y, MARKER_WIDTH, height, "marker")
    picture.box(x + MARKER_WIDTH, y, FIELD_WIDTH - MARKER_WIDTH, height, "body" if is_body else "")
    picture.text(x + (MARKER_WIDTH + FIELD_WIDTH) / 2, y + 14.5, name, "small middle over")


def _columns(picture: Picture, y: float) -> None:
    picture.text(0, y, "kind, name", "quiet")
    picture.text(NAME_WIDTH - 10, y, "byte 0", "quiet end")
    picture.text(NAME_WIDTH, y, "fields, each below its offset; at the end the size", "quiet")


_MARKER = "one byte, cf: a number of eight bytes follows; c6: a length of four bytes, then the body"
_BODY = "a body: as long as it is; + is its length"


def messages_picture() -> Picture:
    """The fields of every message, behind the envelope that all have."""
    layouts = message_layouts()
    width = NAME_WIDTH + 6 * FIELD_WIDTH + 60
    description = "Behind the envelope. " + ". ".join(map(_says, layouts)) + "."
    picture = Picture("wire-messages", width, "Every message, field by field", description)
    _columns(picture, 12)
    y = _table(picture, 20, layouts)
    _legend(picture, y + 10, _MARKER, _BODY)
    return picture


def records_picture() -> Picture:
    """The fields of every record, and of a vote in a Promise."""
    records, vote = record_layouts(), vote_layout()
    width = NAME_WIDTH + 6 * FIELD_WIDTH + 60
    description = (
        ". ".join(map(_says, records)) + ". In the body of a Promise, " + _says(vote) + "."
    )
    picture = Picture("wire-records", width, "Every record, and a vote of a Promise", description)
    _columns(picture, 12)
    y = _table(picture, 20, records)
    y = _table(picture, y + 10, [vote])
    _legend(picture, y + 10, _MARKER, _BODY)
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "wire-frame.svg": frame_picture,
    "wire-messages.svg": messages_picture,
    "wire-records.svg": records_picture,
}


def write() -> None:
    """Write every picture to docs/pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(str(draw()))


if __name__ == "__main__":
    write()
