"""`paxos play` as a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from transports.node.cli import main

PLAY = [sys.executable, "-m", "transports.node.cli", "play", "--no-open"]


def test_it_says_where_it_is_and_ends_with_ctrl_c() -> None:
    process = subprocess.Popen(PLAY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"play Paxos by hand at (http://127\.0\.0\.1:\d+/[\w-]{20,}/)   \(Ctrl-C ends it\)\n",
            line,
        )
        assert found, line
        asked = urllib.request.Request(
            f"{found[1]}ask", b'{"do": "look"}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert json.load(answer)["view"]["setup"]["nodes"] == 3
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (130, "", "paxos: interrupted\n")


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["play", "--no-open", "--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"paxos: port {port} of 127.0.0.1 is in use; choose another with --port")
    assert err.count("\n") == 1


def test_wrong_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "--port", "70000"]) == 2
    assert "70000" in capsys.readouterr().err
