"""Two processes with one identity, on one store: the second does not start."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_cases import Cluster

from transports.testing import free_tcp_addresses


@pytest.mark.slow
def test_on_one_store_the_second_does_not_start(paxos, home: Path) -> None:
    with Cluster(home) as cluster:
        cluster.start_all()
        # As another configuration has it: elsewhere, so that its address is free.
        other = home / "other"
        other.mkdir()
        (other / "data").symlink_to(home / "data")
        with Cluster(other) as second:
            elsewhere = next(iter(free_tcp_addresses(1).values()))
            lines = cluster.config.read_text().splitlines()
            moved = [f'1 = "{elsewhere}"' if line.startswith("1 = ") else line for line in lines]
            second.config.write_text("\n".join(moved) + "\n")
            second.start(1)
            assert second.wait(1) == 1
            (line,) = second.said(1).splitlines()
            assert "another process holds this store; stop that node first" in line
        assert paxos("submit", "undisturbed").status == 0
        # The lock is the process's: killed, it leaves none behind.
        cluster.kill(1)
        cluster.start(1)
        cluster.wait_until_equal()
