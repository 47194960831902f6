"""The guides name every log event, and what they have people install fits the source."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from transports.node.cli import main

ROOT = Path(__file__).parents[1]
OPERATE = ROOT / "docs/guides/operate.md"
UNIT = ROOT / "examples/systemd/paxos@.service"
CONTAINERFILE = ROOT / "examples/container/Containerfile"
LEVELS = {"event": "info", "debug": "debug", "warning": "warning", "error": "error"}
LOGGERS = re.compile(r"(?:\b|_)log\b|NodeLogger\(.*\)$")


def events() -> Iterator[tuple[str, str]]:
    """(event, level) of each call of a `NodeLogger` in what runs in a node."""
    for path in (ROOT / "transports").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            method, logger = call.func.attr, ast.unparse(call.func.value)
            if method not in (*LEVELS, "noisy") or not LOGGERS.search(logger) or not call.args:
                continue
            name = call.args[0]
            assert isinstance(name, ast.Constant), f"{path}:{call.lineno}: an event without a name"
            assert not any(word.arg == "level" for word in call.keywords), f"{path}:{call.lineno}"
            yield str(name.value), LEVELS.get(method, "warning")


def test_the_guide_tells_every_event_that_a_node_logs_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (info|warning|error|debug) \|", OPERATE.read_text(), re.M)
    assert sorted(rows) == sorted(set(events()))
    assert len(rows) > 10


def test_the_unit_starts_a_node_with_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    program, command, node, *options = line.split()
    assert (program, command, node) == ("/opt/paxos/bin/paxos", "node", "%i")
    assert main(["node", "--help"]) == 0
    told = capsys.readouterr().out
    for option in options:
        assert not option.startswith("--") or re.search(rf"{option}\b", told), option


def test_the_unit_is_what_systemd_reads(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: on Debian, apt-get install systemd")
    program = tmp_path / "paxos"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "paxos@1.service"
    unit.write_text(UNIT.read_text().replace("/opt/paxos/bin/paxos", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_file_copies_what_is_there_and_all_that_the_wheel_takes() -> None:
    text = CONTAINERFILE.read_text()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in copied)
    wheel = (ROOT / "pyproject.toml").read_text().partition("[tool.hatch.build")[2]
    needed = re.findall(r'^"(kmod/[\w/]+)" =', wheel, re.MULTILINE)
    assert len(needed) == 3
    assert {*needed, "paxos_core", "transports", "pyproject.toml", "README.md"} <= set(copied)


def test_the_guides_are_on_their_page_and_that_is_on_the_map() -> None:
    guides = ROOT / "docs/guides"
    index = (guides / "index.md").read_text()
    for path in guides.glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in index, path.name
    # The others are not: a page that is on two maps is twice in the site's navigation.
    house = (ROOT / "docs/index.md").read_text()
    assert set(re.findall(r"\(guides/(.*?)\)", house)) == {"index.md"}
