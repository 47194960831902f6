"""Background tasks that live as long as a context, and fail as one with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background(
    *loops: Callable[[], Awaitable[None]],
    describe: Callable[[Exception], Exception] = lambda error: error,
) -> AsyncIterator[None]:
    """Run `loops` while the body runs; the end of the body ends them.

    When a loop raises, the body is cancelled and `describe` of the error comes
    out of the context. Errors come out as themselves, never wrapped in a group:
    whoever opened the context did not ask for a nursery.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:

        async def run(loop: Callable[[], Awaitable[None]]) -> None:
            nonlocal failure
            try:
                await loop()
            except Exception as error:
                failure = failure or describe(error)
                nursery.cancel_scope.cancel()

        for loop in loops:
            nursery.start_soon(run, loop)
        try:
            yield
        except trio.Cancelled:
            # Ours, because a loop failed, or an outer one, which must go on outwards.
            if failure is None:
                raise
        except BaseException as error:
            failure = failure or error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
