from __future__ import annotations

import resource
from pathlib import Path

import pytest

from transports.node.cli.init import EXAMPLE
from transports.node.config import load_config
from transports.node.store.log_open import read_identity


def test_the_example_is_a_configuration_and_is_never_overwritten(paxos, home: Path) -> None:
    first = paxos("init", "--example")
    assert (first.status, first.err) == (0, "")
    assert list(load_config("paxos.toml").nodes) == [1, 2, 3]
    before = Path("paxos.toml").read_text()
    again = paxos("init", "--example")
    assert again.status == 1
    assert "something already" in again.complaint
    assert Path("paxos.toml").read_text() == before
    elsewhere = paxos("init", "--example", "--config", "other.toml")
    assert "--config other.toml" in elsewhere.out
    nowhere = paxos("init", "--example", "--config", "no/such/place.toml")
    assert nowhere.status == 1
    assert "cannot be written" in nowhere.complaint


def test_an_example_that_does_not_fit_leaves_nothing(paxos, home: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(EXAMPLE) - 1, before[1]))
    try:
        done = paxos("init", "--example")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.status == 1
    assert done.complaint == "paxos.toml: cannot be written (File too large); check the path"
    assert paxos("init", "--example").status == 0


def test_all_stores_are_made_once(paxos, home: Path) -> None:
    paxos("init", "--example")
    made = paxos("init", "--all", "--output", "json")
    assert made.status == 0
    assert [one["node"] for one in made.json["made"]] == [1, 2, 3]
    config = load_config("paxos.toml")
    for node in config.nodes:
        identity = read_identity(config.store_path(node))
        assert (identity.cluster, identity.node, identity.voting) == (config.cluster_id, node, True)


def test_all_or_none_so_that_a_lost_store_is_not_made_anew(paxos, home: Path) -> None:
    paxos("init", "--example")
    paxos("init", "--node", 2)
    result = paxos("init", "--all")
    assert result.status == 1
    assert "nothing was made" in result.complaint
    assert [path.name for path in Path("data").iterdir()] == ["node-2"]
    again = paxos("init", "--node", 2)
    assert again.status == 1
    assert "there is something already; to start with what it holds: paxos node 2" in (
        again.complaint
    )


def test_what_is_no_store_is_not_called_one(paxos, home: Path) -> None:
    paxos("init", "--example")
    Path("data/node-2").mkdir(parents=True)
    Path("data/node-2/notes").touch()
    Path("data/node-3").touch()
    for node in (2, 3):
        result = paxos("init", "--node", node)
        assert result.status == 1
        assert "there is something already, and it is no store" in result.complaint
    paxos("init", "--node", 1)
    Path("data/node-1/identity").unlink()
    assert "to start with what it holds: paxos node 1" in paxos("init", "--node", 1).complaint


def test_a_lost_store_is_made_again_without_a_vote(paxos, home: Path) -> None:
    paxos("init", "--example")
    made = paxos("init", "--node", 3, "--non-voting")
    assert made.status == 0
    assert not read_identity("data/node-3").voting
    assert "no" in made.out.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "whose store?"),
        (["--node", "1", "--all"], "whose store?"),
        (["--node", "4"], "paxos.toml: node 4 is not in [nodes]; known are 1, 2, 3"),
        (["--all", "--non-voting"], "--non-voting is for one node"),
        (["--example", "--all"], "--example goes with no other option"),
    ],
)
def test_wrong_use(paxos, home: Path, arguments: list[str], message: str) -> None:
    paxos("init", "--example")
    result = paxos("init", *arguments)
    assert result.status == 2
    assert result.complaint.startswith(message)
    assert not Path("data").exists()


def test_memory_has_nothing_to_make(paxos, home: Path) -> None:
    Path("paxos.toml").write_text('store = "memory"\n[nodes]\n1 = "127.0.0.1:7101"\n')
    result = paxos("init", "--all")
    assert result.status == 0
    assert "--first-start" in result.out
    assert paxos("init", "--all", "-o", "json").json == {"made": []}
    assert not Path("data").exists()


def test_the_configuration_is_found_by_option_and_environment(
    paxos, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = paxos("init", "--all")
    assert missing.status == 2
    assert missing.complaint.startswith("paxos.toml: there is no such file; name one")
    paxos("init", "--example", "--config", "mine.toml")
    assert paxos("init", "--node", 1, "--config", "mine.toml").status == 0
    monkeypatch.setenv("PAXOS_CONFIG", "mine.toml")
    assert paxos("init", "--node", 2).status == 0
    assert paxos("init", "--node", 3, "--config", "paxos.toml").status == 2
