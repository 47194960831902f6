"""Which lies of one member the others survive; docs/lies.md has the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from paxos_core.testing.chance import Chance
from paxos_core.testing.lies import LIES, Harm, Lie, LyingCluster, run, smallest
from paxos_core.types import NodeId
from transports.api import TransportStats
from transports.sealed import SealedTransport

SEEDS = 8
LIES_MAX = 3
"""The smallest scripts that break agreement are no longer than this."""


def of(harm: Harm) -> list[str]:
    return [name for name, kind in LIES.items() if kind.harm is harm]


def test_there_are_lies_of_every_kind() -> None:
    assert len(of(Harm.NONE)) >= 15
    assert len(LIES) >= 30
    assert all(kind.says for kind in LIES.values())


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("name", of(Harm.NONE))
def test_the_others_agree_and_go_on(name: str, size: int) -> None:
    for seed in range(SEEDS if size == 3 else SEEDS // 2):
        outcome = run(name, seed, size)
        assert outcome.disagreement == "", f"seed {seed}"
        assert outcome.decided_while_lying, f"seed {seed}"
        assert outcome.stopped == [], f"seed {seed}"


@pytest.mark.parametrize("name", of(Harm.STALLS))
def test_the_others_agree_and_go_on_when_it_is_over(name: str) -> None:
    outcomes = [run(name, seed) for seed in range(SEEDS)]
    assert [o.disagreement for o in outcomes] == [""] * SEEDS
    assert not all(o.decided_while_lying for o in outcomes), "it does not even stall: harmless"
    assert all(o.decided_after for o in outcomes)
    assert not any(o.stopped for o in outcomes)


@pytest.mark.parametrize("name", of(Harm.LASTS))
def test_the_others_agree_and_are_at_an_end(name: str) -> None:
    outcomes = [run(name, seed) for seed in range(SEEDS)]
    assert [o.disagreement for o in outcomes] == [""] * SEEDS
    assert not all(o.decided_after for o in outcomes), "it does not last"


@pytest.mark.parametrize("name", of(Harm.BREAKS))
def test_the_others_disagree(name: str) -> None:
    """Paxos is not Byzantine: here is how little it takes."""
    found = [small for seed in range(24) if (small := smallest(name, seed))]
    assert found, "no seed breaks agreement"
    shortest = min(found, key=lambda outcome: len(outcome.told))
    assert 1 <= len(shortest.told) <= LIES_MAX, shortest.told


class Truth(Lie):
    """No lie at all."""


def test_without_a_lie_nothing_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIES, "truth", Truth)
    for seed in range(SEEDS):
        outcome = run("truth", seed)
        assert (outcome.disagreement, outcome.decided_while_lying, outcome.told) == ("", True, [])


def test_a_seed_repeats_itself() -> None:
    assert run("replays", 3) == run("replays", 3)
    assert run("forgets its votes", 1) == run("forgets its votes", 1)


# With a key


class Deaf:
    """What a sealed transport stands on, of which only the counters are looked at."""

    frame_bytes_max = 1 << 16

    def __init__(self) -> None:
        self.stats = TransportStats()


@pytest.fixture
def frames_of_liars(monkeypatch: pytest.MonkeyPatch) -> list[tuple[NodeId, NodeId, bytes]]:
    """Every frame of every liar, true or not: (the sender it names, receiver, frame)."""
    told: list[tuple[NodeId, NodeId, bytes]] = []
    carry = LyingCluster.carry

    def listening(
        self: LyingCluster, named: NodeId, to: NodeId, frame: bytes, dice: Chance | None = None
    ) -> None:
        if self._lies_now:
            told.append((named, to, frame))
        carry(self, named, to, frame, dice)

    monkeypatch.setattr(LyingCluster, "carry", listening)
    for name in LIES:
        run(name, 1)
    return told


def test_with_a_key_no_frame_of_a_liar_is_heard(
    frames_of_liars: list[tuple[NodeId, NodeId, bytes]],
) -> None:
    told = frames_of_liars
    assert len(told) > 10_000
    inner = Deaf()
    sealed = {node: SealedTransport(inner, node, b"k" * 32) for node in (1, 2, 3)}  # type: ignore[arg-type]
    other = {node: SealedTransport(Deaf(), node, b"x" * 32) for node in (1, 2, 3)}  # type: ignore[arg-type]
    for named, to, frame in told:
        # As it is; with a tag of another key; with a tag for somebody else.
        for forged in (frame, frame + other[named]._tag(named, to, frame), frame + bytes(16)):
            assert sealed[to]._open_all([(named, forged)]) == []
    assert inner.stats.dropped["bad_tag"] == 3 * len(told)


def test_this_module_is_in_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lies.md").read_text()
    for name, kind in LIES.items():
        assert f"| {name} | {kind.says} |" in page, name
