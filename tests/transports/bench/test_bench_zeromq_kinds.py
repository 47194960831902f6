"""The comparison of ZeroMQ's sockets runs; its figures are not judged."""

from __future__ import annotations

import multiprocessing

import pytest

from transports.bench import zeromq_kinds


def test_every_kind_is_measured_in_every_repeat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zeromq_kinds, "SLICE_SECONDS", 0.02)
    assert zeromq_kinds.main(["2"]) == 0
    title, *rows = capsys.readouterr().out.splitlines()
    assert "round trip us" in title
    assert [row.split()[0] for row in rows] == list(zeromq_kinds.KINDS)
    assert rows[0].count("(1.00)") == 3
    assert not multiprocessing.active_children()


def test_the_sender_of_an_answer_is_read_from_it() -> None:
    for process in (zeromq_kinds.HUB, *zeromq_kinds.ECHOES):
        assert zeromq_kinds.peer_of(zeromq_kinds.name_of(process) + b"body") == process
