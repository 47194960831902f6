"""The colours of ballots: seen on the ground of each scheme, and told apart by every eye.

Deficiencies are simulated after Machado, Oliveira and Fernandes (2009), severity 1.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import Final

import pytest

from transports.viewer.document import static_text

DEFICIENCIES: Final = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
CONTRAST_GRAPHICS: Final = 3.0
"""WCAG 2.1, 1.4.11."""
CONTRAST_TEXT: Final = 4.5
DISTANCE_MIN: Final = 15.0
"""In CIE 1976 units, where about 2.3 can just be seen. Every ballot is written out as well."""


def blocks() -> dict[str, dict[str, str]]:
    found = re.findall(r":root\S* \{([^}]*--ink.*?)\}", static_text("theme.css"), re.DOTALL)
    named = zip(("light", "dark", "chosen dark", "print"), found, strict=True)
    return {name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text)) for name, text in named}


THEMES: Final = blocks()


def linear(colour: str) -> tuple[float, float, float]:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return red, green, blue


def contrast(one: str, other: str) -> float:
    high, low = sorted(
        (
            0.2126 * red + 0.7152 * green + 0.0722 * blue
            for red, green, blue in (linear(one), linear(other))
        ),
        reverse=True,
    )
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, deficiency: str) -> tuple[float, float, float]:
    seen = linear(colour)
    matrix = DEFICIENCIES[deficiency]
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, seen, strict=True)))) for row in matrix
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ballots(theme: str) -> list[str]:
    return [colour for name, colour in THEMES[theme].items() if name.startswith("ballot-")]


@pytest.mark.parametrize("theme", THEMES)
def test_every_ballot_is_seen_on_its_ground(theme: str) -> None:
    assert len(ballots(theme)) == 7
    for colour in ballots(theme):
        for ground in ("paper", "now"):
            assert contrast(colour, THEMES[theme][ground]) >= CONTRAST_GRAPHICS, colour


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_read_on_every_ground(theme: str) -> None:
    colours = THEMES[theme]
    for text in ("ink", "soft", "link", "good"):
        for ground in ("paper", "band", "now"):
            assert contrast(colours[text], colours[ground]) >= CONTRAST_TEXT, (text, ground)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_ballots_are_told_apart(theme: str, deficiency: str) -> None:
    for one, other in combinations(ballots(theme), 2):
        a, b = lab(one, deficiency), lab(other, deficiency)
        distance = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
        assert distance >= DISTANCE_MIN, (one, other, round(distance, 1))


def test_dark_is_the_same_whoever_chose_it() -> None:
    assert THEMES["chosen dark"] == THEMES["dark"]
