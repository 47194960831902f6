"""A picture of a run: a lane a node with what was done to it, and the answers over time."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from transports.node.cli.chaos.nemesis import Event

WIDTH: Final = 1000
LEFT: Final = 90
LANE: Final = 34
CURVE: Final = 120
BUCKET_SECONDS: Final = 0.1
COLOURS: Final = {
    "kill": "#d55e00",
    "pause": "#e69f00",
    "cut": "#0072b2",
    "loss": "#8b6d3f",
    "sync": "#cc79a7",
    "full": "#56b4e9",
}
STYLE: Final = """
svg { font: 13px system-ui, sans-serif; background: #fff } text { fill: #1b1f24 }
.soft { fill: #57606a } .lane { stroke: #c9ced6 } .curve { fill: none; stroke: #009e73 }
@media (prefers-color-scheme: dark) { svg { background: #14171c } text { fill: #e6e9ee }
.soft { fill: #a3acb8 } .lane { stroke: #3d444d } }
"""


def draw(
    nodes: Sequence[int], events: Sequence[Event], moments: Sequence[float], seconds: float
) -> str:
    """An SVG document. `moments` are when answers came, `seconds` how long the run was."""
    seconds = max(seconds, 0.1)
    height = 40 + LANE * len(nodes) + CURVE + 40
    scale = (WIDTH - LEFT - 20) / seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="faults and answers over {seconds:.0f} seconds"><style>{STYLE}</style>'
    ]
    for row, node in enumerate(nodes):
        y = 40 + row * LANE
        parts.append(f'<text x="10" y="{y + 5}">node {node}</text>')
        parts.append(f'<line class="lane" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y}" y2="{y}"/>')
        parts += _spans(node, events, y, scale, seconds)
    parts += _curve(moments, 40 + LANE * len(nodes), scale, seconds)
    parts += _axis(height, scale, seconds)
    return "\n".join([*parts, "</svg>", ""])


def _spans(node: int, events: Sequence[Event], y: int, scale: float, seconds: float) -> list[str]:
    parts: list[str] = []
    began: dict[str, float] = {}
    own = [event for event in events if event.node == node]
    for event in [*own, *(Event(seconds, node, e.kind, True) for e in own if not e.ends)]:
        if not event.ends:
            began[event.kind] = event.seconds
        elif (start := began.pop(event.kind, None)) is not None:
            x, width = LEFT + start * scale, max(2.0, (event.seconds - start) * scale)
            parts.append(
                f'<rect x="{x:.1f}" y="{y - 8}" width="{width:.1f}" height="16" rx="2" '
                f'fill="{COLOURS.get(event.kind, "#7a7a7a")}"><title>{escape(event.kind)}, '
                f"{start:.2f} to {event.seconds:.2f} s</title></rect>"
            )
            parts.append(f'<text class="soft" x="{x:.1f}" y="{y - 11}">{escape(event.kind)}</text>')
    return parts


def _curve(moments: Sequence[float], top: int, scale: float, seconds: float) -> list[str]:
    counts = [0] * (int(seconds / BUCKET_SECONDS) + 1)
    for moment in moments:
        if 0 <= moment < seconds:
            counts[int(moment / BUCKET_SECONDS)] += 1
    most = max(counts, default=0) or 1
    points = " ".join(
        f"{LEFT + (place + 0.5) * BUCKET_SECONDS * scale:.1f},"
        f"{top + CURVE - count / most * (CURVE - 20):.1f}"
        for place, count in enumerate(counts)
    )
    rate = most / BUCKET_SECONDS
    return [
        f'<text x="10" y="{top + 25}">answers</text>',
        f'<text class="soft" x="10" y="{top + 43}">to {rate:,.0f}/s</text>',
        f'<polyline class="curve" points="{points}"/>',
    ]


def _axis(height: int, scale: float, seconds: float) -> list[str]:
    step = max(1, round(seconds / 10))
    return [
        f'<text class="soft" x="{LEFT + moment * scale:.1f}" y="{height - 12}">{moment} s</text>'
        for moment in range(0, int(seconds) + 1, step)
    ]
