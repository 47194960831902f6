"""Tools that some of these tests need: without them they are skipped, and in CI they fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from .build import compiler


def unfit(reason: str) -> NoReturn:
    """Skip, or fail where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_compiler() -> None:
    """A C compiler, for the twin."""
    if compiler() is None:
        unfit("needs a C compiler: apt-get install gcc libc6-dev")


def need_clang() -> str:
    """Clang with libFuzzer; its name."""
    for name in ("clang", "clang-14", "clang-15", "clang-16", "clang-17", "clang-18", "clang-19"):
        if shutil.which(name):
            return name
    unfit("needs libFuzzer: apt-get install clang-14 libclang-rt-14-dev")
