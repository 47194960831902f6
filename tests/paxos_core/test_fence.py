"""The fence: the core imports nothing that acts. And the size of files and functions.

`make lint` runs the same fence over the packages' import graph; here every file is
read, and a fresh interpreter says what an import really loads.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "paxos_core"

ALLOWED = {
    "__future__",
    "bisect",
    "collections",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "enum",
    "hashlib",
    "itertools",
    "functools",
    "json",
    "struct",
    "types",
    "typing",
    "zlib",
    "msgpack",
}
ALLOWED_IN_TESTING = ALLOWED | {
    "argparse",
    "bisect",
    "copy",
    "heapq",
    "math",
    "operator",
    "re",
    "statistics",
    "sys",
    "textwrap",
    "traceback",
}
"""The simulator speaks to people as well; it still has no clock, chance or input of its own."""

ACTS = {
    "asyncio",
    "concurrent.futures",
    "multiprocessing",
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "time",
    "trio",
    "uuid",
    "zmq",
    "msgspec",
    "click",
    "rich",
    "transports",
}
CALLS = {"open", "input", "print", "exec", "compile", "__import__", "breakpoint"}

FILES = sorted(CORE.rglob("*.py"))
OWN = sorted([*FILES, *(ROOT / "transports").rglob("*.py")])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def called(tree: ast.AST) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_of_the_core_imports_only_what_is_allowed(path: Path) -> None:
    testing = "testing" in path.parts
    allowed = ALLOWED_IN_TESTING if testing else ALLOWED
    names = imported(ast.parse(path.read_text()))
    own = {name for name in names if name == "paxos_core" or name.startswith("paxos_core.")}
    assert names - own <= allowed
    if not testing:
        assert not {name for name in own if name.startswith("paxos_core.testing")}


@pytest.mark.parametrize("path", [p for p in FILES if "testing" not in p.parts], ids=name_of)
def test_a_file_of_the_core_opens_and_prints_nothing(path: Path) -> None:
    assert not called(ast.parse(path.read_text())) & CALLS


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{statement}\nprint(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_importing_the_core_loads_nothing_that_acts() -> None:
    basis = loaded_by("import " + ", ".join(sorted(ALLOWED)))
    core = loaded_by("import paxos_core")
    assert "paxos_core.replica" in core
    own = {name for name in core if name.split(".")[0] == "paxos_core"}
    assert core - own <= basis
    # The interpreter itself, or msgpack, may have loaded `time`; we may not.
    bare = loaded_by("import msgpack")
    assert not {name for name in core - bare if name in ACTS or name.split(".")[0] in ACTS}


def test_importing_the_simulator_loads_nothing_that_acts() -> None:
    basis = loaded_by("import " + ", ".join(sorted(ALLOWED_IN_TESTING)))
    core = loaded_by("import paxos_core.testing")
    own = {name for name in core if name.split(".")[0] == "paxos_core"}
    assert core - own <= basis
    outside = {name for name in core if name.split(".")[0] in ACTS} - basis
    assert not outside


def test_the_fence_would_see_a_way_through() -> None:
    assert "trio" in imported(ast.parse("def f():\n    import trio.lowlevel as x, trio"))
    assert "os" in imported(ast.parse("if x:\n    from os import path"))
    assert ".x" in imported(ast.parse("from .x import y"))
    assert called(ast.parse("def f():\n    return open('x')")) == {"open"}
    assert "socket" in loaded_by("import socket") - loaded_by("import msgpack")


# Style

LINES_MAX = 500
FUNCTION_LINES_MAX = 60


@pytest.mark.parametrize("path", OWN, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert not long
