"""`paxos play`: a page on which you play Paxos by hand."""

from __future__ import annotations

import signal
import threading

import click

from transports.node.cli.failures import Failure, Interrupted
from transports.node.cli.options import has_display


@click.command(
    "play",
    epilog="""\b
Examples:
  paxos play
  paxos play --port 8700 --no-open
""",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Of 127.0.0.1 and ::1.  [default: a free one]",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the page in a browser.  [default: where there is a display]",
)
def play(port: int, opens: bool | None) -> None:
    """Serve a page on which you play Paxos by hand, and break it.

    You choose which message arrives next, which is lost or doubled, who crashes, and
    which rule of the protocol is left out; lights show which invariants hold. The
    cluster is the real core in memory: no network, no disk. The page answers on this
    machine only, and to nobody who does not have its whole address.
    """
    from transports.viewer.play import PlayServer, PortTaken

    try:
        server = PlayServer(port)
    except PortTaken as error:
        raise Failure(str(error)) from error
    try:
        with server.running():
            click.echo(f"play Paxos by hand at {server.url}   (Ctrl-C ends it)")
            if has_display() if opens is None else opens:
                click.launch(server.url)
            threading.Event().wait()
    except KeyboardInterrupt as error:
        raise Interrupted(signal.SIGINT) from error
