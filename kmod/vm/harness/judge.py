"""What in a kernel's log means that something is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CONTEXT_LINES_MAX = 40
"""How much of the log is shown from a finding on."""

_FAULTS = (
    r"BUG: ",  # a bad pointer, KASAN, lockdep's harder cases, soft lockups, atomic sleeps
    r"kernel BUG at ",
    r"WARNING: ",  # WARN_ON, and lockdep's softer cases
    r"Oops: ",
    r"general protection fault",
    r"Kernel panic",
    r"invalid opcode: ",
    r"double fault",
    r"stack segment: ",
    r"KASAN: ",
    r"UBSAN: ",
    r"ODEBUG: ",
    r"INFO: (?:task .* blocked for more than|possible |rcu_|trying to register non-static key)",
    r"rcu: INFO: .*(?:stall|detected)",
    r"soft lockup",
    r"hard LOCKUP",
    r"unreferenced object",
    r"\bnew suspected memory leaks",
    r"refcount_t: ",
    r"ref_tracker: ",
    r"leaked reference",
    r"unregister_netdevice: waiting for ",
    r"list_(?:add|del) corruption",
    r"Objects remaining in ",
    r"Slab cache .* still has objects",
    r"page allocation failure",
    r"Out of memory: ",
    r"Bad page (?:state|map)",
    r"scheduling while atomic",
    r"sleeping function called from invalid context",
    r"bad unlock balance",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"nobody cared",
    r"NETDEV WATCHDOG",
    r"Unknown symbol",
    r"paxos: (?:self-test failed|assertion)",
)
_FAULT = re.compile("|".join(_FAULTS))
_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[[^]]*\])? ?")
# What a program writes to the log about itself is no word of the kernel's.
_NOT_KERNEL = re.compile(r"^kmod-(?:vm|test): ")
# Said by a test beforehand: the next fault is this very line, and meant to be.
_EXPECTED = re.compile(r"^kmod-test: expected: (.+)$")


@dataclass(frozen=True)
class Finding:
    """One fault, where it stands in the log."""

    line: int
    """From 1."""
    text: str
    """The line without its time."""
    context: str
    """The lines from there to the end of the report, as they are."""


def findings(log: str) -> list[Finding]:
    """All faults in a kernel's log, in order; a report of several such lines counts once."""
    return list(_reports(log.splitlines()))


def _reports(lines: list[str]) -> Iterator[Finding]:
    number = 0
    expected = ""
    while number < len(lines):
        text = _STAMP.sub("", lines[number])
        if announced := _EXPECTED.match(text):
            expected = announced[1]
        if _FAULT.search(text) is None or _NOT_KERNEL.match(text):
            number += 1
            continue
        if text == expected:
            expected = ""
            number += 1
            continue
        end = _end_of_report(lines, number)
        yield Finding(number + 1, text, "\n".join(lines[number:end]))
        number = end


def _end_of_report(lines: list[str], start: int) -> int:
    """A report ends with its trace's end mark, with a word of ours, or with the limit."""
    for number in range(start + 1, min(len(lines), start + CONTEXT_LINES_MAX)):
        text = _STAMP.sub("", lines[number])
        if "---[ end trace" in text:
            return number + 1
        if _NOT_KERNEL.match(text):
            return number
    return min(len(lines), start + CONTEXT_LINES_MAX)
