"""What becomes of output that cannot be written, and of Ctrl-C before anything has begun."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from transports.node.cli import main
from transports.node.cli.options import has_display, search_here
from transports.node.cli.output import make_console

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


@pytest.mark.parametrize(
    "command", ["transports", "transports -o json", "status --watch --timeout 0.01"]
)
def test_a_reader_that_has_enough_has_a_status_of_its_own(tmp_path: Path, command: str) -> None:
    (tmp_path / "paxos.toml").write_text('[nodes]\n1 = "127.0.0.1:1"\n')
    # The pipe has no reader from the start: nothing depends on who is faster.
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-m", "transports.node.cli", *command.split()]
    done = subprocess.run(line, stdout=write, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", ["submit --file -", "check-history - --model kv"])
def test_a_closed_input_is_one_line(
    command: str, paxos, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paxos("init", "--example")
    monkeypatch.setattr(sys, "stdin", None)
    done = paxos(*command.split())
    assert (done.status, done.out) == (2, "")
    assert "standard input is closed" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("opened", "said"),
    [(None, "standard output is closed"), ("/dev/full", "No space left on device")],
)
def test_a_page_that_cannot_be_written_is_one_line(
    opened: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as closing:
        # More than a buffer holds: nothing of it is left there, to fail once more.
        output = opened and closing.enter_context(open(opened, "w"))
        patch.setattr(sys, "stdout", output)
        assert main(["view", "-o", "-"]) == 1
    assert capsys.readouterr().err == f"paxos: the output cannot be written ({said})\n"


def test_what_the_terminal_cannot_show_is_shown_in_another_way(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "caf\xe9").mkdir()
    monkeypatch.chdir(home / "caf\xe9")
    output = TextIOWrapper(BytesIO(), encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        main(["init", "--example"])
        assert main(["init", "--node", "1"]) == 0
    assert rb"caf\xe9/data/node-1" in output.detach().getvalue()


def test_what_goes_to_a_closed_stream_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert not has_display()
    make_console(stderr=True).print("progress")


def test_a_directory_that_was_removed_is_no_reason_to_fail(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    before = list(sys.path)
    search_here()
    assert sys.path == before
    monkeypatch.chdir(home)


DEFECT = """
import transports.node.cli.transports_list as listing
from transports.node.cli import main

def describe():
    raise OSError(9, "a defect")

listing.describe = describe
main(["transports"])
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_that_is_not_of_the_output_is_not_taken_for_it(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
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
