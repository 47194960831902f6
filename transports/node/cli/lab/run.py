"""Has the nodes of a laboratory run, until a signal ends it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from transports.node.cli.demo_cluster import CONFIG_NAME, ProcessCluster
from transports.node.cli.failures import Failure
from transports.node.cli.lab.claim import Claim
from transports.node.cli.lab.network import open_network
from transports.node.cli.lab.plan import Plan, addresses, entering, options
from transports.node.config import ClusterConfig, CoreKind, Scalar, StoreKind, to_toml
from transports.node.store.api import StoreIdentity
from transports.node.store.log_create import create_store

LOOK_SECONDS: Final = 0.1
FAULTY: Final = "transports.node.faulty:open_faulty"


@dataclass(frozen=True, slots=True)
class Wish:
    """What kind of laboratory is wanted."""

    nodes: int
    transport: str
    store: StoreKind
    mtu_bytes: int
    loss: float = 0.0
    """The probability that a frame is lost where it arrives."""
    delay_ms: float = 0.0
    """How long each is held back there."""
    ipv6: bool = False
    core: CoreKind = "python"
    mode: str | None = None
    """`relay` or `replica`, with `kmod` alone."""


def make_config(wish: Wish, plan: Plan, directory: Path) -> ClusterConfig:
    """The configuration of the laboratory's nodes and clients."""
    mode: dict[str, Scalar] = {} if wish.mode is None else {"mode": wish.mode}
    config = ClusterConfig(
        nodes=addresses(plan, wish.transport),
        base=directory,
        cluster=f"lab-{plan.laboratory}",
        transport=wish.transport,
        store=wish.store,
        transport_options={**options(wish.transport), **mode},
        core=wish.core,
    )
    if not (wish.loss or wish.delay_ms):
        return config
    faults: dict[str, Scalar] = {"over": wish.transport}
    if wish.loss:
        faults["loss"] = wish.loss
    if wish.delay_ms:
        faults["delay_ms"] = wish.delay_ms
    return replace(
        config, transport=FAULTY, transport_options={**faults, **config.transport_options}
    )


async def run_laboratory(wish: Wish, say: Callable[[str], None]) -> None:
    """Make a laboratory, run its nodes until cancelled, remove it. Raises `Failure`.

    What the nodes log goes to this process's standard error.
    """
    nodes = range(1, wish.nodes + 1)
    with (
        open_network(nodes, wish.mtu_bytes, ipv6=wish.ipv6) as (plan, claim),
        _directory_for(claim) as directory,
    ):
        config = make_config(wish, plan, directory)
        path = directory / CONFIG_NAME
        path.write_text(to_toml(config), encoding="utf-8")
        _make_stores(config)
        claim.describe(transport=wish.transport, store=wish.store, config=str(path))
        cluster = ProcessCluster(
            config, lambda node: entering(plan.node(node).namespace), log_files=False
        )
        try:
            for node in nodes:
                cluster.start(node, first=True)
            say(_greeting(plan, wish))
            await _watch(cluster, wish.nodes, say)
        finally:
            cluster.close()


@contextmanager
def _directory_for(claim: Claim) -> Iterator[Path]:
    """A directory that goes with the laboratory. Raises `Failure`."""
    name = f"paxos-lab-{claim.number}-{secrets.token_hex(4)}"
    directory = Path(tempfile.gettempdir()) / name
    # Said before it is made, so that whoever cleans up after a kill knows of it.
    claim.describe(directory=str(directory))
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise Failure(f"{directory}: cannot be made ({error.strerror})") from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make_stores(config: ClusterConfig) -> None:
    if config.store == "durable":
        for node in config.nodes:
            create_store(
                config.store_path(node), StoreIdentity(config.cluster_id, node, voting=True)
            )


async def _watch(cluster: ProcessCluster, running: int, say: Callable[[str], None]) -> None:
    while running:
        await trio.sleep(LOOK_SECONDS)
        for node, status in cluster.take_ended():
            running -= 1
            say(f"node {node} ended with status {status}; again: paxos lab exec {node} -- "
                f"paxos node {node}")  # fmt: skip
    raise Failure("all nodes have ended; what they said stands above")


def _greeting(plan: Plan, wish: Wish) -> str:
    first, last = plan.node(plan.nodes[0]), plan.node(plan.nodes[-1])
    loss = f", loss {wish.loss:g}" if wish.loss else ""
    version = " and IPv6" if wish.ipv6 else ""
    delay = f", delay {wish.delay_ms:g} ms" if wish.delay_ms else ""
    return f"""\
laboratory {plan.laboratory}: {first.namespace} to {last.name}, and {plan.client.namespace}
{len(plan.nodes)} nodes over {wish.transport}{version}, MTU {plan.mtu_bytes}{loss}{delay}
In another terminal:
  paxos lab exec client -- paxos status
  paxos lab exec client -- paxos submit hello
  paxos lab link {last.name} down
Ctrl-C ends and removes it."""
