"""A key-value store that speaks Redis's protocol, over a replicated log.

Run: python -m examples.kv            three nodes of its own, gone when it ends
     python -m examples.kv --config paxos.toml    before a cluster whose nodes run
                                      ``paxos node 1 --machine examples.kv.machine:Store``
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server

import click
import trio

from examples.kv.server import serve
from transports.node import StoreIdentity, create_store, load_config, open_client
from transports.node.client import ClientError
from transports.node.config import ConfigError

MACHINE = "examples.kv.machine:Store"
ROOT = Path(__file__).parents[2]


@contextmanager
def own_cluster(transport: str) -> Iterator[Path]:
    """Three nodes in processes of their own, with durable stores; where their TOML is."""
    with tempfile.TemporaryDirectory(prefix="kv-") as scratch, ExitStack() as stack:
        with ExitStack() as opened:
            socks = [opened.enter_context(create_server(("127.0.0.1", 0))) for _ in range(3)]
            ports = [sock.getsockname()[1] for sock in socks]
        path = Path(scratch) / "paxos.toml"
        scheme = "tcp://" if transport == "zeromq" else ""
        nodes = "".join(f'{n} = "{scheme}127.0.0.1:{port}"\n' for n, port in enumerate(ports, 1))
        path.write_text(f'cluster = "kv"\ntransport = "{transport}"\n[nodes]\n{nodes}')
        config = load_config(path)
        for node in config.nodes:
            identity = StoreIdentity(config.cluster_id, node, voting=True)
            create_store(config.store_path(node), identity)
            command = [sys.executable, "-m", "transports.node.cli", "node", str(node)]
            command += ["--config", str(path), "--machine", MACHINE]
            # However this program ends, the pipe does too, and so do they.
            command += ["--stop-with-stdin"]
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
            )
            stack.callback(end, process)
        yield path


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


async def front(config: Path, host: str, port: int) -> None:
    """Serve until SIGTERM, or Ctrl-C."""

    def say(port: int) -> None:
        click.echo(f"a key-value store on {host}:{port}: try redis-cli -p {port} set name ada")

    with trio.CancelScope() as scope:
        loop = trio.lowlevel.current_trio_token()
        signal.signal(signal.SIGTERM, lambda *_: loop.run_sync_soon(scope.cancel))
        async with open_client(load_config(config), timeout=20.0) as client:
            await serve(client, host, port, say)


@click.command()
@click.option(
    "--config", type=click.Path(exists=True, path_type=Path), help="Of a running cluster."
)
@click.option(
    "--transport",
    type=click.Choice(("tcp", "udp", "zeromq")),
    default="tcp",
    show_default=True,
    help="Of a cluster of its own.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=6379, show_default=True)
def main(config: Path | None, transport: str, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    with ExitStack() as stack:
        path = config or stack.enter_context(own_cluster(transport))
        try:
            trio.run(front, path, host, port)
            click.echo("the server has ended", err=True)
        except* KeyboardInterrupt:
            click.echo("the server has ended", err=True)
        except* (ConfigError, ClientError) as group:
            raise click.ClickException(str(group.exceptions[0])) from group
        except* OSError as group:
            raise click.ClickException(f"{host}:{port}: {group.exceptions[0]}") from group


main()
