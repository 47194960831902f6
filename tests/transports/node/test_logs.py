from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from transports.node.logs import CAUSES_MAX, LOGGER_NAME, NodeLogger, configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger(LOGGER_NAME)
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Unformattable:
    def __str__(self) -> str:
        raise AssertionError("formatted although the level is off")


def configured(level: str = "info", format: str = "text") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, format, stream=stream)
    return stream


def test_a_line_of_text() -> None:
    stream = configured()
    NodeLogger(3).event("leader_gained", ballot="4.3", slots=17, ratio=0.25, durable=True)
    line = stream.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info node=3 leader_gained "
        r"ballot=4\.3 slots=17 ratio=0\.25 durable=true\n",
        line,
    ), line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("line\nnext", '"line\\nnext"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x85\u2028\u202e", '"\\u0085\\u2028\\u202e"'),
        ("\ud800", '"\\ud800"'),
        ("back\\slash", '"back\\\\slash"'),
        ("größer", "größer"),
        (b"\x00\xff", "00ff"),
        (None, "None"),
        (float("nan"), "nan"),
    ],
)
def test_a_value_cannot_break_a_line_of_text(value: object, text: str) -> None:
    stream = configured()
    NodeLogger(1).event("frame", value=value)
    line = stream.getvalue()
    assert line.endswith(f" frame value={text}\n")
    assert line[:-1].isprintable()


def test_a_line_of_json() -> None:
    stream = configured(format="json")
    NodeLogger(2).warning(
        "peer_lost", peer=1, why="reset\n", ratio=0.5, ok=False, nothing=None, raw=b"\x01", level=9
    )
    NodeLogger(None).event("bad", ratio=float("inf"))
    first, second = stream.getvalue().splitlines()
    read = json.loads(first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z", read.pop("time"))
    assert read == {
        "level": "warning",
        "node": 2,
        "event": "peer_lost",
        "peer": 1,
        "why": "reset\n",
        "ratio": 0.5,
        "ok": False,
        "nothing": None,
        "raw": "01",
        "level_": 9,
    }
    assert "node" not in json.loads(second)
    assert json.loads(second)["ratio"] == "inf"


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_long_value_is_cut(format: str) -> None:
    stream = configured(format=format)
    NodeLogger(1).event("frame", text="x" * 1_000_000, raw=bytes(1_000_000))
    assert len(stream.getvalue()) < 4000
    assert "(1000000 characters)" in stream.getvalue()
    assert "(1000000 bytes)" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level: str, expected: list[str]) -> None:
    stream = configured(level)
    logger = NodeLogger(1)
    logger.debug("x")
    logger.event("x")
    logger.warning("x")
    logger.error("x")
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == expected


def test_nothing_is_formatted_for_a_level_that_is_off() -> None:
    stream = configured("error")
    logger = NodeLogger(1)
    logger.debug("x", value=Unformattable())
    logger.event("x", value=Unformattable())
    logger.warning("x", value=Unformattable())
    logger.noisy("x", cause="y", value=Unformattable())
    logger.flush()
    assert stream.getvalue() == ""


def test_configuring_again_replaces() -> None:
    first, second = configured(), configured()
    NodeLogger(1).event("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_without_configuration_the_program_around_decides(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER_NAME):
        NodeLogger(1).event("leader_lost", ballot=7)
    (record,) = caplog.records
    assert record.getMessage() == "leader_lost"
    fields: Any = record.__dict__["paxos_fields"]
    assert fields == {"ballot": 7}


def test_a_record_of_the_plain_library_is_one_line_too() -> None:
    stream = configured()
    try:
        raise ValueError("broken\nline")
    except ValueError:
        logging.getLogger(f"{LOGGER_NAME}.part").exception("went %s", "wrong")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith('error "went wrong" error="ValueError(\'broken\\\\nline\')"')


def test_words_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="give one of debug, info, warning, error"):
        configure_logging("loud")
    with pytest.raises(ValueError, match="give text or json"):
        configure_logging("info", "xml")


def test_noise_is_one_line_per_cause_and_interval() -> None:
    stream = configured()
    clock = Clock()
    logger = NodeLogger(1, clock=clock, noisy_interval_s=5.0)
    for _ in range(1000):
        logger.noisy("dropped", cause="malformed", peer=2)
        logger.noisy("dropped", cause="oversized", peer=2)
    assert [line.split(" ", 2)[2] for line in stream.getvalue().splitlines()] == [
        "node=1 dropped cause=malformed peer=2",
        "node=1 dropped cause=oversized peer=2",
    ]
    clock.now_s += 4.99
    logger.noisy("dropped", cause="malformed", peer=2)
    assert stream.getvalue().count("\n") == 2
    clock.now_s += 0.01
    logger.noisy("dropped", cause="malformed", peer=4)
    assert stream.getvalue().splitlines()[2:] != []
    assert stream.getvalue().endswith("dropped cause=malformed peer=4 suppressed=1000\n")
    clock.now_s += 5
    logger.noisy("dropped", cause="malformed", peer=4)
    assert stream.getvalue().endswith("dropped cause=malformed peer=4\n")


def test_what_was_kept_back_is_said_at_the_end() -> None:
    stream = configured()
    logger = NodeLogger(1, clock=Clock())
    for _ in range(3):
        logger.noisy("dropped", cause="malformed")
    logger.noisy("dropped", cause="once")
    logger.flush()
    logger.flush()
    assert stream.getvalue().count("\n") == 3
    assert stream.getvalue().endswith("dropped cause=malformed suppressed=2\n")


def test_causes_are_bounded_and_none_is_lost() -> None:
    stream = configured()
    clock = Clock()
    logger = NodeLogger(1, clock=clock)
    for number in range(CAUSES_MAX * 2):
        clock.now_s += 0.001
        logger.noisy("dropped", cause=f"cause-{number}")
        logger.noisy("dropped", cause=f"cause-{number}")
    assert len(logger._noise) == CAUSES_MAX
    logger.flush()
    lines = stream.getvalue().splitlines()
    assert sum("suppressed=1" in line for line in lines) == CAUSES_MAX * 2
