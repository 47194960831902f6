"""The client process's counting, against a client that answers as it is told."""

from collections.abc import Callable, Iterable
from typing import cast

import pytest

from transports.bench import worker_client
from transports.bench.worker_client import LoadFailed, Window
from transports.node.client import Client, Outcome, OutcomeUnknown


class FakeClient:
    """Numbers commands as the journal does, and goes wrong at `wrong_at`."""

    def __init__(self, wrong_at: int = -1, wrong: str = "") -> None:
        self.count = 0
        self._wrong_at = wrong_at
        self._wrong = wrong

    async def submit(self, _command: bytes) -> bytes:
        return cast(bytes, self._answer(raises=True))

    async def stream(
        self,
        commands: Iterable[bytes],
        *,
        outstanding: int,
        on_submit: Callable[[int, int], None],
        on_outcomes: Callable[[int, list[Outcome]], None],
    ) -> None:
        for ticket, _command in enumerate(commands):
            on_outcomes(ticket, [self._answer(raises=False)])

    def _answer(self, *, raises: bool) -> Outcome:
        self.count += 1
        if self.count == self._wrong_at:
            if self._wrong == "repeated":
                self.count += 1
            elif raises:
                raise OutcomeUnknown("gone")
            else:
                return OutcomeUnknown("gone")
        return b"%d" % self.count


def client(wrong_at: int = -1, wrong: str = "") -> Client:
    return cast(Client, FakeClient(wrong_at, wrong))


async def test_a_clean_count_passes() -> None:
    result = await worker_client.count(
        client(), commands=50, command_bytes=8, outstanding=4, limit_seconds=10
    )
    assert result == {"commands": 50}


@pytest.mark.parametrize("wrong_at", [1, 20, 50])
async def test_a_failed_command_fails_the_run(wrong_at: int) -> None:
    with pytest.raises(LoadFailed, match="OutcomeUnknown: gone"):
        await worker_client.count(
            client(wrong_at, "failed"),
            commands=50,
            command_bytes=8,
            outstanding=4,
            limit_seconds=10,
        )


async def test_a_command_applied_twice_fails_the_run() -> None:
    with pytest.raises(LoadFailed, match="counted 51 where 50 was due"):
        await worker_client.count(
            client(20, "repeated"), commands=50, command_bytes=8, outstanding=4, limit_seconds=10
        )


async def test_a_repeated_command_fails_a_latency_run_at_once() -> None:
    with pytest.raises(LoadFailed, match="lost or repeated"):
        await worker_client.latency(
            client(5, "repeated"), warm_seconds=0, seconds=60, command_bytes=8
        )


def test_the_warm_up_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr(worker_client, "perf_counter_ns", lambda: now)
    window = Window(warm_seconds=1.0, seconds=2.0)
    done: list[Outcome] = [b"1"] * 10
    for now in (500_000_000, 1_000_000_000, 1_500_000_000, 2_000_000_000, 3_500_000_000):  # noqa: B007
        window.note(0, done)
    assert window.ended == 50
    assert window.counted == 20
    assert window.per_second() == 20.0
    assert not window.open()


def test_a_window_that_saw_nothing_has_no_figure() -> None:
    with pytest.raises(LoadFailed, match="give it more"):
        Window(1.0, 1.0).per_second()
