"""``paxos transports``: which words may stand at `transport`, and which run here."""

from __future__ import annotations

import click

from transports.node.cli.options import JSON, output_option
from transports.node.cli.output import print_json, print_table
from transports.registry import TransportInfo, describe


@click.command(
    "transports",
    epilog="""\b
Example:
  paxos transports --output json
""",
)
@output_option
def list_(output: str) -> None:
    """List the transports, and whether they run here.

    Built in are some; others are installed, as `paxos.transports` entry points.
    """
    found = describe()
    if output == JSON:
        print_json(
            [
                {"name": one.name, "summary": one.summary, "unavailable": one.unavailable}
                for one in found
            ]
        )
        return
    print_table(("name", "*what it is"), [(one.name, _summary(one)) for one in found])


def _summary(transport: TransportInfo) -> str:
    if transport.unavailable is not None:
        return f"not here: {transport.unavailable}"
    name, colon, rest = transport.summary.partition(": ")
    return rest if colon and name.lower() == transport.name else transport.summary
