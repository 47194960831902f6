"""``{viewer}``: the run of a script beside the page, made into a viewer's page and shown in it.

Its argument is the script's file, its body the command that makes the same page by hand: that is
what a host without this extension shows. Also the lexer of ``paxos-script`` blocks.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from pygments.lexer import RegexLexer
from pygments.token import Comment, Generic, Text
from sphinx.util.docutils import SphinxDirective

from transports.viewer.page import render_page
from transports.viewer.sources import read_runs

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "_viewer"
"""Of the site: where the viewer's pages are."""
HEIGHT_PX = 640

FRAME = """\
<iframe class="run" src="{page}" title="{title}" loading="lazy"
        style="width:100%;height:{height}px;border:1px solid var(--color-background-border)">
</iframe>
<p><a href="{page}">This run in a page of its own</a></p>
"""


class ScriptLexer(RegexLexer):
    """A transcript: what was commanded stands out from what came of it."""

    name = "Script of a cluster"
    aliases: ClassVar[list[str]] = ["paxos-script"]
    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (r"^#.*\n?", Comment),
            (r"^>.*\n?", Generic.Strong),
            (r".*\n", Text),
            (r".+", Text),
        ]
    }


class Viewer(SphinxDirective):
    """A frame with the viewer's page, and the command below it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Raises an error of the page if there is no such script."""
        here = Path(self.env.doc2path(self.env.docname))
        script = here.parent / self.arguments[0]
        if not script.is_file():
            raise self.error(f"no script {script.name} beside {here.name}")
        self.env.note_dependency(str(script))
        within = script.relative_to(self.env.srcdir).with_suffix(".html")
        up = "../" * self.env.docname.count("/")
        frame = FRAME.format(
            page=escape(f"{up}{FOLDER}/{within.as_posix()}"),
            title=escape(f"The run of {script.name}, step by step"),
            height=HEIGHT_PX,
        )
        text = "\n".join(self.content)
        command = nodes.literal_block(text, text, language="none")
        return [nodes.raw("", frame, format="html"), command]


def write_pages(app: Sphinx, failure: Exception | None) -> None:
    """The pages of all scripts, once the site is there."""
    if failure is not None or app.builder.format != "html":
        return
    for script in Path(app.srcdir).rglob("*.script"):
        within = script.relative_to(app.srcdir).with_suffix(".html")
        page = Path(app.outdir) / FOLDER / within
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render(script))


def render(script: Path) -> str:
    """The viewer's page of one script, as a frame shows it."""
    run = read_runs([script])
    title = script.stem.replace("-", " ").capitalize()
    return render_page(run.traces, title, name=run.name, compact=True)


def setup(app: Sphinx) -> dict[str, object]:
    """Called by Sphinx."""
    app.add_directive("viewer", Viewer)
    app.add_lexer("paxos-script", ScriptLexer)
    app.connect("build-finished", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
