"""Runs many seeds: on every processor, or as `paxos simulate` in this process."""

import os

from click.testing import CliRunner

from paxos_core.testing import Options
from transports.node.cli.simulate.campaign import Totals, run_campaign
from transports.node.cli.simulate.command import simulate as command


def run_command(line: str) -> tuple[int, str]:
    """Status and output of `paxos simulate`, in this process, where the core may be broken."""
    done = CliRunner().invoke(command, line.split())
    return done.exit_code, done.output


def hold(base: Options, seeds: range) -> Totals:
    """What all `seeds` together saw, of which none may fail."""
    totals = run_campaign(
        base,
        seeds,
        os.cpu_count() or 1,
        shrink=False,
        failures_max=5,
        progress=lambda _totals: None,
    )
    assert not totals.failures, "\n".join(totals.failures)
    return totals
