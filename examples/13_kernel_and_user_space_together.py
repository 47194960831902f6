"""One replica in the kernel and two in user space, one cluster: the bytes are the same.

Run: python examples/13_kernel_and_user_space_together.py
     The kernel's part needs the module. It is in the emulated machine (docs/kernel-vm.md):
     make kmod-run CMD="python examples/13_kernel_and_user_space_together.py"
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

import trio

from transports.node import ClusterConfig, open_client, open_node
from transports.node.machines import Journal

CLIENT = 4
MACS = {station: f"02:00:00:00:00:{station:02x}" for station in (1, 2, 3, CLIENT)}
LESSON = "Lesson: where a replica runs is its own affair; the others know it by its bytes alone."


def make_network() -> None:
    """p1 to p4, each a cable's end, and a bridge where the other ends meet."""

    def ip(words: str) -> None:
        subprocess.run(["ip", *words.split()], check=True)

    ip("link add br0 type bridge forward_delay 0")
    ip("link set br0 up")
    for station, mac in MACS.items():
        ip(f"link add p{station} address {mac} type veth peer name s{station}")
        ip(f"link set s{station} master br0 up")
        ip(f"link set p{station} up")


async def main() -> None:
    nodes = {node: MACS[node] for node in (1, 2, 3)}
    # An emulated machine is slow: its ticks are long.
    base = ClusterConfig(nodes, transport="ethernet", store="memory", tick_ms=50)
    configs = {n: replace(base, transport_options={"interface": f"p{n}"}) for n in MACS}
    kernel = {"interface": "p1", "mode": "replica"}
    configs[1] = replace(base, transport="kmod", transport_options=kernel)
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(open_node(configs[n], n, Journal(), first_start=True))
            for n in nodes
        ]
        client = await stack.enter_async_context(open_client(configs[CLIENT], timeout=60))
        results = await client.submit_many([b"command %d" % n for n in range(100)])
        assert set(results) == {b"%d" % n for n in range(1, 101)}
        print(f"100 commands are decided; node {running[0].leader} leads")
        while len({node.status()["digest"] for node in running}) > 1:
            await client.status(2)  # A question and its answer: time for more to arrive.
        for node in running:
            told = node.status()
            print(f"node {node.id}: core {told['core']}, {told['transport']}, "
                  f"{told['applied']} slots, log hash {told['digest'][:8]}")  # fmt: skip


if sys.argv[1:] == ["inside"]:
    make_network()
    trio.run(main)
    print(LESSON)
elif not os.path.exists("/dev/paxos") or os.geteuid() != 0:
    print("This needs root and the kernel module, and there is no /dev/paxos here. Try")
    print('  make kmod-run CMD="python examples/13_kernel_and_user_space_together.py"')
    print(LESSON)
else:
    # In a network namespace of its own, of which nothing is left when it ends.
    os.execvp("unshare", ["unshare", "--net", sys.executable, __file__, "inside"])
