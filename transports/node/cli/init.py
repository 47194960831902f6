"""``paxos init``: make the stores of nodes, once each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TextIO

import click

from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import (
    JSON,
    check_node,
    config_option,
    output_option,
    read_config,
)

if TYPE_CHECKING:
    from transports.node.config import ClusterConfig

EXAMPLE: Final = """\
# One file for all nodes and clients of a cluster.
cluster = "demo"
transport = "tcp"       # paxos transports: what else there is
store = "durable"       # "memory" forgets everything when a node stops
data = "data"           # the stores' directory, beside this file

[nodes]
1 = "127.0.0.1:7101"
2 = "127.0.0.1:7102"
3 = "127.0.0.1:7103"
"""


@click.command(
    epilog="""\b
Examples:
  paxos init --example            write a paxos.toml for three nodes
  paxos init --all                make the stores of all nodes, on one machine
  paxos init --node 2             make that of node 2, on its machine
  paxos init --node 2 --non-voting
"""
)
@config_option
@click.option("--node", type=click.IntRange(1, 65535), metavar="N", help="Make node N's store.")
@click.option("--all", "all_nodes", is_flag=True, help="Make the stores of all nodes.")
@click.option(
    "--non-voting",
    is_flag=True,
    help="For a node that ran before and lost its store: it learns, and does not vote.",
)
@click.option("--example", is_flag=True, help="Write an example configuration instead.")
@output_option
def init(
    config_path: str,
    node: int | None,
    all_nodes: bool,
    non_voting: bool,
    example: bool,
    output: str,
) -> None:
    """Make the stores of nodes, once each, before their first start.

    A store is where a node keeps its promises. It is made once in a node's life:
    a node that came back with an empty one could vote twice. If a store was lost,
    make another with --non-voting.
    """
    if example:
        if node is not None or all_nodes or non_voting:
            raise Misuse("--example goes with no other option but --config; drop the others")
        _write_example(config_path)
        return
    config = read_config(config_path)
    nodes = _chosen_nodes(config, config_path, node, all_nodes)
    if non_voting and all_nodes:
        raise Misuse("--non-voting is for one node that lost its store; name it with --node")
    if config.store == "memory":
        _say_memory(output)
        return
    _make(config, nodes, voting=not non_voting)
    _report(config, nodes, not non_voting, output)


def _chosen_nodes(
    config: ClusterConfig, path: str, node: int | None, all_nodes: bool
) -> tuple[int, ...]:
    if (node is None) != all_nodes:
        raise Misuse("whose store? give either --node N, or --all for every node of the file")
    if node is None:
        return tuple(config.nodes)
    check_node(config, node, path)
    return (node,)


def _make(config: ClusterConfig, nodes: tuple[int, ...], *, voting: bool) -> None:
    from transports.node.store.api import StoreIdentity
    from transports.node.store.log_create import create_store, is_vacant

    # All or none: with one store lost, `init --all` must not quietly make a new one that votes.
    for node in nodes:
        path = config.store_path(node)
        if len(nodes) > 1 and not is_vacant(path):
            raise Failure(
                f"{path}: there is something already, so nothing was made; "
                "make the stores that are new with: paxos init --node N"
            )
    for node in nodes:
        create_store(config.store_path(node), StoreIdentity(config.cluster_id, node, voting))


def _report(config: ClusterConfig, nodes: tuple[int, ...], voting: bool, output: str) -> None:
    from transports.node.cli.output import print_json, print_table

    if output == JSON:
        made = [
            {"node": node, "store": str(config.store_path(node)), "voting": voting}
            for node in nodes
        ]
        print_json({"made": made})
        return
    rows = [(node, "yes" if voting else "no", config.store_path(node)) for node in nodes]
    print_table((">node", "votes", "store"), rows)


def _say_memory(output: str) -> None:
    from transports.node.cli.output import print_json

    if output == JSON:
        print_json({"made": []})
        return
    click.echo(
        'Nothing to make: with store = "memory" a node keeps its promises in memory.\n'
        "Say its very first start aloud: paxos node N --first-start"
    )


def _write_example(path: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            _write_whole(file)
    except FileExistsError as error:
        raise Failure(
            f"{path}: there is something already; give another name with --config"
        ) from error
    except OSError as error:
        raise Failure(f"{path}: cannot be written ({error.strerror}); check the path") from error
    option = "" if path == "paxos.toml" else f" --config {path}"
    click.echo(
        f"{path} is written: three nodes on this machine. Next:\n"
        f"  paxos init --all{option}\n"
        f"  paxos node 1{option}      (and 2 and 3, each in a terminal of its own)\n"
        f"  paxos status{option}"
    )


def _write_whole(file: TextIO) -> None:
    """Half of it would be taken for the whole, and could not be written anew."""
    try:
        file.write(EXAMPLE)
        file.flush()
    except OSError:
        os.unlink(file.name)
        raise
