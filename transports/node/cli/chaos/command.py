"""The command `paxos chaos`."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transports.node.cli.failures import FAILED, Failure, Interrupted, Misuse
from transports.node.cli.options import JSON, check_transport_name, output_option

if TYPE_CHECKING:
    from transports.node.cli.chaos.course import Course, Verdict, Wish


@click.command()
@click.option("--transport", default="tcp", show_default=True, help="What carries the frames.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 86_400),
    default=20.0,
    show_default=True,
    help="How long things go wrong.",
)
@click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), help="Of the faults.  [default: any]"
)
@click.option(
    "--kinds", help="Which faults: kill,pause,cut,sync,full.  [default: all that can be made here]"
)
@click.option(
    "--core", type=click.Choice(["python", "c"]), default="python", help="What decides in a node."
)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for history, logs and verdict.  [default: paxos-chaos-DATE-TIME]",
)
@output_option
def chaos(
    *,
    transport: str,
    seconds: float,
    seed: int | None,
    kinds: str | None,
    core: str,
    save: Path | None,
    output: str,
) -> None:
    """Run three nodes as processes, hurt them, and check what clients saw.

    Nodes are killed with SIGKILL, stopped and continued, cut off (as root, in a
    laboratory of its own), and their disks fail: a sync, a write. Clients get, put
    and append meanwhile. At the end all is healed, the logs must be the same, and
    the history must be linearizable. Ends with 0 if it all holds, 1 if it does not,
    2 for wrong use, 130 after Ctrl-C, with a verdict over what there was until then.

    \b
    Example:
      paxos chaos --transport udp --seconds 60 --seed 7
    """
    from transports.api import TransportError
    from transports.node.cli.chaos.course import Course

    try:
        check_transport_name(transport)
    except TransportError as error:
        raise Misuse(f"--transport: {error}") from error
    if transport == "memory":
        raise Misuse("--transport: memory joins tasks of one process, and nodes are killed here")
    wish = make_wish(transport, seconds, seed, kinds, core, save)
    course = Course(wish, lambda text: click.echo(text, err=True))
    interrupted = _run(course)
    verdict = course.judge(interrupted=interrupted is not None)
    _show(verdict, output)
    if interrupted is not None:
        raise interrupted
    if not verdict.passed:
        sys.exit(FAILED)


def make_wish(
    transport: str,
    seconds: float,
    seed: int | None,
    kinds: str | None,
    core: str,
    save: Path | None,
) -> Wish:
    """What was asked for, in a folder that is made. Raises `Misuse` and `Failure`."""
    from transports.node.cli.chaos.course import Wish
    from transports.node.cli.lab.ip import unavailable

    laboratory = unavailable() is None
    chosen = read_kinds(kinds, laboratory=laboratory)
    folder = save or Path(datetime.now().strftime("paxos-chaos-%Y%m%d-%H%M%S"))
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Misuse(f"--save: {folder} is there already; name a new folder") from error
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}; name another --save") from error
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    return Wish(transport, seconds, seed, chosen, core, folder.resolve(), laboratory)


def read_kinds(text: str | None, *, laboratory: bool) -> tuple[str, ...]:
    """Kinds of fault: those that were asked for, or all that can be made. Raises `Misuse`."""
    from transports.node.cli.chaos.nemesis import KINDS, why_not

    if text is None:
        return tuple(kind for kind in KINDS if not why_not(kind, laboratory=laboratory))
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise Misuse("--kinds: nothing is named")
    for word in words:
        if word not in KINDS:
            raise Misuse(f"--kinds: there is no {word!r}; there are {', '.join(KINDS)}")
        if reason := why_not(word, laboratory=laboratory):
            raise Misuse(f"--kinds: {word}: {reason}")
    return tuple(dict.fromkeys(words))


def _run(course: Course) -> Interrupted | None:
    """The signal that ended it before its time, if one did."""
    from transports.node.cli.running import run

    try:
        run(course.run)
    except Interrupted as signal:
        return signal
    return None


def _show(verdict: Verdict, output: str) -> None:
    if output == JSON:
        from transports.node.cli.output import print_json

        print_json(verdict.to_json())
        return
    faults = ", ".join(f"{number} {kind}" for kind, number in verdict.faults.items()) or "none"
    outcomes = ", ".join(f"{number:,} {what}" for what, number in verdict.outcomes.items())
    click.echo(f"faults: {faults}")
    click.echo(f"{len(verdict.history):,} operations: {outcomes or 'none ended'}")
    if verdict.window is not None:
        folder = verdict.wish.directory
        click.echo(
            f"not linearizable; see: paxos check-history {folder / 'history.edn'} --model kv"
        )
    if verdict.fault:
        click.echo(verdict.fault)
    if verdict.passed:
        click.echo("the logs are identical, and the history is linearizable")
    wish = verdict.wish
    again = (
        f"paxos chaos --transport {wish.transport} --seed {wish.seed} --seconds {wish.seconds:g}"
    )
    click.echo(f"history, logs, events, picture and verdict are in {wish.directory}")
    click.echo("PASS" if verdict.passed else f"FAIL; the same faults again: {again}")
