"""``paxos submit``: have commands decided and applied, and print what they answered."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import click
import trio

from transports.node.cli.failures import FAILED, Failure, Interrupted, Misuse
from transports.node.cli.hosts import why_unreachable
from transports.node.cli.options import (
    JSON,
    check_joins_processes,
    config_option,
    output_option,
    read_config,
    timeout_option,
)
from transports.node.cli.output import as_json, print_json, print_table, shown
from transports.node.cli.running import run
from transports.node.client import (
    Client,
    ClientError,
    ClusterUnreachable,
    Outcome,
    OutcomeUnknown,
    ResultTooLarge,
    open_client,
)
from transports.node.config import ClusterConfig

ROWS_MAX: Final = 20
OUTSTANDING_MAX: Final = 4096
CHUNK_BYTES: Final = 1 << 20
LINE_BYTES_MAX: Final = 16 << 20


@dataclass(slots=True)
class Tally:
    """What became of the commands, in the order of their submission."""

    commands: list[bytes] = field(default_factory=list)
    outcomes: list[Outcome | None] = field(default_factory=list)
    """None while a command is on its way."""
    failed: bool = False

    def begin(self, command: bytes) -> int:
        """Note a command that leaves; returns its place."""
        self.commands.append(command)
        self.outcomes.append(None)
        return len(self.outcomes) - 1

    def end(self, place: int, outcome: Outcome) -> None:
        """Note its outcome."""
        self.outcomes[place] = outcome
        self.failed = self.failed or isinstance(outcome, ClientError)

    def pairs(self) -> Iterator[tuple[bytes, Outcome | None]]:
        """Each command with its outcome."""
        return zip(self.commands, self.outcomes, strict=True)

    def numbered(self, state: str) -> list[int]:
        """The commands, from 1, in the state `applied`, `unknown` or `not applied`."""
        return [at for at, outcome in enumerate(self.outcomes, 1) if state_of(outcome) == state]


def state_of(outcome: Outcome | None) -> str:
    """Whether a command was applied, as far as can be known."""
    match outcome:
        case bytes() | ResultTooLarge():
            return "applied"
        case None | OutcomeUnknown():
            return "unknown"
        case _:
            return "not applied"


@click.command(
    epilog="""\b
Examples:
  paxos submit "first command" "second command"
  paxos submit hello --count 1000 --outstanding 64
  generate | paxos submit --file -
"""
)
@click.argument("commands", nargs=-1, metavar="[COMMAND]...")
@click.option("--file", "file_name", metavar="FILE", help="One command per line; - for stdin.")
@click.option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=1,
    metavar="N",
    help="Submit the COMMANDs N times over.",
)
@click.option(
    "--outstanding",
    type=click.IntRange(1, OUTSTANDING_MAX),
    default=1,
    show_default=True,
    metavar="N",
    help="How many to have on their way at a time. More is faster, and keeps no order.",
)
@timeout_option(10.0, "How long to try for a command.")
@config_option
@output_option
def submit(
    commands: tuple[str, ...],
    file_name: str | None,
    count: int,
    outstanding: int,
    timeout: float,
    config_path: str,
    output: str,
) -> int:
    """Have COMMANDs decided and applied, and print their results.

    Each is applied exactly once; in the order given, unless --outstanding is more than 1. The
    first that fails ends it: what follows is not submitted. The exit status is
    1 if a command has no result; the message says which were applied, and of
    which it cannot be known.
    """
    if bool(commands) == (file_name is not None):
        raise Misuse("give either COMMANDs or --file FILE; see: paxos submit --help")
    if file_name is not None and count != 1:
        raise Misuse("--count goes with COMMANDs, not with --file")
    config = read_config(config_path)
    check_joins_processes(config, config_path)
    tally = Tally()
    with _open(file_name) as file:
        given = [command.encode(errors="surrogateescape") for command in commands]
        source = _repeat(given, count) if file is None else _lines(file)
        try:
            run(lambda: _submit_all(config, source, tally, outstanding, timeout))
        except Interrupted as interrupted:
            _report(tally, output, f"{interrupted}; {summary(tally)}")
            return interrupted.status
    if not tally.failed:
        _report(tally, output)
        if not tally.outcomes and output != JSON:
            click.echo("there are no commands, so nothing was submitted")
        return 0
    reason = next(outcome for outcome in tally.outcomes if isinstance(outcome, ClientError))
    _report(tally, output, summary(tally, reason) + _hint(config, reason))
    return FAILED


def _hint(config: ClusterConfig, reason: ClientError) -> str:
    """What else may be wrong where no leader answers."""
    if not isinstance(reason, ClusterUnreachable):
        return ""
    why = run(lambda: why_unreachable(config))
    return (
        f" {why}"
        if why
        else " And are its cluster, transport, addresses and keys those of this configuration?"
    )


def _open(name: str | None) -> AbstractContextManager[BinaryIO | None]:
    if name is None:
        return nullcontext()
    if name == "-" and sys.stdin is None:
        raise Misuse("--file -: standard input is closed; name a file, or open it")
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(name, "rb", buffering=0)
    except OSError as error:
        raise Misuse(f"{name}: cannot be read ({error.strerror}); check the name") from error


async def _repeat(commands: list[bytes], count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        for command in commands:
            yield command


async def _lines(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file's lines without their ends, as they come; empty ones are left out."""
    fd = file.fileno()
    pending = b""
    while chunk := await _read(fd):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if command := line.removesuffix(b"\r"):
                yield command
        if len(pending) > LINE_BYTES_MAX:
            raise Failure(f"a line is longer than {LINE_BYTES_MAX} bytes; is this the file?")
    if command := pending.removesuffix(b"\r"):
        yield command


async def _read(fd: int) -> bytes:
    """Bytes that are there; empty at the end. A pipe or a terminal is waited for."""
    try:
        await trio.lowlevel.wait_readable(fd)
    except OSError:
        # Epoll does not take ordinary files, which are always readable.
        await trio.lowlevel.checkpoint()
    try:
        return os.read(fd, CHUNK_BYTES)
    except OSError as error:
        raise Failure(f"the commands cannot be read ({error.strerror})") from error


async def _submit_all(
    config: ClusterConfig,
    source: AsyncIterator[bytes],
    tally: Tally,
    outstanding: int,
    timeout: float,
) -> None:
    send, receive = trio.open_memory_channel[bytes](0)
    async with open_client(config, timeout=timeout) as client, trio.open_nursery() as nursery:
        reading = trio.CancelScope()
        for _ in range(outstanding):
            nursery.start_soon(_work, client, receive.clone(), tally, reading)
        receive.close()
        with reading, send:
            async for command in source:
                await send.send(command)


async def _work(
    client: Client,
    commands: trio.MemoryReceiveChannel[bytes],
    tally: Tally,
    reading: trio.CancelScope,
) -> None:
    """Submit one command after the other, until there are no more or one failed."""
    async with commands:
        async for command in commands:
            if tally.failed:
                return
            place = tally.begin(command)
            try:
                tally.end(place, await client.submit(command))
            except ClientError as error:
                tally.end(place, error)
                reading.cancel()


def _report(tally: Tally, output: str, complaint: str | None = None) -> None:
    """Print the results, then the complaint; that one also if the results cannot be printed."""
    try:
        _print(tally, output)
    finally:
        if complaint is not None:
            click.echo(f"paxos: {complaint}", err=True)


def _print(tally: Tally, output: str) -> None:
    if output == JSON:
        results = [_as_json(*pair) for pair in tally.pairs()]
        print_json({"counts": _counts(tally), "results": results})
        return
    pairs = [
        (number, shown(command), outcome)
        for number, (command, outcome) in enumerate(tally.pairs(), 1)
    ]
    rows = [(number, command, _shown(outcome)) for number, command, outcome in pairs[:ROWS_MAX]]
    if rows:
        print_table((">number", "*command", "*result"), rows)
    if len(pairs) > ROWS_MAX:
        click.echo(f"the first {ROWS_MAX} of {len(pairs)} (--output json prints all)")


def _shown(outcome: Outcome | None) -> str:
    if isinstance(outcome, bytes):
        return shown(outcome)
    return f"{state_of(outcome)}: {outcome or 'interrupted'}"


def _as_json(command: bytes, outcome: Outcome | None) -> dict[str, Any]:
    result: dict[str, Any] = {**as_json("command", command), "state": state_of(outcome)}
    if isinstance(outcome, bytes):
        result |= as_json("result", outcome)
    else:
        result["error"] = type(outcome).__name__ if outcome is not None else "Interrupted"
    return result


def _counts(tally: Tally) -> dict[str, int]:
    return {
        "applied": len(tally.numbered("applied")),
        "unknown": len(tally.numbered("unknown")),
        "not_applied": len(tally.numbered("not applied")),
    }


def summary(tally: Tally, reason: ClientError | None = None) -> str:
    """Which commands were applied, which not, and which nobody knows of.

    `reason` is that of one of them; it ends the line, after the commands that it is about.
    """
    parts = {
        state: _say(state, numbers)
        for state in ("applied", "unknown", "not applied")
        if (numbers := tally.numbered(state))
    }
    if reason is None:
        return "; ".join(parts.values()) or "nothing was submitted"
    about = parts.pop(state_of(reason))
    return "; ".join((*parts.values(), f"{about}: {reason}"))


def _say(state: str, numbers: Sequence[int]) -> str:
    several = len(numbers) > 1
    which = f"command{'s' * several} {ranges(numbers)}"
    if state == "unknown":
        return f"of {which} it is unknown"
    return f"{which} {'were' if several else 'was'} {state}"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, in short: ``1-3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
