"""How a command ends when it does not end well: one line, and an exit status.

* 1, the world: what was checked does not hold, or something failed that neither
  the command line nor the configuration could know: a store, a port, a disk, a
  cluster that does not answer.
* 2, wrong use: the command line or the configuration has to be changed.
* 128 + the signal's number: interrupted by it.
* 141: whoever read the output has had enough, as a shell shows SIGPIPE.
"""

from __future__ import annotations

import signal
from typing import Final

import click

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
READER_GONE: Final = 128 + signal.SIGPIPE


class Failure(click.ClickException):
    """What was checked does not hold, or something failed. The message is one line."""

    exit_code = FAILED


class Misuse(click.ClickException):
    """The command line or the configuration is wrong. The message is one line with the cure."""

    exit_code = MISUSED


class Interrupted(Exception):
    """A signal asked the command to end, and it has cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else "terminated")
        self.status = 128 + number


def explain(error: Exception) -> tuple[str, int] | None:
    """The line and the status for an error; `None` for one that only a defect can raise."""
    told = _classify(error)
    if told is None:
        return None
    from transports.node.config.text import one_line

    message, status = told
    return one_line(message), status


def _classify(error: Exception) -> tuple[str, int] | None:
    if isinstance(error, Interrupted):
        return str(error), error.status
    if isinstance(error, click.UsageError):
        return _usage(error), MISUSED
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    return _classify_own(error)


def _usage(error: click.UsageError) -> str:
    # Click puts each choice on a line of its own.
    message = _with_limits(error).format_message().rstrip(".").replace("\n\t", " ")
    message = message[:1].lower() + message[1:]
    if isinstance(error, click.NoSuchOption) and error.ctx and error.ctx.parent is None:
        message += f"; options stand behind the command, as in: paxos status {error.option_name}"
    return f"{message}; see: {error.ctx.command_path} --help" if error.ctx else message


def _with_limits(error: click.UsageError) -> click.UsageError:
    """Click calls numbers "integer ranges"; this says what may stand there instead."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return error
    given, wrong, _ = error.message.partition(" is not ")
    if not wrong or kind.min is None:
        return error
    what = "a whole number" if isinstance(kind, click.IntRange) else "a number"
    limits = f"from {kind.min} on" if kind.max is None else f"from {kind.min} to {kind.max}"
    assert isinstance(error, click.BadParameter)
    return click.BadParameter(f"{given} is not {what} {limits}", error.ctx, error.param)


def _classify_own(error: Exception) -> tuple[str, int] | None:
    """Errors of this project. Imported here, because a command that works needs none of it."""
    from paxos_core.client import ClientError
    from transports.api import TransportError
    from transports.node.config import ConfigError
    from transports.node.metrics.errors import MetricsError
    from transports.node.node import NodeFailed
    from transports.node.store.api import StoreError
    from transports.node.tracing import TraceError

    if isinstance(error, ConfigError):
        return str(error), MISUSED
    if isinstance(error, TransportError | MetricsError):
        # The system said no to a port, a host or a right; anything else is in the configuration.
        return str(error), FAILED if isinstance(error.__cause__, OSError) else MISUSED
    if isinstance(error, StoreError | NodeFailed | ClientError | TraceError):
        return str(error) or type(error).__name__, FAILED
    return None
