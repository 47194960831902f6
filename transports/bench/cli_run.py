"""`paxos bench` itself: climbs the ladder on every layer, and says what each costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from transports.bench.cli_common import GIVEN, repeat_command, say
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import JSON

if TYPE_CHECKING:
    from transports.bench.ladder.command import Order
    from transports.bench.ladder.plan import Choice
    from transports.bench.saved.files import SavedRun

LISTS = ("layers", "rungs", "variants", "nodes", "loads", "payloads", "trials")
OUTSIDE = ("save", "resume", "report", "output", "directory", "place")
"""Options that say where things go, and not what is measured."""


def measure(context: click.Context) -> None:
    """Do what the options of the group ask for. Raises `Misuse`, `Failure` and `Interrupted`."""
    from transports.bench.saved.files import RunError

    options = context.params
    if options["resume"]:
        check_resume(context)
    check_packages(report=options["report"])
    try:
        saved = _resume(options) if options["resume"] else _new(context)
    except RunError as error:
        raise Failure(str(error)) from error
    show(saved, options["output"])
    if options["report"]:
        try:
            _report(saved.folder)
        except RunError as error:
            raise Failure(str(error)) from error
    if failed := saved.failures():
        noun = "measurement" if len(failed) == 1 else "measurements"
        raise Failure(
            f"{len(failed)} {noun} gave no figure; {saved.folder} says which, and why; "
            "--resume tries them again"
        )


def check_resume(context: click.Context) -> None:
    """Raises `Misuse` for options that a run which goes on cannot follow."""
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is GIVEN
        if given and name not in ("resume", "report", "output", "directory"):
            raise Misuse(
                f"--resume goes on as the run was planned: leave out {option.opts[0]}, "
                "or begin another run"
            )


def check_packages(*, report: bool) -> None:
    """Raises `Failure` if what the bench needs beyond the base is not installed."""
    from importlib.util import find_spec

    if find_spec("hdrh") is None:
        raise Failure(
            "the bench keeps latencies in HdrHistograms, and hdrhistogram is not installed; "
            "in a clone: pip install '.[bench]'"
        )
    if report and find_spec("matplotlib") is None:
        raise Failure(
            "--report draws with matplotlib, which is not installed; "
            "in a clone: pip install '.[bench]'"
        )


def _resume(options: dict[str, Any]) -> SavedRun:
    from transports.bench.ladder.command import go_on

    return go_on(options["resume"], options["directory"], say)


def _new(context: click.Context) -> SavedRun:
    from transports.bench.ladder.command import default_folder, start

    options = context.params
    folder = options["save"] or default_folder()
    return start(read_order(context), folder, options["directory"], say)


def read_order(context: click.Context) -> Order:
    """What the options ask for. Raises `Misuse`."""
    from transports.bench.ladder import words
    from transports.bench.ladder.command import Order
    from transports.bench.ladder.plan import (
        FULL,
        FULL_ROWS,
        FULL_TRIALS,
        HOST_LAYERS,
        QUICK,
        QUICK_ROWS,
        VM,
        VM_LAYERS,
        VM_ROWS,
        plan_cells,
    )
    from transports.bench.ladder.trials import plan_trials
    from transports.bench.saved.schema import Effort

    options = context.params
    _check(options)
    rows, layers, usual = (FULL_ROWS, HOST_LAYERS, FULL)
    if options["quick"]:
        rows, usual = QUICK_ROWS, QUICK
    if options["place"] == "vm":
        rows, layers, usual = VM_ROWS, VM_LAYERS, VM
    choice = _choose(options, layers)
    cells = plan_cells(choice, rows, quick=options["quick"])
    whole = options["place"] == "host" and not options["quick"] and not _narrowed(options)
    usual_trials = FULL_TRIALS if whole else ()
    kinds = words.read_trials(options["trials"]) if options["trials"] else usual_trials
    trials = [trial.id for trial in plan_trials(kinds, choice.layers)]
    if not cells and not trials:
        without = "; --quick has no hops" if options["quick"] else ""
        raise Misuse(f"these options leave nothing to measure together: leave one out{without}")
    effort = Effort(
        repeats=options["repeats"] or usual.repeats,
        warm_seconds=usual.warm_seconds,
        seconds=options["seconds"] or usual.seconds,
        instrument=options["instrument"],
    )
    command = " ".join(repeat_command(context, OUTSIDE))
    return Order(cells, trials, effort, command, options["pin"], options["place"])


def _check(options: dict[str, Any]) -> None:
    """Raises `Misuse` for values that no type of an option refuses."""
    for name in LISTS:
        if options[name] == "":
            raise Misuse(f"--{name}: names nothing; leave it out for all")


def _choose(options: dict[str, Any], layers: tuple[str, ...]) -> Choice:
    """Which cells of the plan. Raises `Misuse`."""
    from transports.bench.ladder import words
    from transports.bench.ladder.plan import Choice
    from transports.bench.saved.schema import RUNGS

    given = {name: options[name] for name in LISTS}
    return Choice(
        layers=words.read_layers(given["layers"]) if given["layers"] else layers,
        rungs=words.read_rungs(given["rungs"]) if given["rungs"] else RUNGS,
        variants=words.read_variants(given["variants"]) if given["variants"] else (),
        loads=words.read_loads(given["loads"]) if given["loads"] else (),
        payloads=words.read_payloads(given["payloads"]) if given["payloads"] else (),
        nodes=words.read_nodes(given["nodes"]) if given["nodes"] else (),
        peers=options["peers"],
    )


def _narrowed(options: dict[str, Any]) -> bool:
    """Whether only some of it is wanted: then trials are asked for by name."""
    return any(options[name] for name in ("rungs", "variants", "loads", "payloads", "nodes"))


def show(saved: SavedRun, output: str) -> None:
    """Sum a run up, on stdout."""
    from transports.bench.summary import summarise_run

    if output == JSON:
        from transports.node.cli.output import print_json

        print_json(summarise_run(saved).to_json())
    else:
        from transports.node.cli.output import make_console

        summarise_run(saved).show(make_console())


def _report(folder: Path) -> None:
    from transports.bench.cli_report import draw

    say(f"report: {draw(folder)}")
