"""What tests of several folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_kit import DOCS, build_docs, need_sphinx


@pytest.fixture(scope="session")
def docs_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built once for all tests; any warning fails them."""
    need_sphinx()
    into = tmp_path_factory.mktemp("docs")
    built = build_docs(DOCS, into)
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    return into / "site"


@pytest.fixture
def hangups() -> Iterator[None]:
    """What is started hears SIGHUP, also where the tests themselves run under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
