"""The files of the page, by the name under which it asks for them; read once."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from transports.viewer.document import static_text, viewer_scripts

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


def load_files() -> Files:
    """All of them."""
    here = files(__package__) / "static"
    loaded: Files = {name: (kind, (here / file).read_bytes()) for name, (file, kind) in OWN.items()}
    loaded["viewer.js"] = (SCRIPT, "\n".join(viewer_scripts()).encode())
    styles = "\n".join(map(static_text, VIEWER_STYLES))
    loaded["viewer.css"] = (CSS, styles.encode())
    return loaded
