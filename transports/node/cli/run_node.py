"""``paxos node``: run a node until a signal ends it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, Final

import click
import trio

from paxos_core import StateMachine
from transports.node.cli.failures import Failure, Interrupted, Misuse
from transports.node.cli.options import (
    check_joins_processes,
    check_node,
    choose_core,
    config_option,
    core_option,
    read_config,
    search_here,
)
from transports.node.cli.running import run
from transports.node.config import ClusterConfig, CoreKind
from transports.node.doubles import watch_for_doubles
from transports.node.doubts import tell_doubts
from transports.node.logs import NodeLogger, configure_logging
from transports.node.machines import Journal
from transports.node.metrics import check_metrics, open_metrics
from transports.node.node import open_node
from transports.node.tasks import background

STDIN: Final = 0
METHODS: Final = ("apply", "snapshot", "restore")


@click.command(
    epilog="""\b
Examples:
  paxos node 1
  paxos node 1 --log-level debug --log-format json
  paxos node 1 --machine accounts:Accounts
  paxos node 1 --trace node1.trace
"""
)
@click.argument("node", type=click.IntRange(1, 65535))
@config_option
@click.option(
    "--first-start",
    is_flag=True,
    help='For store = "memory": this is the first start of this node ever, so it may vote.',
)
@click.option(
    "--machine",
    metavar="MODULE:FACTORY",
    help="The state machine, made by calling FACTORY. Without it: a journal, which numbers "
    "the commands.",
)
@core_option("the configuration's")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Append every step of the core, and why it took it, to FILE; see: paxos view --help.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["text", "json"]))
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="End when standard input does: for a program that starts nodes, so that none outlives it.",
)
@click.option(
    "--metrics",
    metavar="ADDRESS",
    help="Serve metrics for Prometheus at HOST:PORT, or at PORT on loopback.",
)
def node(
    node: int,
    config_path: str,
    first_start: bool,
    machine: str | None,
    core: CoreKind | None,
    trace: str | None,
    log_level: str | None,
    log_format: str | None,
    stop_with_stdin: bool,
    metrics: str | None,
) -> None:
    """Run node NODE of the configuration, in the foreground.

    What happens is logged to standard error. SIGINT (Ctrl-C) and SIGTERM end
    the node in order, with status 0.
    """
    config = choose_core(read_config(config_path), core)
    check_joins_processes(config, config_path)
    check_node(config, node, config_path)
    if first_start and config.store != "memory":
        raise Misuse(
            '--first-start is for store = "memory"; a durable store knows by itself: '
            f"make it once with paxos init --node {node}"
        )
    if metrics is not None:
        check_metrics(metrics)
    made = Journal() if machine is None else load_machine(machine)
    configure_logging(log_level or config.log.level, log_format or config.log.format)
    if config.store == "memory" and not first_start:
        NodeLogger(node).warning(
            "does_not_vote",
            reason="a memory store without --first-start: it may have promised before",
        )
    try:
        run(
            lambda: _run_node(config, node, made, first_start, trace, stop_with_stdin, metrics),
            last=True,
        )
    except Interrupted:
        # This is how a node is meant to end.
        return


async def _run_node(
    config: ClusterConfig,
    node: int,
    machine: StateMachine,
    first_start: bool,
    trace: str | None,
    stop_with_stdin: bool,
    metrics: str | None,
) -> None:
    async with (
        open_node(
            config, node, machine, first_start=first_start, dedicated=True, trace=trace
        ) as running,
        open_metrics(running, metrics) if metrics is not None else nullcontext(),
        background(partial(tell_doubts, running), partial(watch_for_doubles, running)),
    ):
        if stop_with_stdin:
            await _wait_for_end_of_input()
        else:
            await trio.sleep_forever()


async def _wait_for_end_of_input() -> None:
    while True:
        try:
            await trio.lowlevel.wait_readable(STDIN)
        except OSError:
            # A file cannot be waited for; it has ended already.
            return
        if not os.read(STDIN, 4096):
            return


def load_machine(name: str) -> StateMachine:
    """The state machine that ``module:factory`` makes. Raises `Misuse`, and `Failure`."""
    module_name, colon, attribute = name.partition(":")
    if not (colon and module_name and attribute):
        raise Misuse(f"--machine {name}: write MODULE:FACTORY, such as accounts:Accounts")
    search_here()
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Misuse(
            f"--machine {name}: {error}; check the name, and from where you run"
        ) from error
    except Exception as error:  # whatever a foreign module does while it is imported
        raise Failure(f"--machine {name}: {type(error).__name__}: {error}") from error
    return _call(name, found)


def _call(name: str, factory: Callable[[], Any]) -> StateMachine:
    if not callable(factory):
        raise Misuse(f"--machine {name}: is not callable; name a class or a function")
    try:
        machine = factory()
    except Exception as error:  # whatever a foreign factory does
        raise Failure(f"--machine {name}: {type(error).__name__}: {error}") from error
    missing = [method for method in METHODS if not callable(getattr(machine, method, None))]
    if missing:
        raise Misuse(
            f"--machine {name}: what it makes has no {', '.join(missing)}; "
            "a state machine has apply, snapshot and restore"
        )
    made: StateMachine = machine
    return made
