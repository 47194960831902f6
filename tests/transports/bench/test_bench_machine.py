import os
import subprocess
from pathlib import Path

import pytest
from bench_kit import make_head

from transports.bench import machine
from transports.bench.ladder.pins import apply_pins, choose_pins
from transports.bench.machine import describe_machine, differences, file_system
from transports.bench.processes import MeasureFailed, parse_resident_kib
from transports.bench.trace import parse_calls

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/vdb /tmp/wide\\040name xfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nowhere", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmpfoo", "ext4"),
        ("/tmp/deep/er", "tmpfs"),
        ("/tmp/wide name/x", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(path: str, expected: str) -> None:
    assert file_system(Path(path), MOUNTS) == expected


def test_the_order_of_the_mounts_does_not_matter() -> None:
    turned = "\n".join(reversed(MOUNTS.splitlines()))
    assert file_system(Path("/tmp/deep"), turned) == "tmpfs"


def test_a_path_on_no_mount_is_said_to_be_unknown() -> None:
    assert "unknown" in file_system(Path("/x"), "")


def test_the_machine_is_described_in_full(tmp_path: Path) -> None:
    machine = describe_machine(tmp_path)
    assert all(machine.values())
    assert {"date", "processor", "kernel", "python", "packages", "stores"} <= set(machine)
    assert "trio" in machine["packages"]


def test_resident_memory_is_read_from_the_status_file() -> None:
    assert parse_resident_kib("Name:\tx\nVmPeak:\t 9 kB\nVmRSS:\t  5124 kB\n") == 5124


def test_a_process_without_resident_memory_is_a_failure() -> None:
    with pytest.raises(MeasureFailed, match="resident"):
        parse_resident_kib("Name:\tx\nState:\tZ (zombie)\n")


def test_pins_keep_a_process_where_its_role_belongs() -> None:
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one processor: there is nothing to choose")
    pins = choose_pins()
    assert os.sched_getaffinity(0) == before, "trying it left this process elsewhere"
    assert pins["leader"] == pins["client"] != pins["follower"]
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        apply_pins(pins, {"follower 3": child.pid, "nobody's role": os.getpid()})
        assert sorted(os.sched_getaffinity(child.pid)) == pins["follower"]
        assert os.sched_getaffinity(0) == before
        assert child.stdin is not None
        child.stdin.close()
    apply_pins(pins, {"leader": child.pid})


def test_a_table_of_strace_is_read() -> None:
    table = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100           epoll_wait
 40.00    0.000400           8        50         7 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           6       150         7 total
"""
    assert parse_calls(table) == {"epoll_wait": 100, "recvfrom": 50}
    with pytest.raises(MeasureFailed, match="strace counted nothing"):
        parse_calls("")


def test_what_figures_depend_on_is_compared() -> None:
    head = make_head([])
    assert differences(head, head.machine, head.versions) == []
    machine = {**head.machine, "kernel": "Linux 2", "load": "9"}
    versions = {**head.versions, "trio": "1"}
    assert differences(head, machine, versions) == [
        ("kernel", "Linux <1>", "Linux 2"),
        ("trio", "none", "1"),
    ]


def test_a_git_that_takes_too_long_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text(
        '#!/bin/sh\ncase "$*" in *rev-parse*) echo abc ;; *) exec /bin/sleep 60 ;; esac\n'
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "SAY_SECONDS", 0.5)
    assert machine.versions()["commit"] == "abc, perhaps changed"
