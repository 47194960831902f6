"""`paxos play`: the laboratory (`paxos_core.testing.laboratory`) as a page on this machine.

`session` turns what a page asks for into what the laboratory does, `server` is HTTP around
it, for this machine alone, and `static/` is the page.
"""

from transports.viewer.play.server import PlayServer, PortTaken

__all__ = ["PlayServer", "PortTaken"]
