"""Running a command under trio: a signal ends it in order, errors come out as themselves."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from transports.node.cli.failures import Interrupted

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_T = TypeVar("_T")


def heard_signals() -> tuple[int, ...]:
    """What ends a command; a terminal that closes too, unless it was told to outlive it (nohup)."""
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return SIGNALS if outlives else (*SIGNALS, signal.SIGHUP)


def run(main: Callable[[], Awaitable[_T]], *, last: bool = False) -> _T:
    """The result of `main`.

    SIGINT, SIGTERM and SIGHUP cancel it; when it has cleaned up, `Interrupted` is raised.
    One that follows while it cleans up changes nothing. With `last`, neither does
    any until the process has ended: for a command whose end this is.
    An error that is alone in its group is raised as itself, with what it says of its cause.
    """
    noted: list[int] = []
    heard = heard_signals()
    # In force before trio listens and after it. What trio has received and not handed out
    # when it stops listening is delivered once more, to these.
    before = {number: signal.signal(number, lambda n, _: noted.append(n)) for number in heard}
    try:
        return trio.run(_guarded, main, heard, noted)
    except Interrupted:
        if last:
            before = dict.fromkeys(heard, signal.SIG_IGN)
        raise
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Not where the group is handled: it would take the place of what the error was raised for.
    raise error


async def _guarded(
    main: Callable[[], Awaitable[_T]], heard: tuple[int, ...], noted: list[int]
) -> _T:
    result: list[_T] = []
    with trio.open_signal_receiver(*heard) as signals:
        if noted:
            raise Interrupted(noted[0])
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async for number in signals:
                    noted.append(number)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            result.append(await main())
            nursery.cancel_scope.cancel()
    if not result:
        raise Interrupted(noted[0])
    return result[0]
