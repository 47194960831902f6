"""A trace as a log for ShiViz, which draws space-time diagrams from vector clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from paxos_core.describe import printable
from paxos_core.trace.read import Event, Trace

PARSER: Final = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)"
"""What ShiViz finds an event's parts by; it takes it from the first line."""


def to_shiviz(trace: Trace) -> Iterator[str]:
    """The lines of the log, without line ends; the first two tell ShiViz how to read it.

    The network's own events have no host, and so no place there.
    """
    yield PARSER
    # The second line would separate several runs.
    yield ""
    texts: dict[str, str] = {}
    for event in trace.events:
        for message in event.get("sent", ()):
            texts[message["id"]] = message.get("text", message["kind"])
        clock = event.get("clock")
        if "node" not in event or not clock:
            continue
        hosts = {_host(node): count for node, count in clock.items()}
        yield f"{_host(event['node'])} {json.dumps(hosts)}"
        yield printable(_describe(event, texts).encode())


def _host(node: int | str) -> str:
    return f"node{node}"


def _describe(event: Event, texts: Mapping[str, str]) -> str:
    parts = [event["kind"]]
    message = event.get("message")
    if message is not None:
        ident = message["id"]
        parts.append(message.get("text") or texts.get(ident, ident))
    if "text" in event:
        parts.append(event["text"])
    sentence = f": {event['why']}" if "why" in event else ""
    return " ".join(parts) + sentence
