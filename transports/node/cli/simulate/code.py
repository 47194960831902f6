"""Which code a seed ran: another one is another run."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import paxos_core
from paxos_core.testing.cores import PYTHON
from transports.node import native
from transports.node.config import ConfigError
from transports.node.native.build import BuildFailed, sources_digest


def code_digest(core: str) -> str:
    """Of the sources of `paxos_core`; but for Python's core, of the C core and its adapter too.

    32 hexadecimal digits. Raises `ConfigError` if the C core's sources are not there.
    """
    state = blake2b(digest_size=16)
    _add(state, paxos_core.__path__[0])
    if core != PYTHON:
        _add(state, native.__path__[0])
        try:
            state.update(sources_digest().encode())
        except BuildFailed as error:
            raise ConfigError(str(error)) from error
    return state.hexdigest()


def _add(state: blake2b, package: str) -> None:
    root = Path(package)
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        state.update(f"{path.relative_to(root)} {len(content)}\n".encode())
        state.update(content)
