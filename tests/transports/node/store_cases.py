"""What the store's tests share: a store with known content, and reading one back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from transports.node.store.api import StoreIdentity
from transports.node.store.log_create import create_store
from transports.node.store.log_open import open_store
from transports.node.store.log_store import SEAL_NAME, LogStore

CLUSTER = 0xFEED_FACE_CAFE_0001
NODE = 3
IDENTITY = StoreIdentity(CLUSTER, NODE, True)


def make(path: Path, identity: StoreIdentity = IDENTITY) -> Path:
    create_store(path, identity)
    return path


def opened(path: Path, *, preallocate_bytes: int = 0) -> tuple[LogStore, list[bytes]]:
    store, records = open_store(path, CLUSTER, NODE, preallocate_bytes=preallocate_bytes)
    return store, list(records)


def read_back(path: Path) -> list[bytes]:
    store, records = opened(path)
    store.close()
    return records


def log_file(path: Path) -> Path:
    (found,) = path.glob("log-*")
    return found


def content(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def seal_file(path: Path) -> Path:
    return path / SEAL_NAME


def copied(path: Path, target: Path) -> Path:
    """What a process that dies now would leave behind."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(path, target)
    return target


def require(condition: bool, reason: str) -> None:
    """Skip a test that this machine cannot run; where everything must run, fail it."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"cannot run here, and CI must run it: {reason}")
    pytest.skip(reason)
