"""Traces: one run, event by event, with the rule that each node followed.

`docs/traces.md` has the format. Writing: a `Recorder`, and a `TracedLog` around any core.
Reading: `read_trace`, `merge_traces`, `to_shiviz`, on lines of text; no I/O here either.
"""

from paxos_core.trace.ends import mark_ends
from paxos_core.trace.merge import merge_traces
from paxos_core.trace.read import Event, Problem, Trace, read_trace
from paxos_core.trace.recorder import Recorder
from paxos_core.trace.rules import RULES, Rule
from paxos_core.trace.shape import header
from paxos_core.trace.shiviz import to_shiviz
from paxos_core.trace.tracer import TracedLog

__all__ = [
    "RULES",
    "Event",
    "Problem",
    "Recorder",
    "Rule",
    "Trace",
    "TracedLog",
    "header",
    "mark_ends",
    "merge_traces",
    "read_trace",
    "to_shiviz",
]
