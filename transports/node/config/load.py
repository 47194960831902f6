"""Reads the TOML file, or a text, and checks it from the top."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from paxos_core.config import FRAME_BYTES_MIN, Limits
from paxos_core.service import largest_command
from transports.node.config import check
from transports.node.config.text import Place, one_line
from transports.node.config.types import (
    ClusterConfig,
    ConfigError,
    LogConfig,
)

FILE_BYTES_MAX: Final = 1 << 20


def load_config(path: str | os.PathLike[str]) -> ClusterConfig:
    """Read and check a file of at most 1 MiB of UTF-8. Raises `ConfigError`."""
    source = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            one_line(f"{source}: cannot be read ({reason}); give the path of a readable TOML file")
        ) from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(
            one_line(f"{source}: larger than 1 MiB; a configuration is a page: is this the file?")
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            one_line(f"{source}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8")
        ) from error
    return parse_config(text, source=source, base=Path(os.path.abspath(path)).parent)


def parse_config(text: str, *, source: str, base: Path) -> ClusterConfig:
    """Check a configuration; `source` names it in errors, `base` is where `data` starts from.

    Raises `ConfigError`.
    """
    place = Place(source, text)
    tables = check.parse_toml(text, place)
    sections = ("nodes", "transport_options", "quorum", "timing", "limits", "log")
    words = [entry.name for entry in msgspec.structs.fields(check.Words)]
    check.check_keys(place, (), tables, [*words, *sections])
    for name in sections:
        if not isinstance(tables.get(name, {}), dict):
            raise check.mistake(place, (name,), "not a table", f"begin it with a line [{name}]")
    top = check.convert(
        place, (), {key: tables[key] for key in words if key in tables}, check.Words
    )
    check.check_words(place, top)
    nodes = check.read_nodes(place, tables.get("nodes", {}))
    tick_ms, timing = check.read_timing(place, dict(tables.get("timing", {})))
    config = ClusterConfig(
        nodes=nodes,
        base=base,
        cluster=top.cluster,
        transport=top.transport,
        store=top.store,
        data=top.data,
        core=top.core,
        transport_options=check.read_options(place, tables.get("transport_options", {})),
        quorum=check.read_quorum(place, tables.get("quorum"), len(nodes)),
        tick_ms=tick_ms,
        timing=timing,
        limits=check.read_limits(place, tables.get("limits", {})),
        log=check.read_table(place, "log", tables.get("log", {}), LogConfig),
    )
    if config.kernel_replica:
        check.check_kernel_replica(place, tables)
    _check_frame_option(place, config)
    return config


def check_frame(config: ClusterConfig, frame_bytes_max: int) -> None:
    """That the transport's frames carry the largest command. Raises `ConfigError`.

    The default of `command_bytes_max` is no demand: with smaller frames commands
    are smaller too.
    """
    command_bytes_max, room = config.limits.command_bytes_max, largest_command(frame_bytes_max)
    if command_bytes_max != Limits().command_bytes_max and command_bytes_max > room:
        raise ConfigError(
            f"limits.command_bytes_max: {command_bytes_max} does not fit a frame of "
            f"{frame_bytes_max} bytes; give at most {max(room, 0)}, or larger frames"
        )
    if frame_bytes_max < FRAME_BYTES_MIN:
        raise ConfigError(
            f"transport_options.frame_bytes_max: a frame of {frame_bytes_max} bytes is too small; "
            f"give at least {FRAME_BYTES_MIN}"
        )


def _check_frame_option(place: Place, config: ClusterConfig) -> None:
    frame_bytes_max = config.transport_options.get("frame_bytes_max")
    if not isinstance(frame_bytes_max, int) or isinstance(frame_bytes_max, bool):
        return
    try:
        check_frame(config, frame_bytes_max)
    except ConfigError as error:
        _, _, rest = str(error).partition(": ")
        problem, _, cure = rest.partition("; ")
        given = place.has(("limits", "command_bytes_max"))
        path = (
            ("limits", "command_bytes_max") if given else ("transport_options", "frame_bytes_max")
        )
        raise check.mistake(place, path, problem, cure) from error
