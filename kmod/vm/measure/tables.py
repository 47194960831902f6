"""What was measured, as Markdown: the echoes, the decisions, the aims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .decisions import ROWS
from .echoes import ECHOES

Figures = Mapping[str, Any]

PAPER_PER_SECOND = {
    "udp-user": 120_000,
    "udp-kernel": 135_000,
    "ethernet-user": 318_000,
    "ethernet-kernel": 520_000,
}
"""Table I of the paper."""
REFERENCE = {1: (98.0, 9_100.0), 64: (None, 9_300.0)}
"""The paper's module in such a guest, its client in user space: us at the median, commands/s."""
ECHO_RATIO_MIN = 1.6
DECISION_SHARE_MAX = 0.5
MANY = 64
MANY_RATIO_MIN = 5.0


def markdown(counted: Figures, timed: Figures | None, facts: Mapping[str, str]) -> str:
    """All tables and what they were measured on, without the markers around them."""
    parts = []
    if "echoes" in counted:
        parts.append("### An echo\n\n" + _table(ECHO_HEAD, _echo_lines(counted["echoes"])))
    if "decisions" in counted:
        parts.append("### A decision\n\n" + _table(DECISION_HEAD, _lines(counted["decisions"])))
    if timed is not None:
        title = "### In a clock's time, beside the reference\n\n"
        parts.append(title + _table(TIMED_HEAD, _timed_lines(timed["decisions"])))
        loads = " to ".join(f"{load:.1f}" for load in timed["load"])
        facts = {
            **facts,
            "the table in a clock's time": f"{TIMED_OPTIONS}; the machine's load was {loads}",
        }
    if aims := list(_aims(counted, timed)):
        parts.append("### The aims\n\n" + _table(AIMS_HEAD, aims))
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    parts.append("The command that repeats it:\n\n```console\n$ make kmod-figures\n```")
    return "\n\n".join(parts)


def _table(head: Sequence[str], lines: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    rows = (head, ["---"] * len(head), *lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# Echoes

ECHO_HEAD = (
    "echo",
    "outstanding",
    "instructions",
    "of these, the echo's process",
    "context switches",
    "echoes/s, guest time",
    "to UDP in user space",
    "the paper",
)


def _echo_lines(echoes: Figures) -> Iterator[Sequence[str]]:
    base = {figures["outstanding"]: figures for figures in echoes.get("udp-user", [])}
    for name, many in echoes.items():
        for figures in many:
            first = base.get(figures["outstanding"])
            process = figures["echo_ns"] / figures["count"]
            yield (
                ECHOES[name].title,
                str(figures["outstanding"]),
                f"{echo_cost(figures):,.0f}",
                f"{process:,.0f}" if process else "none",
                _few(figures["switches"] / figures["count"]),
                f"{figures['count'] * 1e9 / figures['elapsed_ns']:,.0f}",
                f"{echo_cost(first) / echo_cost(figures):.2f} x" if first else "",
                _paper(name),
            )


def echo_cost(figures: Figures) -> float:
    """Instructions of one echo: the client's, the echo's, and all between."""
    return float(figures["busy_ns"] / figures["count"])


def _paper(name: str) -> str:
    found = PAPER_PER_SECOND.get(name)
    return f"{found:,}/s, {found / PAPER_PER_SECOND['udp-user']:.2f} x" if found else "not in it"


# Decisions

DECISION_HEAD = (
    "core and layer",
    "outstanding",
    "commands per slot",
    "instructions per command",
    "per slot",
    "of these, a follower's process",
    "context switches per slot",
    "of a follower's process",
    "p50, guest time",
    "commands/s, guest time",
)


def _lines(decisions: Figures) -> Iterator[Sequence[str]]:
    for name, many in decisions.items():
        for figures in many:
            slots = figures["slots"]
            yield (
                ROWS[name].title,
                str(figures["outstanding"]),
                f"{figures['commands'] / slots:.1f}",
                f"{figures['busy_ns'] / figures['commands']:,.0f}",
                f"{slot_cost(figures):,.0f}",
                f"{figures['follower_ns'] / slots:,.0f}",
                _few(figures["switches"] / slots),
                _few(figures["follower_switches"] / slots),
                f"{figures['p50_ns'] / 1e3:,.1f} us",
                f"{_rate(figures):,.0f}",
            )


def slot_cost(figures: Figures) -> float:
    """Instructions of one decision, everywhere."""
    return float(figures["busy_ns"] / figures["slots"])


def command_cost(figures: Figures) -> float:
    """Instructions of one command, everywhere."""
    return float(figures["busy_ns"] / figures["commands"])


def _rate(figures: Figures) -> float:
    return float(figures["commands"] * 1e9 / figures["ns"])


def _few(number: float) -> str:
    return f"{number:.3f}" if number < 0.1 else f"{number:.1f}"


# In time

TIMED_OPTIONS = "-accel tcg, one CPU, no icount, the quickest of several runs"
TIMED_HEAD = ("", "outstanding", "p50", "commands/s")


def _timed_lines(decisions: Figures) -> Iterator[Sequence[str]]:
    for outstanding, (p50, rate) in REFERENCE.items():
        shown = f"{p50:.0f} us" if p50 else ""
        yield ("the reference, client in user space", str(outstanding), shown, f"{rate:,.0f}")
    for name, many in decisions.items():
        for figures in many:
            yield (
                ROWS[name].title,
                str(figures["outstanding"]),
                f"{figures['p50_ns'] / 1e3:,.0f} us",
                f"{_rate(figures):,.0f}",
            )


# Aims

AIMS_HEAD = ("figure", "measured", "aim", "reached")


def _aims(counted: Figures, timed: Figures | None) -> Iterator[Sequence[str]]:
    echoes, decisions = counted.get("echoes", {}), counted.get("decisions", {})
    if {"ethernet-user", "ethernet-kernel"} <= set(echoes):
        pairs = zip(echoes["ethernet-user"], echoes["ethernet-kernel"], strict=True)
        for user, kernel in pairs:
            yield _at_least(
                f"echo over Ethernet, kernel to user space, {_outstanding(user)}",
                echo_cost(user) / echo_cost(kernel),
                ECHO_RATIO_MIN,
            )
    if {"c-ethernet", "c-kernel"} <= set(decisions):
        for user, kernel in zip(decisions["c-ethernet"], decisions["c-kernel"], strict=True):
            share = command_cost(kernel) / command_cost(user)
            yield (
                f"instructions per command, kernel to C core on Ethernet, {_outstanding(user)}",
                f"{share:.3f} x",
                f"at most {DECISION_SHARE_MAX} x",
                _word(share <= DECISION_SHARE_MAX),
            )
    for figures in decisions.get("c-kernel", []):
        switches = figures["follower_switches"] / figures["slots"]
        name = f"context switches per decision at a follower, {_outstanding(figures)}"
        yield (name, _few(switches), "none (below 0.05)", _word(switches < 0.05))
    if timed is not None:
        yield from _timed_aims(timed["decisions"]["c-kernel"])


def _timed_aims(kernel: Sequence[Figures]) -> Iterator[Sequence[str]]:
    for figures in kernel:
        outstanding = figures["outstanding"]
        p50, rate = REFERENCE[outstanding]
        if p50:
            took = figures["p50_ns"] / 1e3
            name = f"kernel, p50, {_outstanding(figures)}"
            yield (name, f"{took:.0f} us", f"at most {p50:.0f} us", _word(took <= p50))
        least = MANY_RATIO_MIN if outstanding == MANY else 1.0
        name = f"kernel, commands/s to the reference, {_outstanding(figures)}"
        yield _at_least(name, _rate(figures) / rate, least)


def _at_least(name: str, ratio: float, least: float) -> Sequence[str]:
    return (name, f"{ratio:.2f} x", f"at least {least:g} x", _word(ratio >= least))


def _outstanding(figures: Figures) -> str:
    return f"{figures['outstanding']} outstanding"


def _word(reached: bool) -> str:
    return "yes" if reached else "no"
