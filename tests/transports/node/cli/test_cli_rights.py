"""Without the right to something, a command ends with one line and the right status."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from transports.node.cli.failures import explain

NOBODY = 65534
TCP = '[nodes]\n1 = "127.0.0.1:1"\n2 = "127.0.0.1:2"\n'
SEALED = '[transport_options]\nkey_file = "key"\n'
RAW = """
transport = "{}"
[nodes]
1 = "00:00:00:00:00:00"
2 = "00:00:00:00:00:00/2"
[transport_options]
interface = "lo"
{}
"""


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who has none; who runs the tests as such a one is that already."""
    if os.geteuid() != 0:
        yield
        return
    # What is loaded only now may lie where such a user may not read.
    explain(Exception())
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that every user may enter, which is the current one."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        monkeypatch.chdir(path)
        yield path


@pytest.mark.parametrize(
    "arguments", ["init --all", "init --node 1", "node 1", "log --store --node 1"]
)
def test_a_store_of_another_user(arguments: str, paxos, open_home: Path) -> None:
    (open_home / "paxos.toml").write_text(TCP)
    store = open_home / "data" / "node-1"
    store.mkdir(parents=True)
    (store / "identity").touch()
    assert paxos(*arguments.split()).status == 1  # now all that it needs is loaded
    store.chmod(0)
    with without_rights():
        done = paxos(*arguments.split())
    store.chmod(0o700)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"paxos: {store}: there is no right to read and write there (Permission denied); "
        "run as the user who owns it, or change its rights\n"
    )


def test_a_store_s_directory_that_belongs_to_others(paxos, open_home: Path) -> None:
    """Its files alone are not enough: the first checkpoint would end the node."""
    (open_home / "paxos.toml").write_text(TCP)
    assert paxos("init", "--node", 1).status == 0
    store = open_home / "data" / "node-1"
    for file in store.iterdir():
        file.chmod(0o666)
    assert paxos("log", "--store", "--node", 1).status == 0  # now all that it needs is loaded
    store.chmod(0o555)
    with without_rights():
        done = paxos("log", "--store", "--node", 1)
    store.chmod(0o700)
    assert (done.status, done.out) == (1, "")
    assert f"{store}: there is no right to read and write there" in done.err


@pytest.mark.parametrize(
    ("config", "closed", "status", "said"),
    [
        (TCP, "paxos.toml", 2, "paxos.toml: cannot be read (Permission denied)"),
        (TCP + SEALED, "key", 1, "cannot be read: permission denied"),
        (RAW.format("ethernet", ""), "", 1, "ethernet: the right CAP_NET_RAW is missing: run as"),
        (RAW.format("kmod", 'device = "device"'), "device", 1, "kmod: no right to open device: "),
    ],
)
def test_what_belongs_to_others(
    config: str, closed: str, status: int, said: str, paxos, open_home: Path
) -> None:
    for name, text in (("paxos.toml", config), ("key", "0" * 32), ("device", "")):
        (open_home / name).write_text(text)
    paxos("status", "--timeout", 0.01)  # now all that it needs is loaded
    if closed:
        (open_home / closed).chmod(0)
    with without_rights():
        done = paxos("status", "--timeout", 0.01)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert done.err.startswith("paxos: ")
    assert done.err.count("\n") == 1
