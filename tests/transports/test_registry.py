from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from transports import TransportError, UnknownTransport, describe, resolve
from transports.memory import open_memory
from transports.registry import BUILT_IN, ENTRY_POINT_GROUP
from transports.tcp import open_tcp


def install(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Make entry points of `name=target`."""
    made = [EntryPoint(name, target, ENTRY_POINT_GROUP) for name, target in points.items()]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: made)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("foreign_transport", "Foreign: a test's own.\n\nMore.")
    module.open_it = open_memory  # type: ignore[attr-defined]
    module.number = 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "foreign_transport", module)
    return module


def test_built_in_names_resolve() -> None:
    assert resolve("memory") is open_memory
    assert resolve("tcp") is open_tcp


@pytest.mark.usefixtures("foreign")
def test_module_and_function_resolve() -> None:
    assert resolve("foreign_transport:open_it") is open_memory


@pytest.mark.usefixtures("foreign")
def test_an_installed_one_resolves_but_never_hides_a_built_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, other="foreign_transport:open_it", tcp="foreign_transport:open_it")
    assert resolve("other") is open_memory
    assert resolve("tcp") is open_tcp


@pytest.mark.parametrize("name", ["", "carrier-pigeon", ":", "a:", ":b"])
def test_an_unknown_name_is_told_what_exists(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, other="foreign_transport:open_it")
    with pytest.raises(
        UnknownTransport,
        match="choose one of ethernet, kmod, memory, other, tcp, udp, zeromq, or write",
    ):
        resolve(name)


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module_at_all:f", "ModuleNotFoundError"),
        ("foreign_transport:absent", "AttributeError"),
        ("foreign_transport:number", "is not a function"),
    ],
)
def test_what_cannot_be_loaded_says_why(target: str, message: str) -> None:
    with pytest.raises(TransportError, match=message):
        resolve(target)


def test_describe_lists_name_summary_and_availability(
    monkeypatch: pytest.MonkeyPatch, foreign: ModuleType
) -> None:
    foreign.availability = lambda: "needs a pigeon"  # type: ignore[attr-defined]
    install(
        monkeypatch,
        other="foreign_transport:open_it",
        tcp="foreign_transport:open_it",
        broken="no_such_module_at_all:f",
    )
    listed = {info.name: info for info in describe()}
    assert list(listed) == [
        "broken",
        "ethernet",
        "kmod",
        "memory",
        "other",
        "tcp",
        "udp",
        "zeromq",
    ]
    assert listed["other"].summary == "Foreign: a test's own."
    assert listed["other"].unavailable == "needs a pigeon"
    assert listed["tcp"].summary.startswith("TCP: ")
    assert listed["tcp"].unavailable is None
    assert "no_such_module_at_all" in (listed["broken"].unavailable or "")


def test_importing_the_package_loads_neither_trio_nor_a_transport() -> None:
    code = "import sys, transports; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "transports.registry" in loaded
    assert loaded.isdisjoint({"trio", "importlib.metadata"})
    assert loaded.isdisjoint(target.partition(":")[0] for target in BUILT_IN.values())
