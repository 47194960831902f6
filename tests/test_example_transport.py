"""The third-party transport of the examples keeps every promise, and carries a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from transports import resolve
from transports.node import ClusterConfig, open_client, open_node
from transports.node.machines import Journal
from transports.testing import PROMISES, check_transport

FILE = Path(__file__).parents[1] / "examples" / "transport" / "directories.py"
NAME = "directories:open_directories"
LINES_MAX = 99


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FILE.parent))


@pytest.fixture
def directory() -> Iterator[Path]:
    # Not pytest's own, whose name is too long for a socket's.
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.mark.parametrize("promise", PROMISES)
async def test_it_keeps_every_promise(promise: str, directory: Path) -> None:
    numbers = count()

    def fresh_peers(n: int) -> dict[int, str]:
        return {node: f"{directory}/{next(numbers)}" for node in range(1, n + 1)}

    await check_transport(resolve(NAME), fresh_peers, promises=[promise])


async def test_it_carries_a_cluster(directory: Path) -> None:
    nodes = {node: f"{directory}/{node}" for node in (1, 2, 3)}
    config = ClusterConfig(nodes, transport=NAME, store="memory")
    async with (
        open_node(config, 1, Journal(), first_start=True),
        open_node(config, 2, Journal(), first_start=True),
        open_node(config, 3, Journal(), first_start=True),
        open_client(config) as client,
    ):
        outcomes = await client.submit_many([b"%d" % n for n in range(200)], outstanding=20)
    assert sorted(map(int, outcomes)) == list(range(1, 201))  # type: ignore[arg-type]


def test_it_is_short() -> None:
    lines = [line for line in FILE.read_text().splitlines() if line.strip()]
    assert len(lines) <= LINES_MAX
