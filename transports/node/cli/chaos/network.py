"""The cables of a run's laboratory: pulled out, plugged in, and made to lose frames."""

from __future__ import annotations

from typing import Protocol

from transports.node.cli.lab.loss import Loss
from transports.node.cli.lab.network import set_link
from transports.node.cli.lab.plan import Plan


class Network(Protocol):
    """What is done to a node's cable. Both raise `Failure`."""

    def set_link(self, node: int, up: bool) -> None:
        """Plug it in, or pull it out."""
        ...

    def set_loss(self, node: int, share: float) -> None:
        """Lose so many of the frames on it, in both directions; 0 for none."""
        ...


class LabNetwork:
    """A laboratory's."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._losses: dict[int, Loss] = {}

    def set_link(self, node: int, up: bool) -> None:
        """As `Network.set_link`."""
        set_link(self._plan.laboratory, self._plan.node(node).name, up=up)

    def set_loss(self, node: int, share: float) -> None:
        """As `Network.set_loss`."""
        if (old := self._losses.pop(node, None)) is not None:
            old.close()
        if share:
            self._losses[node] = Loss(self._plan, node, share)


class NoNetwork:
    """Where there are no cables: nothing is done."""

    def set_link(self, node: int, up: bool) -> None:
        """As `Network.set_link`."""

    def set_loss(self, node: int, share: float) -> None:
        """As `Network.set_loss`."""
