"""`paxos node` on a damaged store: a line, status 1, and a cluster that goes on without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_cases import Cluster
from record_cases import KINDS
from store_cases import copied

from paxos_core.durable import Record, decode_record
from transports.node.store import log_format

VICTIM = 2
SMALL_LOG = "[limits]\nlog_bytes_max = 2000\nlog_keep_slots = 2"
"""So that a checkpoint comes soon, and with it the kinds that only one has."""


def find_records(store: Path) -> tuple[Path, dict[type[Record], tuple[int, int]]]:
    """The log, and where in it one record of each kind lies: (its batch's offset, its own)."""
    (log,) = store.glob("log-*")
    data = log.read_bytes()
    identity = log_format.unpack_identity((store / "identity").read_bytes())
    salt = log_format.batch_salt(identity.store_id, int(log.name.removeprefix("log-")))
    found: dict[type[Record], tuple[int, int]] = {}
    at = log_format.SEGMENT_HEADER_BYTES
    while (header := log_format.unpack_batch_header(salt, data, at)) is not None:
        payload_at = at + log_format.BATCH_HEADER_BYTES
        payload = data[payload_at : payload_at + header.payload_bytes]
        record_at = payload_at + 4 * header.record_count
        for record in log_format.unpack_payload(header, payload):
            found.setdefault(type(decode_record(record)), (at, record_at))
            record_at += len(record)
        at = payload_at + header.payload_bytes
    return log, found


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def assert_refuses(cluster: Cluster, *words: str) -> None:
    """The victim ends with status 1 and one line that says these words."""
    said = cluster.directory / f"node-{VICTIM}.log"
    said.unlink(missing_ok=True)
    cluster.start(VICTIM)
    assert cluster.wait(VICTIM) == 1
    (line,) = said.read_text().splitlines()
    assert line.startswith("paxos: ")
    for word in words:
        assert word in line, line


@pytest.mark.slow
def test_damaged_in_every_kind_of_record_and_file_and_the_others_go_on(paxos, home: Path) -> None:
    with Cluster(home, extra=SMALL_LOG) as cluster:
        cluster.start_all()
        store = home / "data" / f"node-{VICTIM}"
        kinds: dict[type[Record], tuple[Path, str, int, int]] = {}
        for attempt in range(30):
            # What a log holds depends on when the last checkpoint was, which takes in every
            # vote so far: the kinds come from several logs.
            count, text = (60, "x" * 50) if attempt % 6 == 0 else (attempt % 6, "y")
            assert paxos("submit", text, "--count", count).status == 0
            cluster.wait_until_equal()
            cluster.kill(VICTIM)
            log, found = find_records(store)
            sound = copied(store, home / f"sound-{attempt}")
            for kind, places in found.items():
                kinds.setdefault(kind, (sound, log.name, *places))
            if kinds.keys() == KINDS.keys():
                break
            cluster.start(VICTIM)
        assert kinds.keys() == KINDS.keys(), "its store has held a record of every kind"
        for then, name, batch_at, record_at in kinds.values():
            copied(then, store)
            flip(store / name, record_at)
            assert_refuses(
                cluster,
                f"{name}: damaged at offset {batch_at} ",
                "what this node promised is unknown, so it must not vote",
                f"paxos init --node {VICTIM} --non-voting",
            )
            copied(sound, store)
        for name in ("identity", "sealed", log.name):
            for change in (lambda path: flip(path, 20), Path.unlink):
                change(store / name)
                assert_refuses(cluster, f"{name}: damaged at offset 0 ", "must not vote")
                copied(sound, store)
            assert paxos("submit", f"without {name}").status == 0
        # Sound again, it votes as before: with it a majority, though node 1 is gone.
        cluster.start(VICTIM)
        assert all(said["voting"] for said in cluster.wait_until_equal().values())
        cluster.kill(1)
        assert paxos("submit", "with two").status == 0


@pytest.mark.slow
def test_the_cure_that_the_line_names(paxos, home: Path) -> None:
    with Cluster(home) as cluster:
        cluster.start_all()
        assert paxos("submit", "before").status == 0
        cluster.wait_until_equal()
        cluster.kill(VICTIM)
        store = home / "data" / f"node-{VICTIM}"
        log, found = find_records(store)
        flip(log, min(found.values())[1])
        assert_refuses(cluster, f"move {store} away", f"paxos init --node {VICTIM} --non-voting")
        shutil.move(store, home / "damaged")
        assert paxos("init", "--node", VICTIM, "--non-voting").status == 0
        cluster.start(VICTIM)
        said = cluster.wait_until_equal()
        assert {node: one["voting"] for node, one in said.items()} == {1: True, 2: False, 3: True}
        assert paxos("submit", "after").status == 0
        # A voter fewer, and the one that is left has no majority: the learner does not stand in.
        cluster.kill(3)
        lost = paxos("submit", "too few", "--timeout", "1")
        assert lost.status == 1
