"""Which cells a run has: a base that every layer shares, and variations of one thing at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from transports.bench.ladder.layers import LAYERS
from transports.bench.saved.schema import LARGEST, RUNGS, Cell, Closed, Effort, Open, Rung

HOST_LAYERS: Final = tuple(LAYERS)
"""All: what a machine has not is left out, with the reason."""
PLAIN_C_LAYERS: Final = ("ethernet-veth", "kmod-replica")
PYSYNCOBJ_LOADS: Final = {
    "default": (1, 1024),
    "best for latency": (1,),
    "best for rate": (64, 1024),
    "best for rate, client in its leader": (1024,),
}
"""Settings that are best for one load are hopeless for the other."""
FULL_TRIALS: Final = ("failover", "calls", "growth")
FULL: Final = Effort(repeats=10, warm_seconds=0.15, seconds=0.35)
QUICK: Final = Effort(repeats=2, warm_seconds=0.05, seconds=0.15)
COMMAND_BYTES: Final = 64
OPEN_PER_SECOND: Final = 20_000.0
"""A rate that every layer can hold: a share of none of their own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a run was asked to measure; empty: what its plan has."""

    layers: tuple[str, ...]
    rungs: tuple[Rung, ...] = RUNGS
    variants: tuple[str, ...] = ()
    loads: tuple[Closed | Open, ...] = ()
    payloads: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    peers: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The loads of one stand."""

    rung: Rung
    outstanding: tuple[int, ...]
    variant: str = ""
    nodes: int = 3
    larger: bool = False
    """Also with 1,000 bytes and with the largest command that fits."""
    planned: bool = False
    """Also by plan."""


FULL_ROWS: Final[tuple[Row, ...]] = (
    Row("echo", (1, 64)),
    Row("hops", (1,)),
    Row("quorum", (1, 64, 1024)),
    Row("paxos", (1, 8, 64, 256, 1024), "python", larger=True, planned=True),
    Row("paxos", (1, 1024), "python", nodes=5),
    Row("durable", (1, 64, 1024), "python"),
    Row("paxos", (1, 64, 1024), "c"),
    Row("paxos", (1, 64), "plain-c"),
)
QUICK_ROWS: Final[tuple[Row, ...]] = (
    Row("echo", (1,)),
    Row("quorum", (1,)),
    Row("paxos", (1, 1024), "python"),
    Row("durable", (1, 1024), "python"),
)


VM_LAYERS: Final = (
    "tcp-veth",
    "udp-veth",
    "zeromq-veth",
    "ethernet-veth",
    "kmod-relay",
    "kmod-replica",
)
"""Inside the emulated machine: all that share its veth."""
VM_ROWS: Final[tuple[Row, ...]] = (
    Row("echo", (1, 64)),
    Row("quorum", (1,)),
    Row("paxos", (1, 64, 1024), "python"),
    Row("paxos", (1, 64), "plain-c"),
    Row("durable", (1,), "python"),
)
VM: Final = Effort(repeats=3, warm_seconds=0.5, seconds=1.5)


def plan_cells(choice: Choice, rows: Sequence[Row], *, quick: bool) -> list[Cell]:
    """The cells, in the order in which a repeat measures them: by rung, then by layer.

    Layers that are compared follow one another, so that a machine that drifts hurts them alike.
    """
    cells: list[Cell] = []
    for row in rows:
        if row.rung not in choice.rungs:
            continue
        for layer in choice.layers:
            if _has(layer, row):
                cells += _cells(row, layer)
    cells = _narrow(cells, choice)
    return [*cells, *_peer_cells(quick)] if choice.peers else cells


def _peer_cells(quick: bool) -> Iterator[Cell]:
    """Peers under the loads that ours are compared by; etcd stores, PySyncObj does not."""
    for variant in ("default", "best"):
        for outstanding in (1, 256) if quick else (1, 64, 256, 1024):
            yield _peer_cell("etcd", "durable", variant, outstanding)
    # Its default batches for 50 ms, so that a short window sees nothing of many commands alone.
    for variant, loads in PYSYNCOBJ_LOADS.items():
        for outstanding in loads:
            yield _peer_cell("pysyncobj", "paxos", variant, outstanding)


def _peer_cell(layer: str, rung: Rung, variant: str, outstanding: int) -> Cell:
    return Cell(layer=layer, rung=rung, variant=variant, load=Closed(outstanding=outstanding))


def _has(layer: str, row: Row) -> bool:
    """Whether the row makes sense there: one process has no hops, Python none of some."""
    if row.variant == "plain-c":
        return layer in PLAIN_C_LAYERS
    if row.variant == "c" and LAYERS[layer].mode == "replica":
        return False
    return row.rung != "hops" or not LAYERS[layer].one_process


def _cells(row: Row, layer: str) -> Iterator[Cell]:
    in_kernel = layer == "kmod-replica" and row.variant == "python"
    variant = "kernel" if in_kernel else row.variant

    def cell(load: Closed | Open, command_bytes: int = 64) -> Cell:
        return Cell(
            layer=layer,
            rung=row.rung,
            variant=variant,
            nodes=row.nodes,
            load=load,
            command_bytes=command_bytes,
        )

    for outstanding in row.outstanding:
        yield cell(Closed(outstanding=outstanding))
    if row.planned:
        yield cell(Open(per_second=OPEN_PER_SECOND))
    if row.larger:
        yield cell(Closed(outstanding=1), 1000)
        yield cell(Closed(outstanding=64), 1000)
        yield cell(Closed(outstanding=1), LARGEST)


def _narrow(cells: Sequence[Cell], choice: Choice) -> list[Cell]:
    """As was asked: other variants are left out, other loads and payloads take their place."""
    found: dict[Cell, None] = {}
    for cell in cells:
        if choice.variants and cell.variant and cell.variant not in choice.variants:
            continue
        if choice.nodes and cell.nodes not in choice.nodes:
            continue
        found.update(dict.fromkeys(_loads(cell, choice)))
    return list(found)


def _takes(rung: Rung, load: Closed | Open, payload: int) -> bool:
    """Plain blocking sockets wait for one thing at a time: no plan, and hops one by one."""
    if rung == "hops":
        return load == Closed(outstanding=1) and payload == COMMAND_BYTES
    return rung != "echo" or isinstance(load, Closed)


def _loads(cell: Cell, choice: Choice) -> Iterator[Cell]:
    if not choice.loads and not choice.payloads:
        yield cell
        return
    for load in choice.loads or (cell.load,):
        for payload in choice.payloads or (cell.command_bytes,):
            if not _takes(cell.rung, load, payload):
                continue
            yield msgspec.structs.replace(cell, load=load, command_bytes=payload)
