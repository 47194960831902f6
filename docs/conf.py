"""How Sphinx makes a site of these pages: ``make docs``. They stay plain Markdown for any host."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
# The code of this very checkout is documented, and what stands in _sphinx is ours.
sys.path[:0] = [str(ROOT), str(DOCS / "_sphinx")]

from source_links import linkcode_resolve  # noqa: E402

_project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
project = _project["name"]
release = version = _project["version"]
author = "the project's authors"
copyright = f"2026 {author}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    # Those of _sphinx, in the order in which they change a page.
    "readme_page",
    "map_toctree",
    "docstrings",
    "source_links",
    "source_pages",
    "rule_lines",
    "picture_inline",
    "breakable",
    "viewer_pages",
]
exclude_patterns = ["_sphinx"]
smartquotes = False
highlight_language = "none"

# Markdown: headings have the anchors that hosts of Markdown give them.
myst_heading_anchors = 4
myst_url_schemes = {"http": None, "https": None, "mailto": None, "source": None}

# Docstrings are prose; a name between backticks becomes a link where it is documented.
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
autodoc_type_aliases = {
    **{name: f"paxos_core.types.{name}" for name in ("NodeId", "Slot", "Ballot", "WriteId")},
    **{name: name for name in ("Frame", "Message", "Record")},
}
nitpick_ignore_regex = [
    # Names of others: nothing here describes them, and a build needs no network.
    (r"py:.*", r"(?!paxos_core|transports).*"),
    # The inside: some signatures name it, and no page describes it.
    (r"py:class", r"paxos_core\.(testing|trace)\..*"),
    (r"py:class", r"transports\.node\..*"),
    (r"py:class", r"transports\.api\.(Address|Options)"),
]

# The site: nothing in it is fetched from elsewhere.
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_js_files = ["frames.js"]
html_copy_source = False
html_show_sourcelink = False
# A search result would have to fetch its page, which a site without a server cannot.
html_show_search_summary = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5c8a",
        "color-brand-content": "#0b5c8a",
        "color-brand-visited": "#5b3a8c",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4f0",
        "color-brand-content": "#7cc4f0",
        "color-brand-visited": "#c0a3ee",
    },
}

# `make docs-links`, which needs the network: only what is not of this project.
linkcheck_ignore = [r"^(?!https?:)"]
linkcheck_timeout = 20

__all__ = ["linkcode_resolve"]
