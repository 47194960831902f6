"""The guest has what the kernel tests rest on."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import paxos_core


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_module_of_ours_is_loaded() -> None:
    assert [path.name for path in Path("/sys/module").glob("paxos*")]


def test_the_projects_own_python_runs_and_may_write_beside_itself() -> None:
    scratch = Path(paxos_core.__file__).parent / "written-in-the-guest"
    scratch.write_text("gone when the guest ends")
    assert scratch.read_text()
    scratch.unlink()


def test_the_hosts_temporary_files_are_not_here() -> None:
    assert not list(Path("/tmp").glob("kmod-vm-*"))


def test_two_namespaces_joined_by_a_bridge_see_each_other() -> None:
    names = ("hub", "left", "right")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("-n", "hub", "link", "add", "br0", "up", "type", "bridge")
        for number, name in enumerate(names[1:], 1):
            ip("-n", "hub", "link", "add", name, "type", "veth", "peer", "eth0", "netns", name)
            ip("-n", "hub", "link", "set", name, "master", "br0", "up")
            ip("-n", name, "address", "add", f"10.9.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        left_to_right = ["ip", "netns", "exec", "left", "python", "-c", _CONNECT]
        done = subprocess.run(left_to_right, capture_output=True, text=True, check=False)
        assert done.stdout.split() == [str(errno.ECONNREFUSED)], done.stderr
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


# A refusal comes from the other side: the way there and the way back are open.
_CONNECT = """
import socket
with socket.socket() as probe:
    probe.settimeout(60)
    print(probe.connect_ex(("10.9.0.2", 1)))
"""


def test_there_is_no_network_but_the_guests_own() -> None:
    assert sorted(os.listdir("/sys/class/net")) == ["lo"]
