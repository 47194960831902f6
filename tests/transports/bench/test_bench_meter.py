"""What a client's meter counts, and what it charges a server that stalls with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

import transports.bench.meter as meter_module
from transports.bench.ladder.driving import summarise
from transports.bench.load import Plan, _Begun
from transports.bench.meter import Job, Meter, read_job
from transports.bench.saved.schema import Closed, Open

MS = 1_000_000


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(meter_module, "say", messages.append)
    monkeypatch.setattr(meter_module, "perf_counter_ns", lambda: 0)
    return messages


def job(load: Closed | Open) -> Job:
    return Job(load=load, command_bytes=64, warm_seconds=0.1, seconds=0.1)


def values(result: dict[str, Any]) -> HdrHistogram:
    return HdrHistogram.decode(result["histogram"])


def test_a_closed_loop_counts_what_ends_in_the_window(said: list[dict[str, Any]]) -> None:
    meter = Meter(job(Closed(outstanding=1)))
    for ended_ms in (50, 100, 100, 120, 140, 210):
        meter.ended((ended_ms - 5) * MS, 2, ended_ms * MS)
    result = meter.result()
    # Those at 50 and 210 ms are outside. The window is as long as it is, whatever ends in it.
    assert result["commands"] == 8
    assert result["seconds"] == pytest.approx(0.1)
    # Costs are read when the first ends: what came with it took its time before.
    assert result["costed"] == 4
    assert said == [{"measuring": {}}, {"measured": {}}]
    assert values(result).get_value_at_percentile(50) == pytest.approx(5 * MS, rel=0.01)


def test_an_open_loop_charges_a_stalled_server_with_all_that_waited(
    said: list[dict[str, Any]],
) -> None:
    """A command is due every millisecond; from 120 to 170 ms nothing is answered."""
    meter = Meter(job(Open(per_second=1000.0)))
    for planned_ms in range(200):
        ended_ms = 170 if 120 <= planned_ms < 170 else planned_ms + 1
        meter.ended(planned_ms * MS, 1, ended_ms * MS)
    result = meter.result()
    assert result["commands"] == 100
    found = values(result)
    # Half of the window's commands waited, the longest for 50 ms: a closed loop has one such.
    assert found.get_value_at_percentile(75) == pytest.approx(25 * MS, rel=0.05)
    assert found.get_value_at_percentile(99) == pytest.approx(49 * MS, rel=0.05)


def test_an_open_loop_counts_what_ends_late(said: list[dict[str, Any]]) -> None:
    meter = Meter(job(Open(per_second=10.0)))
    meter.ended(150 * MS, 1, 160 * MS)
    meter.ended(199 * MS, 1, 900 * MS)
    meter.ended(200 * MS, 1, 900 * MS)
    result = meter.result()
    assert result["commands"] == 2
    assert values(result).get_max_value() == pytest.approx(701 * MS, rel=0.01)


def test_too_little_is_no_result(said: list[dict[str, Any]]) -> None:
    meter = Meter(job(Closed(outstanding=1)))
    meter.ended(0, 1, 150 * MS)
    with pytest.raises(ValueError, match="give it more"):
        meter.result()


def test_a_plan_says_what_is_due() -> None:
    plan = Plan(Open(per_second=1000.0), 1_000)
    assert plan.due(1_000) == 1
    plan.left = 1
    assert plan.due(1_000) == 0
    assert plan.due(1_000 + 5 * MS) == 5
    assert plan.planned_ns(5) == 1_000 + 5 * MS


def test_commands_that_left_together_share_their_beginning() -> None:
    begun = _Begun()
    begun.left(0, 3, 10)
    begun.left(3, 1, 20)
    begun.left(4, 4, 30)
    assert list(begun.groups(1, 5)) == [(10, 2), (20, 1), (30, 2)]
    assert list(begun.groups(6, 2)) == [(30, 2)]


def test_a_histogram_is_summarised_in_microseconds(said: list[dict[str, Any]]) -> None:
    meter = Meter(job(Closed(outstanding=1)))
    for number in range(101):
        meter.ended(int((100 + number / 10 - number - 1) * MS), 1, int((100 + number / 10) * MS))
    latency = summarise(meter.result()["histogram"])
    assert latency.samples == 101
    assert latency.p50_us == pytest.approx(51_000, rel=0.02)
    assert latency.max_us == pytest.approx(101_000, rel=0.02)


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"load": {"type": "open"}}', b"\xff"])
def test_a_job_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        read_job(line)
    assert type(caught.value).__name__ in ("ValidationError", "DecodeError", "UnicodeDecodeError")


def test_a_job_is_read() -> None:
    text = json.dumps(
        {
            "load": {"type": "closed", "outstanding": 2},
            "command_bytes": 1,
            "warm_seconds": 0,
            "seconds": 1,
        }
    )
    assert read_job(text.encode()).load == Closed(outstanding=2)
