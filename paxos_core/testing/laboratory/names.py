"""The names of the invariants that have a light."""

from typing import Final

ONE_VALUE: Final = "one value per slot"
LATER_BALLOTS: Final = "later ballots propose the chosen value"
ONE_PROPOSAL: Final = "one value per ballot and slot"
PROMISES: Final = "promises never regress"
DURABLE: Final = "durable before sent"
LOGS: Final = "logs are prefixes of one another"
PROPOSED: Final = "only proposed values"
