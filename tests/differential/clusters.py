"""The simulator's clusters with C in them: every replica in lockstep, or with little memory."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from paxos_core import Replica, ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.testing import Options, Simulation, SimulationFailure, Violation
from paxos_core.testing.chance import stream
from paxos_core.testing.members import SimulatedNode
from paxos_core.testing.plan import Plan, Submission, draw_plan

from .cores import PairCore, TwinCore
from .pair import Difference, MakeSide, Pair
from .setup import Setup
from .twin import NoMemory, Twin

_LOAD = 33
CROWD = 400
SHADOW_LOG_SLOTS = 1 << 12
SHADOW_OPEN_SLOTS = 1 << 12


def setup_of(config: ReplicaConfig, node: SimulatedNode, memory_bytes: int = 1 << 20) -> Setup:
    """What `node` starts from: its disk."""
    records = tuple(node.disk.records)
    return Setup(config, records, SHADOW_OPEN_SLOTS, SHADOW_LOG_SLOTS, memory_bytes)


class ShadowedSimulation(Simulation):
    """Every replica is a pair: what the simulator does to it happens to its twin too."""

    def __init__(self, options: Options, make: MakeSide = Twin) -> None:
        self._make_side = make
        super().__init__(options)

    def make_replica(
        self, node: SimulatedNode, config: ReplicaConfig, state: DurableState
    ) -> Replica:
        """A pair."""
        setup = setup_of(config, node)
        return cast(Replica, PairCore(setup, Pair(setup, self._make_side)))


class SmallSimulation(Simulation):
    """Every node runs C, in a block of so many bytes over the least."""

    def __init__(
        self,
        options: Options,
        memory_bytes: int,
        plan: Plan | None = None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self.cores: list[TwinCore] = []
        self.grown = 0
        """How often a restart needed a larger block."""
        super().__init__(options, plan=plan)

    def make_replica(
        self, node: SimulatedNode, config: ReplicaConfig, state: DurableState
    ) -> Replica:
        """A twin, with more memory if what it had recorded needs more."""
        memory_bytes = self._memory_bytes
        while True:
            setup = setup_of(config, node, memory_bytes)
            try:
                core = TwinCore(setup, Twin(setup))
            except NoMemory:
                # What it had recorded leaves no room to work: so whoever runs it gives it more.
                self.grown += 1
                memory_bytes = memory_bytes * 2 + (1 << 16)
                continue
            self.cores.append(core)
            return cast(Replica, core)


def crowded(options: Options, log_keep_slots: int) -> Plan:
    """The plan of these options with so many large commands that the least block is too small."""
    plan = draw_plan(options)
    chance = stream(options.seed, _LOAD)
    sizes = (0, 100, plan.frame_bytes_max - 400)
    plan.submissions = [
        Submission(
            chance.below(plan.chaos_units),
            chance.below(len(plan.clients)),
            [b"c%d.0 " % number + b"." * chance.choice(sizes)],
        )
        for number in range(CROWD)
    ]
    plan.clients = [replace(client, outstanding_max=CROWD) for client in plan.clients]
    # Few open slots: else a promise has more pages than a time-out has round trips.
    plan.limits = replace(
        plan.limits,
        log_keep_slots=log_keep_slots,
        page_bytes_max=1 << 16,
        window_slots=4,
        vote_slots_max=8,
    )
    return plan


def shadow(seed: int, make: MakeSide = Twin) -> None:
    """One seed of the simulator, every replica in lockstep. Raises `Difference`."""
    try:
        ShadowedSimulation(Options(seed), make).run()
    except SimulationFailure as failure:
        raise _difference_in(failure) or failure from None


def _difference_in(failure: BaseException) -> Difference | None:
    """The simulator reports whatever is raised inside as a failure of its own."""
    error: BaseException | None = failure
    while error is not None:
        if isinstance(error, Difference):
            return error
        error = error.__cause__ or error.__context__
    return None


__all__ = ["ShadowedSimulation", "SmallSimulation", "Violation", "shadow"]
