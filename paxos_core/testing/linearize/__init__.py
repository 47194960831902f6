"""Is a history linearizable? A checker for registers and key-value stores.

A history is linearizable if every operation can be given one moment between its call and its
return, so that the results are those of the operations one after the other (Herlihy and Wing,
1990). `check` decides it; `explain` finds the smallest part that cannot be ordered.
"""

from paxos_core.testing.linearize.explain import Window, explain
from paxos_core.testing.linearize.models import MODELS, KeyValue, Model, Register
from paxos_core.testing.linearize.operations import Operation, Recorder
from paxos_core.testing.linearize.readers import HistoryError, read_history, write_history
from paxos_core.testing.linearize.search import SearchTooLarge, check

__all__ = [
    "MODELS",
    "HistoryError",
    "KeyValue",
    "Model",
    "Operation",
    "Recorder",
    "Register",
    "SearchTooLarge",
    "Window",
    "check",
    "explain",
    "read_history",
    "write_history",
]
