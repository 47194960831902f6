"""The signals that end a campaign: heard while it runs, not while it tells what it has done."""

from __future__ import annotations

import signal
from types import FrameType

from transports.node.cli.running import heard_signals


class Stopped(KeyboardInterrupt):
    """A signal asked the campaign to end. Nothing that handles errors may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """SIGINT, SIGTERM, and SIGHUP unless it is ignored."""

    def __init__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in heard_signals()}
        self._noted: int | None = None

    def hear(self) -> None:
        """From now on the first of them raises `Stopped`; those that follow do nothing."""
        for number in self._before:
            signal.signal(number, self._stop)

    def check(self) -> None:
        """Raise `Stopped` once more: where it was raised first, it may have been dropped."""
        if self._noted is not None:
            raise Stopped(self._noted)

    def ignore(self) -> None:
        """None of them does anything."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def restore(self) -> None:
        """As it was before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self._noted is None:
            self._noted = number
            raise Stopped(number)
