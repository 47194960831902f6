"""Options that several commands share, and reading the configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from transports.node.cli.failures import Failure, Misuse

if TYPE_CHECKING:
    from transports.node.config import ClusterConfig

CONFIG_DEFAULT: Final = "paxos.toml"
JSON: Final = "json"

_Command = TypeVar("_Command", bound=Callable[..., Any])


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
    if sys.stdout is None:
        raise Failure("the output cannot be written (standard output is closed)")
    return output


def timeout_option(default: float, what: str) -> Callable[[_Command], _Command]:
    """``--timeout SECONDS``, as `timeout`."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0.01, 3600),
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


def search_here() -> None:
    """As with `python -m`: a module of the user's own lies where he is."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def check_joins_processes(config: ClusterConfig, path: str) -> None:
    """That the transport reaches nodes in other processes. Raises `Misuse`."""
    if config.transport == "memory":
        raise Misuse(
            f'{path}: transport = "memory" joins tasks of one process; write transport = "tcp"'
        )


def check_node(config: ClusterConfig, node: int, path: str) -> None:
    """That `node` is one of the configuration's. Raises `Misuse`."""
    if node not in config.nodes:
        known = ", ".join(map(str, config.nodes))
        raise Misuse(f"{path}: node {node} is not in [nodes]; known are {known}")
