from pathlib import Path

import pytest

from transports.bench.machine import describe_machine, file_system
from transports.bench.processes import MeasureFailed, parse_resident_kib

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
