"""A process of the bench: one end of the rungs without Paxos, trio and this project's transports.

The argument is JSON: `role` (`echo`, `follower`, `leader`, `client`), `kind` (see `channels`),
`host`, `interface`, `next` (where the process behind listens; none for the last one), and
`sizes` (bytes of the frames `request`, `accept`, `accepted`, `reply`; an echo's are all its
command's). All sockets block. The client speaks the protocol of `meter`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns

from transports.bench.channels import CONNECT, LISTEN, Channel
from transports.bench.meter import Job, Meter, read_job
from transports.bench.saved.schema import Closed
from transports.bench.wire import Message, parse, say

COMMAND_BYTES_MAX = 1400
"""What fits one packet on every layer."""


def echo(job: Message) -> None:
    """Give back whatever comes, as it comes."""
    front = LISTEN[job["kind"]](job)()
    receive, send = front.receive_some, front.send
    while True:
        send(receive())


def follow(job: Message) -> None:
    """Answer each accept."""
    sizes = job["sizes"]
    front = LISTEN[job["kind"]](job)()
    receive, send = front.receive, front.send
    due, answer = sizes["accept"], bytes(sizes["accepted"])
    while True:
        receive(due)
        send(answer)


def lead(job: Message) -> None:
    """For each request an accept; for its answer the reply."""
    sizes = job["sizes"]
    back = CONNECT[job["kind"]](job)
    front = LISTEN[job["kind"]](job)()
    request_due, accepted_due = sizes["request"], sizes["accepted"]
    accept, reply = bytes(sizes["accept"]), bytes(sizes["reply"])
    while True:
        front.receive(request_due)
        back.send(accept)
        back.receive(accepted_due)
        front.send(reply)


def load(job: Message) -> None:
    """Do the jobs on stdin, until it ends."""
    back = CONNECT[job["kind"]](job)
    say({"ready": {"command_bytes_max": COMMAND_BYTES_MAX}})
    for line in sys.stdin.buffer:
        work = read_job(parse(line)["job"])
        sizes = job["sizes"]
        # An echo's frames are its command; those of the hops have the sizes of the protocol's.
        request = sizes.get("request", work.command_bytes)
        reply = sizes.get("reply", work.command_bytes)
        say({"result": run_job(back, work, request, reply)})


def run_job(back: Channel, job: Job, request_bytes: int, reply_bytes: int) -> Message:
    """A closed loop. Raises `ValueError` for a plan: a socket that blocks waits for one thing."""
    if not isinstance(job.load, Closed):
        raise ValueError("plain blocking sockets take closed loops alone")
    if job.load.outstanding == 1:
        return _one(back, job, bytes(request_bytes), reply_bytes)
    return _many(back, job, job.load.outstanding, bytes(request_bytes), reply_bytes)


def _one(back: Channel, job: Job, request: bytes, due: int) -> Message:
    send, receive = back.send, back.receive
    meter = Meter(job)
    while meter.is_open(begun := perf_counter_ns()):
        send(request)
        receive(due)
        meter.ended(begun, 1, perf_counter_ns())
    return meter.result()


def _many(back: Channel, job: Job, outstanding: int, request: bytes, due: int) -> Message:
    """What one receive brings, the next send replaces."""
    meter = Meter(job)
    now = perf_counter_ns()
    # When each left, oldest first: they come back in the order in which they leave.
    begun = [now] * outstanding
    back.send_many(request, outstanding)
    rest = 0
    while begun:
        rest += len(back.receive_some())
        count, rest = divmod(rest, due)
        if not count:
            continue
        now = perf_counter_ns()
        for moment in begun[:count]:
            meter.ended(moment, 1, now)
        del begun[:count]
        if meter.is_open(now):
            begun += [now] * count
            back.send_many(request, count)
    return meter.result()


ROLES: dict[str, Callable[[Message], None]] = {
    "echo": echo,
    "follower": follow,
    "leader": lead,
    "client": load,
}


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    # The main thread waits in the kernel, maybe for ever.
    os._exit(0)


def main() -> int:
    """Play the role until stdin ends; 1 if it could not be played, with the reason on stdout."""
    job = json.loads(sys.argv[1])
    if job["role"] != "client":
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        ROLES[job["role"]](job)
    except Exception as error:
        cause = "no answer in time" if isinstance(error, BlockingIOError) else error
        say({"error": f"plain {job['kind']}, {job['role']}: {cause}"})
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # The thread that waits for stdin holds its lock.
    os._exit(status)
