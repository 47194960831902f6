"""Making a durable store, which only `paxos init` does."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from transports.node.store import log_format as fmt
from transports.node.store.api import StoreExists, StoreFailed, StoreIdentity
from transports.node.store.log_store import (
    FILE_MODE,
    IDENTITY_NAME,
    SEAL_NAME,
    describe_failure,
    write_all,
    write_segment,
)

FIRST_GENERATION: Final = 1


def create_store(path: str | os.PathLike[str], identity: StoreIdentity) -> None:
    """Make an empty store at `path`, on stable storage when this returns.

    It appears whole or not at all: it is built beside `path`, or beside what a symbolic
    link there names, and renamed. Parent directories are made. Raises `StoreExists`
    unless `path` is absent or an empty directory, and `StoreFailed`.
    """
    target = Path(os.path.realpath(path))
    if not is_vacant(target):
        raise _exists(target, identity.node)
    try:
        _make_parents(target.parent)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            _fill(building, identity)
            os.rename(building, target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        _sync_directory(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _exists(target, identity.node) from error
        if error.errno == errno.EBUSY:
            raise StoreFailed(
                f"{target}: something is mounted there, and a store cannot be moved onto that; "
                f"mount it one directory higher, at {target.parent}"
            ) from error
        raise StoreFailed(describe_failure(target, error)) from error


def _exists(target: Path, node: int) -> StoreExists:
    # A store that lost a file is one still: it must not be taken for something else.
    try:
        is_store = any((target / name).is_file() for name in (IDENTITY_NAME, SEAL_NAME))
    except OSError as error:
        raise StoreFailed(describe_failure(target, error)) from error
    if not is_store:
        return StoreExists(
            f"{target}: there is something already, and it is no store; move it away, "
            "or correct `data` in the configuration"
        )
    return StoreExists(
        f"{target}: there is something already; to start with what it holds: paxos node {node}; "
        "to make a new store, move it away first"
    )


def is_vacant(target: Path) -> bool:
    """Whether a store can be made there. Raises `StoreFailed` where that cannot be seen."""
    try:
        return not os.listdir(target)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    except OSError as error:
        raise StoreFailed(describe_failure(target, error)) from error


def _fill(building: Path, identity: StoreIdentity) -> None:
    store_id = os.urandom(fmt.STORE_ID_BYTES)
    content = fmt.Identity(store_id, identity.cluster, identity.node, identity.voting)
    with ExitStack() as opened:
        directory_fd = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, directory_fd)
        segment = write_segment(directory_fd, store_id, FIRST_GENERATION, (), 0)
        opened.callback(os.close, segment.fd)
        _write_file(directory_fd, SEAL_NAME, segment.seal(store_id))
        _write_file(directory_fd, IDENTITY_NAME, fmt.pack_identity(content))
        os.fsync(directory_fd)


def _write_file(directory_fd: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(name, flags, FILE_MODE, dir_fd=directory_fd)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _make_parents(parent: Path) -> None:
    made: list[Path] = []
    while not parent.is_dir():
        made.append(parent)
        parent = parent.parent
    for directory in reversed(made):
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
