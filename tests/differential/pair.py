"""Two replicas in lockstep: every input goes to both, and after every step all is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from paxos_core import Codec
from paxos_core.messages import Message

from .dump import describe
from .outputs import Outputs
from .setup import CLUSTER, TAKE, TICK, Setup, Step, script
from .sides import BadRecords, PythonSide, Side, Status
from .twin import Twin

MakeSide = Callable[[Setup], Side]
SHOWN_MAX = 12
_POISONED_AT = slice(8, 16)

Finding = tuple[str, object, object]
"""(name, what Python has, what the twin has)"""


class Difference(AssertionError):
    """The two did not do the same. Its text is a program that repeats it."""

    def __init__(self, setup: Setup, steps: list[Step], findings: list[Finding]) -> None:
        self.setup = setup
        self.steps = steps
        self.findings = findings
        lines = [f"# {name}: Python {ours!r}, the twin {its!r}" for name, ours, its in findings]
        super().__init__(f"# after {len(steps)} steps\n" + "\n".join(lines[:SHOWN_MAX]))

    @property
    def program(self) -> str:
        """A program that repeats it, and what it should show."""
        return script(self.setup, self.steps) + str(self) + "\n"


class Pair:
    """The Python core and a twin. Raises `Difference` as soon as they differ."""

    compared = 0
    """Steps compared so far, by all pairs."""

    def __init__(
        self, setup: Setup, make: MakeSide = Twin, python: PythonSide | None = None
    ) -> None:
        self.setup = setup
        self.steps: list[Step] = []
        self.over = False
        """Both are poisoned: there is nothing left to compare."""
        self.answer = ""
        """Why the last input was not taken."""
        self.taken = 0
        self.delivered = 0
        self._just_taken = False
        words = ["", ""]
        if python is None:
            try:
                python = PythonSide(setup)
            except BadRecords:
                words[0] = "bad records"
        try:
            self.twin = make(setup)
        except BadRecords:
            words[1] = "bad records"
        if words[0] != words[1]:
            self._differ([("restart", *words)])
        if python is None:
            raise BadRecords
        self.python = python
        self._codecs: dict[int, Codec] = {}
        self._compare_state([])

    # Inputs

    def receive(self, sender: int, message: Message) -> None:
        """`message` in a frame of `sender`'s."""
        codec = self._codecs.get(sender)
        if codec is None:
            codec = self._codecs[sender] = Codec(CLUSTER, sender)
        self.apply(("frame", sender, codec.encode(message)))

    def frame(self, sender: int, frame: bytes) -> None:
        """Any bytes whatever."""
        self.apply(("frame", sender, frame))

    def tick(self) -> None:
        """Time passes."""
        self.apply(TICK)

    def propose(self, command: bytes) -> None:
        """A command, of any size."""
        self.apply(("propose", 0, command))

    def persisted(self, write_id: int) -> None:
        """A write that was taken is done."""
        self.apply(("persisted", write_id, b""))

    def compact(self, slot: int, data: bytes) -> None:
        """A snapshot of what was delivered; only right after `take`."""
        self.apply(("compact", slot, data))

    def take(self) -> Outputs:
        """What followed, from both; equal."""
        self.apply(TAKE)
        return self.outputs

    outputs = Outputs()
    """Of the last take."""

    # Lockstep

    def legal(self, step: Step) -> bool:
        """Whether a driver may do this: px.h and `Replica` part only where it may not."""
        what, number, _ = step
        if what == "persisted":
            return number <= self.taken
        if what == "compact":
            snapshot = self.python.replica._catchup.snapshot
            least = snapshot.slot if snapshot else 0
            return self._just_taken and least <= number <= self.delivered
        return True

    def apply(self, step: Step) -> bool:
        """One step on both; False if it is none that a driver may take, or all is over."""
        if self.over or not self.legal(step):
            return False
        self.steps.append(step)
        Pair.compared += 1
        what, number, data = step
        findings: list[Finding] = []
        ours, its = self.python, self.twin
        match what:
            case "frame":
                words = ours.frame(number, data), its.frame(number, data)
            case "tick":
                words = ours.tick(), its.tick()
            case "propose":
                words = ours.propose(data), its.propose(data)
            case "persisted":
                words = ours.persisted(number), its.persisted(number)
            case "compact":
                words = ours.compact(number, data), its.compact(number, data)
            case "take":
                words = ("", "")
                findings = self._take()
            case _:
                raise ValueError(f"no step is called {what}")
        # An application may restate its state more than once for one take.
        self._just_taken = what in ("take", "compact")
        self.answer = words[0]
        if words[0] != words[1]:
            findings.append(("the input's answer", *words))
        self._compare_state(findings)
        return True

    def _take(self) -> list[Finding]:
        ours, its = self.python.take(), self.twin.take()
        findings = _unlike(ours, its) if ours != its else []
        self.outputs = ours
        self.taken = max(self.taken, ours.write_id)
        self.delivered = self.python.replica._learner.watermark
        one, other = self.python.status(), self.twin.status()
        if one != other:
            findings += _unlike_status(one, other)
        return findings

    def _compare_state(self, findings: list[Finding]) -> None:
        ours, its = self.python.dump(), self.twin.dump()
        if self.python.poisoned or its[_POISONED_AT] != ours[_POISONED_AT]:
            self._compare_poison()
            return
        if ours != its:
            findings = self._unlike_dumps(ours, its) + findings
        if findings:
            self._differ(findings)

    def _compare_poison(self) -> None:
        """Where an invariant breaks the state is left as it is: only that it broke is compared."""
        reason = self.python.replica.poison
        if bool(reason) != self.twin.poisoned:
            self._differ([("poisoned", reason, self.twin.poisoned)])
        for act in (self.twin.tick, lambda: self.twin.propose(b"")):
            if act() != "poisoned":
                self._differ([("an input after the poison", "poisoned", act())])
        self.over = True

    def _unlike_dumps(self, ours: bytes, its: bytes) -> list[Finding]:
        members = self.setup.config.quorums.members
        one, other = describe(ours, members), describe(its, members)
        found: list[Finding] = [
            (name, number, its_number if name == its_name else f"{its_name} {its_number}")
            for (name, number), (its_name, its_number) in zip(one, other, strict=False)
            if (name, number) != (its_name, its_number)
        ]
        if len(ours) != len(its):
            found.append(("numbers in the dump", len(ours) // 8, len(its) // 8))
        return found

    def _differ(self, findings: list[Finding]) -> None:
        raise Difference(self.setup, list(self.steps), findings)


def _unlike(ours: Outputs, its: Outputs) -> list[Finding]:
    found: list[Finding] = []
    for f in fields(Outputs):
        one, other = getattr(ours, f.name), getattr(its, f.name)
        if one == other:
            continue
        if isinstance(one, list):
            found += _unlike_lists(f.name, one, other)
        else:
            found.append((f.name, one, other))
    return found


def _unlike_lists(name: str, ours: list[object], its: list[object]) -> list[Finding]:
    found: list[Finding] = []
    for at in range(max(len(ours), len(its))):
        one = ours[at] if at < len(ours) else None
        other = its[at] if at < len(its) else None
        if one != other:
            found.append((f"{name}[{at}]", _readable(name, one), _readable(name, other)))
    return found


def _readable(name: str, item: object) -> object:
    if name in ("messages", "chunks") and isinstance(item, tuple):
        return item[0], Codec(CLUSTER, 0).decode(item[1])[1]
    return item


def _unlike_status(ours: Status, its: Status) -> list[Finding]:
    names = sorted(ours.keys() | its.keys())
    pairs = [(f"status.{name}", ours.get(name), its.get(name)) for name in names]
    return [finding for finding in pairs if finding[1] != finding[2]]


def run(setup: Setup, steps: list[Step], make: MakeSide = Twin) -> Pair:
    """Repeat a trace; steps that have become illegal are left out."""
    pair = Pair(setup, make)
    for step in steps:
        pair.apply(step)
    return pair
