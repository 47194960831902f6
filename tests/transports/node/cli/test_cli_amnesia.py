"""What has forgotten its promises must not vote: real nodes, killed, over the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_cases import Cluster
from native_kit import need_compiler


def voters(cluster: Cluster) -> dict[int, bool]:
    return {node: said["voting"] for node, said in cluster.wait_until_up().items()}


@pytest.mark.slow
@pytest.mark.parametrize("core", ["python", "c"])
def test_a_memory_node_that_was_killed_comes_back_without_its_vote(
    paxos, home: Path, core: str
) -> None:
    if core == "c":
        need_compiler()
    with Cluster(home, store="memory", core=core) as cluster:
        cluster.start_all()
        assert paxos("submit", "before", "--count", 50).status == 0
        for node in (1, 2):
            cluster.kill(node)
            cluster.start(node)
            assert voters(cluster)[node] is False
            assert "does_not_vote" in cluster.said(node)
            if node == 1:
                # Two of three vote still, and it learns.
                cluster.wait_until_equal()
                assert paxos("submit", "between").status == 0
        # Node 1 has caught up and knows everything; but a quorum of promises is gone for good.
        assert voters(cluster) == {1: False, 2: False, 3: True}
        lost = paxos("submit", "never", "--timeout", "1", "-o", "json")
        assert lost.status == 1
        assert lost.json["counts"]["applied"] == 0
        assert paxos("status").status == 1
        # Neither does another restart bring a vote back.
        cluster.kill(3)
        cluster.start(3)
        assert voters(cluster)[3] is False


@pytest.mark.slow
def test_a_node_whose_store_is_lost(paxos, home: Path) -> None:
    with Cluster(home) as cluster:
        cluster.start_all()
        assert paxos("submit", "before", "--count", 50).status == 0
        cluster.kill(2)
        shutil.rmtree(home / "data" / "node-2")
        for _ in range(2):  # refusing makes nothing that a second start could take for a store
            cluster.start(2)
            assert cluster.wait(2) == 1
            line = cluster.said(2).splitlines()[-1]
            assert line.startswith("paxos: ")
            assert "there is no store" in line
            assert "its promises are lost" in line
            assert "paxos init --node 2 --non-voting" in line
            assert not (home / "data" / "node-2").exists()
        # Nor can it be made anew with all the others.
        assert paxos("init", "--all").status == 1
        assert not (home / "data" / "node-2").exists()
        assert paxos("submit", "without it").status == 0
        assert paxos("init", "--node", 2, "--non-voting").status == 0
        cluster.start(2)
        cluster.wait_until_equal()
        assert voters(cluster) == {1: True, 2: False, 3: True}
        # It says so after a restart too: the loss is on record.
        cluster.kill(2)
        cluster.start(2)
        assert voters(cluster) == {1: True, 2: False, 3: True}
        assert paxos("submit", "with a learner").status == 0
        cluster.kill(1)
        assert paxos("submit", "too few voters", "--timeout", "1").status == 1
        # The vote that was missing comes back with the store that holds its promises.
        cluster.start(1)
        cluster.wait_for_leader()
        assert paxos("submit", "on we go").status == 0
