"""Every file that becomes part of a module, or is shared with one, names its licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KMOD = Path(__file__).parents[2] / "kmod"
KERNEL, EITHER = "GPL-2.0", "GPL-2.0 OR MIT"
EXPECTED = {
    "core/*": EITHER,
    "compat/*/*": EITHER,
    "compat/kernel/px_compat.h": KERNEL,
    "module/*": KERNEL,
    "uapi/*": "(GPL-2.0 WITH Linux-syscall-note) OR MIT",
    "vm/bench/*.[ch]": EITHER,
    "vm/bench/*/*": EITHER,
    "vm/bench/udp_echo/*": KERNEL,
    "vm/faults/*": KERNEL,
    "Kbuild": KERNEL,
    "Makefile": KERNEL,
    "dkms.conf": KERNEL,
    "60-paxos.rules": KERNEL,
}
_NAMED = re.compile(r"SPDX-License-Identifier: (.*?)(?: \*/)?$", re.MULTILINE)


@pytest.mark.parametrize("pattern", EXPECTED)
def test_a_file_names_its_licence_in_its_first_line(pattern: str) -> None:
    found = [path for path in KMOD.glob(pattern) if path.is_file() and path.suffix != ".so"]
    assert found
    for path in found:
        # The last pattern that fits is the one that counts.
        fitting = [key for key in EXPECTED if path in KMOD.glob(key)]
        named = _NAMED.search(path.read_text().splitlines()[0])
        assert named, path
        assert named[1] == EXPECTED[fitting[-1]], path


def test_the_text_of_every_licence_is_there() -> None:
    texts = {path.name for path in (KMOD / "LICENSES").iterdir()}
    words = set(re.findall(r"[\w.-]+", " ".join(EXPECTED.values()))) - {"OR", "WITH"}
    assert words == texts
    assert (KMOD / "LICENSES" / "MIT").read_text() == (KMOD.parent / "LICENSE").read_text()
