"""What `paxos status` shows of nodes that use the kernel module."""

from __future__ import annotations

from transports._paxos_device import StatsStruct, describe_stats
from transports.node.cli.answers import read_answer
from transports.node.cli.status import Finding, _show

STATUS = {"role": "leader", "leader": 1, "ballot": "1.1", "digest": "0f0f", "core": "kernel"}


def counted() -> StatsStruct:
    stats = StatsStruct(
        frames_received=11, frames_sent=22, bytes_received=333, bytes_sent=444,
        packets_received=5, packets_sent=6, decisions=77, proposed=8, latency_ns_sum=50_000,
    )  # fmt: skip
    stats.dropped[3], stats.dropped[10] = 2, 1
    stats.latency_ns[12] = 10
    return stats


def finding(*statuses: dict[str, object] | None) -> Finding:
    answers = {
        node: None if status is None else read_answer(node, status)
        for node, status in enumerate(statuses, 1)
    }
    return Finding(answers, 1, None)


def test_the_counters_of_an_endpoint_are_read_back() -> None:
    kernel = read_answer(1, {**STATUS, "kernel": describe_stats(counted())}).kernel
    assert kernel is not None
    assert (kernel.frames_in, kernel.frames_out, kernel.bytes_in, kernel.bytes_out) == (
        11, 22, 333, 444,
    )  # fmt: skip
    assert (kernel.packets_in, kernel.packets_out) == (5, 6)
    assert (kernel.decisions, kernel.proposed) == (77, 8)
    assert kernel.dropped == {"misdirected": 2, "receive_queue_full": 1}
    assert kernel.p50_us is not None
    assert kernel.p99_us is not None
    assert 4 <= kernel.p50_us <= kernel.p99_us <= 9
    assert kernel.mean_us == 5.0


def test_a_table_of_their_own_shows_them(capsys) -> None:
    relay = {**STATUS, "core": "c", "kernel": describe_stats(StatsStruct(frames_sent=9))}
    _show(
        finding({**STATUS, "kernel": describe_stats(counted())}, relay, None), "table", lines=False
    )
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    start = next(n for n, row in enumerate(rows) if row[:3] == ["in", "the", "kernel:"])
    one, two = (row for row in rows[start + 1 :] if row[:1] in (["1"], ["2"]))
    assert one[:6] == ["1", "kernel", "11", "22", "3", "77"]
    assert [word for word in one[6:] if word != "µs"] == ["6", "8"]
    assert two == ["2", "c", "0", "9", "0", "0", "-", "-"]


def test_without_the_module_there_is_no_such_table(capsys) -> None:
    _show(finding({**STATUS, "core": "python"}, None), "table", lines=False)
    assert "in the kernel" not in capsys.readouterr().out
    _show(finding({**STATUS, "core": "python"}, None), "json", lines=False)
    shown = capsys.readouterr().out
    assert '"core": "python"' in shown
    assert '"kernel": null' in shown


def test_whatever_a_node_says_of_its_kernel_is_read_with_care() -> None:
    for said in (None, 5, "kernel", [], {"frames_in": "x", "dropped": 3, "latency_us": [1]}):
        kernel = read_answer(1, {**STATUS, "kernel": said}).kernel
        assert kernel is None or (kernel.frames_in, kernel.dropped, kernel.p50_us) == (0, {}, None)
    assert read_answer(1, {}).core == "?"
