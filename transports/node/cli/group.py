"""The commands of `paxos`, each loaded when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

import click

from transports.node.cli.failures import Failure


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is, and the line that `paxos --help` has for it."""

    target: str
    """``module:attribute``"""
    summary: str


COMMANDS: Final[dict[str, Entry]] = {
    "demo": Entry(
        "transports.node.cli.demo:demo",
        "Three nodes agree, lose their leader, and lose nothing.",
    ),
    "view": Entry(
        "transports.viewer.cli:view",
        "Make a page of a recorded run: step by step, what each node did, and why.",
    ),
    "init": Entry(
        "transports.node.cli.init:init",
        "Make the stores of nodes, once each, before their first start.",
    ),
    "node": Entry(
        "transports.node.cli.run_node:node",
        "Run node NODE of the configuration, in the foreground.",
    ),
    "submit": Entry(
        "transports.node.cli.submit:submit",
        "Have COMMANDs decided and applied, and print their results.",
    ),
    "status": Entry("transports.node.cli.status:status", "Ask every node how it is."),
    "log": Entry(
        "transports.node.cli.log:log",
        "Print the commands that were decided.",
    ),
    "transports": Entry(
        "transports.node.cli.transports_list:list_",
        "List the transports, what each needs, and whether it runs here.",
    ),
    "lab": Entry(
        "transports.node.cli.lab.commands:lab",
        "Run nodes in network namespaces, joined by a bridge.",
    ),
    "chaos": Entry(
        "transports.node.cli.chaos.command:chaos",
        "Run three nodes as processes, hurt them, and check what clients saw.",
    ),
    "simulate": Entry(
        "transports.node.cli.simulate.command:simulate",
        "Run simulated clusters with faults, and check every invariant after every step.",
    ),
    "play": Entry(
        "transports.viewer.play.cli:play",
        "Serve a page on which you play Paxos by hand, and break it.",
    ),
    "check-history": Entry(
        "transports.node.cli.check_history:check_history",
        "Say whether the history in FILE is linearizable (- is standard input).",
    ),
    "bench": Entry("transports.bench.cli:bench", "Measure what each layer costs."),
}


class LazyGroup(click.Group):
    """Loads a command's module when the command is run or its help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of a first acquaintance."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None for a name that there is not. Raises `Failure`."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if module.startswith(error.name or "-"):
                raise Failure(f"{cmd_name} is not part of this installation") from error
            raise Failure(
                f"{cmd_name} needs the module {error.name}, which is not installed here; "
                "in a clone: pip install '.[bench,peers]'"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `paxos --help`, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])
