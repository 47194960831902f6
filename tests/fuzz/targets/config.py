"""A configuration file: written and read to the same, or a `ConfigError` of one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from transports.node.config import ConfigError, parse_config, to_toml

from . import check

BASE = Path("/somewhere")
NODES = '[nodes]\n1 = "127.0.0.1:7101"\n2 = "127.0.0.1:7102"\n3 = "127.0.0.1:7103"\n'
TABLES = (
    'cluster = "demo"\ntransport = "zeromq"\nstore = "memory"\ndata = "state"\ncore = "c"\n',
    '[transport_options]\nframe_bytes_max = 1000000\nno_delay = true\n"odd key" = "a"\nx = 0.5\n',
    '[transport_options]\nmode = "replica"\ninterface = "eth0"\nkey_file = "key"\n',
    "[quorum]\nphase1 = 3\nphase2 = 1\n",
    "[timing]\ntick_ms = 10\nheartbeat_ticks = 2\nelection_ticks_min = 20\n",
    "[limits]\nwindow_slots = 16\ncommand_bytes_max = 1024\n",
    '[log]\nlevel = "debug"\nformat = "json"\n',
)


def run(data: bytes) -> int:
    text = data.decode("utf-8", errors="replace")
    try:
        config = parse_config(text, source="paxos.toml", base=BASE)
    except ConfigError as error:
        said = str(error)
        check(said.isprintable(), "a message of more than one line")
        check("; " in said, f"no cure is named: {said}")
        return 1
    again = parse_config(to_toml(config), source="again", base=BASE)
    check(again == config, "another configuration when written again")
    return 1


def seeds() -> Iterator[bytes]:
    yield NODES.encode()
    for table in TABLES:
        text = table + NODES if not table.startswith("[") else NODES + table
        yield text.encode()
    yield (TABLES[0] + NODES + "".join(TABLES[1:2] + TABLES[3:])).encode()
