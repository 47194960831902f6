"""Options that several commands share, and reading the configuration."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from transports.node.cli.failures import Failure, Misuse

if TYPE_CHECKING:
    from transports.node.config import ClusterConfig, CoreKind

CONFIG_DEFAULT: Final = "paxos.toml"
JSON: Final = "json"

_Command = TypeVar("_Command", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """`click.FloatRange` without what is no number: the type of every such option.

    To Click, `nan` is in every range, because it is neither less nor more than a limit.
    """

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Raises `click.BadParameter`."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


def config_option(command: _Command) -> _Command:
    """``--config FILE``, as `config_path`."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        metavar="FILE",
        default=CONFIG_DEFAULT,
        show_default=True,
        envvar="PAXOS_CONFIG",
        show_envvar=True,
        help="The cluster's configuration.",
    )(command)


def output_option(command: _Command) -> _Command:
    """``--output table|json``, as `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", JSON]),
        default="table",
        show_default=True,
        callback=_check_output,
        help="A table for people, or JSON for programs.",
    )(command)


def _check_output(_context: click.Context, _option: click.Parameter, output: str) -> str:
    """That there is somewhere to write to, before the command does anything."""
    check_stdout()
    return output


def check_stdout() -> None:
    """That standard output is open. Raises `Failure`."""
    if sys.stdout is None:
        raise Failure("the output cannot be written (standard output is closed)")


def timeout_option(default: float, what: str) -> Callable[[_Command], _Command]:
    """``--timeout SECONDS``, as `timeout`."""
    return click.option(
        "--timeout",
        type=FiniteRange(0.01, 3600),
        metavar="SECONDS",
        default=default,
        show_default=True,
        help=what,
    )


def read_config(path: str) -> ClusterConfig:
    """The configuration at `path`. Raises `Misuse` if there is none, and `ConfigError`."""
    from transports.node.config import load_config

    if not os.path.exists(path):
        raise Misuse(
            f"{path}: there is no such file; name one with --config, "
            "or write an example with: paxos init --example"
        )
    search_here()
    return load_config(path)


def check_transport_name(name: str) -> None:
    """That there is a transport `name`. Raises `TransportError`."""
    from transports.registry import resolve

    search_here()
    resolve(name)


def has_display() -> bool:
    """Whether somebody sits before a display, at a terminal, and waits for a page."""
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(display) and sys.stdout is not None and sys.stdout.isatty()


def search_here() -> None:
    """As with `python -m`: a module of the user's own lies where he is."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        # The directory has been removed, with all that lay there.
        return
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def check_joins_processes(config: ClusterConfig, path: str) -> None:
    """That the transport reaches nodes in other processes. Raises `Misuse`."""
    if config.transport == "memory":
        raise Misuse(
            f'{path}: transport = "memory" joins tasks of one process; write transport = "tcp"'
        )


def core_option(default: str) -> Callable[[_Command], _Command]:
    """``--core python|c``, as `core`; None without it, which means what `default` says."""
    return click.option(
        "--core",
        type=click.Choice(["python", "c"]),
        help=f"What decides in a node.  [default: {default}]",
    )


def mode_option(command: _Command) -> _Command:
    """``--mode relay|replica``, as `mode`; None without it."""
    return click.option(
        "--mode",
        type=click.Choice(["relay", "replica"]),
        help="With --transport kmod: what is in the kernel.  [default: relay]",
    )(command)


def check_core(transport: str, mode: str | None, core: CoreKind | None) -> None:
    """That ``--mode`` and ``--core`` go with ``--transport``, and together. Raises `Misuse`."""
    if mode is not None and transport != "kmod":
        raise Misuse("--mode goes with --transport kmod; leave it out")
    if mode == "replica" and core is not None:
        raise Misuse("--core: the core of --mode replica is in the kernel; leave it out")


def choose_core(config: ClusterConfig, core: CoreKind | None) -> ClusterConfig:
    """`config` with the core that ``--core`` gives. Raises `Misuse`."""
    if core is None:
        return config
    if config.kernel_replica:
        raise Misuse(
            '--core: with mode = "replica" a node has its core in the kernel; leave it out'
        )
    return replace(config, core=core)


def check_node(config: ClusterConfig, node: int, path: str) -> None:
    """That `node` is one of the configuration's. Raises `Misuse`."""
    if node not in config.nodes:
        known = ", ".join(map(str, config.nodes))
        raise Misuse(f"{path}: node {node} is not in [nodes]; known are {known}")
