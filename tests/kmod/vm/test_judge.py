"""The judge of a kernel's log: each kind of fault is found, and ordinary messages are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import judge

FAULTS = [
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "BUG: KASAN: slab-out-of-bounds in fault_set+0x12/0x40 [paxos]",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
    "BUG: scheduling while atomic: swapper/0/0/0x00000002",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 42s!",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [python:123]",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]",
    "kernel BUG at kmod/module/endpoint.c:12!",
    "Kernel panic - not syncing: Fatal exception in interrupt",
    "WARNING: CPU: 0 PID: 5 at kmod/module/endpoint.c:12 paxos_open+0x1/0x2 [paxos]",
    "WARNING: possible circular locking dependency detected",
    "WARNING: inconsistent lock state",
    "WARNING: suspicious RCU usage",
    "INFO: task python:123 blocked for more than 30 seconds.",
    "INFO: trying to register non-static key.",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "unreferenced object 0xffff888004a4e000 (size 4096):",
    "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "refcount_t: underflow; use-after-free.",
    "unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
    "ref_tracker: veth0@00000000 has 1/1 users at",
    "ODEBUG: free active (active state 0) object type: timer_list hint: tick+0x0/0x20 [paxos]",
    "UBSAN: array-index-out-of-bounds in kmod/core/acceptor.c:10:5",
    "list_del corruption. prev->next should be ffff, but was dead",
    "BUG paxos_frame (Tainted: G): Objects remaining in paxos_frame on __kmem_cache_shutdown()",
    "python: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)",
    "Out of memory: Killed process 77 (python) total-vm:1kB",
    "BUG: Bad page state in process python  pfn:0000a",
    "paxos: Unknown symbol dev_queue_xmit (err -2)",
    'irq 11: nobody cared (try booting with the "irqpoll" option)',
]

ORDINARY = [
    "paxos: loading out-of-tree module taints kernel.",
    "paxos: module verification failed: signature and/or required key missing - tainting kernel",
    "AMD-Vi: AMD IOMMUv2 functionality not available on this system - This is not a bug.",
    "FAULT_INJECTION: forcing a failure.",
    "Call Trace:",
    "paxos: eth0 is gone, endpoint 3 is closed",
    "kmod-vm: trouble: rmmod failed, see WARNING: above",
    "kmod-test: begins: test_judge.py::test_fault[BUG: x]",
    "random: crng init done",
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready",
]


@pytest.mark.parametrize("stamp", ["", "[    4.361840] ", "<4>[   14.361840][   T77] "])
@pytest.mark.parametrize("line", FAULTS)
def test_fault(line: str, stamp: str) -> None:
    (found,) = judge.findings(f"[    1.0] before\n{stamp}{line}\n")
    assert found.line == 2
    assert found.text == line


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary(line: str) -> None:
    assert judge.findings(f"[    4.361840] {line}\n") == []


def test_a_report_of_many_lines_counts_once_and_is_shown_whole() -> None:
    report = [
        "[    5.000001] ------------[ cut here ]------------",
        "[    5.000002] WARNING: CPU: 0 PID: 5 at x.c:1 f+0x1/0x2 [paxos]",
        "[    5.000003] Call Trace:",
        "[    5.000004]  f+0x1/0x2 [paxos]",
        "[    5.000005] ---[ end trace 0000000000000000 ]---",
        "[    5.000006] WARNING: CPU: 0 PID: 5 at x.c:9 g+0x1/0x2 [paxos]",
    ]
    first, second = judge.findings("\n".join(report))
    assert first.context.splitlines() == report[1:5]
    assert second.line == 6


def test_a_report_ends_where_the_next_test_begins() -> None:
    log = "unreferenced object 0xffff (size 8):\n  backtrace\nkmod-test: begins: b\nOops: 2\n"
    first, second = judge.findings(log)
    assert first.context.splitlines() == ["unreferenced object 0xffff (size 8):", "  backtrace"]
    assert second.text == "Oops: 2"


def test_the_context_is_limited() -> None:
    (found, *_) = judge.findings("Oops: 0\n" + "x\n" * 1000)
    assert len(found.context.splitlines()) == judge.CONTEXT_LINES_MAX


def test_a_stock_boot_is_clean() -> None:
    assert judge.findings((Path(__file__).parent / "stock-boot.log").read_text()) == []


def test_a_fault_that_a_test_announces_is_excused_once_and_no_other() -> None:
    fault, other = (f"[    9.1{n}0000] paxos: assertion {n} of replica 1 failed" for n in (2, 3))
    announced = "[    9.000000] kmod-test: expected: paxos: assertion 2 of replica 1 failed"
    assert judge.findings("\n".join([announced, fault])) == []
    assert len(judge.findings("\n".join([announced, fault, fault]))) == 1
    assert len(judge.findings("\n".join([fault, announced]))) == 1
    assert [found.text for found in judge.findings("\n".join([announced, other]))] == [
        "paxos: assertion 3 of replica 1 failed"
    ]
