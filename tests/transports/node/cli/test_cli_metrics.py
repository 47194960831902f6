"""``paxos node --metrics``: a process that is scraped, and what is wrong use."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cli_cases import Cluster, wait_until_said

from transports.testing import free_tcp_addresses


def test_a_node_serves_its_metrics(tmp_path: Path) -> None:
    where = free_tcp_addresses(1)[1]
    with Cluster(tmp_path, nodes=(1,), store="memory") as cluster:
        process = cluster.start(1, "--first-start", "--metrics", where)
        wait_until_said(tmp_path / "node-1.log", "leader_gained", process)
        wait_until_said(tmp_path / "node-1.log", f"metrics_served address={where}", process)
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'paxos_role{node="1",role="leader"} 1.0' in text.splitlines()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{where}/other", timeout=10)


def test_an_address_in_use_ends_the_node_with_one_line(tmp_path: Path) -> None:
    with Cluster(tmp_path, nodes=(1,), store="memory") as cluster, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        where = f"127.0.0.1:{held.getsockname()[1]}"
        cluster.start(1, "--first-start", "--metrics", where)
        assert cluster.wait(1) == 1
        last = cluster.said(1).splitlines()[-1]
        assert last.startswith(f"paxos: metrics cannot be served at {where} (")
        assert last.endswith("; give --metrics another address")
        assert "Traceback" not in cluster.said(1)


def test_wrong_use_is_status_2(paxos, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "paxos.toml").write_text('store = "memory"\n[nodes]\n1 = "127.0.0.1:1"\n')
    wrong = paxos("node", 1, "--metrics", "nowhere")
    assert wrong.status == 2
    assert wrong.complaint.startswith("metrics: bad address 'nowhere'")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    missing = paxos("node", 1, "--metrics", "9464")
    assert missing.status == 2
    assert missing.complaint == (
        "metrics need the package prometheus-client, which is not installed; "
        "in a clone: pip install '.[metrics]'"
    )
