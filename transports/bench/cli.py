"""`paxos bench`: what each layer costs here, and what that is made of."""

from __future__ import annotations

from pathlib import Path

import click

from transports.bench.cli_compare import compare
from transports.bench.cli_core import core
from transports.bench.cli_report import report
from transports.node.cli.options import FiniteRange, output_option


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  paxos bench --quick --report
  paxos bench --layers tcp,udp --rungs paxos --loads 1,1024
""",
)
@click.option("--quick", is_flag=True, help="A rough answer in one to three minutes, without hops.")
@click.option("--report", is_flag=True, help="Also make a page with plots, in the run's folder.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The run's folder, a new one.  [default: paxos-bench-DATE-TIME]",
)
@click.option(
    "--resume",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Go on with the run in this folder, from where it ended.",
)
@click.option(
    "--layers",
    metavar="NAME,NAME",
    help="Which layers: tcp,udp,...  [default: all that can run here]",
)
@click.option(
    "--rungs",
    metavar="NAME,NAME",
    help="Which rungs: echo,hops,quorum,paxos,durable.  [default: all]",
)
@click.option(
    "--variants",
    metavar="NAME,NAME",
    help="Which cores: python,c,plain-c,kernel.  [default: all]",
)
@click.option("--nodes", metavar="N,N", help="Clusters of how many: 3,5.  [default: the plan's]")
@click.option(
    "--loads",
    metavar="LOAD,LOAD",
    help="So many outstanding, or open-RATE: 1,64,open-5000.  [default: many]",
)
@click.option(
    "--payloads",
    metavar="BYTES,BYTES",
    help="Bytes of a command, or max: 64,1000,max.  [default: many]",
)
@click.option(
    "--trials",
    metavar="NAME,NAME",
    help="Beside the cells: failover,calls,growth, or none.  [default: all, none with --quick]",
)
@click.option("--peers", is_flag=True, help="Measure etcd and PySyncObj in the same run.")
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="How often all is measured, in turns.  [default: 10; --quick: 2]",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.05, 600),
    metavar="SECONDS",
    help="How long a load is measured.  [default: the plan's]",
)
@click.option("--pin/--no-pin", default=True, help="Keep processes on processors of their own.")
@click.option("--instrument/--no-instrument", default=True, help="Take the time of a node's parts.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    metavar="FOLDER",
    help="Where stores are made, and removed again.  [default: the temporary directory]",
)
@click.option("--place", type=click.Choice(["host", "vm"]), default="host", hidden=True)
@output_option
@click.pass_context
def bench(context: click.Context, /, **options: object) -> None:
    """Measure what each layer costs: the same commands on every rung of every layer.

    The rungs: echo (plain sockets), hops (client, leader, follower and back), quorum
    (two followers, the project's transports, no Paxos), paxos (nothing is stored),
    durable. Progress goes to stderr, all figures into the run's folder. Ends with 0
    when all that can run here was measured, 1 when a measurement failed, 2 for wrong
    use, 130 after Ctrl-C: then --resume goes on.
    """
    if context.invoked_subcommand is None:
        from transports.bench.cli_run import measure

        measure(context)


for command in (report, compare, core):
    bench.add_command(command)
