"""px_node: three nodes in plain C over raw Ethernet decide, and one of them gives figures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_network import mac, need_network, own_network

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = 3000
SECONDS = 60


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no C compiler or no make: apt-get install gcc libc6-dev make")
        pytest.skip("needs a C compiler and make")
    build = tmp_path_factory.mktemp("px_node")
    command = ["make", "-s", "-C", str(ROOT / "kmod/vm/bench"), f"BUILD={build}"]
    command.append("CFLAGS=-O2 -Werror")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return build / "px_node"


@pytest.fixture
def network() -> Iterator[None]:
    need_network()
    with own_network():
        yield


def node(program: Path, number: int, *words: str) -> subprocess.Popen[str]:
    members = [part for n in (1, 2, 3) for part in ("--member", f"{n}={mac(n)}")]
    command = [str(program), "core", "--interface", f"p{number}", "--node", str(number)]
    command += [*members, "--seconds", str(SECONDS), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def report_of(program: Path, *words: str) -> dict[str, Any]:
    """What the leader of three says in the end."""
    others = [node(program, 2), node(program, 3)]
    try:
        with node(program, 1, *words) as leader:
            said = leader.communicate(timeout=2 * SECONDS)[0]
    finally:
        for other in others:
            other.terminate()
            other.communicate()
    assert leader.returncode == 0
    report: dict[str, Any] = json.loads(said)
    return report


@pytest.mark.usefixtures("network")
def test_figures_are_taken_for_as_long_as_asked(program: Path) -> None:
    """And not for what an election left of the time: else there are too many to be read."""
    report = report_of(program, "--outstanding", "1", "--measured", "0.2")
    assert 0.2 <= report["seconds"] < SECONDS / 2


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("outstanding", [1, 64])
def test_three_nodes_decide_and_are_timed(program: Path, outstanding: int) -> None:
    report = report_of(program, "--outstanding", str(outstanding), "--commands", str(COMMANDS))
    assert report["mode"] == "core"
    assert report["outstanding"] == outstanding
    assert report["commands"] >= COMMANDS
    assert (report["slots"] >= COMMANDS) == (outstanding == 1), "64 open commands share slots"
    latency = report["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    assert report["commands_per_second"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "core or device is needed"),
        (("core", "--bytes", "1"), "not understood: 1"),
        (("core", "--node", "1", "--interface", "lo"), "--member"),
    ],
)
def test_a_wrong_command_line_is_refused(program: Path, words: tuple[str, ...], said: str) -> None:
    done = subprocess.run([str(program), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
