"""Structured logging on the standard library: one event, one line.

A line has a time, a level, a node, an event's name and fields. As text it is
for people and `grep`; as JSON it is for programs. Nothing is formatted for a
level that is off, and what comes from outside cannot break a line or fill a
disk: values are escaped and cut, and `NodeLogger.noisy` counts repetitions
instead of writing them.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TextIO

LOGGER_NAME: Final = "paxos"
VALUE_CHARACTERS_MAX: Final = 1000
CAUSES_MAX: Final = 256
NOISY_INTERVAL_S: Final = 5.0

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_RESERVED: Final = ("time", "level", "node", "event")
_FIELDS: Final = "paxos_fields"
_NODE: Final = "paxos_node"


# A program that embeds a node and configures no logging hears nothing, not half a line.
logging.getLogger(LOGGER_NAME).addHandler(logging.NullHandler())


def configure_logging(
    level: str = "info",
    format: Literal["text", "json"] | str = "text",
    *,
    stream: TextIO | None = None,
) -> None:
    """Send events at or above `level` to `stream` (standard error if None).

    A second call replaces the first. An embedding program that never calls this
    keeps its own logging: the events go to the logger named "paxos". Raises
    `ValueError` for a level or format that does not exist.
    """
    if level not in _LEVELS:
        raise ValueError(f"log level {level!r}: give one of {', '.join(_LEVELS)}")
    if format not in ("text", "json"):
        raise ValueError(f"log format {format!r}: give text or json")
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(_LEVELS[level])
    logger.propagate = False


class TextFormatter(logging.Formatter):
    """``time LEVEL node=1 event key=value key="two words"``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the fields hold."""
        parts = [_time(record), record.levelname.lower()]
        node = getattr(record, _NODE, None)
        if node is not None:
            parts.append(f"node={node}")
        parts.append(_quoted(_cut(record.getMessage())))
        for key, value in _fields(record).items():
            parts.append(f"{key}={_quoted(_plain_text(value))}")
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: time, level, node, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the fields hold."""
        line: dict[str, object] = {"time": _time(record), "level": record.levelname.lower()}
        node = getattr(record, _NODE, None)
        if node is not None:
            line["node"] = node
        line["event"] = _cut(record.getMessage())
        for key, value in _fields(record).items():
            line[f"{key}_" if key in _RESERVED else key] = _plain(value)
        return json.dumps(line)


@dataclass(slots=True)
class _Noise:
    written_s: float
    level: int
    suppressed: int = 0
    fields: dict[str, object] = field(default_factory=dict)


class NodeLogger:
    """Events of one node (None: of a client or a command). Cheap when the level is off.

    `clock` gives seconds that never go back; it paces `noisy` alone.
    """

    __slots__ = ("_clock", "_interval_s", "_logger", "_noise", "node")

    def __init__(
        self,
        node: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        noisy_interval_s: float = NOISY_INTERVAL_S,
    ) -> None:
        self.node = node
        self._clock = clock
        self._interval_s = noisy_interval_s
        self._logger = logging.getLogger(LOGGER_NAME)
        self._noise: dict[tuple[str, str], _Noise] = {}

    def event(self, name: str, /, **fields: object) -> None:
        """Something an operator wants to see once."""
        if self._logger.isEnabledFor(logging.INFO):
            self._write(logging.INFO, name, fields)

    def debug(self, name: str, /, **fields: object) -> None:
        """Something only a developer wants to see."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, name, fields)

    def warning(self, name: str, /, **fields: object) -> None:
        """Something that may need a person."""
        if self._logger.isEnabledFor(logging.WARNING):
            self._write(logging.WARNING, name, fields)

    def error(self, name: str, /, **fields: object) -> None:
        """Why the node stops, or stops voting."""
        if self._logger.isEnabledFor(logging.ERROR):
            self._write(logging.ERROR, name, fields)

    def noisy(
        self, name: str, /, cause: str, *, level: int = logging.WARNING, **fields: object
    ) -> None:
        """Something a peer can cause as often as it likes: one line per cause and interval.

        A line says how many were kept back since the line before it (`suppressed`).
        `flush` writes what is still owed.
        """
        if not self._logger.isEnabledFor(level):
            return
        now_s = self._clock()
        key = (name, cause)
        noise = self._noise.get(key)
        if noise is not None and now_s - noise.written_s < self._interval_s:
            noise.suppressed += 1
            return
        if noise is None and len(self._noise) >= CAUSES_MAX:
            self._forget_oldest()
        suppressed = noise.suppressed if noise is not None else 0
        self._noise[key] = _Noise(now_s, level)
        self._write_noise(level, name, cause, suppressed, fields)

    def flush(self) -> None:
        """Write a line for every cause that was kept back since its last line; at the end."""
        for (name, cause), noise in self._noise.items():
            if noise.suppressed:
                self._write_noise(noise.level, name, cause, noise.suppressed, {})
        self._noise.clear()

    def _forget_oldest(self) -> None:
        key = min(self._noise, key=lambda key: self._noise[key].written_s)
        noise = self._noise.pop(key)
        if noise.suppressed:
            self._write_noise(noise.level, key[0], key[1], noise.suppressed, {})

    def _write_noise(
        self, level: int, name: str, cause: str, suppressed: int, fields: dict[str, object]
    ) -> None:
        counted: dict[str, object] = {"cause": cause, **fields}
        if suppressed:
            counted["suppressed"] = suppressed
        self._write(level, name, counted)

    def _write(self, level: int, name: str, fields: dict[str, object]) -> None:
        # Not `Logger.log`: it walks the stack for a file name that no line shows.
        record = logging.LogRecord(LOGGER_NAME, level, "", 0, name, None, None)
        setattr(record, _NODE, self.node)
        setattr(record, _FIELDS, fields)
        self._logger.handle(record)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    if record.exc_info and record.exc_info[1] is not None:
        return {**fields, "error": repr(record.exc_info[1])}
    return fields


def _time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _plain(value: object) -> object:
    """The value as JSON has it: numbers, booleans and None as they are, the rest as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    return _plain_text(value)


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes | bytearray):
        shown = value[: VALUE_CHARACTERS_MAX // 2].hex()
        return shown if len(shown) == 2 * len(value) else f"{shown}...({len(value)} bytes)"
    return _cut(str(value))


def _cut(text: str) -> str:
    if len(text) <= VALUE_CHARACTERS_MAX:
        return text
    return f"{text[:VALUE_CHARACTERS_MAX]}...({len(text)} characters)"


def _quoted(text: str) -> str:
    if not text.isprintable():
        return json.dumps(text)
    if not text or any(character in text for character in ' "=\\'):
        return json.dumps(text, ensure_ascii=False)
    return text
