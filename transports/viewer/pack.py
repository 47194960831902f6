"""Events of a trace as the page's JavaScript takes them: bounded, cleaned, frames apart.

A frame that goes to several nodes is kept once, and frames of one form share one
*shape*: where fields lie, and what they mean. A frame is ``[hex, length, shape,
values]``, a shape ``[[start, end, depth, name, meaning], ...]``: `frames.js` reads
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from paxos_core.trace import RULES
from paxos_core.trace.clean import ITEMS_MAX
from transports.viewer.fields import dissect
from transports.viewer.texts import clean

TEXT_CHARACTERS_MAX: Final = 2000
DEPTH_MAX: Final = 6
SAFE_INTEGER_MAX: Final = 2**53
FRAME_BYTES_MAX: Final = 4096

Chunk = dict[str, Any]
"""``{"events": [...], "frames": [...], "shapes": [...], "rules": {...}}``: what is new in each."""


class Packer:
    """Packs the events of one page. Each call to `pack` gives what `Model.append` takes next."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, int], int] = {}
        self._shapes: dict[tuple[object, ...], int] = {}
        self._new_frames: list[object] = []
        self._new_shapes: list[object] = []
        self._new_rules: dict[str, object] = {}
        self._rules: set[str] = set()

    def pack(self, events: Iterable[Mapping[str, Any]]) -> Chunk:
        """The next events, with the keys of docs/traces.md."""
        packed = [self._event(event) for event in events]
        chunk = {
            "events": packed,
            "frames": self._new_frames,
            "shapes": self._new_shapes,
            "rules": self._new_rules,
        }
        self._new_frames, self._new_shapes, self._new_rules = [], [], {}
        return chunk

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        self._rule(event.get("rule"))
        # The step is the event's place.
        packed = {key: value for key, value in event.items() if key not in ("step", "sent")}
        if isinstance(message := packed.get("message"), Mapping):
            packed["message"] = self._message(message)
        if isinstance(sent := event.get("sent"), list):
            packed["sent"] = [self._message(m) for m in sent if isinstance(m, Mapping)]
        found: dict[str, Any] = scrub(packed)
        return found

    def _rule(self, name: object) -> None:
        rule = RULES.get(name) if isinstance(name, str) else None
        if rule is not None and rule.name not in self._rules:
            self._rules.add(rule.name)
            self._new_rules[rule.name] = {"source": rule.source, "text": rule.text}

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        packed = {key: value for key, value in message.items() if key not in ("bytes", "length")}
        digits = message.get("bytes")
        if isinstance(digits, str) and digits:
            frame = self._frame(digits[: 2 * FRAME_BYTES_MAX], message.get("length"))
            if frame is not None:
                packed["frame"] = frame
        return packed

    def _frame(self, digits: str, length: object) -> int | None:
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            return None
        whole = length if isinstance(length, int) and length >= len(data) else len(data)
        key = data.hex(), whole
        if key not in self._frames:
            found = dissect(data, whole)
            shape = self._shape(tuple((f.start, f.end, f.depth, f.name, f.meaning) for f in found))
            self._new_frames.append([key[0], whole, shape, [f.value for f in found]])
            self._frames[key] = len(self._frames)
        return self._frames[key]

    def _shape(self, shape: tuple[object, ...]) -> int:
        if shape not in self._shapes:
            self._shapes[shape] = len(self._shapes)
            self._new_shapes.append(shape)
        return self._shapes[shape]


def scrub(value: Any, depth: int = 0) -> Any:
    """`value` with text cleaned and cut, large numbers as text, and bounded in every direction."""
    if isinstance(value, str):
        return clean(value, TEXT_CHARACTERS_MAX)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER_MAX else clean(f"{value:#x}", 40)
    if isinstance(value, float):
        return value if abs(value) <= SAFE_INTEGER_MAX else None
    if depth >= DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        items = [(str(key), entry) for key, entry in value.items()][:ITEMS_MAX]
        return {clean(key, 200): scrub(entry, depth + 1) for key, entry in items}
    if isinstance(value, list | tuple):
        return [scrub(entry, depth + 1) for entry in value[:ITEMS_MAX]]
    return None
