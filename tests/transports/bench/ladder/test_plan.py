"""Plans, and the words that people choose parts of them by."""

from __future__ import annotations

import pytest
from bench_kit import full_cells

from transports.bench.ladder import words
from transports.bench.ladder.plan import (
    FULL,
    FULL_ROWS,
    HOST_LAYERS,
    QUICK_ROWS,
    VM_LAYERS,
    VM_ROWS,
    Choice,
    plan_cells,
)
from transports.bench.ladder.schedule import make_turns
from transports.bench.ladder.trials import plan_trials, read_trial
from transports.bench.saved.schema import LARGEST, RUNGS, Closed, Open
from transports.node.cli.failures import Misuse


def test_a_full_plan_has_every_layer_rung_load_and_payload() -> None:
    cells = plan_cells(Choice(HOST_LAYERS, peers=True), FULL_ROWS, quick=False)
    ours = [cell for cell in cells if cell.layer in HOST_LAYERS]
    assert {cell.layer for cell in ours} == set(HOST_LAYERS)
    assert {cell.rung for cell in ours} == set(RUNGS)
    assert {cell.nodes for cell in ours} == {3, 5}
    assert {cell.command_bytes for cell in ours} == {64, 1000, LARGEST}
    assert {cell.variant for cell in ours} == {"", "python", "c", "plain-c", "kernel"}
    outstanding = {cell.load.outstanding for cell in ours if isinstance(cell.load, Closed)}
    assert {1, 1024} <= outstanding
    assert any(isinstance(cell.load, Open) for cell in ours)
    assert {cell.layer for cell in cells} - set(HOST_LAYERS) == {"etcd", "pysyncobj"}
    assert FULL.repeats >= 10


def test_no_cell_is_there_twice() -> None:
    ids = [cell.id for cell in full_cells()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("rows", [FULL_ROWS, QUICK_ROWS])
def test_one_process_has_no_hops(rows: tuple[object, ...]) -> None:
    cells = plan_cells(Choice(("memory",)), rows, quick=False)  # type: ignore[arg-type]
    assert cells
    assert all(cell.rung != "hops" for cell in cells)


def test_in_the_emulated_machine_the_kernel_decides_for_its_replica() -> None:
    cells = plan_cells(Choice(VM_LAYERS), VM_ROWS, quick=False)
    variants = {cell.variant for cell in cells if cell.layer == "kmod-replica"}
    assert variants == {"", "kernel", "plain-c"}
    assert {cell.variant for cell in cells if cell.layer == "kmod-relay"} == {"", "python"}


def test_a_choice_narrows_the_plan() -> None:
    choice = Choice(
        ("tcp",),
        ("paxos",),
        variants=("c",),
        loads=(Closed(outstanding=7), Open(per_second=100.0)),
        payloads=(10,),
    )
    cells = plan_cells(choice, FULL_ROWS, quick=False)
    assert [cell.id for cell in cells] == [
        "tcp.paxos.c.3.closed-7.10B",
        "tcp.paxos.c.3.open-100.10B",
    ]


def test_plain_sockets_have_no_plan() -> None:
    choice = Choice(("tcp",), ("echo", "hops"), loads=(Open(per_second=5.0), Closed(outstanding=1)))
    cells = plan_cells(choice, FULL_ROWS, quick=False)
    assert [cell.id for cell in cells] == [
        "tcp.echo.plain.3.closed-1.64B",
        "tcp.hops.plain.3.closed-1.64B",
    ]


def test_repeats_are_interleaved() -> None:
    cells = [c for c in full_cells() if c.layer in ("tcp", "udp") and c.rung in ("echo", "hops")]
    turns = make_turns(cells, 2, set(), {})
    order = [(turn.repeat, turn.stand.layer, turn.stand.rung) for turn in turns]
    once = [("tcp", "echo"), ("udp", "echo"), ("tcp", "hops"), ("udp", "hops")]
    assert order == [(repeat, *stand) for repeat in (0, 1) for stand in once]


def test_what_was_tried_or_cannot_run_is_left_out() -> None:
    cells = [c for c in full_cells() if c.layer in ("tcp", "udp") and c.rung == "echo"]
    tried = {(cells[0].id, 0)}
    turns = make_turns(cells, 1, tried, {"udp.echo.plain.3": "no"})
    (turn,) = turns
    assert turn.stand.layer == "tcp"
    assert cells[0] not in turn.cells


def test_trials_are_read_as_they_are_written() -> None:
    trials = plan_trials(("failover", "calls", "growth"), ("tcp", "udp-veth"))
    assert [read_trial(trial.id) for trial in trials] == trials
    assert [trial.id for trial in trials] == [
        "failover.tcp",
        "failover.udp-veth",
        "calls.tcp.1",
        "calls.udp-veth.1",
        "calls.tcp.1024",
        "calls.udp-veth.1024",
        "growth.tcp",
    ]


def test_words_are_read() -> None:
    assert words.read_layers("udp, tcp") == ("tcp", "udp")
    assert words.read_rungs("paxos,echo") == ("echo", "paxos")
    assert words.read_loads("1,open-250,1") == (Closed(outstanding=1), Open(per_second=250.0))
    assert words.read_payloads("64,max") == (64, LARGEST)
    assert words.read_trials("none") == ()


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (words.read_layers, "tcp,avian"),
        (words.read_layers, " , "),
        (words.read_rungs, "top"),
        (words.read_nodes, "4"),
        (words.read_loads, "0"),
        (words.read_loads, "-1"),
        (words.read_loads, "open-"),
        (words.read_loads, "open-9999999999"),
        (words.read_loads, "\u0663"),
        (words.read_payloads, "2000000"),
        (words.read_payloads, "64B"),
        (words.read_trials, "all"),
    ],
)
def test_wrong_words_are_refused_with_a_cure(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(Misuse, match="--"):
        read(text)
