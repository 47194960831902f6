"""`make install` and dkms put the module where the system looks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.errors import CannotRun
from harness.kernel import Kernel, stock_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KMOD = Path(__file__).parents[2] / "kmod"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        return stock_kernel()
    except CannotRun as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


def copied(tmp_path: Path) -> Path:
    made = shutil.ignore_patterns("build", "*.o", "*.so", "__pycache__")
    return Path(shutil.copytree(KMOD, tmp_path / "kmod", ignore=made))


def test_install_puts_module_and_rule_in_place(kernel: Kernel, tmp_path: Path) -> None:
    root = tmp_path / "root"
    command = ["make", "install", f"KDIR={kernel.headers}", f"DESTDIR={root}"]
    done = subprocess.run(command, cwd=copied(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (module,) = root.rglob("paxos.ko*")
    assert module.parts[len(root.parts) : len(root.parts) + 2] == ("lib", "modules")
    rule = (root / "lib/udev/rules.d/60-paxos.rules").read_text()
    assert 'KERNEL=="paxos"' in rule
    assert 'GROUP="paxos"' in rule
    assert 'MODE="0660"' in rule


def test_what_dkms_is_told_builds_the_module_where_it_is_told(
    kernel: Kernel, tmp_path: Path
) -> None:
    source = copied(tmp_path)
    # dkms reads the file as a shell does, with the kernel's headers in this variable.
    script = (
        'set -eu; kernel_source_dir=$1; . ./dkms.conf; eval "${MAKE[0]}"; '
        'test -f "${BUILT_MODULE_LOCATION[0]}/${BUILT_MODULE_NAME[0]}.ko"; '
        'eval "$CLEAN"; test ! -e "${BUILT_MODULE_LOCATION[0]}"'
    )
    command = ["bash", "-c", script, "dkms", str(kernel.headers)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_headers_it_says_what_to_install(tmp_path: Path) -> None:
    command = ["make", "-C", str(copied(tmp_path)), "install", f"KDIR={tmp_path / 'none'}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt-get install linux-headers-amd64" in done.stderr
