"""A node's counters for Prometheus: `open_metrics` serves them over HTTP.

`collector` makes families of metrics of what the node counts anyway, when it is asked;
`page` has the text of them; `serving` is the server, which a slow or hostile client
cannot use to hold up the node.
"""

from __future__ import annotations

from transports.node.metrics.errors import MetricsError
from transports.node.metrics.serving import check_metrics, open_metrics

__all__ = ["MetricsError", "check_metrics", "open_metrics"]
