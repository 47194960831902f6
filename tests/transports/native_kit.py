"""Tests that need the C core, and so a compiler."""

from __future__ import annotations

import os
import shutil

import pytest


def need_compiler() -> None:
    """Skip the test where there is no C compiler, but have it fail in CI."""
    if shutil.which("cc") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs a C compiler, cc")
