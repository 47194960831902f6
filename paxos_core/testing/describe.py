"""As `paxos_core.describe`."""

from paxos_core.describe import (
    describe_message,
    describe_record,
    describe_value,
    describe_vote,
)

__all__ = ["describe_message", "describe_record", "describe_value", "describe_vote"]
