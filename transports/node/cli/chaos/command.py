"""The command `paxos chaos`."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from transports.node.cli.failures import FAILED, Failure, Interrupted, Misuse
from transports.node.cli.options import (
    JSON,
    FiniteRange,
    check_core,
    check_transport_name,
    core_option,
    mode_option,
    output_option,
)

if TYPE_CHECKING:
    from transports.node.cli.chaos.course import Course
    from transports.node.cli.chaos.verdict import Verdict, Wish
    from transports.node.config import CoreKind

SEED_MAX: Final = (1 << 63) - 1


@click.command(
    epilog="""\b
Examples:
  paxos chaos --transport udp --seconds 60 --seed 7
  paxos chaos --transport tcp --seconds 8 --runs 50 --seed 1 --save tcp-50
"""
)
@click.option(
    "--transport",
    default="tcp",
    show_default=True,
    metavar="NAME",
    help="What carries the frames; see: paxos transports.",
)
@mode_option
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 86_400),
    metavar="SECONDS",
    default=20.0,
    show_default=True,
    help="How long things go wrong.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    metavar="N",
    help="What the faults are drawn from.  [default: any]",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="A campaign: N runs, with the seeds from --seed on. With the --save of one that was "
    "interrupted it goes on.",
)
@click.option(
    "--kinds",
    metavar="KIND,KIND",
    help="Which faults: kill,pause,cut,loss,sync,full.  [default: all that can be made]",
)
@core_option("python")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A new folder for history, logs and verdict.  [default: paxos-chaos-DATE-TIME]",
)
@output_option
def chaos(
    *,
    transport: str,
    mode: str | None,
    seconds: float,
    seed: int | None,
    runs: int | None,
    kinds: str | None,
    core: CoreKind | None,
    save: Path | None,
    output: str,
) -> None:
    """Run three nodes as processes, hurt them, and check what clients saw.

    Nodes are killed with SIGKILL, stopped and continued, cut off or made to lose
    frames (as root, in a laboratory of its own), and their disks fail: a sync, a
    write. Clients get, put and append meanwhile. At the end all is healed, the logs
    must be the same, and the history must be linearizable. Ends with 0 if it all
    holds, 1 if it does not, 2 for wrong use, 130 after Ctrl-C, with a verdict over
    what there was until then.
    """
    _check_transport(transport, mode, core)
    if core == "c":
        from transports.node.cores import load_c_core

        # Built once, here, before three nodes do it.
        load_c_core()
    decides = "kernel" if mode == "replica" else core or "python"
    wish = make_wish(transport, mode, seconds, seed, kinds, decides, save)
    if runs is None:
        _run_once(wish, output)
    else:
        _run_campaign(wish, runs, seed, output)


def _check_transport(transport: str, mode: str | None, core: CoreKind | None) -> None:
    """Raises `Misuse`, and `Failure` if it is not to be had here."""
    from transports.api import TransportError

    try:
        check_transport_name(transport)
    except TransportError as error:
        raise Misuse(f"--transport: {error}") from error
    if transport == "memory":
        raise Misuse("--transport: memory joins tasks of one process, and nodes are killed here")
    check_core(transport, mode, core)
    if transport == "kmod":
        from transports.chardev import availability

        if (reason := availability()) is not None:
            raise Failure(f"kmod: {reason}")


def make_wish(
    transport: str,
    mode: str | None,
    seconds: float,
    seed: int | None,
    kinds: str | None,
    core: str,
    save: Path | None,
) -> Wish:
    """What was asked for; its folder is not made. Raises `Misuse`."""
    from transports.node.cli.chaos.verdict import Wish
    from transports.node.cli.lab.ip import unavailable

    laboratory = unavailable() is None
    chosen = read_kinds(kinds, laboratory=laboratory)
    folder = save or Path(datetime.now().strftime("paxos-chaos-%Y%m%d-%H%M%S"))
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    return Wish(transport, mode, seconds, seed, chosen, core, folder.resolve(), laboratory)


def _run_once(wish: Wish, output: str) -> None:
    from transports.node.cli.chaos.course import Course

    folder = wish.directory
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Misuse(f"--save: {folder} is there already; name a new folder") from error
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}; name another --save") from error
    course = Course(wish, lambda text: click.echo(text, err=True))
    interrupted = _run(course)
    verdict = course.judge(interrupted=interrupted is not None)
    _show(verdict, output)
    if interrupted is not None:
        raise interrupted
    if not verdict.passed:
        sys.exit(FAILED)


def _run_campaign(wish: Wish, runs: int, seed: int | None, output: str) -> None:
    from transports.node.cli.chaos.campaign import describe_totals, run_campaign
    from transports.node.cli.chaos.ledger import open_ledger

    with open_ledger(wish, seed, wish.seed) as ledger:
        interrupted = run_campaign(
            wish, runs, ledger, _run, lambda line: click.echo(line, err=output == JSON)
        )
    if output == JSON:
        from transports.node.cli.output import print_json

        print_json({"asked": runs, **ledger.totals.to_json()})
    else:
        for line in describe_totals(ledger.totals, runs):
            click.echo(line)
    if interrupted is not None:
        click.echo(
            f"what was done is kept: the same command with --save {ledger.folder} goes on", err=True
        )
        raise interrupted
    if not ledger.totals.hold:
        sys.exit(FAILED)


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
    from transports.node.cli.chaos.campaign import counted, describe_unreached

    click.echo(f"faults: {counted(verdict.faults)}")
    click.echo(
        f"{len(verdict.history):,} operations: {counted(verdict.outcomes, 'none ended')}; "
        f"longest without an answer: {verdict.silence_seconds:.1f} s; "
        f"logs seen trimmed behind a snapshot: {verdict.trims:,} times"
    )
    folder = verdict.wish.directory
    if verdict.window is not None:
        click.echo(
            f"not linearizable; see: paxos check-history {folder / 'history.edn'} --model kv"
        )
    if verdict.fault:
        click.echo(verdict.fault)
    if verdict.unreached:
        click.echo(describe_unreached(verdict.unreached))
    if verdict.passed:
        logs = "" if verdict.interrupted else "the logs are identical, and "
        click.echo(f"{logs}the history is linearizable")
    click.echo(f"history, logs, events, picture and verdict are in {folder}")
    click.echo(_last_word(verdict))


def _last_word(verdict: Verdict) -> str:
    if verdict.failed:
        return f"FAIL; the same faults again: {again(verdict.wish)}"
    return "PASS" if verdict.passed else "interrupted before any answer: nothing was tested"


def again(wish: Wish) -> str:
    """The command that draws the same faults."""
    mode = f" --mode {wish.mode}" if wish.mode else ""
    core = " --core c" if wish.core == "c" else ""
    return (
        f"paxos chaos --transport {wish.transport}{mode}{core} --seed {wish.seed} "
        f"--seconds {wish.seconds:g} --kinds {','.join(wish.kinds)}"
    )
