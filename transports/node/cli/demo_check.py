"""What the demo checks, as one function of what it has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from paxos_core.config import SessionLimits
from paxos_core.session import SessionTable
from transports.node.cli.answers import Decided, NodeAnswer
from transports.node.client import Outcome, OutcomeUnknown, ResultTooLarge

NEVER: Final = 0


class _Recorder:
    """A journal that remembers what it applied."""

    def __init__(self) -> None:
        self.applied: list[bytes] = []

    def apply(self, command: bytes) -> bytes:
        self.applied.append(command)
        return b"%d" % len(self.applied)


def applied_commands(log: Sequence[Decided]) -> list[bytes]:
    """The commands that the log applies, in order: retries in it count once.

    The same table decides that as in a node.
    """
    recorder = _Recorder()
    table = SessionTable(SessionLimits())
    for slot, commands in log:
        for _ in table.execute(slot, commands, recorder.apply):
            pass
    return recorder.applied


def find_fault(
    answers: Mapping[int, NodeAnswer],
    logs: Mapping[int, Sequence[Decided]],
    commands: Sequence[bytes],
    outcomes: Sequence[Outcome],
) -> str | None:
    """Why the run must be called failed, or None if everything holds.

    `logs` are all slots below `applied` of each node's answer; `outcomes` are those
    of `commands`, which are all different.
    """
    return (
        _incomplete(answers, logs)
        or _different(answers, logs)
        or _unlike_outcomes(logs, commands, outcomes)
    )


def _incomplete(
    answers: Mapping[int, NodeAnswer], logs: Mapping[int, Sequence[Decided]]
) -> str | None:
    for node, answer in answers.items():
        for expected, (slot, _) in enumerate(logs[node]):
            if slot != expected:
                return f"the log of node {node} has no slot {expected}"
        if len(logs[node]) != answer.applied:
            read = len(logs[node])
            return f"node {node} applied {answer.applied} slots, its log gave {read}"
    return None


def _different(
    answers: Mapping[int, NodeAnswer], logs: Mapping[int, Sequence[Decided]]
) -> str | None:
    first, *others = answers
    for other in others:
        for mine, theirs in zip(logs[first], logs[other], strict=False):
            if mine != theirs:
                return f"nodes {first} and {other} decided differently in slot {mine[0]}"
        if len(logs[first]) != len(logs[other]):
            return f"the logs of nodes {first} and {other} are not of one length"
        if answers[first].digest != answers[other].digest:
            return f"the logs of nodes {first} and {other} have different hashes"
    return None


def _unlike_outcomes(
    logs: Mapping[int, Sequence[Decided]],
    commands: Sequence[bytes],
    outcomes: Sequence[Outcome],
) -> str | None:
    for node, log in logs.items():
        places: dict[bytes, list[int]] = {}
        for place, applied in enumerate(applied_commands(log), 1):
            places.setdefault(applied, []).append(place)
        strange = places.keys() - set(commands)
        if strange:
            return f"node {node} applied {min(strange)!r}, which nobody submitted"
        for command, outcome in zip(commands, outcomes, strict=True):
            fault = _unlike_outcome(places.get(command, []), outcome)
            if fault is not None:
                return f"{command.decode()!r} {fault} by node {node}"
    return None


def _unlike_outcome(places: Sequence[int], outcome: Outcome) -> str | None:
    """What is wrong with a command that was applied at `places` and ended in `outcome`."""
    times = len(places)
    if times > 1:
        return f"was applied {times} times"
    match outcome:
        case bytes() if times == NEVER:
            return "was acknowledged, and not applied"
        case bytes() if outcome != b"%d" % places[0]:
            return f"was answered {outcome!r}, and applied as number {places[0]}"
        case ResultTooLarge() if times == NEVER:
            return "was said to be applied, and was not applied"
        case OutcomeUnknown() | bytes() | ResultTooLarge():
            return None
        case _ if times:
            return "was refused, and applied"
    return None
