"""The files of the page, by the name under which it asks for them; read once."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

Files = dict[str, tuple[str, bytes]]
"""Name to content type and bytes."""

HTML: Final = "text/html; charset=utf-8"
CSS: Final = "text/css; charset=utf-8"
SCRIPT: Final = "text/javascript; charset=utf-8"

OWN: Final = {
    "": ("play.html", HTML),
    "play.css": ("play.css", CSS),
    "play.js": ("play.js", SCRIPT),
    "panels.js": ("panels.js", SCRIPT),
    "trace.js": ("trace.js", SCRIPT),
}
VIEWER_STYLES: Final = ("theme.css", "diagram.css")
VIEWER_SCRIPTS: Final = (
    "base.js", "spans.js", "frames.js", "words.js", "model.js", "layout.js", "marks.js",
    "painter.js", "diagram.js", "step_panel.js",
)  # fmt: skip
"""Of the viewer: its look, its diagram and its words for a step."""


def load_files() -> Files:
    """All of them."""
    here = files(__package__) / "static"
    viewer = files("transports.viewer") / "static"
    loaded: Files = {name: (kind, (here / file).read_bytes()) for name, (file, kind) in OWN.items()}
    scripts = b"\n".join((viewer / name).read_bytes() for name in VIEWER_SCRIPTS)
    loaded["viewer.js"] = (SCRIPT, scripts)
    styles = b"\n".join((viewer / name).read_bytes() for name in VIEWER_STYLES)
    loaded["viewer.css"] = (CSS, styles)
    return loaded
