"""Bugs that the simulator, or writing it, brought to light, as small as they can be shown.

Those that a script can show are transcripts: ``deposed_leader``,
``copies_of_a_page_ask_once`` and ``window_waits_for_an_open_slot``.
"""

import pytest

from paxos_core.client import Client, ClientConfig
from paxos_core.config import SessionLimits
from paxos_core.messages import Reason, Refused, Request, SessionOpened
from paxos_core.testing import Options, Simulation, run_script
from paxos_core.testing.network import Rates
from paxos_core.testing.plan import draw_plan


def requests(client: Client) -> list[Request]:
    return [message for _, message in client.take().messages if isinstance(message, Request)]


@pytest.fixture
def client() -> Client:
    client = Client(ClientConfig(70_000, (1, 2, 3)))
    client.submit([b"first"])
    client.take()
    client.receive(1, SessionOpened(70_000, 65_536))
    return client


def lose_session(client: Client, session: int, first: int, count: int) -> None:
    client.receive(1, Refused(session, first, count, Reason.UNKNOWN_SESSION, 1))


def test_a_late_copy_of_an_answer_brings_no_lost_session_back(client: Client):
    """Its numbers were given out again, and a command that waited under one had no outcome."""
    assert requests(client)
    lose_session(client, 65_536, 1, 1)
    client.submit([b"second"])
    client.take()
    client.receive(1, SessionOpened(70_000, 65_536))
    assert not requests(client)
    client.receive(1, SessionOpened(70_000, 131_072))
    (request,) = requests(client)
    assert (request.session, request.first) == (131_072, 1)


def test_a_leader_reads_every_page_of_its_own_promise():
    """The question for the second page went out as a message to itself, which there is not."""
    proposals = "".join(f"> propose 1 {'x' * 300}{slot}\n> drop 1 -> *\n" for slot in range(4))
    script = (
        "> cluster 3 frame=512\n> campaign 1\n> stabilize\n"
        + proposals
        + "> campaign 1\n> stabilize\n> tick 1 3\n> stabilize\n> state\n"
    )
    last_lines = run_script(script).splitlines()[-3:]
    assert all(line.count("xxx0 ") == line.count("xxx3]") == 1 for line in last_lines)


@pytest.mark.parametrize("seed", [100_521, 100_890, 100_984, 101_442])
def test_a_doubled_request_around_the_end_of_its_session_is_applied_once(seed: int):
    """The first copy is applied and its reply is lost; the session is dropped; the second copy
    is refused with UNKNOWN_SESSION, and the client sent the commands in a new session."""
    options = Options(seed)
    plan = draw_plan(options)
    plan.session_limits = SessionLimits(
        sessions_max=1 + seed % 2, window=64, bytes_max=4000, result_bytes_max=200
    )
    plan.rates = Rates(1, 30, loss=100, duplicate=300, duplicate_span=600)
    plan.kinds |= {"evict", "duplicate"}
    Simulation(options, plan=plan).run()


def test_who_is_gone_may_have_applied_more_than_the_others_know_yet():
    """The monitor called commands lost that the new leader was still proposing again."""
    Simulation(Options(seed=6058, seconds=36)).run()


def test_a_round_ends_only_under_a_leader():
    """One that came back had promised more, and deposed the leader just before the rest, in which
    the next election counted as an unrest."""
    Simulation(Options(seed=26276, seconds=36)).run()


def test_a_round_of_many_frames_has_steps_left_for_its_healing():
    """Its faults alone took 34,000 steps of the 40,000 that were for both."""
    Simulation(Options(seed=81194, seconds=16)).run()


def test_a_last_command_that_finds_no_room_is_sent_again():
    """The onlooker called a cluster sick that said, rightly, that older commands filled it."""
    Simulation(Options(seed=31980, seconds=36)).run()
