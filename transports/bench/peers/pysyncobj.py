"""PySyncObj as a peer: three members on loopback, nothing stored, the client where ours is.

Its processes are not pinned, as etcd's are not: they are quicker so.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Final

from transports.bench.cluster import START_SECONDS, loopback_addresses, make_directory
from transports.bench.ladder.plain import PlainRunning
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import Worker, open_worker
from transports.bench.saved.schema import Stand

MEMBERS: Final = 3
_FAST: Final[Mapping[str, float | bool]] = {
    "appendEntriesUseBatch": True,
    "appendEntriesPeriod": 0.001,
    "autoTickPeriod": 0.001,
}
SETTINGS: Final[Mapping[str, Mapping[str, float | bool]]] = {
    "default": {},
    "best for latency": {"appendEntriesUseBatch": False},
    "best for rate": _FAST,
    "best for rate, client in its leader": _FAST,
}


class PySyncObjKind:
    """Opens it."""

    def unavailable(self, stand: Stand) -> str:
        """It comes from PyPI."""
        if find_spec("pysyncobj") is None:
            return "PySyncObj is not installed: in a clone, pip install '.[peers]'"
        return ""

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """Members, and one that gives commands. Raises `MeasureFailed`."""
        return _open(stand, ground)


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    base = make_directory(ground.directory)
    addresses = ",".join(loopback_addresses(MEMBERS))
    settings = json.dumps(dict(SETTINGS[stand.variant]))
    inside = stand.variant.endswith("in its leader")
    try:
        async with AsyncExitStack() as stack:

            async def start(role: str, number: int) -> Worker:
                return await stack.enter_async_context(
                    open_worker(
                        "peers.worker_pysyncobj",
                        role,
                        str(number),
                        addresses,
                        settings,
                        name=f"PySyncObj, {role} {number}",
                        errors=base / f"{role}-{number}.err",
                    )
                )

            # The member 0 is to lead: the client's own process, or the one that is impatient.
            members = {number: await start("member", number) for number in range(inside, MEMBERS)}
            for member in members.values():
                await member.read("ready", START_SECONDS)
            client = await start("leader" if inside else "outside", 0)
            said = (await client.read("ready", START_SECONDS))["ready"]
            workers = {
                "leader" if number == 0 else f"follower {number}": member
                for number, member in members.items()
            }
            running = PlainRunning({**workers, "client": client}, int(said["command_bytes_max"]))
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)
