"""Scripts of a cluster on a page: their colours, and the command that shows one step by step."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from pygments.lexer import RegexLexer
from pygments.token import Comment, Generic, Text
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class ScriptLexer(RegexLexer):
    """Blocks of the kind ``paxos-script``: what was commanded stands out."""

    name = "Script of a cluster"
    aliases: ClassVar[list[str]] = ["paxos-script"]
    tokens: ClassVar[dict[str, Any]] = {
        "root": [(r"^#.*\n?", Comment), (r"^>.*\n?", Generic.Strong), (r".*\n", Text)]
    }


class Viewer(SphinxDirective):
    """``{viewer} name.script``: the command of its body, as it is."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        text = "\n".join(self.content)
        return [nodes.literal_block(text, text, language="console")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("viewer", Viewer)
    app.add_lexer("paxos-script", ScriptLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
