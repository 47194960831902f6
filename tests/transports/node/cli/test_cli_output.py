"""What becomes of output that cannot be written, and of Ctrl-C before anything has begun."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from transports.node.cli import main

PAXOS = f"{sys.executable} -m transports.node.cli"


def shell(command: str, **env: str) -> tuple[int, str]:
    """Its exit status, and what it wrote to standard error."""
    done = subprocess.run(
        ["bash", "-c", command], stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["transports", "transports -o json", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(command: str, unbuffered: str) -> None:
    status, said = shell(f"{PAXOS} {command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert status == 1
    assert said == "paxos: the output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("command", ["transports", "init --example", "bench"])
def test_a_closed_output_is_one_line(command: str) -> None:
    status, said = shell(f"{PAXOS} {command} >&-")
    assert status == 1
    assert said == "paxos: the output cannot be written (standard output is closed)\n"


def test_a_reader_that_has_enough_has_a_status_of_its_own() -> None:
    # The pipe has no reader from the start: nothing depends on who is faster.
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "transports.node.cli", "transports"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


DEFECT = """
import transports.node.cli.transports_list as listing
from transports.node.cli import main

def describe():
    raise OSError(9, "a defect")

listing.describe = describe
main(["transports"])
"""


def test_an_error_that_is_not_of_the_output_is_not_taken_for_it() -> None:
    # A process of its own, because this one's output has no buffer to tell it by.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    command = [sys.executable, "-c", DEFECT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("OSError: [Errno 9] a defect\n")


def test_ctrl_c_while_the_program_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Impatient:
        def find_spec(self, *_: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "transports.node.cli.program", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Impatient()])
    assert main(["--help"]) == 130
    assert capsys.readouterr().err == "paxos: interrupted\n"
