"""Runs the comparison of the layers: sees what can run here, makes the network, measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from transports.api import TransportError
from transports.bench import trace
from transports.bench.cluster import NODES, Setup
from transports.bench.layers import LAYERS, LayerResults, Results, make_plan
from transports.bench.measure import Effort
from transports.bench.places import Place
from transports.bench.run import run_plan
from transports.node.cli.failures import Failure
from transports.node.cli.lab.ip import unavailable
from transports.node.cli.lab.network import open_network
from transports.registry import resolve


def look_around(names: Sequence[str]) -> Results:
    """An entry for each layer, which says why it cannot be measured here if it cannot."""
    no_trace = trace.unavailable() or ""
    results: Results = {}
    for name in names:
        skipped = _why_not(name)
        results[name] = LayerResults(skipped=skipped, calls_skipped=no_trace)
    return results


def _why_not(name: str) -> str:
    try:
        resolve(LAYERS[name].transport)
    except TransportError as error:
        return str(error)
    return (unavailable() or "") if LAYERS[name].veth else ""


async def run_layers(
    setup: Setup, effort: Effort, results: Results, progress: Callable[[str], None]
) -> None:
    """Fill `results`. The network, if one is needed, is gone when this returns or is cancelled."""
    with ExitStack() as stack:
        veth = _open_veth(stack, results)
        await run_plan(make_plan(setup, effort, results, veth), progress)


def _open_veth(stack: ExitStack, results: Results) -> Place | None:
    wanted = [
        result for name, result in results.items() if LAYERS[name].veth and not result.skipped
    ]
    if not wanted:
        return None
    try:
        plan, _claim = stack.enter_context(open_network(NODES))
    except Failure as error:
        for result in wanted:
            result.skipped = str(error)
        return None
    return Place(plan)
