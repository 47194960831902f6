"""`paxos bench core`: what one command costs in the core and the codec alone."""

from __future__ import annotations

import click

from transports.node.cli.options import JSON, output_option

COMMAND_BYTES = 64


@click.command(
    short_help="Measure the core and the codec alone.",
    epilog="""\b
Example:
  paxos bench core --commands 100000
""",
)
@click.option(
    "--commands",
    type=click.IntRange(1, 10_000_000),
    default=20_000,
    show_default=True,
    metavar="N",
    help="How many commands to take the median over.",
)
@output_option
def core(*, commands: int, output: str) -> None:
    """Measure the core and the codec alone: no sockets, no loop, one process.

    One 64-byte command at a time goes from a client by a leader and two followers back.
    Prints what each step costs, and what the client waits for.
    """
    from transports.bench.core_steps import BESIDE, measure_steps
    from transports.node.cli.output import print_json, print_table

    steps = measure_steps(commands, COMMAND_BYTES)
    total = sum(steps.values())
    waited = total - sum(steps[step] for step in BESIDE)
    if output == JSON:
        print_json({"steps_us": steps, "total_us": total, "client_waits_for_us": waited})
        return
    rows = [(step, f"{us:.1f}", "no" if step in BESIDE else "yes") for step, us in steps.items()]
    rows.append(("all", f"{total:.1f}", f"{waited:.1f}"))
    print_table(("step", ">us", ">the client waits"), rows)
