"""``paxos demo``: three nodes agree, lose their leader in the middle, and lose nothing."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from transports.node.cli.demo_cluster import CONFIG_NAME, open_cluster
from transports.node.cli.demo_places import Place, make_place
from transports.node.cli.demo_report import Narrator, Report, print_report
from transports.node.cli.demo_run import run_demo
from transports.node.cli.failures import FAILED, Misuse
from transports.node.cli.options import (
    check_core,
    check_transport_name,
    core_option,
    mode_option,
    output_option,
)
from transports.node.cli.running import run
from transports.node.config import ClusterConfig, CoreKind, Scalar, StoreKind, to_toml
from transports.node.cores import load_c_core
from transports.node.logs import LOGGER_NAME, configure_logging
from transports.node.store.api import StoreIdentity
from transports.node.store.log_create import create_store

NODES: Final = (1, 2, 3)


@click.command(
    epilog="""\b
Examples:
  paxos demo
  paxos demo --store memory
  paxos demo --transport memory --keep demo-files
  paxos demo --transport ethernet       (as root: it makes network namespaces)
  paxos demo --transport kmod --mode replica
"""
)
@click.option(
    "--transport",
    default="tcp",
    show_default=True,
    metavar="NAME",
    help="What carries the frames; see: paxos transports.",
)
@core_option("python")
@mode_option
@click.option(
    "--store",
    type=click.Choice(["durable", "memory"]),
    default="durable",
    show_default=True,
    help="Where a node keeps its promises: on the disk, or in its process alone.",
)
@click.option(
    "--commands",
    type=click.IntRange(2, 20_000),
    default=300,
    show_default=True,
    metavar="N",
    help="How many commands the client submits.",
)
@click.option("--keep", metavar="DIR", help="Work in DIR, a new or empty one, and keep it.")
@output_option
def demo(
    transport: str,
    core: CoreKind | None,
    mode: str | None,
    store: StoreKind,
    commands: int,
    keep: str | None,
    output: str,
) -> int:
    """Three nodes agree, lose their leader, and lose nothing.

    A client submits commands to three nodes on loopback or, over ethernet, in
    network namespaces. Half-way the leader is killed, and started again. At the
    end the logs of all three are read and compared with each other and with what
    the client was told. PASS means: the logs are identical, and every
    acknowledged command is applied exactly once.
    """
    check_transport_name(transport)
    check_core(transport, mode, core)
    kind = Kind(transport, mode, core or "python", store)
    with Narrator(commands) as narrator:
        report = run(lambda: _run(kind, commands, keep, narrator))
    print_report(report, output)
    if keep is not None and output == "table":
        click.echo(f"kept: {keep}")
    return 0 if report.fault is None else FAILED


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of cluster is shown."""

    transport: str
    mode: str | None
    """`relay` or `replica`, with `kmod` alone."""
    core: CoreKind
    store: StoreKind


async def _run(kind: Kind, commands: int, keep: str | None, narrator: Narrator) -> Report:
    if kind.core == "c":
        # Built once, here, before three nodes do it; and a failure is said by itself.
        load_c_core()
    # All of it within the run, where a signal cancels instead of killing: whatever a place
    # has made is removed.
    with ExitStack() as opened:
        directory = opened.enter_context(_directory(keep))
        place = make_place(kind.transport, NODES, opened)
        config = _configure(kind, place, directory)
        if place.one_process:
            opened.enter_context(_logging_to(directory / "nodes.log"))
        async with open_cluster(config, place) as cluster:
            return await run_demo(cluster, config, commands, narrator)


def _configure(kind: Kind, place: Place, directory: Path) -> ClusterConfig:
    """Write the configuration and make the stores."""
    mode: dict[str, Scalar] = {} if kind.mode is None else {"mode": kind.mode}
    config = ClusterConfig(
        nodes=place.addresses,
        base=directory,
        cluster=f"demo-{os.getpid()}",
        transport=kind.transport,
        store=kind.store,
        transport_options={**place.options, **mode},
        core=kind.core,
    )
    (directory / CONFIG_NAME).write_text(to_toml(config), encoding="utf-8")
    if kind.store == "durable":
        for node in NODES:
            create_store(
                config.store_path(node), StoreIdentity(config.cluster_id, node, voting=True)
            )
    return config


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """The events of nodes in this process go to a file, as those of processes do."""
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.handlers[:], logger.level, logger.propagate
    with open(path, "w", encoding="utf-8") as log:
        configure_logging(stream=log)
        try:
            yield
        finally:
            logger.handlers[:], logger.level, logger.propagate = before


@contextmanager
def _directory(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="paxos-demo-") as temporary:
            yield Path(temporary)
        return
    directory = Path(os.path.abspath(keep))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        filled = any(directory.iterdir())
    except OSError as error:
        raise Misuse(f"--keep {keep}: {error.strerror}; name a new directory") from error
    if filled:
        raise Misuse(f"--keep {keep}: is not empty; name a new directory")
    yield directory
