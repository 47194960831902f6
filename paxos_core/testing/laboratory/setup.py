"""How a run begins: how many nodes, which quorums, which rules are out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from paxos_core.quorum import QuorumSystem
from paxos_core.testing.laboratory.removable import MEETING_QUORUMS, REMOVABLE, LooseQuorums
from paxos_core.testing.script_node import ScriptError

NODES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Setup:
    """The first line of a run: ``cluster 3 phase1=2 phase2=2 without=RULE,RULE``.

    Raises `ScriptError` for sizes that cannot be, and for a rule that there is not.
    """

    nodes: int = 3
    phase1: int | None = None
    phase2: int | None = None
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= NODES_MAX:
            raise ScriptError(f"a cluster has 1 to {NODES_MAX} nodes here, not {self.nodes}")
        unknown = sorted(self.without - REMOVABLE.keys())
        if unknown:
            raise ScriptError(f"there is no rule {unknown[0]!r}; there are {', '.join(REMOVABLE)}")
        try:
            self.make_quorums()
        except ValueError as error:
            raise ScriptError(str(error)) from error

    def make_quorums(self) -> QuorumSystem:
        """The quorums, which meet unless that rule is out."""
        make = LooseQuorums if MEETING_QUORUMS in self.without else QuorumSystem
        return make(range(1, self.nodes + 1), self.phase1, self.phase2)

    @property
    def line(self) -> str:
        """The line that `read_setup` reads."""
        words = [f"cluster {self.nodes}"]
        for name, size in (("phase1", self.phase1), ("phase2", self.phase2)):
            if size is not None:
                words.append(f"{name}={size}")
        if self.without:
            words.append("without=" + ",".join(rule for rule in REMOVABLE if rule in self.without))
        return " ".join(words)


def read_setup(words: list[str]) -> Setup:
    """The setup that the words of a line say. Raises `ScriptError`."""
    if not words or words[0] != "cluster" or len(words) < 2:
        raise ScriptError("the first line is: cluster N")
    settings: dict[str, str] = {}
    for word in words[2:]:
        name, _, value = word.partition("=")
        settings[name] = value
    wrong = sorted(settings.keys() - {"phase1", "phase2", "without"})
    if wrong:
        raise ScriptError(f"a cluster has phase1=, phase2= and without=, but no {wrong[0]!r}")
    sizes = {name: read_number(settings[name]) for name in ("phase1", "phase2") if name in settings}
    without = frozenset(settings["without"].split(",")) if "without" in settings else frozenset()
    return Setup(read_number(words[1]), sizes.get("phase1"), sizes.get("phase2"), without)


def read_number(text: str) -> int:
    """A small number. Raises `ScriptError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ScriptError(f"{text[:20]!r} is no small number")
    return int(text)
