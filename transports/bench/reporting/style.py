"""How plots look: colours that everybody can tell apart, and text that follows the page's.

The palette is Okabe and Ito's. A layer has a colour by its transport and a marker of its own;
veth is dashed; nothing is told by colour alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from transports.bench.ladder.layers import LAYERS
from transports.bench.saved.schema import RUNGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#1b1f24"
LINE: Final = "#c9ced6"
PALETTE: Final = {
    "memory": ("#7a7a7a", "o"),
    "tcp": ("#0072b2", "s"),
    "udp": ("#e69f00", "^"),
    "zeromq": ("#009e73", "D"),
    "ethernet": ("#d55e00", "v"),
    "kmod": ("#cc79a7", "P"),
    "etcd": ("#56b4e9", "X"),
    "pysyncobj": ("#9a8c00", "*"),
}
STEPS: Final = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#7a7a7a")
"""For parts of a whole, in their order."""
HATCHES: Final = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo")
RUNG_STYLES: Final = dict(zip(RUNGS, zip(STEPS, "osD^v", strict=False), strict=False))
SIZE_INCHES: Final = (8.6, 4.6)
DPI: Final = 144
SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, slots=True)
class Look:
    """Of one layer's line."""

    colour: str
    marker: str
    dashes: str


def look(layer: str) -> Look:
    """How a layer or a peer is drawn."""
    known = LAYERS.get(layer)
    name = known.transport if known else layer
    colour, marker = PALETTE.get(name, ("#7a7a7a", "o"))
    return Look(colour, marker, "--" if known and known.veth else "-")


def to_png(figure: Figure) -> bytes:
    """On white, for whoever cannot show the other."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=DPI, facecolor="white")
    return out.getvalue()


def to_svg(figure: Figure) -> str:
    """A file of its own, on white."""
    return _svg(figure, facecolor="white")


def to_inline(figure: Figure, name: str, label: str) -> str:
    """For a page: without a head, in the page's colours, its ids unlike those of other plots."""
    text = _svg(figure, facecolor="none")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = text.replace(INK, "var(--ink)").replace(LINE, "var(--line)")
    # The width is the page's affair; the proportions stay.
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _svg(figure: Figure, facecolor: str) -> str:
    out = BytesIO()
    figure.savefig(out, format="svg", facecolor=facecolor, metadata={"Date": None})
    return out.getvalue().decode()
