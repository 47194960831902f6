"""The variant `plain-c`: the C core in a plain C loop, or in the kernel, and no Python at all.

It is `px_node` of the kernel module's bench. The client is in the leader's process, as the
paper's is: there are two hops less than in a cluster of Python nodes, and no session table.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import transports
from transports.bench.cluster import START_SECONDS, make_directory
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.plain import PlainRunning
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import Worker, open_worker
from transports.bench.saved.schema import Stand
from transports.node.cli.lab.plan import addresses

VARIANT: Final = "plain-c"
SOURCES: Final = Path(transports.__file__).parents[1] / "kmod/vm/bench"
PROGRAM: Final = SOURCES / "px_node"
BUILD_SECONDS: Final = 120
NODES: Final = (1, 2, 3)
ELECTION_SECONDS: Final = 1.0
EMULATED_SECONDS: Final = 8.0
"""Where there is a replica in the kernel, the machine may be an emulated one."""


class PlainCRunning(PlainRunning):
    """Nodes that a worker starts anew for each load."""

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process, as long as a load lasts."""
        pid = self.client.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        roles = ("leader", *(f"follower {node}" for node in NODES[1:]))
        return dict(zip(roles, map(int, children), strict=False))


class PlainCKind:
    """Opens it, on raw Ethernet in the laboratory."""

    def unavailable(self, stand: Stand) -> str:
        """It is built here, where nobody waits for it."""
        if not (SOURCES / "Makefile").exists():
            return "px_node is not installed: it is built in a checkout of the project"
        if shutil.which("make") is None or shutil.which("cc") is None:
            return (
                "px_node needs make and a C compiler: on Debian, apt-get install make gcc libc6-dev"
            )
        return _build()

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """A worker that starts them. Raises `MeasureFailed`."""
        return _open(stand, ground)


def _build() -> str:
    """Why `px_node` does not build; "" if it is there."""
    make = ["make", "-s", "-C", str(SOURCES)]
    try:
        done = subprocess.run(
            make, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"px_node does not build within {BUILD_SECONDS:.0f} s: run {' '.join(make)} before"
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else f"px_node does not build: {lines[0] if lines else ''}"


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    plan = ground.place.plan
    assert plan is not None, "its layers are those of the laboratory"
    members = addresses(plan, "ethernet")
    setup = {
        "program": str(PROGRAM),
        "mode": "device" if LAYERS[stand.layer].mode == "replica" else "core",
        "election_seconds": EMULATED_SECONDS if LAYERS[stand.layer].mode else ELECTION_SECONDS,
        "members": {node: members[node] for node in NODES},
        "interface": ground.place.interface,
        "entering": {node: list(ground.place.entering(node)) for node in NODES},
    }
    base = make_directory(ground.directory)
    try:
        worker: Worker
        async with open_worker(
            "worker_px", json.dumps(setup), name="px_node", errors=base / "px_node.err"
        ) as worker:
            said = await worker.read("ready", START_SECONDS)
            yield PlainCRunning({"client": worker}, int(said["ready"]["command_bytes_max"]))
    finally:
        shutil.rmtree(base, ignore_errors=True)
