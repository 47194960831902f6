"""Where a page's run comes from: traces in files, a script that is run, or a story of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, Final

from paxos_core.testing.script import ScriptError, trace_script
from paxos_core.trace import Problem, Trace, read_trace
from paxos_core.trace.read import EVENTS_MAX
from transports.node.cli.failures import Misuse

LINE_BYTES_MAX: Final = 8 * 2**20
LINES_MAX: Final = EVENTS_MAX + 2
"""With a header, and one that shows that there are too many."""
SKIPPED_MAX: Final = 128
"""How many times `LINE_BYTES_MAX` of one line are read to find its end."""
SCRIPT_BYTES_MAX: Final = 2**20
SCRIPT_SUFFIX: Final = ".script"
STORY: Final = "leader_dies"
STORY_TITLE: Final = "A leader dies half-way, and the next one finds its value"


@dataclass(frozen=True, slots=True)
class Run:
    """The traces of one run, and what to call them."""

    traces: list[Trace]
    title: str
    name: str
    """Without a suffix: for the files that are made of it."""
    folder: Path


def read_runs(paths: Sequence[Path]) -> Run:
    """The run in these files; without any, the built-in story.

    Raises `Misuse` for a file that cannot be read, a script among traces, and one that
    cannot be obeyed.
    """
    if not paths:
        return Run([story()], STORY_TITLE, f"paxos-{STORY.replace('_', '-')}", Path())
    scripts = [path for path in paths if path.suffix == SCRIPT_SUFFIX]
    if scripts and len(paths) > 1:
        raise Misuse(f"{scripts[0]}: a script is a whole run: name it alone")
    if scripts:
        return Run([_read_script(paths[0])], paths[0].name, paths[0].stem, paths[0].parent)
    names = ", ".join(path.name for path in paths)
    name = paths[0].stem + (f"-and-{len(paths) - 1}-more" if paths[1:] else "")
    return Run([_read_file(path) for path in paths], names, name, paths[0].parent)


def story(name: str = STORY) -> Trace:
    """The trace of a story in `stories/`. Raises `FileNotFoundError`."""
    text = (files("transports.viewer") / "stories" / f"{name}{SCRIPT_SUFFIX}").read_text("utf-8")
    return trace_script(text)


def _open(path: Path) -> BinaryIO:
    """The file, to be read. One that is none may have no end, or never begin.

    Raises `Misuse` for such a one, and `OSError`.
    """
    if not (path.is_file() or path.is_dir()) and path.exists():
        raise Misuse(f"{path}: this is no regular file: copy what it gives to one")
    return path.open("rb")


def _read_script(path: Path) -> Trace:
    try:
        with _open(path) as file:
            data = file.read(SCRIPT_BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(f"{path}: cannot be read ({error.strerror}); check the name") from error
    if len(data) > SCRIPT_BYTES_MAX:
        raise Misuse(f"{path}: a script has at most {SCRIPT_BYTES_MAX:,} bytes")
    try:
        return trace_script(data.decode())
    except UnicodeDecodeError as error:
        raise Misuse(f"{path}: this is no text in UTF-8") from error
    except ScriptError as error:
        raise Misuse(f"{path}: {error}") from error


def _read_file(path: Path) -> Trace:
    left_out: list[Problem] = []
    try:
        with _open(path) as file:
            trace = read_trace(_lines(file, left_out))
    except OSError as error:
        raise Misuse(f"{path}: cannot be read ({error.strerror}); check the name") from error
    trace.problems.extend(left_out)
    return trace


def _lines(file: BinaryIO, left_out: list[Problem]) -> Iterator[str]:
    """Its lines, whatever they hold; one that is too long comes empty."""
    for number in range(1, LINES_MAX + 1):
        line = file.readline(LINE_BYTES_MAX)
        if not line:
            return
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            left_out.append(Problem(number, f"it has more than {LINE_BYTES_MAX:,} bytes"))
            if not _skip_line(file):
                left_out.append(Problem(number, "it has no end: nothing behind it was read"))
                return
            line = b""
        yield line.decode(errors="replace")
    if file.readline(1):
        left_out.append(Problem(0, f"only the first {LINES_MAX:,} lines were read"))


def _skip_line(file: BinaryIO) -> bool:
    """Read on to the end of a line; whether it was found."""
    for _ in range(SKIPPED_MAX):
        line = file.readline(LINE_BYTES_MAX)
        if not line or line.endswith(b"\n"):
            return True
    return False
