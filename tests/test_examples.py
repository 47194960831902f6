"""Every example is short, runs, and prints its lesson."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
RUNS = [(name, "") for name in NAMES] + [
    ("02_transport_by_one_word.py", word) for word in ("memory", "udp", "zeromq")
]
LINES_MAX = 79


@pytest.mark.parametrize(("name", "argument"), RUNS)
def test_an_example_runs_and_prints_its_lesson(name: str, argument: str) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *argument.split()]
    done = subprocess.run(
        command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Lesson: ")
    assert last.endswith(".")


def test_an_unknown_transport_is_one_line() -> None:
    command = [sys.executable, str(EXAMPLES / "02_transport_by_one_word.py"), "pigeon"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no transport is called 'pigeon'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_says_how_it_is_run(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) <= LINES_MAX
    assert f"Run: python examples/{name}" in text.partition('"""\n\n')[0]


def test_the_examples_are_numbered_without_a_gap() -> None:
    assert [name[:3] for name in NAMES] == [f"{number:02}_" for number in range(1, len(NAMES) + 1)]
