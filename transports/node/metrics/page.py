"""The text of a scrape. The only place that needs to know whether the library is there."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from transports.node.metrics.errors import MetricsError

if TYPE_CHECKING:
    from transports.node.node import Node

Page = tuple[bytes, str]
"""(the text, its content type)."""
NEEDED: Final = ("prometheus_client", "h11")


def check_libraries() -> None:
    """That the extra `metrics` is installed. Raises `MetricsError`."""
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise MetricsError(
                f"metrics need the package {name.replace('_', '-')}, which is not installed; "
                "in a clone: pip install '.[metrics]'"
            ) from error


def make_page(node: Node) -> Callable[[], Page]:
    """What gives the text of `node`'s metrics, and of its process's, as they are then.

    The process's are those that `prometheus_client` reads from /proc. Raises `MetricsError`
    where the libraries are missing.
    """
    check_libraries()
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    from transports.node.metrics.collector import NodeCollector

    # Of its own: a program that embeds several nodes has a page for each.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(node))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder("")

    def page() -> Page:
        return encode(registry), content_type

    return page
