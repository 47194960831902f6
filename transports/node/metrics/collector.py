"""Families of metrics from what a node counts anyway: nothing is done until somebody asks.

Names follow Prometheus's conventions: one prefix, base units, `_total` for what only grows.
Labels are few and bounded: the node, and for its frames the transport and a cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from transports.node.node import Node

Status = Mapping[str, Any]
ROLES: Final = ("follower", "candidate", "leader")
CAUSES_MAX: Final = 64
"""Causes of dropped frames with a line of their own: a transport of anybody's may invent some."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Shown:
    """One metric without labels of its own."""

    name: str
    help: str
    value: Callable[[Node, Status], float]


def _entry(key: str) -> Callable[[Node, Status], float]:
    return lambda _node, status: float(status[key])


def _round(key: str) -> Callable[[Node, Status], float]:
    """The round of a ballot, which `status` writes as ``round.node`` or ``-``."""

    def read(_node: Node, status: Status) -> float:
        number, dot, _ = status[key].partition(".")
        return float(number) if dot else 0.0

    return read


GAUGES: Final = (
    Shown("paxos_leader_node", "The node that leads, as far as this one knows; 0 for nobody.",
          _entry("leader")),
    Shown("paxos_voting", "1 if this node votes, 0 if it only learns.", _entry("voting")),
    Shown("paxos_ballot_round", "The round of the leader's ballot.", _round("ballot")),
    Shown("paxos_promised_round", "The round of the highest ballot promised.", _round("promised")),
    Shown("paxos_chosen_slots", "Slots of the log that are known to be chosen, without a gap.",
          _entry("chosen")),
    Shown("paxos_applied_slots", "Slots of the log that the state machine has applied.",
          _entry("applied")),
    Shown("paxos_trimmed_slots", "Slots that are no longer kept, because a snapshot has them.",
          _entry("first_slot")),
    Shown("paxos_lagging", "1 while this node knows of chosen slots that it has not learnt.",
          _entry("lags")),
    Shown("paxos_in_flight_slots", "Slots that this node has proposed and that are not chosen.",
          _entry("in_flight_slots")),
    Shown("paxos_pending_bytes", "Commands that wait at this node to be proposed.",
          _entry("pending_bytes")),
    Shown("paxos_log_bytes", "Values of the log that are kept in memory.", _entry("log_bytes")),
    Shown("paxos_store_log_bytes", "Bytes in the store since its last checkpoint.",
          lambda node, _status: node.store_log_bytes),
    Shown("paxos_sessions", "Clients' sessions in the exactly-once table.", _entry("sessions")),
)  # fmt: skip

COUNTERS: Final = (
    Shown("paxos_commands_applied_total", "Clients' commands that were applied.",
          _entry("commands")),
    Shown("paxos_slots_applied_total", "Slots that were applied one by one, not by a snapshot.",
          lambda node, _status: node.counts.slots),
    Shown("paxos_leader_changes_total", "Leaders, or new ballots of one, that were heard of.",
          lambda node, _status: node.counts.leader_changes),
    Shown("paxos_drains_total", "Times that everything readable was taken in at once.",
          lambda node, _status: node.counts.drains),
    Shown("paxos_store_syncs_total", "Times that the store has waited for the disk.",
          lambda node, _status: node.syncs),
    Shown("paxos_checkpoints_total", "Snapshots after which the log was trimmed.",
          lambda node, _status: node.counts.checkpoints),
    Shown("paxos_snapshots_installed_total",
          "Snapshots that replaced the state, the store's own at the start included.",
          lambda node, _status: node.counts.installs),
)  # fmt: skip

TRAFFIC: Final = (
    Shown("paxos_frames_sent_total", "Frames that the transport took.", _entry("frames_sent")),
    Shown("paxos_frames_received_total", "Frames that the transport delivered.",
          _entry("frames_received")),
    Shown("paxos_sent_bytes_total", "Bytes of the frames sent.", _entry("bytes_sent")),
    Shown("paxos_received_bytes_total", "Bytes of the frames received.", _entry("bytes_received")),
)  # fmt: skip

KERNEL: Final = (
    ("paxos_kernel_frames_sent_total", "Frames that the kernel module sent.", "frames_out"),
    ("paxos_kernel_frames_received_total", "Frames that the kernel module took in.", "frames_in"),
    ("paxos_kernel_decisions_total", "Slots that were decided in the kernel.", "decisions"),
)
"""(name, help, the module's word for it); only where the module is used."""


class NodeCollector(Collector):
    """Everything about one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._labels = (str(node.id),)

    def collect(self) -> Iterator[Metric]:
        """All families, from one look at the node."""
        node, status = self._node, self._node.status()
        yield self._info(status)
        yield self._role(status)
        for gauge in GAUGES:
            value = gauge.value(node, status)
            yield _with_sample(
                GaugeMetricFamily(gauge.name, gauge.help, labels=["node"]), self._labels, value
            )
        for counter in COUNTERS:
            yield self._counter(counter.name, counter.help, counter.value(node, status))
        yield self._writes()
        yield from self._traffic(status)
        for name, text, key in KERNEL:
            if "kernel" in status:
                yield self._counter(name, text, status["kernel"][key])

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(name.removesuffix("_total"), text, labels=["node"])
        return _with_sample(family, self._labels, value)

    def _info(self, status: Status) -> Metric:
        what = ("transport", "core", "store")
        family = GaugeMetricFamily(
            "paxos_node_info", "What the node is made of; always 1.", labels=["node", *what]
        )
        return _with_sample(family, (*self._labels, *(str(status[key]) for key in what)), 1)

    def _role(self, status: Status) -> Metric:
        family = GaugeMetricFamily(
            "paxos_role", "1 for the role that the node has.", labels=["node", "role"]
        )
        for role in ROLES:
            family.add_metric([*self._labels, role], float(status["role"] == role))
        return family

    def _writes(self) -> Metric:
        counts = self._node.counts
        family = HistogramMetricFamily(
            "paxos_store_write_seconds", "A write to the store, with its sync.", labels=["node"]
        )
        buckets = [(_bound(end), float(count)) for end, count in counts.writes_within()]
        family.add_metric(self._labels, buckets=buckets, sum_value=counts.write_seconds)
        return family

    def _traffic(self, status: Status) -> Iterator[Metric]:
        labels = [*self._labels, str(status["transport"])]
        for shown in TRAFFIC:
            family = CounterMetricFamily(
                shown.name.removesuffix("_total"), shown.help, labels=["node", "transport"]
            )
            yield _with_sample(family, labels, shown.value(self._node, status))
        dropped = CounterMetricFamily(
            "paxos_frames_dropped", "Frames that were dropped, by cause.",
            labels=["node", "transport", "cause"],
        )  # fmt: skip
        for cause, count in _bounded(status["dropped"]).items():
            dropped.add_metric([*labels, cause], count)
        yield dropped


def _with_sample(
    family: GaugeMetricFamily | CounterMetricFamily, labels: tuple[str, ...] | list[str],
    value: float,
) -> Metric:  # fmt: skip
    family.add_metric(labels, value)
    return family


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else str(seconds)


def _bounded(dropped: Mapping[str, int]) -> Mapping[str, int]:
    """The causes, or the first of them by name and the sum of what is left."""
    if len(dropped) <= CAUSES_MAX:
        return dropped
    first = dict(sorted(dropped.items())[: CAUSES_MAX - 1])
    first[OTHER] = first.get(OTHER, 0) + sum(dropped.values()) - sum(first.values())
    return first
