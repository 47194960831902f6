"""A few shapes as SVG, in colours that fit a light page and a dark one.

A picture stands in two places. As a file (on a host of Markdown) it follows what
the reader's system prefers, on a ground of its own; inside a page of the site it
takes the page's colours, whose names are those of the theme. Nothing is told by colour alone:
shades have patterns, and words.
"""

from __future__ import annotations

from html import escape

MARGIN = 8

_STYLE = """
#{id} text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 12px;
  fill: var(--color-foreground-primary, #1d2125); }}
#{id} .quiet {{ fill: var(--color-foreground-secondary, #5a5c63); }}
#{id} .bold {{ font-weight: 700; }}
#{id} .small {{ font-size: 10.5px; }}
#{id} .over {{ paint-order: stroke; stroke-width: 4px; stroke-linejoin: round;
  stroke: var(--color-background-primary, #ffffff); }}
#{id} .middle {{ text-anchor: middle; }}
#{id} .end {{ text-anchor: end; }}
#{id} rect {{ stroke: var(--color-foreground-muted, #6b6f76); stroke-width: 1; fill: none; }}
#{id} .ground {{ stroke: none; fill: var(--color-background-primary, #ffffff); }}
#{id} line {{ stroke: var(--color-background-border, #d0d4da); stroke-width: 1; }}
#{id} .lines {{ stroke: var(--color-foreground-muted, #6b6f76); stroke-width: 1; }}
#{id} .dots {{ fill: var(--color-foreground-muted, #6b6f76); stroke: none; }}
#{id} .marker {{ fill: url(#{id}-hatch); }}
#{id} .body {{ fill: url(#{id}-dotted); }}
@media (prefers-color-scheme: dark) {{
  #{id} text {{ fill: var(--color-foreground-primary, #d8dadd); }}
  #{id} .quiet {{ fill: var(--color-foreground-secondary, #a3a7ad); }}
  #{id} rect {{ stroke: var(--color-foreground-muted, #8b9097); }}
  #{id} .ground {{ fill: var(--color-background-primary, #131416); }}
  #{id} line {{ stroke: var(--color-background-border, #3a3f45); }}
  #{id} .lines {{ stroke: var(--color-foreground-muted, #8b9097); }}
  #{id} .dots {{ fill: var(--color-foreground-muted, #8b9097); }}
  #{id} .over {{ stroke: var(--color-background-primary, #131416); }}
}}
"""

_PATTERNS = """<defs>
<pattern id="{id}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" \
patternTransform="rotate(45)"><path class="lines" d="M0 0V5"/></pattern>
<pattern id="{id}-dotted" width="8" height="8" patternUnits="userSpaceOnUse">\
<circle class="dots" cx="2" cy="2" r="0.9"/></pattern>
</defs>"""


class Picture:
    """Collects shapes; `str` of it is the file."""

    def __init__(self, name: str, width: int, title: str, description: str) -> None:
        self.name = name
        self.width = width
        self.height = 0
        self._title = title
        self._description = description
        self._shapes: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str = "") -> None:
        """A rectangle; `kind` is a class of the style, or none."""
        attribute = f' class="{kind}"' if kind else ""
        self._shapes.append(
            f'<rect{attribute} x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'
        )
        self.height = max(self.height, int(y + height) + 2)

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        """One line of text, whose base line is at `y`."""
        attribute = f' class="{kind}"' if kind else ""
        self._shapes.append(f'<text{attribute} x="{x:g}" y="{y:g}">{escape(text)}</text>')
        self.height = max(self.height, int(y) + 6)

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A thin line."""
        self._shapes.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>')

    def __str__(self) -> str:
        name = self.name
        width, height = self.width + 2 * MARGIN, self.height + 2 * MARGIN
        place = f'x="-{MARGIN}" y="-{MARGIN}" width="{width}" height="{height}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" width="{width}" '
                f'height="{height}" viewBox="-{MARGIN} -{MARGIN} {width} {height}" role="img" '
                f'aria-labelledby="{name}-title {name}-description">',
                f'<title id="{name}-title">{escape(self._title)}</title>',
                f'<desc id="{name}-description">{escape(self._description)}</desc>',
                f"<style>{_STYLE.format(id=name)}</style>",
                _PATTERNS.format(id=name),
                f'<rect class="ground" {place}/>',
                *self._shapes,
                "</svg>\n",
            ]
        )
