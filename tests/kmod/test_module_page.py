"""What the page says of the module, and the module itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
KMOD = ROOT / "kmod"
PAGE = (ROOT / "docs" / "kernel-module.md").read_text()
CODE = "".join(path.read_text() for path in sorted((KMOD / "module").glob("*.c")))
HEADER = (KMOD / "uapi" / "paxos.h").read_text()


def test_the_page_has_every_parameter_with_its_default() -> None:
    declared = re.findall(r"^module_param\((\w+),", CODE, re.MULTILINE)
    said = dict(
        re.findall(r'^MODULE_PARM_DESC\((\w+), ".*\(default (.*)\)"\);', CODE, re.MULTILINE)
    )
    shown = dict(re.findall(r"^\| `(\w+)` \| ([\w ]+?) \|", PAGE, re.MULTILINE))
    assert sorted(declared) == sorted(said) != []
    assert shown == said


def test_the_page_has_every_cause_that_drops_what_comes_from_the_wire() -> None:
    causes = {cause.lower() for cause in re.findall(r"^\tPAXOS_DROP_(\w+),", HEADER, re.MULTILINE)}
    named = set(re.findall(r"`(\w+)`", PAGE))
    to_send = {"unknown_peer", "send_failed"}
    assert to_send < causes
    assert causes - to_send <= named


def test_one_version_is_named_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'MODULE_VERSION("{project}")' in CODE
    dkms = (KMOD / "dkms.conf").read_text()
    assert f'PACKAGE_VERSION="{project}"' in dkms
    assert set(re.findall(r"paxos/([\d.]+\d)", dkms + PAGE)) == {project}
