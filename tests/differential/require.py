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


def clang_with_fuzzer() -> str | None:
    """Clang, which may have libFuzzer; its name."""
    names = ("clang", *(f"clang-{version}" for version in range(14, 20)))
    return next(filter(shutil.which, names), None)


def need_clang() -> str:
    """Clang with libFuzzer; its name."""
    clang = clang_with_fuzzer()
    if clang is not None:
        return clang
    unfit("needs libFuzzer: apt-get install clang-14 libclang-rt-14-dev")
