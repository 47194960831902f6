"""`paxos check-history`: is a recorded history linearizable?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import click

from transports.node.cli.failures import FAILED, Misuse
from transports.node.cli.options import JSON, output_option

if TYPE_CHECKING:
    from paxos_core.testing.linearize import Operation, Window

STATES_MAX = 2_000_000
SHOWN_CHARACTERS = 60


@click.command("check-history")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--model",
    type=click.Choice(["register", "kv"]),
    required=True,
    help="What the operations were done on.",
)
@click.option(
    "--states",
    type=click.IntRange(1, 100_000_000),
    default=STATES_MAX,
    show_default=True,
    help="Give up after so many states of the search.",
)
@output_option
def check_history(file: IO[bytes], model: str, states: int, output: str) -> None:
    """Say whether the history in FILE is linearizable (- is standard input).

    Reads Jepsen's logs of a register, and a line of EDN an event, as `paxos chaos`
    writes them. Of a history that is not linearizable it shows the smallest window
    that no order explains. Ends with 0 if it is, 1 if not, 2 for a file that cannot
    be read, or a search that was given up.

    \b
    Example:
      paxos check-history history.edn --model kv
    """
    from paxos_core.testing.linearize import (
        MODELS,
        HistoryError,
        SearchTooLarge,
        explain,
        read_history,
    )

    try:
        history = read_history(_lines(file), MODELS[model])
        window = explain(history, MODELS[model], states_max=states)
    except (HistoryError, SearchTooLarge) as error:
        raise Misuse(f"{file.name}: {error}") from error
    if output == JSON:
        _print_json(history, window)
    else:
        _print(history, window)
    if window is not None:
        sys.exit(FAILED)


def _lines(file: IO[bytes]) -> Sequence[str]:
    from paxos_core.testing.linearize import HistoryError

    most = 256 << 20
    try:
        data = file.read(most + 1)
        if len(data) > most:
            raise HistoryError("more than 256 MiB: a history this large is not read; cut it")
        return data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise HistoryError("this is no text in UTF-8: name a history") from error
    except OSError as error:
        raise HistoryError(f"{error.strerror}: name a history") from error


def _print(history: Sequence[Operation], window: Window | None) -> None:
    processes = len({operation.process for operation in history})
    unknown = sum(not operation.known for operation in history)
    counted = f"{len(history)} operations of {processes} processes, {unknown} of unknown outcome"
    if window is None:
        click.echo(f"linearizable: {counted}")
        return
    click.echo(f"not linearizable: {counted}")
    where = f" on key {window.key!r}" if window.key else ""
    click.echo(
        f"No order explains these {len(window.operations)}{where}, "
        f"the first {window.prefix} events of that part hold them:"
    )
    from transports.node.cli.output import print_table

    rows = [
        (str(o.called), str(o.returned) if o.known else "-", str(o.process), _show(o))
        for o in window.operations
    ]
    print_table((">called", ">returned", ">process", "*operation"), rows)


def _show(operation: Operation) -> str:
    argument = operation.argument
    if isinstance(argument, tuple):
        ended = {True: "swapped", False: "another value was there"}[bool(operation.result)]
        text = f"cas {argument[0]} -> {argument[1]}: {ended if operation.known else 'unknown'}"
    elif operation.kind in ("read", "get"):
        text = f"{operation.kind}: {_cut(operation.result)}"
    else:
        unknown = "" if operation.known else ": unknown"
        text = f"{operation.kind} {_cut(argument)}{unknown}"
    return text


def _cut(value: object) -> str:
    text = repr(value)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[: SHOWN_CHARACTERS // 2]}...{text[-SHOWN_CHARACTERS // 2 :]}"


def _print_json(history: Sequence[Operation], window: Window | None) -> None:
    from dataclasses import asdict

    from transports.node.cli.output import print_json

    document: dict[str, object] = {
        "linearizable": window is None,
        "operations": len(history),
        "unknown": sum(not operation.known for operation in history),
    }
    if window is not None:
        document["window"] = [asdict(operation) for operation in window.operations]
        document["key"] = window.key
        document["prefix_events"] = window.prefix
    print_json(document)
