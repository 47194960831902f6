"""Reads the state machine's state out of a copy of a node's store; the store is not changed.

Run: python -m examples.operate.state_of_a_copy --config paxos.toml --node 3 \\
         --machine examples.kv.machine:Store COPY kv.state

COPY is the directory that was copied, mostly called node-3. What is read is a consistent state:
everything up to some slot, as the copied node knew it. Never start a node from COPY.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from paxos_core import QuorumSystem, Replica, ReplicaConfig, Service, StateMachine
from paxos_core.durable import decode_record, replay
from transports.node import ClusterConfig, StoreError, load_config
from transports.node.cli.run_node import load_machine
from transports.node.config import ConfigError
from transports.node.store.log_open import open_store


def read_state(config: ClusterConfig, node: int, copy: Path, machine: StateMachine) -> Service:
    """Have `machine` apply all that the copied store of `node` knows to be chosen.

    Raises `StoreError`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # Opening a store cuts a torn tail and locks it: a backup is better left as it is.
        path = shutil.copytree(copy, Path(scratch) / "store")
        store, records = open_store(path, config.cluster_id, node)
        try:
            state = replay(map(decode_record, records))
        finally:
            store.close()
    service = Service(Replica(ReplicaConfig(node, QuorumSystem([node])), state), machine)
    service.take()
    return service


@click.command()
@click.option("--config", "config_path", type=click.Path(exists=True), default="paxos.toml")
@click.option("--node", type=int, required=True, help="Whose store it was.")
@click.option("--machine", required=True, metavar="MODULE:FACTORY")
@click.argument("copy", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(config_path: str, node: int, machine: str, copy: Path, output: Path) -> None:
    """Write the state in COPY to OUTPUT, as the state machine's `snapshot` gives it."""
    try:
        service = read_state(load_config(config_path), node, copy, load_machine(machine))
        state = service.machine.snapshot()
        with open(output, "xb") as file:
            file.write(state)
    except StoreError as error:
        # What to do about a store in use is no advice for a copy of one.
        what = str(error).partition(";")[0]
        raise click.ClickException(f"{copy} as a store of node {node}: {what}") from error
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{output}: {len(state)} bytes, the state after {service.applied} slots", sys.stderr)


if __name__ == "__main__":
    main()
