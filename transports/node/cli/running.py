"""Running a command under trio: a signal ends it in order, errors come out as themselves."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from transports.node.cli.failures import Interrupted

_T = TypeVar("_T")


def run(main: Callable[[], Awaitable[_T]]) -> _T:
    """The result of `main`.

    SIGINT and SIGTERM cancel it; when it has cleaned up, `Interrupted` is raised.
    An error that is alone in its group is raised as itself.
    """
    try:
        return trio.run(_guarded, main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        # Not `from None`: the cause is part of what an error says.
        raise error from error.__cause__


async def _guarded(main: Callable[[], Awaitable[_T]]) -> _T:
    caught: list[int] = []
    result: list[_T] = []
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async for number in signals:
                    caught.append(number)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            result.append(await main())
            nursery.cancel_scope.cancel()
    if not result:
        raise Interrupted(caught[0])
    return result[0]
