"""What can keep a kernel test from running at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping


class CannotRun(Exception):
    """Nothing was tested: the text names the cause and the cure in one line."""


def require(tools: Mapping[str, str]) -> None:
    """Checks that the programs are there; raises `CannotRun` with the line that installs them.

    `tools` maps a program's name to the Debian package that brings it.
    """
    missing = {package for tool, package in tools.items() if shutil.which(tool) is None}
    if missing:
        packages = " ".join(sorted(missing))
        raise CannotRun(f"missing; apt-get install --no-install-recommends {packages}")
