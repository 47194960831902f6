"""`make docs`: the site is built without a warning, and what should fail it does."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from docs_kit import DOCS, build_docs, need_sphinx


def html(site: Path, page: str) -> str:
    return (site / f"{page}.html").read_text()


def test_every_page_is_built(docs_site: Path) -> None:
    for path in DOCS.rglob("*.md"):
        page = path.relative_to(DOCS).with_suffix("").as_posix()
        assert "<h1" in html(docs_site, page), page


def test_links_to_files_lead_to_pages_that_show_them(docs_site: Path) -> None:
    page = html(docs_site, "protocol")
    (link,) = set(re.findall(r'href="([^"]*acceptor\.py\.html)"', page))
    shown = (docs_site / link).read_text()
    assert "P1a" in shown
    assert 'id="L-1"' in shown
    assert not re.search(r'href="source:', page)


def test_links_inside_the_site_lead_somewhere(docs_site: Path) -> None:
    """Of the pages that Sphinx did not check: those of files and folders, and links to lines."""
    anchors: dict[Path, set[str]] = {}
    for path in docs_site.rglob("*.html"):
        for link in re.findall(r'href="([^":]+)"', path.read_text()):
            target, _, anchor = link.partition("#")
            target = unquote(target.partition("?")[0])
            file = (path.parent / target).resolve() if target else path
            assert file.is_file(), f"{path.relative_to(docs_site)}: {link}"
            if anchor.startswith("L-"):
                if file not in anchors:
                    anchors[file] = set(re.findall(r'id="(L-\d+)"', file.read_text()))
                assert anchor in anchors[file], f"{path.relative_to(docs_site)}: {link}"


def test_the_readme_is_a_page_of_the_site(docs_site: Path) -> None:
    page = html(docs_site, "readme")
    assert "What it promises" in page
    assert 'href="durability.html"' in page
    assert 'href="source/paxos_core/index.html"' in page


def test_the_navigation_has_the_headings_of_the_map(docs_site: Path) -> None:
    captions = re.findall(r'class="caption-text">([^<]*)<', html(docs_site, "protocol"))
    assert captions[:3] == [
        "I want a replicated log under my own state machine",
        "I teach Paxos, or learn it",
        "I compare what layers cost, or build one",
    ]


def test_a_figure_in_a_table_breaks_before_its_interval_alone(docs_site: Path) -> None:
    page = html(docs_site, "layers")
    assert re.search(r"<p>\d+\u00a0us \(\d+\u00a0to\u00a0\d+\u00a0us\)</p>", page)


def test_nothing_is_fetched_from_elsewhere(docs_site: Path) -> None:
    for path in [*docs_site.rglob("*.html"), *docs_site.rglob("*.css")]:
        text = path.read_text()
        fetched = re.findall(r'(?:src=|@import |url\()["\']?(https?:[^"\')]*)', text)
        fetched += re.findall(r'<link [^>]*stylesheet[^>]*href="(https?:[^"]*)"', text)
        assert not fetched, path.name


def small_site(tmp_path: Path, **pages: str) -> str:
    """Build pages with this project's own way to navigation and links; what Sphinx says."""
    need_sphinx()
    source = tmp_path / "source"
    source.mkdir()
    ours = str(DOCS / "_sphinx")
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {ours!r})\n"
        "extensions = ['myst_parser', 'map_toctree', 'rule_lines']\n"
        "myst_heading_anchors = 4\n"
        "myst_url_schemes = {'http': None, 'https': None, 'source': None}\n"
    )
    for name, text in pages.items():
        (source / f"{name}.md").write_text(text)
    built = build_docs(source, tmp_path)
    assert (built.returncode != 0) is bool(built.stderr)
    return built.stderr


def test_a_sound_small_site_is_built(tmp_path: Path) -> None:
    index = "# Map\n\n## Part\n\n[one](one.md) and [two](two.md#two)\n"
    assert small_site(tmp_path, index=index, one="# One\n", two="# Two\n") == ""


def test_a_page_that_the_map_leaves_out_fails_the_build(tmp_path: Path) -> None:
    index = "# Map\n\n## Part\n\n[one](one.md)\n"
    said = small_site(tmp_path, index=index, one="# One\n", two="# Two\n")
    assert "two.md" in said
    assert "toctree" in said


@pytest.mark.parametrize("link", ["[x](missing.md)", "[x](#missing)", "[x](one.md#missing)"])
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, link: str) -> None:
    index = f"# Map\n\n## Part\n\n[one](one.md)\n\n{link}\n"
    assert "missing" in small_site(tmp_path, index=index, one="# One\n")


def test_a_place_that_is_not_in_the_code_fails_the_build(tmp_path: Path) -> None:
    rules = "# Rules\n\n- Python: [`Acceptor.vote`](source:paxos_core/acceptor.py), `never here`\n"
    said = small_site(tmp_path, index="# Map\n\n## P\n\n[r](rules.md)\n", rules=rules)
    assert "Acceptor.vote has 'never here' on 0 lines" in said


def test_a_wrong_edit_that_is_not_in_the_catalogue_fails_the_build(tmp_path: Path) -> None:
    rules = "# Rules\n\n- Noticed by: `core/half_is_a_majority`, `core/no_such_edit`; and more\n"
    said = small_site(tmp_path, index="# Map\n\n## P\n\n[r](rules.md)\n", rules=rules)
    assert "core/no_such_edit is not in tests/mutants/data/core.toml" in said
    assert "half_is_a_majority" not in said


def test_long_names_in_tables_may_break_and_stay_whole(docs_site: Path) -> None:
    page = html(docs_site, "rules")
    names = [name for name in re.findall(r"<code[^>]*>(.*?)</code>", page) if "<wbr>" in name]
    assert "Election.next_ballot" in {re.sub(r"<[^>]*>", "", name) for name in names}
