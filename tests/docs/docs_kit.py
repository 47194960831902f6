"""What the tests of the documentation share."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def build_docs(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """What `make docs` runs, with everything that it says in `stderr`."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html"]
    return subprocess.run(
        [*command, "-d", str(into / "doctrees"), str(source), str(into / "site")],
        capture_output=True,
        text=True,
        check=False,
    )


def need_sphinx() -> None:
    """Skips without Sphinx, but where everything must be tested it fails."""
    missing = [name for name in ("sphinx", "furo", "myst_parser") if find_spec(name) is None]
    if missing:
        reason = f"no {missing[0]}; in a clone: pip install '.[docs]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
