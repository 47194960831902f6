"""A trace as one self-contained page.

`render_page` takes traces as `paxos_core.trace.read_trace` gives them, whatever was
in their files: what cannot be shown is said on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from paxos_core.trace import Event, Problem, Trace, mark_ends, merge_traces
from transports.viewer.document import (
    MAIN,
    build_document,
    static_text,
    viewer_scripts,
    viewer_styles,
)
from transports.viewer.pack import Packer, scrub
from transports.viewer.texts import clean

EVENTS_MAX: Final = 20_000
NODES_MAX: Final = 32
PROBLEMS_SHOWN: Final = 12
PROBLEM_CHARACTERS_MAX: Final = 300
_PARTS: Final = (
    ("nodes", "Nodes"),
    ("slots", "Slots"),
    ("details", "What came, changed and left"),
)


def render_page(
    traces: Sequence[Trace], title: str, *, name: str = "run", compact: bool = False
) -> str:
    """The page of one cluster's run; `traces` are those of its nodes, or one of all.

    `name` is for the files that the page saves; `compact` leaves out what has no
    place in a frame inside another page. Raises `ValueError` without a trace.
    """
    trace = merge_traces(traces)
    data, problems = pack_trace(trace)
    data["name"] = clean(name, 60)
    return build_document(
        title,
        _body(title, trace, data, problems),
        scripts=[*viewer_scripts(), static_text(MAIN)],
        styles=viewer_styles(),
        data=data,
        compact=compact,
    )


def pack_trace(trace: Trace) -> tuple[dict[str, Any], list[str]]:
    """What `main.js` reads, and what a reader has to know: what could not be shown, and ends."""
    problems = _say_problems(trace.problems)
    events = mark_ends(trace).events
    problems += _say_who_ended(events)
    if len(events) > EVENTS_MAX:
        problems.append(
            f"The page holds the first {EVENTS_MAX:,} of {len(events):,} events: "
            "record a shorter run to see the rest."
        )
        events = events[:EVENTS_MAX]
    nodes, unknown = _nodes(trace, events)
    if unknown:
        problems.append(f"{unknown:,} events are at nodes that the header does not name.")
    kept = [event for event in events if event.get("node") is None or event["node"] in nodes]
    if not kept:
        problems.append("There is no event that could be shown.")
    data: dict[str, Any] = Packer().pack(kept)
    data["header"] = {**scrub(trace.header), "nodes": nodes}
    return data, problems


def _say_who_ended(events: Sequence[Event]) -> list[str]:
    """Those that do not start again: from there on, nothing is known of them."""
    return [
        f"The trace of node {event['node']} ends at step {step}: what is shown of it from there on "
        "is what was last known."
        for step, event in enumerate(events)
        if event["kind"] == "end" and "down" not in event
    ]


def _nodes(trace: Trace, events: Iterable[dict[str, Any]]) -> tuple[list[int], int]:
    """The lanes, and how many events have none."""
    named = trace.header.get("nodes")
    at = Counter(node for event in events if isinstance(node := event.get("node"), int))
    found = named if isinstance(named, list) and named else sorted(at)
    nodes = list(dict.fromkeys(node for node in found if isinstance(node, int)))[:NODES_MAX]
    return nodes, sum(count for node, count in at.items() if node not in nodes)


def _say_problems(problems: Sequence[Problem]) -> list[str]:
    said = [
        clean(f"line {problem.line}: {problem.text}" if problem.line else problem.text,
              PROBLEM_CHARACTERS_MAX)
        for problem in problems[:PROBLEMS_SHOWN]
    ]  # fmt: skip
    if len(problems) > PROBLEMS_SHOWN:
        said.append(f"and {len(problems) - PROBLEMS_SHOWN:,} problems more")
    return said


def _body(title: str, trace: Trace, data: dict[str, Any], problems: Sequence[str]) -> str:
    parts = "".join(
        f'<section aria-labelledby="pv-{part}-title"><h2 id="pv-{part}-title" '
        f'class="pv-unseen">{word}</h2><div id="pv-{part}"></div></section>'
        for part, word in _PARTS
    )
    return (
        '<a class="pv-skip" href="#pv-step">To the current step</a>'
        f"<header><div><h1>{escape(clean(title, 200))}</h1>{_about(trace, data)}</div>"
        '<div id="pv-extras"></div></header>'
        f"{_notice(problems)}"
        "<noscript><p>This page draws the run with JavaScript, which is switched off here."
        "</p></noscript>"
        '<main class="pv-page"><div id="pv-controls"></div>'
        '<div id="pv-diagram" tabindex="0" role="region" aria-label="Diagram"></div>'
        '<section id="pv-step" tabindex="-1" aria-label="The current step"></section>'
        f'<div class="pv-rest">{parts}'
        "<details open><summary>The message, field by field</summary>"
        '<div id="pv-message"></div></details></div></main>'
        '<section id="pv-table" aria-label="Every step"></section>'
    )


def _about(trace: Trace, data: dict[str, Any]) -> str:
    header = trace.header
    words = [f"{len(data['events']):,} steps", f"{len(data['header']['nodes'])} nodes"]
    quorums = header.get("quorums")
    if isinstance(quorums, dict) and {"phase1", "phase2"} <= quorums.keys():
        first, second = quorums["phase1"], quorums["phase2"]
        words.append(
            f"quorums of {first}" if first == second else f"quorums of {first} and {second}"
        )
    if isinstance(source := header.get("source"), str):
        words.append(f"from {clean(source, 80)}")
    if isinstance(node := header.get("node"), int) and len(data["header"]["nodes"]) > 1:
        words.append(f"of node {node} alone: what the others did is not in it")
    return (
        f'<p class="pv-soft">{escape(", ".join(words))}'
        '<span class="pv-hint">. Press <kbd>→</kbd> to step on, <kbd>?</kbd> for help.</span></p>'
    )


def _notice(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in problems)
    return (
        '<section class="pv-problems" role="note" aria-label="What to know about this trace">'
        f"<strong>What to know about this trace</strong><ul>{items}</ul></section>"
    )
