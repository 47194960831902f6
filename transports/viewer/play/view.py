"""What a page shows of a run, as plain lists and dicts for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paxos_core.describe import describe_message, describe_record, describe_value
from paxos_core.durable import RecordError, decode_record, replay
from paxos_core.messages import Vote
from paxos_core.testing.laboratory.judges import JUDGES
from paxos_core.testing.laboratory.laboratory import FRAMES_MAX, Laboratory
from paxos_core.testing.laboratory.removable import REMOVABLE
from paxos_core.testing.script_node import ScriptNode
from paxos_core.types import NodeId, Slot, format_ballot

LOG_SHOWN: int = 40
"""Of a log the last slots."""


def view_of(run: Laboratory) -> dict[str, Any]:
    """The state of the cluster: nodes, messages on their way, cables, lights."""
    return {
        "setup": _setup(run),
        "actions": [
            {"line": line, "said": said}
            for line, said in zip(run.actions, run.said, strict=True)
        ],
        "nodes": [_node(run, node) for node in run.cluster.nodes.values()],
        "frames": _frames(run),
        "cables": _cables(run),
        "lights": _lights(run),
    }  # fmt: skip


def _setup(run: Laboratory) -> dict[str, Any]:
    quorums = run.cluster.quorums
    return {
        "line": run.setup.line,
        "nodes": run.setup.nodes,
        "phase1": quorums.phase1,
        "phase2": quorums.phase2,
        "without": [name for name in REMOVABLE if name in run.setup.without],
    }


def _node(run: Laboratory, node: ScriptNode) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": node.id,
        "up": node.replica is not None,
        "stopped": run.stopped.get(node.id),
        "holding": node.holding,
        "held": [describe_record(record) for _, records, _ in node.held for record in records],
        "log": [],
        "votes": [],
    }
    replica = node.replica
    if replica is None:
        return shown | _disk(node)
    status = replica.status()
    learner = replica._learner
    shown |= {
        "role": status.role.value,
        "leads": node.leads,
        "leader": status.leader,
        "ballot": format_ballot(status.ballot),
        "promised": format_ballot(status.promised),
        "watermark": status.watermark,
        "log": _log(learner.log, status.first_slot, status.watermark),
        "votes": _votes(replica._acceptor.votes),
    }
    return shown


def _disk(node: ScriptNode) -> dict[str, Any]:
    """What a node that is down would start from."""
    try:
        state = replay(map(decode_record, node.disk))
    except RecordError as error:
        return {"contradiction": str(error)}
    return {
        "promised": format_ballot(state.promised),
        "log": _log(state.log, state.first_slot, state.watermark),
        "votes": _votes(state.votes),
    }


def _log(
    log: Mapping[Slot, tuple[int, bytes]], first_slot: Slot, watermark: Slot
) -> list[dict[str, Any]]:
    return [
        {"slot": slot, "value": describe_value(log[slot][1])}
        for slot in range(max(first_slot, watermark - LOG_SHOWN), watermark)
    ]


def _votes(votes: Mapping[Slot, Vote]) -> list[dict[str, Any]]:
    return [
        {
            "slot": slot,
            "ballot": format_ballot(vote.ballot),
            "value": describe_value(vote.value),
        }
        for slot, vote in sorted(votes.items())
    ]


def _frames(run: Laboratory) -> list[dict[str, Any]]:
    return [
        {
            "pick": run.pick(index),
            "from": frame.source,
            "to": frame.target,
            "kind": frame.kind,
            "text": describe_message(frame.message),
        }
        for index, frame in enumerate(run.cluster.frames[:FRAMES_MAX])
    ]


def _cables(run: Laboratory) -> list[dict[str, Any]]:
    ids: list[NodeId] = list(run.cluster.nodes)
    return [
        {"ends": [one, other], "cut": frozenset({one, other}) in run.cluster.cut_cables}
        for index, one in enumerate(ids)
        for other in ids[index + 1 :]
    ]


def _lights(run: Laboratory) -> list[dict[str, Any]]:
    red = run.red
    return [
        {
            "name": judge.name,
            "means": judge.means,
            "action": red[judge.name].action if judge.name in red else None,
            "sentence": red[judge.name].sentence if judge.name in red else None,
        }
        for judge in JUDGES
    ]
