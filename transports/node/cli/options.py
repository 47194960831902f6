"""Options that several commands share, and reading the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from transports.node.cli.failures import Misuse

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
        help="A table for people, or JSON for programs.",
    )(command)


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
    return load_config(path)


def check_node(config: ClusterConfig, node: int, path: str) -> None:
    """That `node` is one of the configuration's. Raises `Misuse`."""
    if node not in config.nodes:
        known = ", ".join(map(str, config.nodes))
        raise Misuse(f"{path}: node {node} is not in [nodes]; known are {known}")
