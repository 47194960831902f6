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
    with pytest.raises(ScriptError, match="line 2: > dance 1: no command 'dance'"):
        run_script("> cluster 3\n> dance 1\n")


def test_a_second_value_for_a_slot_stops_the_script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Proposer, "_merge", lambda self, votes: None)
    script = next(path for path in SCRIPTS if path.stem == "flexible_quorums").read_text()
    with pytest.raises(ScriptError, match="decides another value for slot 0"):
        run_script(script + "> propose 2 slow\n> stabilize\n> tick 2 3\n> stabilize\n")
