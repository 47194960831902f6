"""``ip`` of iproute2: the tool that people look at a laboratory with also makes it."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

from transports.node.cli.failures import Failure

SECONDS_MAX = 30.0
RIGHTS = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}
"""Their bits, from linux/capability.h."""


def unavailable() -> str | None:
    """Why no laboratory can be made here, with the cure; None if it seems possible."""
    if os.geteuid() != 0:
        return "a laboratory needs root, to make network namespaces: run it with sudo"
    lacking = [name for name, bit in RIGHTS.items() if not _rights() >> bit & 1]
    if lacking:
        return (
            f"a laboratory needs the right {' and '.join(lacking)}, which this root has not: "
            "run it outside the container, or give the container that right"
        )
    try:
        subprocess.run(["ip", "-V"], check=True, capture_output=True, timeout=SECONDS_MAX)
    except (OSError, subprocess.SubprocessError):
        return "a laboratory needs the command ip: on Debian, apt-get install iproute2"
    return None


def _rights() -> int:
    """The effective capabilities of this process, a bit each; all if the system does not say."""
    with suppress(OSError, ValueError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name == "CapEff":
                return int(value, 16)
    return -1


def ip(*words: str) -> str:
    """Run ``ip`` and return what it printed. Raises `Failure` with what it said."""
    try:
        done = subprocess.run(
            ["ip", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            # A Ctrl-C at the terminal is for the laboratory, which then removes itself.
            process_group=0,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"ip {' '.join(words)}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[0] if said else f"status {done.returncode}"
        raise Failure(f"ip {' '.join(words)}: {reason}")
    return done.stdout
