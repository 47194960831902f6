"""The device's records and structures, held against the C header."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports import _paxos_device as device

UAPI = Path(__file__).parents[2] / "kmod" / "uapi"
STRUCTS = {
    "paxos_member": device.MemberStruct,
    "paxos_config": device.ConfigStruct,
    "paxos_stats": device.StatsStruct,
    "paxos_status": device.StatusStruct,
}
NUMBERS = {
    "PAXOS_ABI_VERSION": device.ABI_VERSION,
    "PAXOS_MEMBERS_MAX": device.MEMBERS_MAX,
    "PAXOS_INTERFACE_BYTES": device.INTERFACE_BYTES,
    "PAXOS_MAC_BYTES": device.MAC_BYTES,
    "PAXOS_LATENCY_BUCKETS": device.LATENCY_BUCKETS,
    "PAXOS_RECORD_ALIGN": device.RECORD_ALIGN,
    "PAXOS_FLAG_DURABLE": device.FLAG_DURABLE,
    "PAXOS_FLAG_VOTING": device.FLAG_VOTING,
    "PAXOS_IOC_CONFIGURE": device.IOC_CONFIGURE,
    "PAXOS_IOC_START": device.IOC_START,
    "PAXOS_IOC_STATS": device.IOC_STATS,
    "PAXOS_IOC_STATUS": device.IOC_STATUS,
    "PAXOS_DROP_CAUSES": len(device.DROP_CAUSES),
    "sizeof(struct paxos_record)": device.HEADER_BYTES,
    **{f"PAXOS_MODE_{m}": getattr(device, f"MODE_{m}") for m in ("RELAY", "REPLICA", "ECHO")},
    **{
        f"PAXOS_{name}": getattr(device, name)
        for name in (
            "SEND", "FRAME", "RESTORE", "RESTORE_SNAPSHOT", "PROPOSE", "PERSISTED", "COMPACT",
            "TICK", "DECIDED", "RECORD", "RECORD_SNAPSHOT", "SNAPSHOT_BYTES", "INSTALL", "SERVE",
            "LEADER", "CAUGHT_UP", "TOO_LARGE", "RECORD_CHECKPOINT", "RECORD_LAST",
        )
    },
    **{
        f"PAXOS_DROP_{cause.removeprefix('receive_').upper()}": number
        for number, cause in enumerate(device.DROP_CAUSES)
    },
}  # fmt: skip


def compiler() -> str:
    found = shutil.which("cc")
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs a C compiler, cc")
    return found


def test_structures_and_numbers_are_those_of_the_header(tmp_path: Path) -> None:
    wanted: dict[str, int] = dict(NUMBERS)
    for name, struct in STRUCTS.items():
        wanted[f"sizeof(struct {name})"] = ctypes.sizeof(struct)
        for field, _ in struct._fields_:
            wanted[f"offsetof(struct {name}, {field})"] = getattr(struct, field).offset
    lines = [f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in wanted]
    source = tmp_path / "numbers.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <paxos.h>\n"
        "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    program = tmp_path / "numbers"
    subprocess.run([compiler(), "-I", str(UAPI), "-o", str(program), str(source)], check=True)
    shown = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert dict(zip(wanted, map(int, shown.split()), strict=True)) == wanted


@pytest.mark.parametrize("size", range(20))
def test_a_record_comes_back_whole(size: int) -> None:
    payload = bytes(range(1, size + 1))
    one = device.pack_record(device.PROPOSE, 1, payload, b=2, c=3, d=2**64 - 1, flags=7)
    two = device.pack_frame(device.SEND, 5, payload)
    assert len(one) % device.RECORD_ALIGN == 0
    assert len(one) == device.record_bytes(size)
    records = device.split_records(one + two + one)
    assert records[0] == records[2] == (device.PROPOSE, 7, 1, 2, 3, 2**64 - 1, payload)
    assert records[1] == (device.SEND, 0, 5, 0, 0, 0, payload)


@pytest.mark.parametrize("cut", range(1, device.record_bytes(9)))
def test_a_record_that_is_cut_off_is_refused(cut: int) -> None:
    whole = device.pack_record(device.PROPOSE, 1, bytes(9))
    if cut >= device.HEADER_BYTES + 9:
        # Nothing but zeros is missing.
        assert len(device.split_records(whole[:cut])) == 1
        return
    with pytest.raises(device.RecordsError):
        device.split_records(whole + whole[:cut])


def test_a_length_below_the_header_is_refused() -> None:
    with pytest.raises(device.RecordsError, match="a record of 8 bytes"):
        device.split_records((8).to_bytes(4, "little") + bytes(60))


def test_a_configuration_that_does_not_fit_is_refused() -> None:
    macs = {node: bytes(6) for node in range(1, device.MEMBERS_MAX + 2)}
    with pytest.raises(ValueError, match="65 members"):
        device.make_config(device.MODE_RELAY, 1, "eth0", macs)
    with pytest.raises(ValueError, match="interface"):
        device.make_config(device.MODE_RELAY, 1, "x" * 16, {})
    with pytest.raises(ValueError, match="tick_us"):
        device.make_config(device.MODE_RELAY, 1, "eth0", {}, tick_us=2**32)


def test_members_stand_in_ascending_order() -> None:
    config = device.make_config(1, 9, "eth0", {9: b"abcdef", 2: b"ghijkl"}, flags=3)
    assert config.members == 2
    shown = [(config.member[n].node, bytes(config.member[n].mac)) for n in range(2)]
    assert shown == [(2, b"ghijkl"), (9, b"abcdef")]


def test_percentiles_lie_in_their_bucket() -> None:
    buckets = [0] * device.LATENCY_BUCKETS
    assert device.percentile_us(buckets, 0.5) == 0
    buckets[10] = 100
    assert device.percentile_us(buckets, 0.5) == 1.5
    buckets[20] = 10
    assert device.percentile_us(buckets, 0.5) < 2.1
    assert 2**20 <= device.percentile_us(buckets, 0.99) * 1000 <= 2**21


def test_the_counters_are_described() -> None:
    stats = device.StatsStruct(frames_received=3, frames_sent=4, decisions=5)
    stats.dropped[1] = 6
    stats.latency_ns[12] = 2
    stats.latency_ns_sum = 9_000
    shown = device.describe_stats(stats)
    assert (shown["frames_in"], shown["frames_out"], shown["decisions"]) == (3, 4, 5)
    assert shown["dropped"] == {"version": 6}
    assert shown["latency_us"]["mean"] == 4.5


U16, U64 = st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1)
RECORDS = st.lists(
    st.builds(device.DeviceRecord, U16, U16, U64, U64, U64, U64, st.binary(max_size=40)),
    max_size=8,
)


def packed(record: device.DeviceRecord) -> bytes:
    kind, flags, a, b, c, d, payload = record
    return device.pack_record(kind, a, payload, b=b, c=c, d=d, flags=flags)


@given(RECORDS)
def test_any_records_come_back(records: list[device.DeviceRecord]) -> None:
    assert device.split_records(b"".join(map(packed, records))) == records


@given(RECORDS, st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_whole_records_or_refused(
    records: list[device.DeviceRecord], noise: bytes, keep: int
) -> None:
    data = b"".join(map(packed, records))[:keep] + noise
    try:
        found = device.split_records(data)
    except device.RecordsError:
        return
    assert sum(len(record.payload) for record in found) <= len(data)
    # All but the zeros between records, which nobody reads.
    assert len(data) <= sum(map(len, map(packed, found)))
