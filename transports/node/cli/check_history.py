"""`paxos check-history`: is a recorded history linearizable?"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from typing import IO, TYPE_CHECKING, Any, Final

import click

from transports.node.cli.failures import FAILED, Interrupted, Misuse
from transports.node.cli.options import JSON, output_option

if TYPE_CHECKING:
    from paxos_core.testing.linearize import Operation, Window
    from paxos_core.testing.linearize.operations import Value

STATES_MAX: Final = 2_000_000
LINE_BYTES_MAX: Final = 1_000_000
SHOWN_CHARACTERS: Final = 34
SHOWN_ANSWERS: Final = 2
SWAPPED: Final = {True: "swapped", False: "another value was there"}


class HistoryFile(click.File):
    """`click.File`, and one line for a standard input that there is not."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IO[Any]:
        """The open file. Raises `click.BadParameter`."""
        if value == "-" and sys.stdin is None:
            self.fail("standard input is closed", param, ctx)
        return super().convert(value, param, ctx)


@click.command(
    "check-history",
    epilog="""\b
Example:
  paxos check-history history.edn --model kv
""",
)
@click.argument("file", type=HistoryFile("rb"))
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
    metavar="N",
    help="Give up after N states of the search.",
)
@output_option
def check_history(file: IO[bytes], model: str, states: int, output: str) -> int:
    """Say whether the history in FILE is linearizable (- is standard input).

    Reads Jepsen's logs of a register, and a line of EDN an event, as `paxos chaos`
    writes them. Of a history that is not linearizable it shows the smallest window
    that no order explains, and what each read of it could have returned. Ends with 0
    if it is, 1 if not, 2 for a file that cannot be read, or a search that was given up.
    """
    history, window = _judge(file, model, states)
    if output == JSON:
        _print_json(history, window)
    else:
        _print(history, window)
    return 0 if window is None else FAILED


def _judge(file: IO[bytes], model: str, states: int) -> tuple[list[Operation], Window | None]:
    """The history, and why it is not linearizable. Raises `Misuse`."""
    from paxos_core.testing.linearize import (
        MODELS,
        HistoryError,
        SearchTooLarge,
        explain,
        read_history,
    )

    try:
        history = read_history(_lines(file), MODELS[model])
        return history, explain(history, MODELS[model], states_max=states)
    except HistoryError as error:
        raise Misuse(f"{file.name}: {error}") from error
    except SearchTooLarge as error:
        raise Misuse(f"{file.name}: {error} (--states {states})") from error
    except KeyboardInterrupt as error:
        # Click would write a blank line of its own.
        raise Interrupted(signal.SIGINT) from error
    except MemoryError:
        pass
    # Told only here: what filled the memory is let go at the end of the handler.
    raise Misuse(
        f"{file.name}: the memory is full: check a part of the history, or give up earlier "
        f"with fewer --states than {states}"
    )


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Its lines, one at a time. Raises `HistoryError` for what is no text."""
    from paxos_core.testing.linearize import HistoryError

    for number in count(1):
        try:
            line = file.readline(LINE_BYTES_MAX + 1)
            if len(line) > LINE_BYTES_MAX:
                raise HistoryError(
                    f"line {number}: it has more than {LINE_BYTES_MAX:,} bytes: name a history"
                )
            if not line:
                return
            yield line.decode()
        except UnicodeDecodeError as error:
            raise HistoryError(
                f"line {number}: this is no text in UTF-8: name a whole history"
            ) from error
        except OSError as error:
            raise HistoryError(f"line {number}: {error.strerror}: name another file") from error


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
        (
            str(o.called),
            str(o.returned) if o.known else "-",
            str(o.process),
            _show(o),
            _show_answers(o, answers),
        )
        for o, answers in zip(window.operations, window.answers, strict=True)
    ]
    print_table((">called", ">returned", ">process", "*operation", "*could have returned"), rows)


def _show(operation: Operation) -> str:
    argument = operation.argument
    if isinstance(argument, tuple):
        ended = SWAPPED[bool(operation.result)] if operation.known else "unknown"
        return f"cas {_cut(argument[0])} -> {_cut(argument[1])}: {ended}"
    if operation.kind in ("read", "get"):
        return f"{operation.kind}: {_cut(operation.result)}"
    return f"{operation.kind} {_cut(argument)}{'' if operation.known else ': unknown'}"


def _show_answers(operation: Operation, answers: Sequence[Value] | None) -> str:
    """The results with which the others could be explained."""
    if answers is None:
        return "given up"
    if operation.kind == "cas":
        return " or ".join(SWAPPED[bool(answer)] for answer in answers)
    shown = [_cut(answer) for answer in answers[:SHOWN_ANSWERS]]
    if len(answers) > SHOWN_ANSWERS:
        shown.append("others")
    return " or ".join(shown)


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
        document["window"] = [
            {**asdict(operation), "could_return": answers}
            for operation, answers in zip(window.operations, window.answers, strict=True)
        ]
        document["key"] = window.key
        document["prefix_events"] = window.prefix
    print_json(document)
