"""A suite that notices nothing proves nothing: every wrong edit makes its test fail."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.differential.build import compiler
from tests.differential.require import need_compiler

from . import c_twin, runner
from .catalogue import ROOT, Mutant, mutants
from .outcome import NotKilled
from .runner import Runs

pytestmark = pytest.mark.timeout(1800)
"""The first one waits until all tests have run without a mutant."""

ALL = mutants()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The checks of all mutants that this session asks for, two at a time."""
    asked = {item.name for item in request.session.items if item.path == request.path}
    chosen = [
        mutant for mutant in ALL if f"{test_a_wrong_edit_is_noticed.__name__}[{mutant.id}]" in asked
    ]
    if compiler() is None:
        chosen = [mutant for mutant in chosen if not mutant.is_c]
    with Runs(chosen) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.id)
def test_a_wrong_edit_is_noticed(mutant: Mutant, runs: Runs) -> None:
    if mutant.is_c:
        need_compiler()
    runs.of(mutant).result()


# The data


def test_the_names_are_unlike_and_every_part_has_some() -> None:
    ids = Counter(mutant.id for mutant in ALL)
    assert set(ids.values()) == {1}
    parts = Counter(mutant.part for mutant in ALL)
    assert set(parts) == {"core", "gate", "store", "node", "trace", "c_core"}
    assert min(parts.values()) >= 10


def test_every_old_text_stands_once_and_changes() -> None:
    for mutant in ALL:
        assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant.id
        assert mutant.old != mutant.new, mutant.id
        assert mutant.why.endswith("."), mutant.id


def test_every_python_mutant_is_python() -> None:
    """Else any test would fail, and show nothing."""
    for mutant in ALL:
        if not mutant.is_c:
            ast.parse((ROOT / mutant.file).read_text().replace(mutant.old, mutant.new))
            assert "::" in mutant.killed_by, mutant.id


# The runner


HARMLESS = Mutant(
    "core",
    "a_comment",
    "paxos_core/checksum.py",
    "Nothing is wrong with it.",
    "IEEE 802.3",
    "IEEE 802.3, as zlib has it",
    "tests/paxos_core/test_checksum.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline copy."""
    path = tmp_path_factory.mktemp("baseline")
    runner.copy_tree(path)
    return path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "core/a_comment survives tests/paxos_core/test_checksum.py: Nothing is wrong"),
        ({"old": "no such text"}, "core/a_comment: its old text stands 0 times in paxos_core"),
        ({"old": "checksum"}, "its old text stands 3 times"),
        ({"killed_by": "tests/paxos_core/test_checksum.py::test_nothing"}, "did not run"),
        ({"old": "from zlib import", "new": "from zlib import no_such, "}, "did not run"),
    ],
    ids=["survives", "gone", "not once", "no such test", "cannot be imported"],
)
def test_what_shows_nothing_kills_nothing(tree: Path, change: dict[str, str], word: str) -> None:
    with pytest.raises(NotKilled, match=word):
        runner.check(replace(HARMLESS, **change), tree)


def test_the_checkout_and_the_baseline_are_left_as_they_are(tree: Path) -> None:
    wrong = replace(HARMLESS, old="crc32 as checksum", new="adler32 as checksum")
    before = (ROOT / wrong.file).read_text()
    runner.check(wrong, tree)
    assert (ROOT / wrong.file).read_text() == before == (tree / wrong.file).read_text()


def test_tests_that_fail_without_a_mutant_kill_nothing() -> None:
    missing = replace(HARMLESS, killed_by="tests/paxos_core/test_checksum.py::test_nothing")
    with Runs([missing]) as running, pytest.raises(NotKilled, match="fail without a mutant"):
        running.of(missing).result()


def test_an_unbroken_c_twin_is_not_noticed(tmp_path: Path) -> None:
    need_compiler()
    library = c_twin.build(c_twin.unbroken(), tmp_path)
    done = c_twin.compare(library, "tests.differential", "--seeds", "0:3")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
