"""How the links of a page become those of the site, and the map its navigation."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_kit import DOCS, ROOT, need_sphinx

PAGE = DOCS / "protocol.md"


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("../paxos_core/acceptor.py", "source:paxos_core/acceptor.py"),
        ("../paxos_core", "source:paxos_core"),
        ("tla/Paxos.tla", "source:docs/tla/Paxos.tla"),
        ("../README.md", "readme.md"),
        ("core.md#outputs", "core.md#outputs"),
        ("#chosen", "#chosen"),
        ("https://example.org/x.py", "https://example.org/x.py"),
        ("pictures/wire-frame.svg", "pictures/wire-frame.svg"),
        ("../no/such/file.py", "../no/such/file.py"),
    ],
)
def test_a_link_of_a_page(link: str, becomes: str) -> None:
    need_sphinx()
    from source_links import rewrite

    assert rewrite(f"a [b]({link}) c\n", PAGE, PAGE) == f"a [b]({becomes}) c\n"


def test_a_link_of_the_readme_is_of_its_own_folder() -> None:
    need_sphinx()
    from source_links import rewrite

    text = "[a](docs/core.md#x) [b](paxos_core) [c](LICENSE)"
    shown_in = DOCS / "readme.md"
    assert rewrite(text, ROOT / "README.md", shown_in) == (
        "[a](core.md#x) [b](source:paxos_core) [c](source:LICENSE)"
    )


def test_a_page_in_a_folder_is_reached_from_there() -> None:
    need_sphinx()
    from source_links import rewrite

    page = DOCS / "reference" / "core.md"
    assert rewrite("[a](../core.md) [b](../../README.md)", page, page) == (
        "[a](../core.md) [b](../readme.md)"
    )


def test_blocks_of_code_stay_as_they_are() -> None:
    need_sphinx()
    from source_links import rewrite

    block = "```\n[a](../README.md)\n```\n"
    assert rewrite(block, PAGE, PAGE) == block


def test_the_map_becomes_the_navigation() -> None:
    need_sphinx()
    from map_toctree import parts_of

    text = (
        "# Map\n[no](no.md)\n## One\n1. [R](../README.md)\n2. [a](a.md), [b](in/b.md#x)\n"
        "## Two\n[a](a.md) [c](c.md) [out](../other/d.md) [web](https://x.org/e.md)\n## Three\n"
    )
    assert parts_of(text) == [("One", ["readme", "a", "in/b"]), ("Two", ["c"])]
    with_map = f"{text}\n[in](in/index.md)\n"
    assert parts_of(with_map) == [("One", ["readme", "a"]), ("Two", ["c"]), ("Three", ["in/index"])]


def test_places_of_objects_are_found_in_a_page() -> None:
    need_sphinx()
    from docstrings import placed

    text = "a\n<!-- autoclass: x.Y -->\n<!-- automodule: z no-members -->\n`<!-- autoclass: n -->`"
    assert placed(text) == [("autoclass", "x.Y"), ("automodule", "z")]


def test_files_that_a_page_shows_exist() -> None:
    need_sphinx()
    from source_pages import shown

    paths = shown()
    assert {"paxos_core/acceptor.py", "kmod/core/acceptor.c", "transports"} <= paths
    for path in paths:
        assert (Path(ROOT) / path).exists()
