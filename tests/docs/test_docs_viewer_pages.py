"""The runs of the editions, stepped through in a frame of their pages."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from docs_kit import DOCS, build_docs, need_sphinx

SCRIPTS = sorted((DOCS / "editions").glob("*.script"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_page_has_the_run_of_its_script_and_the_command_for_it(
    docs_site: Path, script: Path
) -> None:
    page = docs_site / "editions" / f"{script.stem}.html"
    text = page.read_text()
    (source,) = re.findall(r'<iframe [^>]*src="([^"]*)"', text)
    run = (page.parent / source).resolve()
    assert run.is_relative_to(docs_site)
    shown = run.read_text()
    assert f"<h1>{script.stem.replace('-', ' ').capitalize()}</h1>" in shown
    assert "Prepare" in shown
    assert f'href="{source}"' in text
    plain = unescape(re.sub(r"<[^>]+>", "", text))
    assert f"paxos view docs/editions/{script.name}" in plain


def small_site(tmp_path: Path, page: str) -> str:
    """Build one page, which may show runs; what Sphinx says."""
    need_sphinx()
    source = tmp_path / "source"
    source.mkdir()
    ours, here = str(DOCS / "_sphinx"), str(DOCS.parent)
    (source / "conf.py").write_text(
        f"import sys\nsys.path[:0] = [{ours!r}, {here!r}]\n"
        "extensions = ['myst_parser', 'viewer_pages']\n"
    )
    (source / "index.md").write_text(page)
    (source / "one.script").write_text("> cluster 3\n> campaign 1\n")
    return build_docs(source, tmp_path).stderr


def test_a_script_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    page = "# Runs\n\n```{viewer} two.script\npaxos view two.script\n```\n"
    assert "no script two.script beside index.md" in small_site(tmp_path, page)


def test_a_run_is_shown_beside_its_page_and_a_transcript_has_its_colours(tmp_path: Path) -> None:
    page = (
        "# Runs\n\n```{viewer} one.script\npaxos view one.script\n```\n\n"
        "```paxos-script\n> cluster 3\n> state\n  1 is down\n```\n"
    )
    assert small_site(tmp_path, page) == ""
    assert (tmp_path / "site" / "_viewer" / "one.html").is_file()
    text = (tmp_path / "site" / "index.html").read_text()
    assert 'src="_viewer/one.html"' in text
    assert '<span class="gs">&gt; cluster 3' in text


def test_the_scripts_are_found() -> None:
    assert len(SCRIPTS) == 5
