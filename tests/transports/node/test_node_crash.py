"""A real node, killed at every call of a scripted run that writes or syncs; and every write torn.

The calls are the system's own, counted and cut by strace. What the node had said until
then is what came out of its socket. How many points there are is written down here, so that
they cannot become fewer unnoticed.

Each transport and core makes all of the calls, and is killed at its share of them: each
call is the last one somewhere. Every call over every transport and with both cores:

    PAXOS_EVERY_CRASH=1 .venv/bin/python -m pytest tests/transports/node/test_node_crash.py
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import own_network
import pytest
from clusters import make_config
from native_kit import need_compiler
from scripted_peers import NODE, Gone, Peers, Said, check_restarted, open_peers, play
from store_cases import content, copied, require

from paxos_core.durable import Promised, decode_record, encode_record, replay
from paxos_core.types import make_ballot
from transports.node.config import ClusterConfig, to_toml
from transports.node.native.build import library_path
from transports.node.store.log_open import open_store
from transports.node.store.log_store import SEAL_NAME

TRANSPORTS: Final = ("tcp", "udp", "zeromq", "ethernet")
CORES: Final = ("python", "c")
KINDS: Final = tuple(product(TRANSPORTS, CORES))
EVERY: Final = "PAXOS_EVERY_CRASH" in os.environ
SMALL_LOG = "[limits]\nlog_bytes_max = 1200\nlog_keep_slots = 1"
END_SECONDS = 60.0
SPARE_BYTES = 64
POINTS = {
    "pwrite64": 25,
    "fdatasync": 13,
    "fsync": 4,
    "ftruncate": 1,
    "fallocate": 2,
    "renameat": 1,
    "unlinkat": 1,
}
"""Call -> how often the node makes it in the whole run."""
ALSO = ("write", "rename", "renameat2", "unlink", "truncate", "sync_file_range", "msync")
"""Ways to change or sync a file that the store does not use: none of its files is changed so."""

CALLS: Final = tuple((name, when) for name in POINTS for when in range(1, POINTS[name] + 1))

CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<rest>.*)$")
PWRITE = re.compile(r'^\d+<(?P<path>[^>]+)>, "(?P<data>[^"]*)", (?P<size>\d+), (?P<at>\d+)')


@dataclass(frozen=True)
class Home:
    """Where a run has its configuration, its store and its trace."""

    path: Path
    config: ClusterConfig
    """That of the peers; the node's own lies in a file."""

    @property
    def store(self) -> Path:
        return self.config.store_path(NODE)

    @property
    def trace(self) -> Path:
        return self.path / "trace"


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A transport, with a network where it needs one, and a core that needs no compiler now."""
    transport, core = request.param
    require(shutil.which("strace") is not None, "strace is not installed")
    if core == "c":
        need_compiler()
        library_path()
    if transport != "ethernet":
        yield transport, core
        return
    own_network.need_network()
    with own_network.own_network():
        yield transport, core


@pytest.fixture
def home(tmp_path: Path, kind: tuple[str, str]) -> Home:
    """A store that a crash left with a torn tail, behind a seal that a power loss took back."""
    transport, core = kind
    name = own_network.OPENER if transport == "ethernet" else transport
    config = make_config(tmp_path, transport=name, store="durable", extra=SMALL_LOG, core=core)
    options = {"interface": f"p{NODE}"} if transport == "ethernet" else {}
    own = replace(config, transport=transport, transport_options=options)
    (tmp_path / "paxos.toml").write_text(to_toml(own))
    home = Home(tmp_path, config)
    sealed = (home.store / "sealed").read_bytes()
    store, _ = open_store(home.store, config.cluster_id, NODE, preallocate_bytes=0)
    store.write([encode_record(Promised(make_ballot(1, 1)))])
    store.close()
    (home.store / "sealed").write_bytes(sealed)
    (log,) = home.store.glob("log-*")
    log.write_bytes(log.read_bytes() + b"BATH and no more")
    return home


def start(home: Home, tracing: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "transports.node.cli", "node", str(NODE)]
    options = ["--config", str(home.path / "paxos.toml"), "--stop-with-stdin"]
    # What Python itself would write and rename is none of the node's.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with open(home.path / "said", "wb") as said:
        return subprocess.Popen(
            [*tracing, *command, *options], stdin=subprocess.PIPE, stderr=said, env=env
        )


@asynccontextmanager
async def running(
    home: Home, *tracing: str
) -> AsyncIterator[tuple[Peers, subprocess.Popen[bytes]]]:
    """The node as a process, and its peers. It ends with the context, if not before."""
    process = start(home, tracing)
    assert process.stdin is not None
    try:
        async with open_peers(home.config, lambda: process.poll() is not None) as peers:
            yield peers, process
    finally:
        process.stdin.close()
        process.wait(END_SECONDS)


async def traced(home: Home, cut: str | None = None) -> tuple[Said, int]:
    """The scripted run under strace; what the node said, and its exit status."""
    names = ",".join([*POINTS, *ALSO])
    tracing = ["strace", "-f", "-q", "-y", "-xx", "-s", "100000", "-o", str(home.trace)]
    tracing += ["-e", f"trace={names}", *(["-e", f"inject={cut}"] if cut else [])]
    async with running(home, *tracing) as (peers, process):
        with suppress(Gone):
            await play(peers)
        said = peers.said
    require("ptrace" not in (home.path / "said").read_text().lower(), "may not trace")
    return said, process.returncode


def calls(home: Home) -> Iterator[tuple[str, str]]:
    """(name, arguments) of each traced call that is about a file of the store."""
    for line in home.trace.read_text().splitlines():
        match = CALL.match(line)
        if match and str(home.store) in unhex(match["rest"]):
            yield match["name"], match["rest"]


def unhex(text: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


def content_of(home: Home) -> dict[str, bytes]:
    """The store's files, without most of the zeros that were allocated ahead."""
    found: dict[str, bytes] = {}
    for name, data in content(home.store).items():
        zeros = len(data) - len(data.rstrip(b"\0"))
        found[name] = data[: len(data) - max(0, zeros - SPARE_BYTES)]
    return found


def in_process(home: Home, said: Said, files: dict[str, bytes]) -> None:
    """What a node that started from these files would believe."""
    copy = home.path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name, data in files.items():
        (copy / name).write_bytes(data)
    store, records = open_store(copy, home.config.cluster_id, NODE, preallocate_bytes=0)
    said.check(replay(map(decode_record, records)))
    store.close()


async def check(home: Home, said: Said) -> None:
    """The same node again, on what is left."""
    async with running(home) as (peers, process):
        await check_restarted(peers, said)
    assert process.returncode == 0


@pytest.mark.slow
async def test_the_points_are_all_that_the_node_calls(home: Home) -> None:
    said, status = await traced(home)
    assert status == 0
    counted = Counter(name for name, _ in calls(home))
    assert counted == POINTS
    assert len(said.votes) == 5
    in_process(home, said, content_of(home))
    await check(home, said)


def cut_write(home: Home) -> tuple[Path, bytes, int]:
    """File, bytes and offset of the write at which the node was killed."""
    name, rest = list(calls(home))[-1]
    assert name == "pwrite64"
    match = PWRITE.match(rest)
    assert match is not None, rest
    data = unhex(match["data"]).encode("latin-1")
    assert len(data) == int(match["size"])
    return Path(unhex(match["path"])), data, int(match["at"])


def check_torn(home: Home, said: Said) -> None:
    """Every length of the cut write may have arrived; the store is left with half of it."""
    path, data, at = cut_write(home)
    if path.name == SEAL_NAME:
        return  # it lies in one sector, which a disk writes whole or not at all
    files = content_of(home)
    before = files[path.name].ljust(at, b"\0")
    for length in range(len(data) + 1):
        torn = before[:at] + data[:length] + before[at + length :]
        in_process(home, said, {**files, path.name: torn})
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data[: len(data) // 2])


def calls_for(kind: tuple[str, str]) -> tuple[tuple[str, int], ...]:
    """(call, how often it was made then) of each at which this kind of node is killed."""
    if EVERY:
        return CALLS
    size, mine = len(KINDS), KINDS.index(kind)
    # One further each round: log and seal are written in turn, and each kind is to have both.
    return tuple(call for at, call in enumerate(CALLS) if (at + at // size) % size == mine)


def test_each_call_is_the_last_one_somewhere() -> None:
    assert {call for kind in KINDS for call in calls_for(kind)} == set(CALLS)
    assert len(CALLS) == 47


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_at_every_call(
    home: Home, kind: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is read here is a copy; thousands of real syncs would only take time.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    before = copied(home.store, home.path / "before")
    bound = set()
    for call, when in calls_for(kind):
        copied(before, home.store)
        said, status = await traced(home, f"{call}:signal=SIGKILL:when={when}")
        assert status == -signal.SIGKILL, f"{call} {when} was never made"
        assert Counter(name for name, _ in calls(home))[call] == when
        if call == "pwrite64":
            check_torn(home, said)
        in_process(home, said, content_of(home))
        await check(home, said)
        bound.add((said.promised, len(said.votes)))
    assert len(bound) > (5 if EVERY else 2), "killed at different stages of the script"
