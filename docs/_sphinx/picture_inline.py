"""Puts the pictures of the wire format into the page itself, drawn while the site is built.

As a part of the page they take its colours, whichever the reader has chosen.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from wire_pictures import PICTURES


class DrawPictures(SphinxTransform):
    """Replaces each image of a picture's file by the picture."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        for image in list(self.document.findall(nodes.image)):
            draw = PICTURES.get(image["uri"].rpartition("/")[2])
            if draw is None:
                continue
            figure = nodes.raw("", f"<figure class='wire'>{draw()}</figure>", format="html")
            # A figure may not stand in a paragraph.
            alone = isinstance(image.parent, nodes.paragraph) and len(image.parent) == 1
            (image.parent if alone else image).replace_self(figure)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_transform(DrawPictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
