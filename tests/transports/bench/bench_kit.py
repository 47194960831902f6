"""What the bench's tests share: a saved run that was made up, always the same."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hdrh.histogram import HdrHistogram

from transports.bench.ladder.plan import FULL_ROWS, HOST_LAYERS, Choice, plan_cells
from transports.bench.saved.files import create_run
from transports.bench.saved.schema import (
    PARTS,
    Calls,
    Cell,
    Closed,
    Effort,
    Entry,
    Failover,
    Failure,
    Growth,
    Head,
    Latency,
    ProcessCost,
    Sample,
    Skip,
)

RUNG_US = {"echo": 25.0, "hops": 70.0, "quorum": 110.0, "paxos": 300.0, "durable": 600.0}
LAYER_SHARE = {"tcp": 1.0, "udp": 1.1, "zeromq": 1.7, "ethernet": 0.9, "memory": 0.8}


def make_head(cells: list[Cell], repeats: int = 3, *, place: str = "host") -> Head:
    return Head(
        place="vm" if place == "vm" else "host",
        began="2026-01-02T03:04:05Z",
        command="paxos bench --peers",
        machine={"processor": "2 cores, made up", "kernel": "Linux <1>", "python": "CPython"},
        versions={"pluggable-paxos": "0.1.0"},
        effort=Effort(repeats=repeats, warm_seconds=0.1, seconds=0.5),
        settings={"log_bytes_max": 4 << 20},
        pins={"leader": [0], "follower": [1]},
        cells=cells,
    )


def make_sample(
    cell: Cell, repeat: int, *, slower: float = 1.0, dice: Random | None = None
) -> Sample:
    """Of the size that the layer and the rung suggest, with some noise."""
    dice = dice or Random(f"{cell.id} {repeat}")
    share = LAYER_SHARE.get(cell.layer.partition("-")[0], 1.3)
    outstanding = cell.load.outstanding if isinstance(cell.load, Closed) else 5
    noise = 1 + 0.02 * (dice.random() - 0.5)
    p50 = slower * RUNG_US[cell.rung] * share * noise * (1 + outstanding / 200)
    per_second = outstanding * 1e6 / p50
    commands = int(per_second / 2)
    parts = dict.fromkeys(PARTS, 0.04)
    roles = ["all"] if cell.layer == "memory" else ["leader", "follower 2", "follower 3", "client"]
    return Sample(
        cell=cell.id,
        repeat=repeat,
        command_bytes=cell.command_bytes or 32_768,
        seconds=0.5,
        commands=commands,
        per_second=per_second,
        latency=Latency(
            samples=commands,
            p50_us=p50,
            p90_us=1.2 * p50,
            p99_us=2 * p50,
            p999_us=4 * p50,
            min_us=0.8 * p50,
            max_us=9 * p50,
        ),
        processes=[
            ProcessCost(
                role=role,
                user_seconds=0.1,
                system_seconds=0.05,
                voluntary_switches=commands,
                involuntary_switches=commands // 9,
                syncs=commands if cell.rung == "durable" else 0,
                parts_seconds=parts if "er" in role else {},
            )
            for role in roles
        ],
        softirq_seconds=0.02,
        wire_frames=8 * commands,
        wire_bytes=900 * commands,
        instrumented=True,
    )


def encoded_histogram(sample: Sample) -> str:
    histogram = HdrHistogram(1, 120_000_000_000, 3)
    for permille in range(1000):
        histogram.record_value(int(1000 * sample.latency.p50_us * (0.6 + permille / 1000)))
    data: bytes = histogram.encode()
    return data.decode()


def full_cells(*, peers: bool = True) -> list[Cell]:
    layers = tuple(layer for layer in HOST_LAYERS if "kmod" not in layer)
    return plan_cells(Choice(layers, peers=peers), FULL_ROWS, quick=False)


def make_run(
    folder: Path,
    cells: list[Cell] | None = None,
    repeats: int = 6,
    *,
    slower: float = 1.0,
    place: str = "host",
    extra: tuple[Entry, ...] = (),
) -> Path:
    """A finished run in `folder`, with something of everything."""
    cells = full_cells() if cells is None else cells
    with create_run(folder, make_head(cells, repeats, place=place)) as writer:
        for repeat in range(repeats):
            for cell in cells:
                sample = make_sample(cell, repeat, slower=slower)
                writer.add(sample)
                writer.add_histogram(cell.id, repeat, 0.0, encoded_histogram(sample))
        for entry in extra:
            writer.add(entry)
        writer.finish()
    return folder


def everything_else() -> tuple[Entry, ...]:
    calls = {"leader": {"recvmsg": 3000, "epoll_wait": 3000}, "client": {"sendmsg": 1000}}
    paxos = [
        Cell(layer="tcp", rung="paxos", variant="python", load=Closed(outstanding=number))
        for number in (1, 1024)
    ]
    return (
        *(Calls(cell=cell.id, commands=1000, by_role=calls) for cell in paxos),
        *(
            Failover(
                layer=layer,
                variant="python",
                bucket_ms=20.0,
                answers=[400] * 50 + [0] * 15 + [380] * 85,
                killed_ms=1000.0,
                restarted_ms=2500.0,
                pause_seconds=0.3,
            )
            for layer in ("tcp", "udp", "zeromq-veth")
        ),
        Growth(layer="tcp", few=200_000, many=2_000_000, few_kib=[100] * 3, many_kib=[110] * 3),
        Skip(subject="kmod-relay.paxos.python.3", reason="</script><script>alert(1)</script>"),
        Failure(cell="udp.paxos.python.3.closed-1.64B", repeat=9, reason="node 2 ended: killed"),
    )
