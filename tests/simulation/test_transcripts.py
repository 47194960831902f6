"""Golden transcripts: scripts for a small cluster, and what it said, as a student reads them.

``REWRITE_TRANSCRIPTS=1 pytest tests/simulation/test_transcripts.py`` writes them
anew; read the difference before keeping it.
"""

import os
from pathlib import Path

import pytest

from paxos_core.proposer import Proposer
from paxos_core.testing import run_script
from paxos_core.testing.script import ScriptError

SCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_cluster_says_what_the_transcript_says(path: Path):
    text = path.read_text()
    said = run_script(text)
    if os.environ.get("REWRITE_TRANSCRIPTS"):
        path.write_text(said)
    else:
        assert said == text


def test_there_are_scripts():
    assert len(SCRIPTS) >= 8


def test_an_unknown_command_is_named_with_its_line():
    with pytest.raises(ScriptError, match="line 2: > dance 1: no action 'dance'"):
        run_script("> cluster 3\n> dance 1\n")


@pytest.mark.parametrize(
    ("commands", "word"),
    [
        ("campaign 1", "the first action is: cluster N"),
        ("cluster 3\n> crash 1\n> tick 1", "node 1 is down"),
        ("cluster 3\n> restart 1", "node 1 is running"),
        ("cluster 3\n> deliver 1 -> 2", "nothing of the kind is on its way"),
        ("cluster 3\n> campaign 1\n> deliver 1 to 2", "write: 1 -> 2"),
        ("cluster 3\n> tick 9", "line 2: > tick 9: 9"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_line(commands: str, word: str):
    with pytest.raises(ScriptError, match=word):
        run_script(f"> {commands}\n")


def test_what_a_script_loses_is_told():
    said = run_script(
        "> cluster 3\n> propose 2 early\n> hold 1\n> campaign 1\n> crash 1\n> state 1\n"
        "> restart 1\n> campaign 1\n> drop 1 -> 2\n> deliver 1 -> 3\n> crash 1\n"
        "> deliver 3 -> 1\n> state\n"
    )
    for line in (
        "2 does not lead; it would ask nobody",
        "1 loses: promised 1.1",
        "1 is down",
        "1 -> 2 lost: Prepare 1.1, slots 0 and up",
    ):
        assert f"  {line}\n" in said


def test_a_second_value_for_a_slot_stops_the_script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Proposer, "_merge", lambda self, votes: None)
    script = next(path for path in SCRIPTS if path.stem == "flexible_quorums").read_text()
    with pytest.raises(ScriptError, match="decides another value for slot 0"):
        run_script(script + "> propose 2 slow\n> stabilize\n> tick 2 3\n> stabilize\n")
