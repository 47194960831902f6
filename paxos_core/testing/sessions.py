"""What the nodes' session tables are, so that the monitor can compare them."""

from __future__ import annotations

from hashlib import blake2b

import msgpack

from paxos_core.service import Service


def table_digest(service: Service) -> bytes:
    """A hash over all that decides what the session table of `service` does next.

    Beside what a snapshot carries, that is what `SessionTable.load` works out again:
    the bytes of all results, and which sessions nobody has used, in their order.
    """
    table = service._sessions
    state = [table.dump(), table._bytes, list(table._fresh)]
    return blake2b(msgpack.packb(state), digest_size=16).digest()
