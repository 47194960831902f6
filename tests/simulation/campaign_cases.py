"""Runs `paxos simulate`, in this process."""

from click.testing import CliRunner

from transports.node.cli.simulate.command import simulate as command


def run_command(line: str) -> tuple[int, str]:
    """Status and output of `paxos simulate`, in this process, where the core may be broken."""
    done = CliRunner().invoke(command, line.split())
    return done.exit_code, done.output
