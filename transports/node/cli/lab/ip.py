"""``ip`` of iproute2: the tool that people look at a laboratory with also makes it."""

from __future__ import annotations

import os
import subprocess

from transports.node.cli.failures import Failure

SECONDS_MAX = 30.0


def unavailable() -> str | None:
    """Why no laboratory can be made here, with the cure; None if it seems possible."""
    if os.geteuid() != 0:
        return "a laboratory needs root, to make network namespaces: run it with sudo"
    try:
        subprocess.run(["ip", "-V"], check=True, capture_output=True, timeout=SECONDS_MAX)
    except (OSError, subprocess.SubprocessError):
        return "a laboratory needs the command ip: on Debian, apt-get install iproute2"
    return None


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
