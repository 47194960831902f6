"""A small cluster that obeys a script, and writes below each action what it did.

The script is text. Lines that begin with ``>`` are actions, lines that begin
with ``#`` explain, and everything else is output, which `run_script` replaces::

    > cluster 3            three nodes, 1 to 3; also: phase1=2 phase2=2 frame=512 keep=1 window=2
    > campaign 1           node 1 starts phase 1 in a new ballot, asking nobody first
    > propose 1 hello      node 1 proposes the command "hello"
    > deliver 1 -> 2 Accept    what 1 sent to 2 arrives; the kind may be left out
    > drop 1 -> 2 Accept   what 1 sent to 2 is lost; * stands for any node
    > copy 1 -> 2 Accept   the network doubles it
    > deliver 1 -> 2 Accept #2   of several the second alone; so with drop and copy
    > cut 1 2              the cable between them is out: what is on it and sent over it is lost
    > heal 1 2             it is in again
    > stabilize 1 2        deliver what these nodes (all, if none) send one another, until quiet
    > tick 2 15            15 ticks pass on node 2 (1, if left out)
    > hold 1               from now on the disk of 1 finishes nothing
    > sync 1               the disk of 1 finishes what it was given, and goes on as usual
    > crash 1              node 1 stops; what its disk has not finished is lost
    > restart 1            node 1 starts from its disk
    > compact 1            node 1 takes a snapshot and forgets the log behind it
    > state                what each node knows

Everything else is fixed, so that the same script always gives the same text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from paxos_core.testing.script_cluster import ScriptCluster, ScriptError
from paxos_core.testing.script_trace import TracedCluster
from paxos_core.trace import Trace

__all__ = ["ScriptError", "obey", "run_script", "trace_script"]

Make = Callable[..., ScriptCluster]


def run_script(text: str) -> str:
    """The script with fresh output. Raises `ScriptError` for an action it does not know."""
    return _run(text, ScriptCluster)


def trace_script(text: str, source: str = "a script") -> Trace:
    """The run of a script as a trace, as `read_trace` would give it. Raises `ScriptError`."""
    lines: list[dict[str, Any]] = []
    _run(text, partial(TracedCluster, sink=lines.append, source=source))
    if not lines:
        raise ScriptError("the first action is: cluster N")
    return Trace(lines[0], lines[1:])


def _run(text: str, make: Make) -> str:
    cluster: ScriptCluster | None = None
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            lines.append(line)
        elif line.startswith(">"):
            lines.append(line)
            words = line[1:].split()
            try:
                cluster, output = _obey(cluster, words, make)
            except (ScriptError, ValueError, KeyError, IndexError) as error:
                raise ScriptError(f"line {number}: {line}: {error}") from error
            lines += [f"  {said}" for said in output]
    return "\n".join(lines) + "\n"


def _obey(
    cluster: ScriptCluster | None, words: list[str], make: Make
) -> tuple[ScriptCluster | None, list[str]]:
    verb, *rest = words
    if verb == "cluster":
        settings = dict(word.split("=", 1) for word in rest[1:])
        numbers = {name: int(value) for name, value in settings.items()}
        return make(int(rest[0]), **numbers), []
    if cluster is None:
        raise ScriptError("the first action is: cluster N")
    return cluster, obey(cluster, words)


def obey(cluster: ScriptCluster, words: list[str]) -> list[str]:
    """Have `cluster` do one action, and say what it did.

    Raises `ScriptError` for no such action, or one that cannot be done; `ValueError`,
    `KeyError` or `IndexError` where a word of it is wrong or missing.
    """
    verb, *rest = words
    act = _verbs(cluster).get(verb)
    if act is None:
        raise ScriptError(f"no action {verb!r}")
    act(rest)
    return cluster.take_output()


def _verbs(cluster: ScriptCluster) -> dict[str, Callable[[list[str]], None]]:
    return {
        "campaign": lambda words: cluster.campaign(int(words[0])),
        "propose": lambda words: cluster.propose(int(words[0]), " ".join(words[1:])),
        "deliver": lambda words: cluster.deliver(*_frames(words)),
        "drop": lambda words: cluster.drop(*_frames(words)),
        "copy": lambda words: cluster.copy(*_frames(words)),
        "cut": lambda words: cluster.cut(int(words[0]), int(words[1])),
        "heal": lambda words: cluster.heal(int(words[0]), int(words[1])),
        "stabilize": lambda words: cluster.stabilize([int(word) for word in words]),
        "tick": lambda words: cluster.tick(int(words[0]), int(words[1]) if words[1:] else 1),
        "hold": lambda words: cluster.hold(int(words[0])),
        "sync": lambda words: cluster.sync(int(words[0])),
        "crash": lambda words: cluster.crash(int(words[0])),
        "restart": lambda words: cluster.restart(int(words[0])),
        "compact": lambda words: cluster.compact(int(words[0])),
        "state": lambda words: cluster.state([int(word) for word in words]),
    }


def _frames(words: list[str]) -> tuple[str, str, str, int]:
    """Sender, receiver, kind and which of several (0 for all)."""
    if words[1] != "->":
        raise ScriptError("write: 1 -> 2")
    kind = words[3] if words[3:] else "*"
    return words[0], words[2], kind, int(words[4].removeprefix("#")) if words[4:] else 0
