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
    """List the transports, what each needs, and whether it runs here.

    Others than the built-in ones are installed, as `paxos.transports` entry points,
    or named as `module:function`.
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
    rows = [(one.name, "no" if one.unavailable else "yes", _summary(one)) for one in found]
    print_table(("name", "runs here", "*what it is"), rows)
    for one in found:
        if one.unavailable:
            click.echo(f"{one.name} cannot run here: {one.unavailable}")


def _summary(transport: TransportInfo) -> str:
    name, colon, rest = transport.summary.partition(": ")
    return rest if colon and name.lower() == transport.name else transport.summary
