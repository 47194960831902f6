"""A run as a test: a file for pytest that needs nothing but the installed package."""

from __future__ import annotations

from typing import Final

from paxos_core.testing.laboratory.laboratory import Laboratory

_TEMPLATE: Final = '''"""A run of the real core, saved by `paxos play`. Run it with: pytest {name}

Lines that begin with > are what was done, and below each stands what the cluster did.
"""

from paxos_core.testing.laboratory import Laboratory

RUN = """\\
{transcript}"""


def test_the_cluster_does_what_it_did():
    assert Laboratory.replay(RUN).transcript() == RUN


def test_the_lights_are_as_they_were():
    run = Laboratory.replay(RUN)
    assert {{name: light.sentence for name, light in run.red.items()}} == {red}


def test_the_logs_are_as_they_were():
    assert Laboratory.replay(RUN).logs == {logs}
'''

FILE_NAME: Final = "test_paxos_run.py"


def save_as_test(run: Laboratory) -> str:
    """The text of a test file that passes as long as the core does what it did in `run`."""
    transcript = run.transcript()
    # What a user may write into a run cannot end a string (`actions.py`); the core's words
    # must not either.
    transcript = transcript.replace("\\", "\\\\").replace('"""', '\\"""')
    return _TEMPLATE.format(
        name=FILE_NAME,
        transcript=transcript,
        red=_literal({name: light.sentence for name, light in run.red.items()}),
        logs=_literal(run.logs),
    )


def _literal(things: dict[object, object] | dict[str, str] | dict[int, list[str]]) -> str:
    """A dict, one item a line."""
    if not things:
        return "{}"
    lines = [f"        {key!r}: {value!r}," for key, value in things.items()]
    return "\n".join(["{", *lines, "    }"])
