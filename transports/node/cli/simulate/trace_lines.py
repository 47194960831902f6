"""Writes the lines of a trace to a file, whatever ends the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from transports.node.cli.failures import Failure

Line = dict[str, Any]


def write_lines(path: Path, run: Callable[[Callable[[Line], None]], object]) -> int:
    """Have `run` give its lines to `path`, which is replaced; how many events there were.

    Raises `Failure` if the file cannot be written, and what `run` raises.
    """
    encode = msgspec.json.Encoder().encode
    count = 0
    try:
        with path.open("wb") as file:

            def write(line: Line) -> None:
                nonlocal count
                count += "kind" in line
                file.write(encode(line) + b"\n")

            run(write)
    except OSError as error:
        raise Failure(f"--trace {path}: {error.strerror}; name another file") from error
    return count
