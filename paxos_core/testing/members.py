"""The members of a simulated cluster: nodes and clients."""

from __future__ import annotations

from paxos_core.client import Client
from paxos_core.codec import Codec
from paxos_core.service import Service
from paxos_core.testing.chance import Chance
from paxos_core.testing.disk import Disk
from paxos_core.testing.plan import TICK_UNITS
from paxos_core.types import NodeId, WriteId

CLUSTER = 0x51


class SimulatedNode:
    """One member: its service while it runs, and what outlives it."""

    __slots__ = (
        "armed", "backlog", "chance", "codec", "disk", "disk_free_at", "disk_units_max",
        "flush_due", "foreign", "gone", "id", "incarnation", "last_write", "leads", "paused",
        "period_units", "service", "stands", "usual_period_units", "voting", "writes_first",
    )  # fmt: skip

    def __init__(self, node: NodeId, codec: Codec, disk: Disk, chance: Chance) -> None:
        self.id = node
        self.codec = codec
        self.disk = disk
        self.chance = chance
        self.foreign = False
        """Its core is not Python's."""
        self.service: Service | None = None
        self.incarnation = 0
        self.voting = True
        self.gone = False
        self.usual_period_units = TICK_UNITS
        self.period_units = TICK_UNITS
        """How long its clock takes for a tick, now."""
        self.stands = False
        """Its clock was set back: no tick comes, but frames do."""
        self.disk_units_max = 1
        self.disk_free_at = 0
        self.last_write: WriteId = 0
        self.writes_first = False
        self.paused = False
        self.leads = False
        self.backlog: list[bytes] = []
        self.flush_due = False
        self.armed = 0
        """Which moment of the next write it will crash at; 0 for none."""


class SimulatedClient:
    """One client and the commands that it has been given, by ticket."""

    __slots__ = ("client", "codec", "commands", "dead", "doubtful", "older", "period_units")

    def __init__(self, client: Client, codec: Codec) -> None:
        self.client = client
        self.codec = codec
        self.commands: list[bytes] = []
        self.doubtful: list[bytes] = []
        """What ended in an error."""
        self.older: list[bytes] = []
        """The part of it that had ended when something was submitted with nothing else open."""
        self.period_units = TICK_UNITS
        self.dead = False
        """Its process has ended; nobody waits for its outcomes."""
