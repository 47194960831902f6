"""The clients of a simulated cluster: each has a seat, and whoever dies is followed by another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paxos_core.client import Client, ClientConfig, Outcome, Overloaded, ResultTooLarge
from paxos_core.codec import Codec
from paxos_core.testing.chance import CLIENT, stream
from paxos_core.testing.failure import Violation
from paxos_core.testing.members import CLUSTER, SimulatedClient
from paxos_core.testing.plan import TICK_UNITS

if TYPE_CHECKING:
    from paxos_core.testing.simulator import Simulation

SUCCESSOR = 1000
"""How far the endpoint of a client is from that of the next one in its place."""


class Seats:
    """Who takes the submissions of each of the plan's clients: the first, or its successor."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._seats = [self._make(config) for config in simulation.plan.clients]
        self.clients = {client.client.config.endpoint: client for client in self._seats}
        """By endpoint; those who died are gone."""

    def _make(self, config: ClientConfig) -> SimulatedClient:
        simulation = self._simulation
        simulation.monitor.opened(config.endpoint)
        client = SimulatedClient(Client(config), Codec(CLUSTER, config.endpoint))
        chance = stream(simulation.options.seed, CLIENT, config.endpoint)
        skew = simulation.plan.skew_permille
        client.period_units = TICK_UNITS + chance.between(-skew, skew) * TICK_UNITS // 1000
        simulation.at(config.endpoint % TICK_UNITS, self._tick, client)
        return client

    def end(self, seat: int) -> None:
        """The process of a client ends; another begins, with an endpoint of its own."""
        old = self._seats[seat]
        endpoint = old.client.config.endpoint
        counts = self._simulation.monitor.counts
        counts["client died"] += 1
        if old.client.outstanding:
            counts["client died waiting"] += 1
        self._simulation.say(f"{endpoint} died")
        old.dead = True
        del self.clients[endpoint]
        new = self._make(replace(old.client.config, endpoint=endpoint + SUCCESSOR))
        self.clients[endpoint + SUCCESSOR] = self._seats[seat] = new

    def submit_at(self, seat: int, commands: list[bytes]) -> None:
        """Give whoever has this seat commands now."""
        self.submit(self._seats[seat], commands)

    def submit(self, client: SimulatedClient, commands: list[bytes]) -> None:
        """Give `client` commands now; they are lost if its queue is full."""
        if not client.client.outstanding:
            client.older += client.doubtful
            client.doubtful.clear()
        try:
            ticket = client.client.submit(commands)
        except Overloaded:
            self._simulation.monitor.counts["client queue full"] += 1
            return
        assert ticket == len(client.commands)
        client.commands += commands
        self._simulation.monitor.submitted.update(commands)
        self._pump(client)

    def receive(self, client: SimulatedClient, frame: bytes) -> None:
        """A frame arrives; nobody is there any more if the client has died."""
        if client.dead:
            return
        client.client.receive(*client.codec.decode(frame))
        self._pump(client)

    def _tick(self, client: SimulatedClient, _: None) -> None:
        if client.dead:
            return
        self._simulation.at(client.period_units, self._tick, client)
        waits = client.client.outstanding
        client.client.tick()
        if waits:
            self._pump(client)

    def _pump(self, client: SimulatedClient) -> None:
        """Send what the client has to send, and note what ended."""
        ready = client.client.take()
        endpoint = client.client.config.endpoint
        for to, message in ready.messages:
            self._simulation.put(endpoint, to, client.codec.encode(message), message)
        for completion in ready.completions:
            for ticket, outcome in enumerate(completion.outcomes, completion.ticket):
                command = client.commands[ticket]
                if not command:
                    raise Violation("one outcome per command", f"ticket {ticket} ends twice")
                client.commands[ticket] = b""
                self._simulation.say(f"{endpoint} {command[:12]!r} ended in {outcome!r}")
                self._simulation.monitor.ended(command, outcome)
                self._settle(client, command, outcome)

    def _settle(self, client: SimulatedClient, command: bytes, outcome: Outcome) -> None:
        """An answer settles what was open no more when its command was submitted."""
        if isinstance(outcome, bytes | ResultTooLarge):
            self._simulation.monitor.settled(client.older)
            client.older.clear()
        else:
            client.doubtful.append(command)
