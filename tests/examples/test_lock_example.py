"""Locks: one holder at a time by the log's time, tokens that only grow, a holder that sleeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from examples.lock import machine
from examples.lock.client import LockClient, LockLost
from examples.lock.machine import Answer, Command, Locks
from transports.node import ClusterConfig, open_client, open_node

ROOT = Path(__file__).parents[2]

LOADED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time says nothing on a machine that is shared."""


def ask(locks: Locks, verb: str, holder: str, now_ms: int, lease_ms: int = 100) -> Answer:
    command = Command(verb, "page", holder, now_ms, lease_ms)  # type: ignore[arg-type]
    return msgspec.msgpack.decode(locks.apply(msgspec.msgpack.encode(command)), type=Answer)


def test_one_holder_until_its_lease_ends() -> None:
    locks = Locks()
    first = ask(locks, "acquire", "ada", 1000)
    assert first == Answer(True, 1, 100)
    assert ask(locks, "acquire", "alan", 1099) == Answer(False, 1, 1)
    second = ask(locks, "acquire", "alan", 1100)
    assert second == Answer(True, 2, 100)
    assert not ask(locks, "renew", "ada", 1101).done
    assert not ask(locks, "release", "ada", 1101).done
    assert ask(locks, "release", "alan", 1101).done
    assert ask(locks, "acquire", "ada", 1101).token == 3


def test_its_holder_may_renew_and_ask_again_and_keeps_its_token() -> None:
    locks = Locks()
    assert ask(locks, "acquire", "ada", 1000).token == 1
    assert ask(locks, "renew", "ada", 1050) == Answer(True, 1, 100)
    assert ask(locks, "acquire", "ada", 1149) == Answer(True, 1, 100)
    assert ask(locks, "acquire", "alan", 1150) == Answer(False, 1, 99)


def test_a_clock_that_is_behind_gives_nobody_more_time() -> None:
    locks = Locks()
    ask(locks, "acquire", "ada", 1000)
    ask(locks, "acquire", "alan", 2000)
    assert ask(locks, "acquire", "ada", 1500) == Answer(False, 2, 100)


@LOADED
@given(st.lists(st.tuples(st.sampled_from(["acquire", "renew", "release"]), st.sampled_from("abc"),
                          st.integers(0, 500)), max_size=40), st.integers(0, 40))  # fmt: skip
def test_a_token_never_comes_again(asked: list[tuple[str, str, int]], at: int) -> None:
    locks, holders = Locks(), {}
    for number, (verb, holder, now_ms) in enumerate(asked):
        if number == at:
            other = Locks()
            other.restore(locks.snapshot())
            locks = other
        answer = ask(locks, verb, holder, now_ms)
        if answer.done and verb == "acquire":
            assert holders.setdefault(answer.token, holder) == holder
            assert answer.token == max(holders)


def test_when_there_is_no_room_what_has_ended_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOCKS_MAX", 1)
    locks = Locks()
    for lock, now_ms, done in (("one", 0, True), ("two", 50, False), ("two", 100, True)):
        command = msgspec.msgpack.encode(Command("acquire", lock, "ada", now_ms, 100))
        assert msgspec.msgpack.decode(locks.apply(command), type=Answer).done is done


@LOADED
@given(st.binary(max_size=60))
def test_any_bytes_are_survived(command: bytes) -> None:
    msgspec.msgpack.decode(Locks().apply(command), type=Answer)


async def test_a_block_holds_the_lock_and_a_sleeper_is_told(autojump_clock: MockClock) -> None:
    nodes = {1: "hub/1"}
    config = ClusterConfig(nodes, transport="memory", store="memory")
    now_ms = 1_000_000
    async with (
        open_node(config, 1, Locks(), first_start=True),
        open_client(config) as client,
    ):
        ada, alan = (LockClient(client, name, lambda: now_ms) for name in ("ada", "alan"))
        async with ada.hold("page", 5.0) as token:
            assert token == 1
            assert not (await alan.ask("acquire", "page", 5000)).done
        async with alan.hold("page", 5.0) as token:
            assert token == 2

        async def sleep_too_long() -> None:
            nonlocal now_ms
            async with ada.hold("page", 5.0):
                now_ms += 10_000
                assert (await alan.ask("acquire", "page", 60_000)).done
                await trio.sleep(10)

        with pytest.raises(BaseExceptionGroup) as caught:
            await sleep_too_long()
        assert caught.group_contains(LockLost)


def test_the_story_runs() -> None:
    command = [sys.executable, "-W", "error", "-m", "examples.lock"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines()[-1].startswith("Lesson: ")
