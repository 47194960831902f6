import json

import pytest
from rich.console import Console

from transports.bench.measure import Effort
from transports.bench.report import (
    BEGIN,
    END,
    MarkersMissing,
    Report,
    check_markers,
    replace_table,
)
from transports.bench.rows import PEERS, ROWS, Peers, Row, Series
from transports.bench.run import Results

EFFORT = Effort(repeats=3, warm_seconds=0.1, seconds=1.0, kills=2)


def latencies(*p50s: float) -> Series:
    return Series(
        [{"p50_us": p50, "p90_us": 2 * p50, "p99_us": 3 * p50, "p999_us": 4 * p50} for p50 in p50s]
    )


def rates(*per_second: float) -> Series:
    return Series([{"commands_per_second": value} for value in per_second])


def make_report(rows: dict[str, Series], peers: Peers, *notes: str) -> Report:
    results = Results(rows, peers)
    return Report(results, {"date": "today"}, {"nodes": 3}, EFFORT, "paxos bench commit", notes)


@pytest.mark.parametrize(
    ("row", "series", "peers", "reached"),
    [
        ("memory-latency", latencies(250), {"latency-outside": latencies(500)}, True),
        ("memory-latency", latencies(251), {"latency-outside": latencies(500)}, False),
        ("memory-latency", latencies(1), {}, None),
        ("memory-throughput", rates(150_000), {"throughput": rates(50_000)}, True),
        ("memory-throughput", rates(150_000), {"throughput": rates(50_001)}, False),
        ("memory-throughput", rates(149_999), {"throughput": rates(1)}, False),
        ("memory-throughput", rates(149_999), {}, False),
        ("memory-throughput", rates(150_000), {}, None),
        ("durable-throughput", rates(60_000), {}, True),
        ("durable-throughput", rates(59_999), {}, False),
        ("durable-latency", latencies(1400), {}, True),
        ("durable-latency", latencies(1401), {}, False),
        ("failover", Series([{"seconds": [0.5, 1.0, 3.0]}]), {}, True),
        ("failover", Series([{"seconds": [0.5, 1.1, 3.0]}]), {}, False),
        ("failover", Series([{"seconds": [0.5, 0.5, 3.1]}]), {}, False),
        ("growth", Series([{"few_kib": [100, 100], "many_kib": [130, 70]}]), {}, True),
        ("growth", Series([{"few_kib": [100, 100], "many_kib": [100, 131]}]), {}, False),
    ],
)
def test_an_aim_is_judged_at_its_edge(
    row: str, series: Series, peers: Peers, reached: bool | None
) -> None:
    assert ROWS[row].judge(series, peers).reached is reached


def test_the_figure_is_the_median_of_the_repeats() -> None:
    verdict = ROWS["durable-throughput"].judge(rates(1, 70_000, 500_000), {})
    assert verdict.measured == "70,000 commands/s"


def test_both_places_of_the_peers_client_are_compared_with() -> None:
    peers = {"latency": latencies(500), "latency-outside": latencies(1000)}
    verdict = ROWS["memory-latency"].judge(latencies(250), peers)
    assert verdict.ratios == {"latency": 0.5, "latency-outside": 0.25}


def test_every_row_names_peers_that_exist() -> None:
    rows: list[Row] = list(ROWS.values())
    assert {peer for row in rows for peer in row.peers} == set(PEERS)


def test_a_failed_repeat_is_said_and_never_reaches_the_aim() -> None:
    series = rates(70_000)
    series.failures.append("a command failed: OutcomeUnknown")
    report = make_report({"durable-throughput": series}, {})
    (line,) = report.lines()
    assert line[1] == "70,000 commands/s"
    assert line[3] == "no: 1 of 2 runs failed"
    assert report.results.failed
    assert report.to_json()["rows"]["durable-throughput"]["reached"] is False
    assert report.failures() == [
        "durable store, 1,024 outstanding: 1 of 2 runs failed: a command failed: OutcomeUnknown"
    ]


def test_a_row_without_any_figure_gives_its_reason() -> None:
    report = make_report({"growth": Series(failures=["no room"])}, {})
    (line,) = report.lines()
    assert line[1] == "failed: no room"
    assert line[3] == "no"


def test_a_peer_that_failed_leaves_the_aim_open() -> None:
    peers = {"latency": Series(failures=["cannot listen"])}
    report = make_report({"memory-latency": latencies(100)}, peers)
    ours, theirs = report.lines()
    assert ours[3].startswith("open")
    assert theirs[1] == "failed: cannot listen"
    assert report.results.failed


def test_a_run_without_failures_has_not_failed() -> None:
    assert not make_report({"memory-latency": latencies(9)}, {}).results.failed


def test_json_holds_the_raw_figures_of_every_repeat() -> None:
    report = make_report({"durable-latency": latencies(800, 900)}, {}, "a note")
    found = json.loads(json.dumps(report.to_json()))
    assert [raw["p50_us"] for raw in found["rows"]["durable-latency"]["repeats"]] == [800, 900]
    assert found["notes"] == ["a note"]
    assert found["machine"] == {"date": "today"}
    assert found["command"] == "paxos bench commit"


def test_the_table_for_people_shows_figure_machine_failure_and_command() -> None:
    series = latencies(800)
    series.failures.append("node 2: no [space]")
    report = make_report({"durable-latency": series}, {}, "mind this")
    console = Console(width=200, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        report.show(console)
    shown = capture.get()
    for text in ("0.800 ms", "today", "node 2: no [space]", "mind this", "again: paxos bench"):
        assert text in shown


def test_the_table_replaces_what_is_between_the_markers_and_nothing_else() -> None:
    report = make_report({"durable-latency": latencies(800)}, {})
    page = f"before\n{BEGIN}\nold \\1\n{END}\nafter\n"
    written = replace_table(page, report.to_markdown(), "page.md")
    assert written.startswith(f"before\n{BEGIN}\n| figure | measured |")
    assert written.endswith(f"```\n{END}\nafter\n")
    assert "old" not in written
    assert replace_table(written, report.to_markdown(), "page.md") == written


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_place_is_refused(text: str) -> None:
    with pytest.raises(MarkersMissing, match=r"page\.md: needs one line"):
        check_markers(text, "page.md")
