"""What is fuzzed in Python: one module for each target.

A target has ``run(data)``, which hands the bytes to the code and returns how many
frames (records, texts) that were, and ``seeds()``, the inputs to begin with. Any
exception out of `run` is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

NAMES = ("codec", "stream", "packet", "bodies", "record", "device", "config", "cluster")


class Target(Protocol):
    def run(self, data: bytes) -> int: ...

    def seeds(self) -> Iterator[bytes]: ...


def load(name: str) -> Target:
    """The module of a target."""
    return cast(Target, import_module(f"{__name__}.{name}"))


def check(holds: bool, what: str) -> None:
    """A property of the code under test; an `assert` might be taken for one of its own."""
    if not holds:
        raise RuntimeError(what)
