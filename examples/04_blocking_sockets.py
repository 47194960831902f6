"""The core on blocking sockets: three threads, a file each, `select`, and no event loop.

Run: python examples/04_blocking_sockets.py
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
import threading
import time
from contextlib import suppress

from paxos_core import Codec, LeaderChanged, QuorumSystem, Replica, ReplicaConfig, encode_record

COMMANDS = [b"command %d" % number for number in range(100)]
TICK_SECONDS = 0.01
FRAME_BYTES_MAX = 4096
quorums = QuorumSystem([1, 2, 3])
logs: dict[int, list[bytes]] = {node: [] for node in quorums.members}
everybody_is_done = threading.Event()


def run(node: int, sockets: dict[int, socket.socket]) -> None:
    """A whole driver. The thread owns its replica, its sockets and its file."""
    replica = Replica(ReplicaConfig(node, quorums, frame_bytes_max=FRAME_BYTES_MAX, seed=node))
    codec = Codec(cluster=1, sender=node)
    peers = {sock: peer for peer, sock in sockets.items()}
    next_tick = time.monotonic() + TICK_SECONDS
    with tempfile.TemporaryFile(buffering=0) as disk:
        while not everybody_is_done.is_set():
            wait_seconds = max(0.0, next_tick - time.monotonic())
            for sock in select.select(list(peers), [], [], wait_seconds)[0]:
                claimed, message = codec.decode(sock.recv(FRAME_BYTES_MAX))
                if claimed == peers[sock]:
                    replica.receive(claimed, message)
            if time.monotonic() >= next_tick:
                next_tick += TICK_SECONDS
                replica.tick()
            while ready := replica.take():
                for to, message in ready.messages:
                    with suppress(BlockingIOError):  # A full queue loses it; the core resends.
                        sockets[to].send(codec.encode(message), socket.MSG_DONTWAIT)
                if ready.records:
                    disk.write(b"".join(map(encode_record, ready.records)))
                    os.fdatasync(disk.fileno())
                    replica.persisted(ready.write_id)
                logs[node] += [command for entry in ready.decided for command in entry.commands]
                if any(isinstance(e, LeaderChanged) and e.leader == node for e in ready.events):
                    # A new leader proposes all: without sessions a command may come twice.
                    for command in COMMANDS:
                        replica.propose(command)


def main() -> None:
    sockets: dict[int, dict[int, socket.socket]] = {node: {} for node in quorums.members}
    for one, other in ((1, 2), (1, 3), (2, 3)):
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sockets[one][other], sockets[other][one] = pair
    threads = [threading.Thread(target=run, args=entry, daemon=True) for entry in sockets.items()]
    for thread in threads:
        thread.start()
    while min(len(set(log)) for log in logs.values()) < len(COMMANDS):
        assert all(thread.is_alive() for thread in threads), "a driver died"
        time.sleep(TICK_SECONDS)
    everybody_is_done.set()
    for thread in threads:
        thread.join()
    for sock in [sock for ends in sockets.values() for sock in ends.values()]:
        sock.close()
    shortest = min(map(len, logs.values()))
    assert logs[1][:shortest] == logs[2][:shortest] == logs[3][:shortest]
    print(f"three threads decided {len(set(logs[1]))} commands and agree on their order")
    print("Lesson: the core needs no event loop, only somebody to carry bytes and count ticks.")


main()
