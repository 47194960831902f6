"""What the README and the pages show is true: snippets run, settings parse, links lead somewhere.

Blocks are told apart by the word behind the fence:

* ```python: run, in order, all of a page in one namespace and in an empty directory;
* ```toml: read by `parse_config`, completed with nodes where it shows a part;
* ```console: every `$ paxos COMMAND` exists;
* ```paxos-script: what a cluster of the core was told, and every word that it said.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import pytest
import trio

from paxos_core import Codec, encode_record
from paxos_core.codec import KINDS
from paxos_core.durable import ChosenUpTo, ChosenValue, Promised, Snapshot, Voted
from paxos_core.messages import Reason
from paxos_core.testing import run_script
from transports._conformance import CHECKS
from transports.api import Frame
from transports.node import parse_config
from transports.node.opening import open_endpoint
from transports.testing import free_tcp_addresses

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SOME_NODES = '\n[nodes]\n1 = "127.0.0.1:7101"\n2 = "127.0.0.1:7102"\n3 = "127.0.0.1:7103"\n'

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)
_COMMAND = re.compile(r"^\$ (?:\S*/)?paxos(?: +([a-z][a-z-]*))?")


@dataclass(frozen=True)
class Block:
    kind: str
    line: int
    """Of its first line of text, from 1."""
    text: str


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    kind: str | None = None
    start = 0
    lines: list[str] = []
    for number, line in enumerate(markdown.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and kind is None:
            kind, start, lines = fence[1].strip(), number + 1, []
        elif fence and line.strip() == "```":
            assert kind is not None
            yield Block(kind, start, "\n".join(lines) + "\n")
            kind = None
        elif kind is not None:
            lines.append(line)
    assert kind is None, f"the block at line {start} never ends"


def blocks_of(path: Path, kind: str) -> list[Block]:
    return [block for block in blocks(path.read_text()) if block.kind == kind]


def prose(markdown: str) -> str:
    """A page without its blocks and its inline code."""
    without_blocks = re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", without_blocks)


def with_block(kind: str) -> list[Path]:
    return [path for path in PAGES if blocks_of(path, kind)]


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", with_block("python"), ids=page_id)
def test_snippets_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("page")
    # Dataclasses look their module up by name.
    monkeypatch.setitem(sys.modules, "page", module)
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(path, "python"):
        # Lines are padded, so that a traceback names the line of the page.
        code = compile("\n" * (block.line - 1) + block.text, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_no_python_is_left_out(path: Path) -> None:
    kinds = {block.kind for block in blocks(path.read_text())}
    assert {kind for kind in kinds if kind.startswith(("python", "py"))} <= {"python"}


@pytest.mark.parametrize("path", with_block("toml"), ids=page_id)
def test_settings_parse(path: Path) -> None:
    for block in blocks_of(path, "toml"):
        tables = tomllib.loads(block.text)
        if "project" in tables:
            # Somebody's pyproject.toml: another tool's file.
            continue
        text = block.text if "nodes" in tables else block.text + SOME_NODES
        parse_config(text, source=f"{path.name}:{block.line}", base=ROOT)


@pytest.mark.parametrize("path", with_block("console"), ids=page_id)
def test_commands_exist(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transports.node.cli import main

    for block in blocks_of(path, "console"):
        for line in block.text.splitlines():
            command = _COMMAND.match(line)
            if command and command[1]:
                assert main([command[1], "--help"]) == 0, line
                assert command[1] in capsys.readouterr().out


def transcripts(path: Path) -> list[str]:
    """A page's scripts: each begins with its `> cluster`, and may go on in later blocks."""
    found: list[str] = []
    for block in blocks_of(path, "paxos-script"):
        if block.text.startswith("> cluster"):
            found.append("")
        found[-1] += block.text
    return found


@pytest.mark.parametrize("path", with_block("paxos-script"), ids=page_id)
def test_the_core_says_what_a_page_says_it_does(path: Path) -> None:
    for transcript in transcripts(path):
        assert run_script(transcript) == transcript


def anchors(path: Path) -> set[str]:
    """The anchors that headings get on the usual hosts of Markdown."""
    titles = (re.sub(r"[`*]", "", title).lower() for title in _HEADING.findall(path.read_text()))
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(prose(path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.is_relative_to(ROOT), f"{link} leaves the project"
        assert file.exists(), f"{link} leads nowhere"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{link}: no such heading"


def test_the_map_of_the_pages_is_complete() -> None:
    """A folder may have a map of its own, which the site follows too."""
    docs = ROOT / "docs"
    index = (docs / "index.md").read_text()
    for path in docs.rglob("*.md"):
        name = path.relative_to(docs).as_posix()
        # In the site the one is the root, and the other is the README.
        if name in ("index.md", "readme.md"):
            continue
        own_map = path.parent / "index.md"
        if path != own_map != docs / "index.md" and own_map.is_file():
            assert f"({path.name})" in own_map.read_text(), f"{name}: link to it from {own_map}"
        else:
            assert re.search(rf"\({name}[)#]", index), f"{name}: link to it from docs/index.md"


@pytest.mark.parametrize("package", ["paxos_core", "transports"])
def test_the_map_of_the_house_names_every_module(package: str) -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for path in (ROOT / package).glob("[!_]*.py"):
        assert f"`{path.stem}`" in index, path.stem


def test_the_way_of_a_command_leads_through_functions_that_exist() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    steps = re.findall(r"^\| \d+ \| `([\w.]+)\.(\w+\.\w+)` \|", index, re.MULTILINE)
    assert len(steps) == 10
    for module, name in steps:
        assert callable(attrgetter(name)(import_module(module)))


def test_the_way_through_the_kernel_leads_through_functions_that_exist() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    steps = re.findall(r"^\| \d+ \| `([\w./]+): (\w+)` \|", index, re.MULTILINE)
    assert len(steps) == 10
    for file, name in steps:
        code = (ROOT / "kmod" / file).read_text()
        assert re.search(rf"^[\w ]+[ *]{name}\(", code, re.MULTILINE), f"{file}: {name}"


def test_the_extractor_sees_what_is_there() -> None:
    page = "a\n```python\nx = 1\n\ny = 2\n```\nb\n```toml\nz = 3\n```\n"
    assert list(blocks(page)) == [
        Block("python", 3, "x = 1\n\ny = 2\n"),
        Block("toml", 9, "z = 3\n"),
    ]
    assert prose(page + "`](no)` [yes](x.md)").split() == ["a", "b", "[yes](x.md)"]


def test_the_protocol_page_names_every_field_of_every_message() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    for message_type in KINDS:
        names = ", ".join(f"`{field.name}`" for field in fields(message_type))
        assert f"| `{message_type.__name__}` | {names} |" in page


def test_the_protocol_page_names_every_reason() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    assert "Reasons: " + ", ".join(f"{reason} `{reason.name}`" for reason in Reason) in page


def test_the_page_names_every_promise_of_a_transport() -> None:
    page = (ROOT / "docs" / "write-a-transport.md").read_text().replace("`", "")
    for name, check in CHECKS.items():
        assert f"| {name} | {check.__doc__} |" in page


def test_the_certificates_of_the_page_join_a_cluster(
    tmp_path: Path,
) -> None:
    if shutil.which("openssl") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs openssl")
    path = ROOT / "docs" / "transports.md"
    (commands,) = blocks_of(path, "sh")
    subprocess.run(["sh", "-e", "-c", commands.text], cwd=tmp_path, check=True, capture_output=True)
    (settings,) = [one.text for one in blocks_of(path, "toml") if "tls_authority" in one.text]
    addresses = free_tcp_addresses(1)
    text = f'{settings}[nodes]\n1 = "{addresses[1]}"\n'
    config = parse_config(text, source="paxos.toml", base=tmp_path)

    async def greet() -> list[Frame]:
        async with open_endpoint(config, 1) as node, open_endpoint(config, 70_000) as client:
            with trio.fail_after(10):
                while True:
                    client.send([(1, b"hello")])  # lost until the stream is there
                    with trio.move_on_after(0.05):
                        return await node.receive()

    assert set(trio.run(greet)) == {(70_000, b"hello")}


def row(kind: int, value: object, encoded: bytes, start: int, body: str | None) -> str:
    """The table row of a message or record whose body is empty, from its bytes."""
    names = [field.name for field in fields(value)]  # type: ignore[arg-type]
    places = ", ".join(f"{start + 9 * at} `{name}`" for at, name in enumerate(names))
    size = f"{len(encoded)} + body" if body else f"{len(encoded)}"
    return f"| {kind} | `{type(value).__name__}` | `{encoded[0]:02x}` | {places} | {size} |"


def empty(made: Callable[..., object], body: str | None) -> object:
    """A message or record of zeros, with an empty body."""
    names = [field.name for field in fields(made)]  # type: ignore[arg-type]
    values = {name: 0 for name in names if name != body}
    return made(**values, **({body: [] if body == "votes" else b""} if body else {}))


BODIES = ("votes", "value", "chunk", "commands", "results", "status", "data")


def test_the_wire_format_page_has_every_offset() -> None:
    page = (ROOT / "docs" / "wire-format.md").read_text()
    messages: dict[type, int] = dict(KINDS)
    records = {Promised: 1, Voted: 2, ChosenValue: 3, ChosenUpTo: 4, Snapshot: 5}
    for made, kind in [*messages.items(), *records.items()]:
        last = fields(made)[-1].name
        body = last if last in BODIES else None
        value = empty(made, body)
        if made in records:
            assert row(kind, value, encode_record(value), 3, body) in page  # type: ignore[arg-type]
        else:
            frame = Codec(0, 1).encode(value)  # type: ignore[arg-type]
            assert row(kind, value, frame, 23, body) in page
