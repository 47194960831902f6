"""`paxos simulate --trace FILE`: the file, whatever ends the run, and whatever core it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from campaign_cases import run_command
from teeth import BREAKS

from paxos_core.testing import Options, simulate
from paxos_core.testing.disk_faults import DISK_FAULTS, LOSING
from paxos_core.testing.fault_words import fault_text
from paxos_core.testing.faults import NODE_FAULTS
from paxos_core.testing.plan import EVENT_KINDS, TICK_UNITS, Fault
from paxos_core.testing.tracing import trace_seed
from paxos_core.trace import Trace, read_trace


def read(path: Path) -> Trace:
    with path.open() as file:
        trace = read_trace(file)
    assert not trace.problems
    return trace


def test_a_seeds_trace_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.trace"
    path.write_text("what was here before")
    status, said = run_command(f"--seed 7 --steps 900 --trace {path}")
    assert status == 0
    trace = read(path)
    assert len(trace.events) > 200
    assert f"; {path} has {len(trace.events):,} events; see it with: paxos view {path}" in said
    assert trace.header["source"] == "paxos simulate --seed 7 --steps 900"


def test_a_seed_that_fails_is_traced_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS["accepts_below_the_promise"](monkeypatch)
    path = tmp_path / "run.trace"
    for seed in range(40):
        status, said = run_command(f"--seed {seed} --trace {path}")
        if status:
            break
    assert status == 1
    assert "FAIL seed" in said
    assert f"trace: {path}" in said
    assert "the run fails: " in read(path).events[-1]["text"]
    assert any("this breaks the rule (P1a)" in e.get("why", "") for e in read(path).events)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    status, said = run_command(f"--seed 7 --trace {tmp_path / 'no' / 'run.trace'}")
    assert status == 1
    assert "No such file or directory; name another file" in said


@pytest.mark.parametrize("core", ["c", "mixed"])
@pytest.mark.parametrize("seed", [1, 7, 12])
def test_the_c_core_is_explained_by_the_same_code(core: str, seed: int) -> None:
    from native_kit import need_compiler

    need_compiler()
    from transports.node.cli.simulate.cores import make_of

    options = Options(seed, core=core)
    lines: list[dict[str, Any]] = []
    traced = trace_seed(options, lines.append, make_of(core))
    bare = simulate(options, make_core=make_of(core))
    assert traced.fingerprint == bare.fingerprint
    assert traced.counts == bare.counts
    rules = {line["rule"] for line in lines if "rule" in line}
    assert rules >= {"phase 1a", "phase 1b", "phase 2b", "stable storage", "restart"}
    for line in lines:
        if line.get("state", {}).get("role") == "leader":
            assert "eads in" in line["why"]
        assert "this breaks the rule" not in line.get("why", "")


def test_python_and_c_give_the_same_reasons() -> None:
    """Without drains each input is taken up at once, and then not a word differs."""
    from native_kit import need_compiler

    need_compiler()
    from transports.node.cli.simulate.cores import make_of

    for seed in (1, 2, 7):
        without = frozenset({"drain", "garbage", "pause"})
        told: dict[str, list[Any]] = {"python": [], "c": []}
        for core, lines in told.items():
            trace_seed(Options(seed, core=core, without=without), lines.append, make_of(core))
        assert [e.get("why") for e in told["c"][1:]] == [e.get("why") for e in told["python"][1:]]


def test_a_fault_is_told_so_that_a_reader_needs_no_code() -> None:
    texts: set[str] = set()
    for seed in range(8):
        trace_seed(Options(seed), lambda line: texts.add(line.get("text", "")))
    faults = [text for text in texts if " ticks" in text]
    assert len(faults) > 10
    assert not [text for text in texts if text.startswith("fault ") or "None" in text]
    assert any(text.startswith("the network is split in two for ") for text in texts)
    assert "all faults end: from here on everything has to come right" in texts


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_of_fault_has_its_words(kind: str) -> None:
    at_one = kind in (*NODE_FAULTS, *DISK_FAULTS)
    text = fault_text(Fault(3, kind, 0, 14 * TICK_UNITS, 1), 2 if at_one else None)
    assert ("node 2" in text) is at_one
    assert "14 ticks" in text or kind in (*LOSING, "failsync", "die")
