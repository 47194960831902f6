"""The command `paxos simulate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from transports.node.cli.failures import FAILED, Interrupted, Misuse
from transports.node.cli.options import JSON, output_option

if TYPE_CHECKING:
    from paxos_core.testing import Options
    from transports.node.cli.simulate.campaign import Totals
    from transports.node.cli.simulate.ledger import LedgerFile
    from transports.node.cli.simulate.meter import Meter
    from transports.node.cli.simulate.stopping import Signals

SEED_MAX: Final = (1 << 63) - 1
SEEDS_MAX: Final = 100_000_000


@click.command(
    epilog="""\b
Examples:
  paxos simulate --seeds 0:10000 --jobs 2
  paxos simulate --seed 2 --print
  paxos simulate --seed 4 --trace run.trace
  paxos simulate --seeds 0:1000 --core mixed
  paxos simulate --seeds 0:100000 --seconds 36 --jobs 2 --ledger campaign.json
"""
)
@click.option("--seed", type=click.IntRange(0, SEED_MAX), metavar="N", help="Run one seed.")
@click.option("--seeds", metavar="A:B", help="Run seeds A to B - 1.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="So many processes.",
)
@click.option(
    "--core",
    type=click.Choice(("python", "c", "mixed")),
    default="python",
    show_default=True,
    help="What decides in the nodes.",
)
@click.option(
    "--default-timing",
    is_flag=True,
    help="Time-outs as a configuration without any has them, not the seed's.",
)
@click.option(
    "--own-limits",
    is_flag=True,
    help="Limits of its own for each node, others at each start.",
)
@click.option(
    "--damage",
    type=click.IntRange(0, 1000),
    default=0,
    metavar="N",
    help="Change a bit of the value in N of a thousand frames that carry one.",
)
@click.option("--without", default="", metavar="KIND,KIND", help="Leave out kinds of fault.")
@click.option("--drop", default="", metavar="N,N", help="Leave out these faults of the seed.")
@click.option(
    "--commands",
    type=click.IntRange(0),
    metavar="N",
    help="Keep only the first N commands of the clients.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1, 1_000_000),
    metavar="SECONDS",
    help="Go on with each seed, round after round, for so much simulated time.",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep what was done in FILE, and go on from there.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, 15),
    metavar="N",
    help="The size of the cluster.  [default: the seed's]",
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Stop after N steps.")
@click.option(
    "--failures",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Stop after N failing seeds.",
)
@click.option("--print", "shows", is_flag=True, help="Print every event as text; for one seed.")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write every step and why it was taken to FILE, for paxos view; for one seed.",
)
@click.option("--minimise", is_flag=True, help="Look for the least run that still fails.")
@click.option("--counts", is_flag=True, help="Print how often each fault and state occurred.")
@output_option
def simulate(
    *,
    seed: int | None,
    seeds: str | None,
    jobs: int,
    core: str,
    default_timing: bool,
    own_limits: bool,
    damage: int,
    seconds: int | None,
    ledger: Path | None,
    without: str,
    drop: str,
    commands: int | None,
    nodes: int | None,
    steps: int | None,
    failures: int,
    shows: bool,
    trace: Path | None,
    minimise: bool,
    counts: bool,
    output: str,
) -> None:
    """Run simulated clusters with faults, and check every invariant after every step.

    Each seed draws a cluster, its load, and which kinds of fault it has at all. The
    same seed is the same run, on every machine. Ends with 0 if every seed held, 1 if
    one did not: then a line says how to repeat it; 130 after Ctrl-C and 143 after
    SIGTERM, with what was done until then.
    """
    from paxos_core.testing import Options
    from transports.node.cli.simulate.drops import check_drop
    from transports.node.cli.simulate.meter import Meter

    chosen = read_seeds(seed, seeds)
    base = Options(
        chosen[0],
        read_kinds(without),
        read_drop(drop),
        commands,
        nodes,
        steps,
        seconds=seconds,
        core=core,
        default_timing=default_timing,
        own_limits=own_limits,
        damage=damage,
    )
    check_drop(base, len(chosen))
    if shows or trace is not None:
        if shows and trace is not None:
            raise Misuse("give --print for text or --trace for a file, one of them")
        _run_one(base, len(chosen), trace)
        return
    tell = partial(show, output=output, counts=counts, of=len(chosen), steps_max=steps)
    with _open_ledger(ledger, base, len(chosen)) as kept:
        meter = Meter(len(chosen), kept)
        _carry_out(base, chosen, meter, tell, jobs=jobs, shrink=minimise, failures_max=failures)


def _carry_out(
    base: Options, chosen: range, meter: Meter, tell: Callable[[Totals], None], **how: Any
) -> None:
    """Run the seeds that are left; tell and keep what was done, and end as it ended."""
    from transports.node.cli.simulate.stopping import Signals

    signals = Signals()
    end: Exception | None = None
    try:
        end = _run(base, chosen[meter.totals.seeds :], meter, signals, how)
        # What was found is told even if it cannot be kept, and kept if it cannot be told.
        try:
            if meter.totals.seeds or end is None or isinstance(end, Interrupted):
                tell(meter.totals)
        finally:
            meter.save()
    finally:
        if not isinstance(end, Interrupted):
            signals.restore()
    if end is not None:
        raise end
    if meter.totals.failures:
        sys.exit(FAILED)


def _run(
    base: Options, left: range, meter: Meter, signals: Signals, how: dict[str, Any]
) -> Exception | None:
    """What ended the campaign early, if anything did. Signals do nothing from then on."""
    from transports.node.cli.simulate.campaign import run_campaign
    from transports.node.cli.simulate.stopping import Stopped

    def note(totals: Totals) -> None:
        meter.note(totals)
        signals.check()

    try:
        try:
            signals.hear()
            run_campaign(base, left, progress=note, totals=meter.totals, **how)
        finally:
            signals.ignore()
    except Stopped as stopped:
        return Interrupted(stopped.number)
    except Exception as error:
        # Raised again when what was done has been told.
        return error
    return None


def _open_ledger(
    path: Path | None, base: Options, asked: int
) -> AbstractContextManager[LedgerFile | None]:
    from transports.node.cli.simulate.ledger import LedgerFile

    return nullcontext() if path is None else LedgerFile(path, base, asked)


def read_seeds(seed: int | None, span: str | None) -> range:
    """Which seeds. Raises `Misuse`."""
    if (seed is None) == (span is None):
        raise Misuse("give --seed N or --seeds A:B, one of them")
    if seed is not None:
        return range(seed, seed + 1)
    assert span is not None
    first, colon, end = span.partition(":")
    if not (colon and _is_number(first) and _is_number(end)):
        raise Misuse(f"--seeds: {span!r} is no span; write it as 0:1000")
    found = range(int(first), int(end))
    if not found or len(found) > SEEDS_MAX:
        raise Misuse(f"--seeds: {span} has {len(found):,} seeds; from 1 to {SEEDS_MAX:,} are run")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def read_kinds(text: str) -> frozenset[str]:
    """Kinds of fault. Raises `Misuse`."""
    from paxos_core.testing.plan import KINDS

    names = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(names - set(KINDS)):
        raise Misuse(f"--without: no fault is called {unknown[0]!r}; there are {', '.join(KINDS)}")
    return names


def read_drop(text: str) -> frozenset[int]:
    """Indices of faults. Raises `Misuse`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if wrong := [word for word in words if not _is_number(word)]:
        raise Misuse(f"--drop: {wrong[0]!r} is no number of a fault")
    return frozenset(map(int, words))


def _run_one(base: Options, seeds: int, path: Path | None) -> None:
    """One seed that is shown: as text, or as a trace in a file."""
    from paxos_core.testing import SimulationFailure

    if seeds != 1:
        raise Misuse("--print and --trace are for one seed: give --seed")
    run = partial(_print_seed, base) if path is None else partial(_write_trace, base, path)
    try:
        told = run()
    except SimulationFailure as failure:
        click.echo(f"FAIL {failure}")
        if path is not None:
            click.echo(f"trace: {path}")
        sys.exit(FAILED)
    click.echo(f"1 seed holds{_early(base.steps)}{told}")


def _print_seed(base: Options) -> str:
    from paxos_core.testing import simulate as run_seed
    from transports.node.cli.simulate.cores import make_of

    run_seed(base, click.echo, make_of(base.core))
    return ""


def _write_trace(base: Options, path: Path) -> str:
    from paxos_core.testing import trace_seed
    from transports.node.cli.simulate.cores import make_of
    from transports.node.cli.simulate.trace_lines import write_lines

    make = make_of(base.core)
    count = write_lines(path, lambda sink: trace_seed(base, sink, make))
    return f"; {path} has {count:,} events; see it with: paxos view {path}"


def show(totals: Totals, *, output: str, counts: bool, of: int, steps_max: int | None) -> None:
    """Failures, the ledger, and the states that no seed was in."""
    from paxos_core.testing.coverage import unseen

    missing = unseen(totals.counts)
    if output == JSON:
        from transports.node.cli.output import print_json

        print_json(
            {
                "seeds": totals.seeds,
                "asked": of,
                "steps_max": steps_max,
                "steps": totals.steps,
                "simulated_hours": totals.hours,
                "times_real_time": totals.speed,
                "failures": totals.failures,
                "counts": dict(sorted(totals.counts.items())),
                "never_seen": missing,
            }
        )
        return
    for failure in totals.failures:
        click.echo(f"FAIL {failure}")
    if counts:
        for name, count in sorted(totals.counts.items()):
            click.echo(f"{count:12,} {name}")
    click.echo(_verdict(totals, of, steps_max))
    # A seed or two is meant to be in a few of them; a campaign, in all.
    if missing and totals.seeds > 1:
        click.echo(f"never seen: {', '.join(missing)}")


def _verdict(totals: Totals, of: int, steps_max: int | None) -> str:
    from transports.node.cli.simulate.campaign import counted

    if not totals.seeds:
        return f"nothing was run to its end, of {counted(of, 'seed')}"
    part = "" if totals.seeds == of else f"{totals.seeds:,} of "
    held = " holds" if of == 1 else ", all hold"
    held = f", {len(totals.failures)} failed" if totals.failures else held
    return (
        f"{part}{counted(of, 'seed')}{held}{_early(steps_max)}: {counted(totals.steps, 'step')}, "
        f"{totals.hours:,.2f} simulated hours, {totals.speed:,.0f} times real time on a processor"
    )


def _early(steps_max: int | None) -> str:
    from transports.node.cli.simulate.campaign import counted

    return (
        "" if steps_max is None else f", stopped early, after {counted(steps_max, 'step')} at most"
    )
