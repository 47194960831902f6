"""The configuration as text: where a key stands in it, and how one is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from paxos_core.config import Limits

if TYPE_CHECKING:
    from transports.node.config.types import ClusterConfig

SHOWN_CHARACTERS_MAX: Final = 500

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER: Final = re.compile(rf"[ \t]*\[[ \t]*({_KEY})[ \t]*\]")
_ASSIGNMENT: Final = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


class Place:
    """A named text, and the lines of its keys."""

    __slots__ = ("source", "text")

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.text = text

    def line_for(self, path: tuple[str, ...], problem: str, cure: str) -> str:
        """One line: source, line number if the key can be found, key, problem; cure."""
        number = self.line_number(path)
        where = f"{self.source}:{number}" if number else self.source
        return one_line(f"{where}: {'.'.join(path)}: {problem}; {cure}")

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether the key itself stands in the text, in a form that can be found."""
        return self._find(path)[1] == len(path)

    def line_number(self, path: tuple[str, ...]) -> int | None:
        """The line of the key, else of the nearest table around it, else None; from 1."""
        return self._find(path)[0]

    def _find(self, path: tuple[str, ...]) -> tuple[int | None, int]:
        table: tuple[str, ...] = ()
        best: int | None = None
        depth = 0
        for number, line in enumerate(self.text.split("\n"), 1):
            if header := _HEADER.match(line):
                key = table = _split(header[1])
            elif assignment := _ASSIGNMENT.match(line):
                key = (*table, *_split(assignment[1]))
            else:
                continue
            # `a.b = 1` is the place of `a` too.
            shared = key[: len(path)]
            if len(shared) > depth and path[: len(shared)] == shared:
                best, depth = number, len(shared)
        return best, depth


def one_line(text: str) -> str:
    """`text` with everything that could break or colour a line escaped, and not too long."""
    if len(text) > SHOWN_CHARACTERS_MAX:
        half = SHOWN_CHARACTERS_MAX // 2
        text = f"{text[:half]}...{text[-half:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def to_toml(config: ClusterConfig) -> str:
    """A file that reads back as the same configuration, next to the same `base`.

    What has its default is written too, so that the file shows every key; one default
    gives way to small frames, and so stands in a comment.
    """
    lines = [
        "# One file for all nodes and clients of a cluster.",
        f"cluster = {_value(config.cluster)}",
        f"transport = {_value(config.transport)}",
        f"store = {_value(config.store)}",
        f"data = {_value(config.data)}",
        *([] if config.kernel_replica else [f"core = {_value(config.core)}"]),
        "",
        "[nodes]",
    ]
    lines += [f"{node} = {_value(address)}" for node, address in config.nodes.items()]
    if config.transport_options:
        lines += ["", "[transport_options]"]
        lines += [f"{_key(key)} = {_value(v)}" for key, v in config.transport_options.items()]
    if config.quorum is not None:
        sizes = config.quorum
        lines += ["", "[quorum]", f"phase1 = {sizes.phase1}", f"phase2 = {sizes.phase2}"]
    lines += ["", "[timing]", f"tick_ms = {config.tick_ms}", *_fields(config.timing)]
    lines += ["", "[limits]", *_limits(config.limits)]
    lines += ["", "[log]", f"level = {_value(config.log.level)}"]
    lines += [f"format = {_value(config.log.format)}", ""]
    return "\n".join(lines)


def _fields(part: object) -> list[str]:
    names: tuple[str, ...] = type(part).__slots__  # type: ignore[attr-defined]
    return [f"{name} = {_value(getattr(part, name))}" for name in names]


def _limits(limits: Limits) -> list[str]:
    lines = _fields(limits)
    if limits.command_bytes_max == Limits().command_bytes_max:
        # As a value it would promise what not every frame holds.
        at = lines.index(f"command_bytes_max = {limits.command_bytes_max}")
        lines[at] = f"# {lines[at]} (less where the transport's frames hold less)"
    return lines


def _split(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def _key(key: str) -> str:
    return key if _BARE.match(key) else _value(key)


def _value(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML forbids a raw DEL, which JSON allows; all other escapes are the same.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
