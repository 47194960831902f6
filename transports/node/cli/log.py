"""``paxos log``: print what was decided, as a running node or a stopped node's store has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from paxos_core.batch import decode_batch
from paxos_core.durable import RecordError, decode_record, replay
from paxos_core.session import NO_SESSION, decode_group
from transports.node.cli.answers import NodeAnswer, ask, read_log
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import (
    JSON,
    check_joins_processes,
    check_node,
    config_option,
    output_option,
    read_config,
    timeout_option,
)
from transports.node.cli.output import as_json, print_json, print_table, shown
from transports.node.cli.running import run
from transports.node.client import Client, open_client
from transports.node.config import ClusterConfig
from transports.node.store.log_open import open_store


@dataclass(frozen=True, slots=True)
class Line:
    """One command of the log; `command` is None for what is no client's command."""

    slot: int
    session: int = NO_SESSION
    number: int = 0
    command: bytes | None = None
    note: str = ""

    def as_row(self) -> tuple[object, ...]:
        """For a table."""
        if self.command is None:
            return (self.slot, "-", "-", f"({self.note})")
        return (self.slot, f"{self.session:#x}", self.number, shown(self.command))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.command is None:
            return {"slot": self.slot, "kind": self.note}
        return {
            "slot": self.slot,
            "kind": "command",
            "session": self.session,
            "number": self.number,
            **as_json("command", self.command),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """What was read of a log."""

    node: int
    first_slot: int
    """Below it, the log is trimmed."""
    chosen: int
    lines: list[Line]
    next_slot: int
    """Where to go on reading."""


@click.command(
    epilog="""\b
Examples:
  paxos log
  paxos log --node 2 --from 1000 --limit 50
  paxos log --node 2 --store      (of a node that does not run)
"""
)
@config_option
@click.option(
    "--node",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Whose log. Without it: of the node that knows most.",
)
@click.option(
    "--from",
    "first_slot",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="SLOT",
    help="Begin with this slot.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    metavar="SLOTS",
    help="Print this many slots; 0 for all.",
)
@click.option("--store", "offline", is_flag=True, help="Read the store of a node that is stopped.")
@timeout_option(2.0, "How long to wait for a node's answer.")
@output_option
def log(
    config_path: str,
    node: int | None,
    first_slot: int,
    limit: int,
    offline: bool,
    timeout: float,
    output: str,
) -> None:
    """Print the commands that were decided.

    For each: its slot, its session, its number there, and what it says. A client
    opens a session and numbers its commands; a number that stands in the log
    twice was retried, and applied once.
    """
    config = read_config(config_path)
    if not offline:
        check_joins_processes(config, config_path)
    if node is not None:
        check_node(config, node, config_path)
    if offline and node is None:
        raise Misuse("whose store? give --node N with --store")
    if offline and config.store == "memory":
        raise Misuse('store = "memory" keeps nothing that could be read; leave out --store')
    if offline and node is not None:
        part = _read_store(config, node, first_slot, limit)
    else:
        part = run(lambda: _read_node(config, node, first_slot, limit, timeout))
    _print(part, output)


def _read_store(config: ClusterConfig, node: int, first_slot: int, limit: int) -> Part:
    path = config.store_path(node)
    store, records = open_store(path, config.cluster_id, node)
    try:
        state = replay(map(decode_record, records))
    except RecordError as error:
        raise Failure(f"{path}: {error}") from error
    finally:
        store.close()
    first = max(first_slot, state.first_slot)
    end = min(first + limit, state.watermark) if limit else state.watermark
    lines: list[Line] = []
    for slot in range(first, end):
        _, value = state.log[slot]
        lines += lines_of(slot, decode_batch(value) or [])
    return Part(node, state.first_slot, state.watermark, lines, max(first, end))


async def _read_node(
    config: ClusterConfig, node: int | None, first_slot: int, limit: int, timeout: float
) -> Part:
    async with open_client(config) as client:
        answer = await _choose(client, config, node, timeout)
        first = max(first_slot, answer.first_slot)
        end = min(first + limit, answer.chosen) if limit else answer.chosen
        decided = await read_log(client, answer.node, first, end, timeout)
        if len(decided) < end - first:
            slot = first + len(decided)
            raise Failure(f"node {answer.node} did not send slot {slot}; ask again, or another")
        lines = [line for slot, commands in decided for line in lines_of(slot, commands)]
        return Part(answer.node, answer.first_slot, answer.chosen, lines, max(first, end))


async def _choose(
    client: Client, config: ClusterConfig, node: int | None, timeout: float
) -> NodeAnswer:
    """The node itself, or the one that knows most. Raises `Failure` if none answers."""
    asked = tuple(config.nodes) if node is None else (node,)
    answers = (await ask(client, asked, timeout)).values()
    present = [answer for answer in answers if answer is not None]
    if not present:
        who = f"node {node} does not answer" if node is not None else "no node answers"
        hint = " For a stopped node's log: --store" if config.store == "durable" else ""
        raise Failure(f"{who} within {timeout:g} s; is it running?{hint}")
    return max(present, key=lambda answer: answer.chosen)


def lines_of(slot: int, commands: Iterable[bytes]) -> list[Line]:
    """What a slot holds, for printing; a slot without commands has a line too."""
    return list(_lines_of(slot, commands)) or [Line(slot, note="no-op")]


def _lines_of(slot: int, commands: Iterable[bytes]) -> Iterator[Line]:
    for data in commands:
        group = decode_group(data)
        if group is None:
            yield Line(slot, note="no group of commands")
            continue
        session, _, first, group_commands = group
        if session == NO_SESSION:
            yield Line(slot, note="opens a session")
        for number, command in enumerate(group_commands, first):
            yield Line(slot, session, number, command)


def _print(part: Part, output: str) -> None:
    if output == JSON:
        print_json(
            {
                "node": part.node,
                "first_slot": part.first_slot,
                "chosen": part.chosen,
                "next_slot": part.next_slot,
                "log": [line.as_dict() for line in part.lines],
            }
        )
        return
    if part.lines:
        columns = (">slot", ">session", ">number", "*command")
        print_table(columns, [line.as_row() for line in part.lines])
    click.echo(_tail(part))


def _tail(part: Part) -> str:
    known = f"node {part.node} knows {part.chosen} slots to be chosen"
    if part.first_slot:
        known += f", and has trimmed those below {part.first_slot}"
    if part.next_slot < part.chosen:
        known += f"; more with --from {part.next_slot}"
    return known
