"""The checks of a configuration, one function per table of the file."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from paxos_core.config import Limits, Timing
from paxos_core.service import QUEUED_OVERHEAD_BYTES
from paxos_core.types import NODE_MAX
from transports.node.config.text import Place, one_line
from transports.node.config.types import ConfigError, CoreKind, QuorumSizes, Scalar, StoreKind

NODES_MAX: Final = 15
NAME_CHARACTERS_MAX: Final = 255
LOOPBACK_MAC: Final = "00:00:00:00:00:00"
"""That of `lo`, which all nodes on it have; a packet carries its receiver's id beside it."""

LIMIT_BOUND: Final = 1 << 40
"""The most that a limit without a bound of its own may be."""

LIMIT_BOUNDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "window_slots": 1 << 16,
        "vote_slots_max": 1 << 20,
        "log_keep_slots": 1 << 20,
        "command_bytes_max": 16 << 20,
        "page_bytes_max": 1 << 30,
        # A checkpoint, which is one write to the store, has to hold it and more.
        "snapshot_bytes_max": 512 << 20,
    }
)
TICKS_BOUND: Final = 1_000_000
INTEGER_BOUND: Final = 1 << 63

CHOICES: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        ("store",): 'give "durable" or "memory"',
        ("core",): 'give "python" or "c"',
        ("log", "level"): 'give "debug", "info", "warning" or "error"',
        ("log", "format"): 'give "text" or "json"',
    }
)


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that stand in no table."""

    cluster: str = "paxos"
    transport: str = "tcp"
    store: StoreKind = "durable"
    data: str = "data"
    core: CoreKind = "python"


def parse_toml(text: str, place: Place) -> dict[str, Any]:
    """The file's tables. Raises `ConfigError` for a syntax error, with its line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)\Z", str(error))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        raise ConfigError(
            one_line(f"{place.source}:{line}: not valid TOML: {error}; correct the line")
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            one_line(f"{place.source}: not valid TOML: {error}; remove what no configuration needs")
        ) from error


def mistake(place: Place, path: tuple[str, ...], problem: str, cure: str) -> ConfigError:
    """The error for the key at `path`."""
    return ConfigError(place.line_for(path, problem, cure))


def check_keys(
    place: Place, path: tuple[str, ...], table: Mapping[str, Any], known: Iterable[str]
) -> None:
    """Refuse keys that nothing reads, naming the nearest that exists. Raises `ConfigError`."""
    known = list(known)
    for key in table:
        if key in known:
            continue
        near = get_close_matches(key[:NAME_CHARACTERS_MAX], known, n=1)
        cure = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise mistake(place, (*path, key), "unknown key", cure)


_T = TypeVar("_T")


def read_table(place: Place, name: str, table: dict[str, Any], kind: type[_T]) -> _T:
    """A table as a `kind`, a msgspec struct or a dataclass. Raises `ConfigError`."""
    if issubclass(kind, msgspec.Struct):
        known = [entry.name for entry in msgspec.structs.fields(kind)]
    else:
        known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    check_keys(place, (name,), table, known)
    return convert(place, (name,), table, kind)


def convert(place: Place, path: tuple[str, ...], table: dict[str, Any], kind: type[_T]) -> _T:
    """As `read_table`, where the keys are known to exist. Raises `ConfigError`."""
    try:
        return msgspec.convert(table, kind, strict=True)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        key = (*path, *re.findall(r"[\w-]+", where))
        cure = CHOICES.get(key, "give a value as docs/configuration.md shows")
        raise mistake(place, key, problem, cure) from error


def check_words(place: Place, top: Words) -> None:
    """Names and paths are printable and of bounded length. Raises `ConfigError`."""
    for key in ("cluster", "transport", "data"):
        word: str = getattr(top, key)
        if not word or len(word) > NAME_CHARACTERS_MAX or not word.isprintable():
            cure = f"give 1 to {NAME_CHARACTERS_MAX} printable characters"
            raise mistake(place, (key,), f"{word[:NAME_CHARACTERS_MAX]!r} cannot be used", cure)


def read_nodes(place: Place, table: dict[str, Any]) -> dict[int, str]:
    """Node id -> address: at least one node, each with an address of its own."""
    if not table:
        cure = 'list them under [nodes], as in 1 = "127.0.0.1:7101"'
        raise mistake(place, ("nodes",), "there are no nodes, so no quorum", cure)
    if len(table) > NODES_MAX:
        raise mistake(
            place, ("nodes",), f"{len(table)} nodes", f"{NODES_MAX} is the most; remove some"
        )
    nodes: dict[int, str] = {}
    owners: dict[str, int] = {}
    for key, address in table.items():
        path = ("nodes", key)
        if not re.fullmatch(r"[1-9][0-9]{0,4}", key) or int(key) > NODE_MAX:
            raise mistake(place, path, "not a node id", f"give a number from 1 to {NODE_MAX}")
        if not isinstance(address, str):
            raise mistake(place, path, "the address is not a string", "put it in quotes")
        if not _is_address(address):
            cure = 'give what the transport takes, such as "127.0.0.1:7101"'
            raise mistake(place, path, f"{address[:80]!r} is not an address", cure)
        if address in owners and address != LOOPBACK_MAC:
            problem = f"node {owners[address]} has the address {address!r} too"
            raise mistake(place, path, problem, "give each node its own")
        nodes[int(key)] = address
        owners[address] = int(key)
    return nodes


def _is_address(address: str) -> bool:
    if not 0 < len(address) <= NAME_CHARACTERS_MAX or not address.isprintable():
        return False
    return not any(map(str.isspace, address))


def read_options(place: Place, table: dict[str, Any]) -> dict[str, Scalar]:
    """What the transport's opener is handed; it checks the names itself."""
    for key, value in table.items():
        path = ("transport_options", key)
        if not isinstance(value, str | int | float | bool):
            raise mistake(
                place, path, "not a single value", "give a string, a number, true or false"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise mistake(place, path, f"{value} is not a number", "give a finite one")
        if isinstance(value, int) and not -INTEGER_BOUND <= value < INTEGER_BOUND:
            raise mistake(place, path, "a huge number", "give one of 64 bits, as TOML has them")
        if isinstance(value, str) and not value.isprintable():
            problem = "has characters that cannot be printed"
            raise mistake(place, path, problem, "remove them")
    return dict(table)


def check_kernel_replica(place: Place, tables: Mapping[str, Any]) -> None:
    """What a replica in the kernel leaves no choice of. Raises `ConfigError`."""
    if "core" in tables:
        problem = 'with mode = "replica" a node has its core in the kernel'
        raise mistake(place, ("core",), problem, 'remove the key, or give mode = "relay"')
    if "key_file" in tables.get("transport_options", {}):
        problem = "a replica in the kernel does not seal its frames"
        cure = 'remove the key, or give mode = "relay"'
        raise mistake(place, ("transport_options", "key_file"), problem, cure)


def read_quorum(place: Place, table: dict[str, Any] | None, nodes: int) -> QuorumSizes | None:
    """Sizes that `nodes` can reach and that always meet (Flexible Paxos, section 3)."""
    if table is None:
        return None
    for key, other in (("phase1", "phase2"), ("phase2", "phase1")):
        if key in table and other not in table:
            raise mistake(place, ("quorum", key), f"{other} is missing", "give both, or neither")
    if not table:
        raise mistake(place, ("quorum",), "empty", "give phase1 and phase2, or remove the table")
    sizes = read_table(place, "quorum", table, QuorumSizes)
    for key in ("phase1", "phase2"):
        size = getattr(sizes, key)
        if size < 1:
            raise mistake(place, ("quorum", key), f"{size} is no quorum", f"give 1 to {nodes}")
        if size > nodes:
            problem = f"{size} cannot be reached by {_count(nodes)}"
            raise mistake(place, ("quorum", key), problem, f"give 1 to {nodes}")
    if sizes.phase1 + sizes.phase2 <= nodes:
        problem = f"{sizes.phase1} and {sizes.phase2} of {_count(nodes)} need not meet"
        cure = f"phase1 + phase2 must be more than {nodes}"
        raise mistake(place, ("quorum", "phase1"), problem, cure)
    return sizes


def _count(nodes: int) -> str:
    return f"{nodes} node{'s' if nodes != 1 else ''}"


def read_timing(place: Place, table: dict[str, Any]) -> tuple[int, Timing]:
    """(a tick's length in ms, the counts of ticks)."""
    known = ["tick_ms", *(entry.name for entry in fields(Timing))]
    check_keys(place, ("timing",), table, known)
    tick_ms = table.pop("tick_ms", 20)
    _check_range(place, ("timing", "tick_ms"), tick_ms, 1000)
    for key, value in table.items():
        _check_range(place, ("timing", key), value, TICKS_BOUND)
    defaults = Timing()
    ticks = {name: table.get(name, getattr(defaults, name)) for name in known[1:]}
    low, high = ticks["election_ticks_min"], ticks["election_ticks_max"]
    if low > high:
        key = "election_ticks_min" if "election_ticks_min" in table else "election_ticks_max"
        problem = f"election_ticks_min {low} is above election_ticks_max {high}"
        raise mistake(place, ("timing", key), problem, "give a minimum not above the maximum")
    beat = ticks["heartbeat_ticks"]
    if beat >= low:
        key = "heartbeat_ticks" if "heartbeat_ticks" in table else "election_ticks_min"
        problem = f"a heartbeat every {beat} ticks, but an election after {low} without one"
        cure = "give a heartbeat below election_ticks_min, best a fifth of it"
        raise mistake(place, ("timing", key), problem, cure)
    return tick_ms, convert(place, ("timing",), table, Timing)


def read_limits(place: Place, table: dict[str, Any]) -> Limits:
    """The replica's limits, each within its bound and all of them consistent."""
    check_keys(place, ("limits",), table, [entry.name for entry in fields(Limits)])
    for key, value in table.items():
        _check_range(place, ("limits", key), value, LIMIT_BOUNDS.get(key, LIMIT_BOUND))
    defaults = Limits()
    sizes = {entry.name: getattr(defaults, entry.name) for entry in fields(Limits)} | table
    command, pending = sizes["command_bytes_max"], sizes["pending_bytes_max"]
    if command + QUEUED_OVERHEAD_BYTES > pending:
        key = "command_bytes_max" if "command_bytes_max" in table else "pending_bytes_max"
        least = command + QUEUED_OVERHEAD_BYTES
        problem = f"a command of {command} bytes waits as {least}, above pending_bytes_max"
        raise mistake(place, ("limits", key), problem, f"give pending_bytes_max {least} or more")
    window, votes = sizes["window_slots"], sizes["vote_slots_max"]
    if votes < 2 * window:
        key = "window_slots" if "window_slots" in table else "vote_slots_max"
        problem = f"vote_slots_max {votes} is below twice window_slots {window}"
        raise mistake(place, ("limits", key), problem, f"give vote_slots_max {2 * window} or more")
    return convert(place, ("limits",), table, Limits)


def _check_range(place: Place, path: tuple[str, ...], value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        kind = type(value).__name__
        raise mistake(place, path, f"expected a whole number, got {kind}", f"give 1 to {most}")
    if not 1 <= value <= most:
        shown = value if abs(value) < 1 << 64 else "a huge number"
        raise mistake(place, path, f"{shown} is out of range", f"give 1 to {most}")
