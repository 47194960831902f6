"""Why metrics cannot be served; apart, so that naming it loads nothing."""

from __future__ import annotations


class MetricsError(Exception):
    """Metrics cannot be served. The message names cause and cure, in one line.

    Its cause is an `OSError` where the system said no to the address.
    """
