"""For tests over IPv6's loopback."""

from __future__ import annotations

import os
import socket

import pytest


def need_ipv6() -> None:
    """Skip the test where there is no IPv6, but have it fail in CI."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        reason = f"no IPv6 here: {error.strerror}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
