"""The actions of a laboratory: one line of text each, read strictly and bounded.

They are the commands of a script (`paxos_core.testing.script`) that change something.
A line comes from a page or a file, so nothing in it is believed.
"""

from __future__ import annotations

import re
from typing import Final

from paxos_core.testing.laboratory.setup import read_number
from paxos_core.testing.script_node import ScriptError

LINE_CHARACTERS_MAX: Final = 80
COMMAND_CHARACTERS_MAX: Final = 24
TICKS_MAX: Final = 60

_COMMAND: Final = re.compile(r"[A-Za-z0-9_.=+:-]+(?: [A-Za-z0-9_.=+:-]+)*")
_ON_A_NODE: Final = ("campaign", "hold", "sync", "crash", "restart", "compact")
_ON_A_FRAME: Final = ("deliver", "drop", "copy")
_ON_A_CABLE: Final = ("cut", "heal")
VERBS: Final = (*_ON_A_FRAME, *_ON_A_NODE, *_ON_A_CABLE, "propose", "tick", "stabilize")


def read_action(line: str, nodes: int) -> list[str]:
    """The words of an action of a cluster of `nodes`, which a script cluster obeys.

    A number has one spelling in them, so that actions that are alike read alike.
    Raises `ScriptError` for anything else.
    """
    if len(line) > LINE_CHARACTERS_MAX:
        raise ScriptError(f"an action has at most {LINE_CHARACTERS_MAX} characters")
    words = line.split()
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in _ON_A_NODE:
        _expect(len(rest) == 1, f"{verb} N")
        _check_node(rest[0], nodes)
    elif verb in _ON_A_CABLE:
        _expect(len(rest) == 2 and rest[0] != rest[1], f"{verb} N M")
        for word in rest:
            _check_node(word, nodes)
    elif verb in _ON_A_FRAME:
        _check_frame(verb, rest, nodes)
    elif verb == "stabilize":
        for word in rest[:nodes]:
            _check_node(word, nodes)
        _expect(len(rest) <= nodes, "stabilize N ...")
    elif verb == "tick":
        _expect(1 <= len(rest) <= 2, "tick N [TICKS]")
        _check_node(rest[0], nodes)
        _expect(1 <= read_number(rest[-1]) <= TICKS_MAX, f"tick N, with 1 to {TICKS_MAX} ticks")
    elif verb == "propose":
        _check_proposal(rest, nodes)
    else:
        raise ScriptError(f"no action {verb[:20]!r}; there are {', '.join(VERBS)}")
    numbers = 1 if verb == "propose" else len(rest)
    return [verb, *map(_spell, rest[:numbers]), *rest[numbers:]]


def _spell(word: str) -> str:
    """A number without leading zeros; any other word as it is."""
    return str(read_number(word)) if word.isdecimal() else word


def _expect(holds: bool, form: str) -> None:
    if not holds:
        raise ScriptError(f"write: {form}")


def _check_node(word: str, nodes: int) -> None:
    if not 1 <= read_number(word) <= nodes:
        raise ScriptError(f"there is no node {word}; there are 1 to {nodes}")


def _check_frame(verb: str, rest: list[str], nodes: int) -> None:
    form = f"{verb} 1 -> 2 [KIND [#N]]"
    _expect(3 <= len(rest) <= 5 and rest[1] == "->", form)
    for word in (rest[0], rest[2]):
        if word != "*":
            _check_node(word, nodes)
    if len(rest) > 3:
        _expect(rest[3] == "*" or rest[3].isidentifier(), form)
    if len(rest) > 4:
        _expect(rest[4].startswith("#") and read_number(rest[4][1:]) > 0, form)


def _check_proposal(rest: list[str], nodes: int) -> None:
    _expect(len(rest) >= 2, "propose N COMMAND")
    _check_node(rest[0], nodes)
    command = " ".join(rest[1:])
    if len(command) > COMMAND_CHARACTERS_MAX:
        raise ScriptError(f"a command has at most {COMMAND_CHARACTERS_MAX} characters here")
    if not _COMMAND.fullmatch(command):
        raise ScriptError("a command here is of letters, digits, blanks and _ . = + : -")
