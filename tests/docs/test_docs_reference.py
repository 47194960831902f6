"""The reference has every public name."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PACKAGES = (
    "paxos_core",
    "paxos_core.testing",
    "paxos_core.testing.linearize",
    "paxos_core.trace",
    "transports",
    "transports.api",
    "transports.testing",
    "transports.node",
)


@pytest.fixture(scope="module")
def documented(docs_site: Path) -> set[str]:
    from sphinx.util.inventory import InventoryFile

    with (docs_site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, name: name)
    kinds = [kind for kind in inventory if kind.startswith("py:")]
    return {name for kind in kinds for name in inventory[kind]}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(documented: set[str], package: str) -> None:
    last_parts = {name.split(".")[-1] for name in documented}
    for name in import_module(package).__all__:
        assert name in last_parts, f"{package}.{name}"


def test_every_exception_is_documented(documented: set[str]) -> None:
    for module in ("paxos_core.errors", "paxos_core.client", "transports.node.store.api"):
        for name, found in vars(import_module(module)).items():
            is_error = isinstance(found, type) and issubclass(found, Exception)
            if is_error and found.__module__ == module:
                assert f"{module}.{name}" in documented


def test_signatures_are_as_the_source_has_them(docs_site: Path) -> None:
    node = (docs_site / "reference" / "node.html").read_text()
    assert "AbstractAsyncContextManager[Node]" in re.sub("<[^>]*>", "", node)
    for page in (docs_site / "reference").glob("*.html"):
        text = page.read_text()
        for odd in ("TypeAliasForwardRef", "&lt;factory", "~paxos_core", "~transports"):
            assert odd not in text, f"{page.name}: {odd}"
