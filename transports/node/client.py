"""A client: finds the leader, retries over failovers, and says how each command ended.

It drives `paxos_core.Client` over any transport. One task receives, one counts
ticks; commands submitted by many tasks at once share frames.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from paxos_core import Client as ClientCore
from paxos_core import ClientConfig, Codec, DecodeError
from paxos_core.client import (
    ClientError,
    ClusterUnreachable,
    CommandTooLarge,
    Completion,
    Outcome,
    OutcomeUnknown,
    Overloaded,
    ResultTooLarge,
)
from paxos_core.messages import Chosen, Message, StatusReply
from transports.api import FIRST_CLIENT_ID, LAST_CLIENT_ID, Frame, Transport
from transports.node.config import ClusterConfig, check_frame
from transports.node.dedicated import collect_less, feed_drains
from transports.node.opening import open_endpoint
from transports.node.questions import NodeSilent, Questions
from transports.node.streams import Listener, Stream
from transports.node.tasks import background


@dataclass(slots=True)
class _Call:
    """What one task waits for."""

    outcome: Outcome | None = None
    """None while there is none; done without one, the client was closed."""
    done: trio.Event = field(default_factory=trio.Event)


class Client:
    """An open client. Made by `open_client`; any number of tasks may use it at once."""

    def __init__(
        self,
        config: ClusterConfig,
        core: ClientCore,
        transport: Transport,
        dedicated: bool = False,
    ) -> None:
        self.config = config
        self._core = core
        self._transport = transport
        self._codec = Codec(config.cluster_id, core.config.endpoint)
        self._calls: dict[int, _Call] = {}
        self._streams: set[Stream] = set()
        self._listeners: dict[int, Listener] = {}
        self._flush_due = trio.Event()
        self._questions = Questions(self._send)
        self._dedicated = dedicated
        self._closed = False

    @property
    def command_bytes_max(self) -> int:
        """The largest command that fits a frame of this transport."""
        return min(self._core.command_bytes_max, self.config.limits.command_bytes_max)

    async def submit(self, command: bytes) -> bytes:
        """Have `command` applied exactly once, and return its result.

        Raises `CommandTooLarge`, `Overloaded`, `ClusterUnreachable` (it was not
        applied), `OutcomeUnknown` (it may have been), `ResultTooLarge` (it was).
        Cancelled, it may have been applied as well; so it may when the client is closed
        meanwhile, which raises `trio.ClosedResourceError`, as a closed one does. Raises
        `TypeError` for what is not `bytes`.
        """
        alone = self._core.outstanding == 0
        ticket = self._submit_core([command])
        call = self._calls[ticket] = _Call()
        if alone:
            self._flush()
        else:
            # Others are about to submit too: one frame for all who do so in this pass.
            self._flush_due.set()
        try:
            await call.done.wait()
        finally:
            self._calls.pop(ticket, None)
        outcome = call.outcome
        if outcome is None:
            raise trio.ClosedResourceError
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    async def submit_many(
        self, commands: Iterable[bytes], *, outstanding: int = 1024
    ) -> list[Outcome]:
        """Have all `commands` applied, with up to `outstanding` on their way at a time.

        Returns a result or a `ClientError` for each, in order. Commands that are on
        their way together may be applied in any order.
        """
        collected: dict[int, Outcome] = {}
        begun: list[int] = []

        def note(ticket: int, outcomes: list[Outcome]) -> None:
            for number, outcome in enumerate(outcomes, ticket):
                collected[number] = outcome

        await self.stream(
            commands,
            outstanding=outstanding,
            on_submit=lambda ticket, count: begun.extend(range(ticket, ticket + count)),
            on_outcomes=note,
        )
        return [collected[number] for number in begun]

    async def stream(
        self,
        commands: Iterable[bytes],
        *,
        outstanding: int,
        on_submit: Callable[[int, int], None],
        on_outcomes: Callable[[int, list[Outcome]], None],
    ) -> None:
        """A closed loop without a task per command: what benchmarks and bulk loads use.

        Keeps `outstanding` commands on their way. ``on_submit(ticket, count)`` is
        called as numbered commands leave, ``on_outcomes(ticket, outcomes)`` as they
        end; a ticket is the first command's number in this client.

        A command that cannot be taken (`CommandTooLarge`, `Overloaded`) ends the
        stream: what is on its way is waited for, then the error is raised. So it is with
        what `commands` or the callbacks raise. Cancelled, nothing more leaves, and the
        callbacks are not called again. Raises `trio.ClosedResourceError` when the client is
        closed meanwhile.
        """
        if outstanding < 1:
            raise ValueError(f"outstanding is at least 1, not {outstanding}")
        stream = Stream(commands, outstanding, self._leave, on_submit, on_outcomes)
        self._streams.add(stream)
        try:
            stream.fill()
            self._flush()
            await stream.wait()
        finally:
            self._streams.discard(stream)
            stream.close()

    def post(self, commands: list[bytes], on_outcomes: Callable[[int, list[Outcome]], None]) -> int:
        """Have `commands` leave now, and return at once: for loads that follow a plan.

        ``on_outcomes(ticket, outcomes)`` is called as they end, in parts; the ticket of the
        first is what `post` returns. Raises `CommandTooLarge`, `Overloaded`, `TypeError` and
        `trio.ClosedResourceError`, and then nothing has left.
        """

        def ended(completion: Completion) -> None:
            on_outcomes(completion.ticket, completion.outcomes)

        ticket = self._leave(commands, ended)
        self._flush()
        return ticket

    def _leave(self, commands: list[bytes], listener: Listener) -> int:
        ticket = self._submit_core(commands)
        self._listeners.update(dict.fromkeys(range(ticket, ticket + len(commands)), listener))
        return ticket

    def _submit_core(self, commands: list[bytes]) -> int:
        if self._closed:
            raise trio.ClosedResourceError
        if not set(map(type, commands)) <= {bytes}:
            # Here, where only the caller sees it: later it would end everybody's tasks.
            wrong = next(type(c).__name__ for c in commands if type(c) is not bytes)
            raise TypeError(f"a command is bytes, not {wrong}")
        largest = max(map(len, commands))
        if largest > self.command_bytes_max:
            raise CommandTooLarge(
                f"a command of {largest} bytes: at most {self.command_bytes_max} are taken"
            )
        return self._core.submit(commands)

    def _close(self) -> None:
        """Take no more commands, and wake whoever waits: nobody receives any more."""
        self._closed = True
        for call in self._calls.values():
            call.done.set()
        for stream in self._streams:
            stream.close()

    # Questions to one node

    async def status(self, node: int, timeout: float = 1.0) -> dict[str, Any] | None:
        """What `Node.status` says there; `None` if no answer comes within `timeout` seconds."""
        return await self._questions.status(node, timeout)

    def log(
        self, node: int, first_slot: int = 0, timeout: float = 1.0
    ) -> AsyncIterator[tuple[int, list[bytes]]]:
        """The log of `node` from `first_slot`, as (slot, commands), up to what it knows chosen.

        Begins later than asked if the node has trimmed its log. Commands are as the
        log has them: `paxos_core.session.decode_group` reads one. Raises `NodeSilent`
        when the node does not answer for `timeout` seconds.
        """
        return self._questions.log(node, first_slot, timeout)

    # The loop

    async def _receive_loop(self) -> None:
        await feed_drains(self._transport, self._feed, self._lingers)

    def _lingers(self) -> bool:
        """Only while all answers go to streams, whose next commands leave with the last answers."""
        return self._dedicated and bool(self._listeners) and not self._calls

    def _feed(self, frames: list[Frame]) -> None:
        """One drain: everything in, then one round of what follows."""
        decode, receive = self._codec.decode, self._core.receive
        for sender, frame in frames:
            try:
                claimed, message = decode(frame)
            except DecodeError:
                continue
            if claimed != sender:
                continue
            match message:
                case StatusReply() | Chosen():
                    self._questions.receive(sender, message)
                case _:
                    receive(sender, message)
        self._flush()

    async def _tick_loop(self) -> None:
        tick_seconds = self.config.tick_ms / 1000
        while True:
            await trio.sleep(tick_seconds)
            self._core.tick()
            self._flush()

    async def _flush_loop(self) -> None:
        while True:
            await self._flush_due.wait()
            self._flush_due = trio.Event()
            self._flush()

    def _flush(self) -> None:
        """Send what the core has, and hand out what ended; that may submit more."""
        while True:
            ready = self._core.take()
            if ready.messages:
                self._send(ready.messages)
            if not ready.completions:
                return
            for completion in ready.completions:
                self._complete(completion)

    def _send(self, messages: list[tuple[int, Message]]) -> None:
        encode = self._codec.encode
        self._transport.send([(to, encode(message)) for to, message in messages])

    def _complete(self, completion: Completion) -> None:
        call = self._calls.get(completion.ticket)
        if call is not None and len(completion.outcomes) == 1:
            call.outcome = completion.outcomes[0]
            call.done.set()
            return
        self._complete_parts(completion)

    def _complete_parts(self, completion: Completion) -> None:
        """One completion may answer several calls, and the commands of several streams."""
        ticket, outcomes = completion.ticket, completion.outcomes
        start = 0
        while start < len(outcomes):
            listener = self._listeners.pop(ticket + start, None)
            end = start + 1
            if listener is None:
                call = self._calls.get(ticket + start)
                if call is not None:
                    call.outcome = outcomes[start]
                    call.done.set()
            else:
                while end < len(outcomes) and self._listeners.get(ticket + end) is listener:
                    del self._listeners[ticket + end]
                    end += 1
                listener(Completion(ticket + start, outcomes[start:end]))
            start = end


@asynccontextmanager
async def open_client(
    config: ClusterConfig, *, timeout: float = 10.0, dedicated: bool = False
) -> AsyncIterator[Client]:
    """A client of the cluster, while the context lasts.

    A command without an answer for `timeout` seconds ends in an error. `dedicated`
    says that the process does nothing else: while all that is on its way belongs to
    streams, the client waits for answers without trio, for up to a millisecond, which
    saves a pass of its scheduler and delays other tasks by as much. Raises
    `TransportError` or `ConfigError` if it cannot be opened; that no node is
    running is no error here, only for the commands.
    """
    endpoint = FIRST_CLIENT_ID + secrets.randbelow(LAST_CLIENT_ID - FIRST_CLIENT_ID)
    async with open_endpoint(config, endpoint) as transport:
        check_frame(config, transport.frame_bytes_max)
        core = ClientCore(
            ClientConfig(
                endpoint,
                tuple(config.nodes),
                frame_bytes_max=transport.frame_bytes_max,
                retry_ticks=max(1, 200 // config.tick_ms),
                deadline_ticks=max(1, round(timeout * 1000 / config.tick_ms)),
            )
        )
        client = Client(config, core, transport, dedicated)
        if dedicated:
            collect_less()
        try:
            async with background(client._receive_loop, client._tick_loop, client._flush_loop):
                yield client
        finally:
            client._close()


__all__ = [
    "Client",
    "ClientError",
    "ClusterUnreachable",
    "CommandTooLarge",
    "NodeSilent",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "ResultTooLarge",
    "open_client",
]
