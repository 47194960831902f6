"""Finds a transport by name: built in, `package.module:function`, or installed.

Another distribution installs one by an entry point in the group `paxos.transports`.
A transport's module is loaded only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from transports.api import NodeId, OpenTransport, Transport, TransportError, UnknownTransport

ENTRY_POINT_GROUP = "paxos.transports"

BUILT_IN: dict[str, str] = {
    "ethernet": "transports.ethernet:open_ethernet",
    "kmod": "transports.chardev:open_kmod",
    "memory": "transports.memory:open_memory",
    "tcp": "transports.tcp:open_tcp",
    "udp": "transports.udp:open_udp",
    "zeromq": "transports.zeromq:open_zeromq",
}
"""name -> `module:attribute` of its opener."""


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """One line about a transport."""

    name: str
    summary: str
    """The first line of its module's docstring."""
    unavailable: str | None
    """Why it cannot run here, or None."""


def resolve(name: str) -> OpenTransport:
    """Return the opener that `name` stands for.

    Raises `UnknownTransport` if nothing goes by that name, and `TransportError` if
    it exists but cannot be loaded. Built-in names come before installed ones.
    """
    return _load(name, _locate(name))


def call_opener(
    name: str, local: NodeId, peers: Mapping[NodeId, str], options: Mapping[str, object]
) -> AbstractAsyncContextManager[Transport]:
    """Call the opener that `name` stands for, which may be anybody's function or none at all.

    Raises `TransportError` if it cannot be called so or gives nothing to enter, and
    what `resolve` raises.
    """
    opener = resolve(name)
    try:
        made: object = opener(local, peers, **options)
    except TransportError:
        raise
    except Exception as error:  # whatever a foreign function does
        raise TransportError(
            f"transport {name!r} cannot be opened: {type(error).__name__}: {error}; "
            "check its name, and transport_options"
        ) from error
    if not isinstance(made, AbstractAsyncContextManager):
        if isinstance(made, Coroutine):
            made.close()
        raise TransportError(
            f"transport {name!r} is none: it gives a {type(made).__name__}, not an asynchronous "
            "context manager; name a function such as transports.tcp:open_tcp"
        )
    return made


def describe() -> list[TransportInfo]:
    """Describe every built-in and installed transport, sorted by name. Loads them all."""
    return [_describe(name, target) for name, target in sorted(_all_targets().items())]


def _locate(name: str) -> str:
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, colon, attribute = name.partition(":")
    if colon and module and attribute:
        return name
    targets = _all_targets()
    if name not in targets:
        raise UnknownTransport(
            f"no transport is called {name!r}: choose one of {', '.join(sorted(targets))}, "
            "or write package.module:function"
        )
    return targets[name]


def _all_targets() -> dict[str, str]:
    # Here, because it takes 40 ms to import and a built-in name does not need it.
    from importlib.metadata import entry_points

    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return installed | BUILT_IN


def _load(name: str, target: str) -> OpenTransport:
    module_name, _, path = target.partition(":")
    try:
        found: object = import_module(module_name)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except Exception as error:  # whatever a foreign module does while it is imported
        raise TransportError(
            f"transport {name!r} cannot be loaded from {target}: {type(error).__name__}: {error}; "
            "check the name, and whether Python finds the module"
        ) from error
    if not callable(found):
        raise TransportError(
            f"transport {name!r}: {target} is not a function; name the one that opens it"
        )
    return cast(OpenTransport, found)


def _describe(name: str, target: str) -> TransportInfo:
    try:
        _load(name, target)
    except TransportError as error:
        return TransportInfo(name, "", str(error))
    module = import_module(target.partition(":")[0])
    lines = (module.__doc__ or "").strip().splitlines()
    availability = cast("Callable[[], str | None]", getattr(module, "availability", lambda: None))
    return TransportInfo(name, lines[0] if lines else "", availability())


__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "TransportInfo", "call_opener", "describe", "resolve"]
