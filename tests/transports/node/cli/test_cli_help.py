"""What `paxos` says of itself."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

import transports.node
from transports.node.cli.group import COMMANDS, Entry
from transports.node.cli.program import paxos as paxos_group

OWN = [name for name in COMMANDS if name != "bench"]

HELP_ALONE = """
import sys
from transports.node.cli import main
assert main(["--help"]) == 0
loaded = {"trio", "rich", "paxos_core", "msgspec", "msgpack", "tomllib"} & set(sys.modules)
assert not loaded, loaded
"""


def test_help_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", HELP_ALONE], check=True, stdout=subprocess.DEVNULL)


def test_the_lazy_package_has_all_its_names() -> None:
    for name in transports.node.__all__:
        assert getattr(transports.node, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        transports.node.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", OWN)
def test_each_command_has_help_with_an_example(paxos, name: str) -> None:
    result = paxos(name, "--help")
    assert (result.status, result.err) == (0, "")
    assert "Example" in result.out
    assert f"  paxos {name}" in result.out
    assert max(map(len, result.out.splitlines())) <= 96
    prose = result.out.split("Options:")[0]
    assert not re.search(r"[\w.]  +\w", prose), "lines of the docstring differ in their indent"
    indents = {len(line) - len(line.lstrip()) for line in prose.splitlines() if "  paxos " in line}
    assert len(indents) <= 1


@pytest.mark.parametrize("name", OWN)
def test_the_list_has_the_first_sentence_of_each_command(name: str) -> None:
    command = paxos_group.get_command(click.Context(paxos_group), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].summary
    assert f"  {name} " in paxos_group.get_help(click.Context(paxos_group))


def test_alone_it_shows_its_help_and_is_wrong_use(paxos) -> None:
    result = paxos()
    assert result.status == 2
    assert "Commands:" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nod"], "no such command 'nod'"),
        (["node"], "missing argument 'NODE'; see: paxos node --help"),
        (["node", "x"], "invalid value for 'NODE': 'x' is not a whole number from 1 to 65535; see"),
        (["node", "0"], "invalid value for 'NODE': 0 is not a whole number from 1 to 65535; see"),
        (["log", "--from", "x"], "invalid value for '--from': 'x' is not a whole number from 0 on"),
        (["status", "--interval", "x"], "invalid value for '--interval': 'x' is not a number from"),
        (["status", "--wach"], "no such option"),
        (["status", "--output", "xml"], "invalid value for '-o' / '--output'"),
        (["submit"], "give either COMMANDs or --file FILE"),
        (["submit", "a", "--count", "0"], "invalid value for '--count'"),
        (["demo", "--store", "tape"], "invalid value for '--store'"),
    ],
)
def test_wrong_use_is_one_line(paxos, arguments: list[str], message: str) -> None:
    result = paxos(*arguments)
    assert result.status == 2
    assert result.complaint.startswith(message)
    assert result.out == ""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("transports.bench.absent:x", "gone is not part of this installation"),
        ("cli_needs_absent:x", "gone needs the module absent_module"),
    ],
)
def test_a_command_that_is_not_installed_is_said_so(
    paxos, monkeypatch: pytest.MonkeyPatch, home, target: str, message: str
) -> None:
    (home / "cli_needs_absent.py").write_text("import absent_module\n")
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setitem(COMMANDS, "gone", Entry(target, "Gone."))
    result = paxos("gone")
    assert result.status == 1
    assert result.complaint.startswith(message)
    assert paxos("--help").status == 0


def test_transports_are_listed(paxos) -> None:
    table = paxos("transports")
    assert table.status == 0
    assert "tcp" in table.out
    assert "memory" in table.out
    rows = {row["name"]: row for row in paxos("transports", "--output", "json").json}
    assert rows["tcp"]["unavailable"] is None
    assert rows["tcp"]["summary"]


def test_a_transport_that_cannot_run_here_says_why(paxos, monkeypatch) -> None:
    monkeypatch.setattr("transports.ethernet.availability", lambda: "the right is missing")
    out = paxos("transports").out
    rows = [line.split()[:2] for line in out.splitlines()]
    assert ["tcp", "yes"] in rows
    assert ["ethernet", "no"] in rows
    assert "CAP_NET_RAW" in out
    assert "\nethernet cannot run here: the right is missing\n" in out


def test_version(paxos) -> None:
    result = paxos("--version")
    assert result.status == 0
    assert result.out.startswith("paxos, version ")
