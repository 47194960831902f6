from __future__ import annotations

import os
import tomllib
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.config import Limits, Timing
from paxos_core.service import largest_command
from transports.node.config import (
    ClusterConfig,
    ConfigError,
    LogConfig,
    QuorumSizes,
    check_frame,
    load_config,
    parse_config,
    to_toml,
)
from transports.node.config.check import LIMIT_BOUNDS

BASE = Path("/somewhere")
NODES = '[nodes]\n1 = "127.0.0.1:7101"\n2 = "127.0.0.1:7102"\n3 = "127.0.0.1:7103"\n'
EVERYTHING = f"""cluster = "demo"
transport = "zeromq"
store = "memory"
data = "state"

{NODES}
[transport_options]
frame_bytes_max = 1000000
no_delay = true
"odd key" = "a \\"b\\""
ratio = 0.5

[quorum]
phase1 = 3
phase2 = 1

[timing]
tick_ms = 10
heartbeat_ticks = 2
election_ticks_min = 20
election_ticks_max = 40
resend_ticks = 7

[limits]
window_slots = 16
command_bytes_max = 1024

[log]
level = "debug"
format = "json"
"""


def parse(text: str) -> ClusterConfig:
    return parse_config(text, source="paxos.toml", base=BASE)


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.isprintable(), "one line, and nothing that could break it"
    assert "; " in message, "a cause and a cure"
    return message


def test_only_nodes_is_required() -> None:
    config = parse(NODES)
    assert dict(config.nodes) == {1: "127.0.0.1:7101", 2: "127.0.0.1:7102", 3: "127.0.0.1:7103"}
    assert (config.cluster, config.transport, config.store) == ("paxos", "tcp", "durable")
    assert config.data_path == BASE / "data"
    assert config.store_path(2) == BASE / "data" / "node-2"
    assert (config.tick_ms, config.timing, config.limits) == (20, Timing(), Limits())
    assert config.log == LogConfig("info", "text")
    assert config.quorum is None
    assert (config.phase1, config.phase2) == (2, 2)


def test_every_table() -> None:
    config = parse(EVERYTHING)
    assert config.transport_options == {
        "frame_bytes_max": 1_000_000,
        "no_delay": True,
        "odd key": 'a "b"',
        "ratio": 0.5,
    }
    assert (config.phase1, config.phase2) == (3, 1)
    assert config.tick_ms == 10
    assert config.timing == Timing(2, 20, 40, 7)
    assert config.limits == Limits(window_slots=16, command_bytes_max=1024)
    assert config.log == LogConfig("debug", "json")


def test_a_core_is_chosen_by_a_word() -> None:
    assert parse(NODES).core == "python"
    config = parse('core = "c"\n' + NODES)
    assert config.core == "c"
    assert not config.kernel_replica
    assert 'core = "c"' in to_toml(config)
    assert "core: " in mistake('core = "fortran"\n' + NODES)


KERNEL = NODES + '[transport_options]\ninterface = "eth0"\nmode = "{}"\n'


def test_a_replica_in_the_kernel_has_no_other_core_and_no_key() -> None:
    replica, relay = KERNEL.format("replica"), KERNEL.format("relay")
    config = parse('transport = "kmod"\n' + replica)
    assert config.kernel_replica
    assert parse(to_toml(config)) == config
    assert "relay" in mistake('transport = "kmod"\ncore = "python"\n' + replica)
    said = mistake('transport = "kmod"\n' + replica + 'key_file = "key"\n')
    assert "transport_options.key_file: a replica in the kernel does not seal its frames" in said
    for text in (relay + 'key_file = "key"\n', relay):
        assert not parse('transport = "kmod"\ncore = "c"\n' + text).kernel_replica
    assert not parse('transport = "pigeon"\ncore = "c"\n' + replica).kernel_replica


def test_the_cluster_number_is_fixed_by_its_name() -> None:
    assert parse(NODES).cluster_id == 0x2AD2_5EE4_1503_46D6
    assert parse('cluster = "other"\n' + NODES).cluster_id != parse(NODES).cluster_id
    assert 0 <= parse('cluster = "ö"\n' + NODES).cluster_id < 1 << 64


def test_nodes_are_in_order_whatever_the_file() -> None:
    config = parse('[nodes]\n10 = "c"\n9 = "b"\n2 = "a"\n')
    assert list(config.nodes) == [2, 9, 10]


@pytest.mark.parametrize("count", range(1, 16))
def test_majorities_by_default(count: int) -> None:
    config = parse("[nodes]\n" + "".join(f'{node} = "h:{node}"\n' for node in range(1, count + 1)))
    assert config.phase1 == config.phase2 == count // 2 + 1
    assert config.phase1 + config.phase2 > count


def test_everything_is_frozen() -> None:
    config = parse(EVERYTHING)
    with pytest.raises(FrozenInstanceError):
        config.cluster = "x"  # type: ignore[misc]
    mappings: tuple[Any, ...] = (config.nodes, config.transport_options)
    for mapping in mappings:
        with pytest.raises(TypeError):
            mapping["x"] = "y"
    with pytest.raises(AttributeError):
        config.log.level = "error"  # type: ignore[misc]


@pytest.mark.parametrize("text", [NODES, EVERYTHING])
def test_a_written_file_reads_back_the_same(text: str) -> None:
    config = parse(text)
    assert parse(to_toml(config)) == config


def test_a_written_file_does_not_set_what_gives_way_to_small_frames() -> None:
    """A value would read as if every frame held it; the same default stands in a comment."""
    written = to_toml(parse(NODES))
    assert "# command_bytes_max = 32768 (less where the transport's frames hold less)" in written
    assert "command_bytes_max" not in tomllib.loads(written)["limits"]
    assert "command_bytes_max = 900" in to_toml(
        parse(f"{NODES}[limits]\ncommand_bytes_max = 900\n")
    )


printable = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
)
option_values = st.one_of(
    st.text(max_size=20).filter(str.isprintable),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(
    cluster=printable,
    data=printable,
    addresses=st.lists(printable, min_size=1, max_size=15, unique=True),
    options=st.dictionaries(
        st.text(max_size=10).filter(lambda key: key != "frame_bytes_max"), option_values, max_size=4
    ),
)
def test_any_configuration_survives_being_written(
    cluster: str, data: str, addresses: list[str], options: dict[str, Any]
) -> None:
    config = ClusterConfig(
        nodes=dict(enumerate(addresses, 1)),
        base=BASE,
        cluster=cluster,
        data=data,
        transport_options=options,
        quorum=QuorumSizes(len(addresses), 1),
    )
    assert parse(to_toml(config)) == config


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        ("clustr = 'x'\n" + NODES, "paxos.toml:1: clustr: unknown key", "did you mean cluster?"),
        (NODES + "[timming]\n", "paxos.toml:5: timming: unknown key", "did you mean timing?"),
        (NODES + "[timing]\n\ntick = 5", "paxos.toml:7: timing.tick: unknown", "mean tick_ms?"),
        (
            NODES + "[limits]\nzzz = 5",
            "paxos.toml:6: limits.zzz: unknown",
            "known are window",
        ),
        (NODES + "[log]\nlvel = 'info'", "paxos.toml:6: log.lvel: unknown", "mean level?"),
        (NODES + "[quorum]\nphase1=2\nphase2=2\nphase3=1", "paxos.toml:8: quorum.phase3", "mean"),
        (NODES + "timing.tick = 1", "paxos.toml:5: nodes.timing: not a node id", "1 to 65535"),
        ("timing.tick = 1\n" + NODES, "paxos.toml:1: timing.tick: unknown", "tick_ms"),
        ("timing = {tick = 1}\n" + NODES, "paxos.toml:1: timing.tick: unknown", "tick_ms"),
        ("cluster = 3\n" + NODES, "paxos.toml:1: cluster: Expected `str`, got `int`", "docs/"),
        ("store = 'disk'\n" + NODES, "paxos.toml:1: store: Invalid", '"durable" or "memory"'),
        ("cluster = ''\n" + NODES, "paxos.toml:1: cluster: '' cannot", "1 to 255 printable"),
        ('data = "a\\u0000"\n' + NODES, "paxos.toml:1: data:", "printable"),
        ("transport = ''\n" + NODES, "paxos.toml:1: transport:", "printable"),
        (NODES + "[log]\nlevel = 'loud'", "paxos.toml:6: log.level: Invalid", '"debug"'),
        (NODES + "[log]\nformat = 'xml'", "paxos.toml:6: log.format: Invalid", '"json"'),
        ("nodes = 3", "paxos.toml:1: nodes: not a table", "[nodes]"),
        ("log = 1\n" + NODES, "paxos.toml:1: log: not a table", "[log]"),
        ("[[nodes]]\n1 = 'a'", "paxos.toml: nodes: not a table", "[nodes]"),
        ("", "paxos.toml: nodes: there are no nodes", "[nodes]"),
        ("[nodes]\n", "paxos.toml:1: nodes: there are no nodes", "7101"),
        (NODES + '4 = "127.0.0.1:7102"', "paxos.toml:5: nodes.4: node 2 has", "its own"),
        (NODES + '0 = "h:1"', "paxos.toml:5: nodes.0: not a node id", "1 to 65535"),
        (NODES + '65536 = "h:1"', "paxos.toml:5: nodes.65536: not a node id", "1 to 65535"),
        (NODES + '01 = "h:1"', "paxos.toml:5: nodes.01: not a node id", "1 to 65535"),
        (NODES + '-1 = "h:1"', "paxos.toml:5: nodes.-1: not a node id", "1 to 65535"),
        (NODES + '"¹" = "h:1"', "paxos.toml:5: nodes.¹: not a node id", "1 to 65535"),
        (NODES + 'one = "h:1"', "paxos.toml:5: nodes.one: not a node id", "1 to 65535"),
        (NODES + "4 = 7104", "paxos.toml:5: nodes.4: the address is not a string", "quotes"),
        (NODES + "4 = ''", "paxos.toml:5: nodes.4: '' is not an address", "7101"),
        (NODES + "4 = 'a b'", "paxos.toml:5: nodes.4: 'a b' is not an address", "7101"),
        (NODES + "[transport_options]\na = [1]", "paxos.toml:6: transport_options.a", "a string"),
        (NODES + "[transport_options]\na = nan", "paxos.toml:6: transport_options.a", "finite"),
        (NODES + "[transport_options]\na = 0x" + "f" * 9999, "paxos.toml:6: transport", "64 bits"),
        (NODES + '[transport_options]\na = "\\u0000"', "paxos.toml:6: transport_", "remove them"),
        (NODES + "[transport_options]\na = 1979-05-27", "paxos.toml:6: transport_options.a", ""),
    ],
)
def test_a_mistake_has_its_place_and_its_cure(text: str, start: str, hint: str) -> None:
    message = mistake(text)
    assert message.startswith(start), message
    assert hint in message.partition("; ")[2], message


def test_at_most_fifteen_nodes() -> None:
    text = "[nodes]\n" + "".join(f'{node} = "h:{node}"\n' for node in range(1, 17))
    assert mistake(text).startswith("paxos.toml:1: nodes: 16 nodes; 15 is the most")


@pytest.mark.parametrize("phase1", range(-1, 6))
@pytest.mark.parametrize("phase2", range(-1, 6))
def test_quorums_can_be_reached_and_always_meet(phase1: int, phase2: int) -> None:
    text = f"{NODES}[quorum]\nphase1 = {phase1}\nphase2 = {phase2}"
    if 1 <= phase1 <= 3 and 1 <= phase2 <= 3 and phase1 + phase2 > 3:
        config = parse(text)
        assert (config.phase1, config.phase2) == (phase1, phase2)
    else:
        assert mistake(text).startswith(("paxos.toml:6: quorum.phase1", "paxos.toml:7: quorum.ph"))


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("phase1 = 2", "phase2 is missing"),
        ("phase2 = 2", "phase1 is missing"),
        ("", "empty"),
        ("phase1 = 2\nphase2 = 2.0", "Expected `int`, got `float`"),
        ("phase1 = true\nphase2 = 2", "Expected `int`, got `bool`"),
    ],
)
def test_both_phases_or_neither(table: str, hint: str) -> None:
    assert hint in mistake(f"{NODES}[quorum]\n{table}")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("tick_ms = 0", "tick_ms: 0 is out of range"),
        ("tick_ms = 1001", "tick_ms: 1001 is out of range"),
        ("tick_ms = 2.5", "tick_ms: expected a whole number, got float"),
        ("tick_ms = true", "tick_ms: expected a whole number, got bool"),
        ("tick_ms = '20'", "tick_ms: expected a whole number, got str"),
        ("resend_ticks = 0", "resend_ticks: 0 is out of range"),
        ("heartbeat_ticks = -3", "heartbeat_ticks: -3 is out of range"),
        ("heartbeat_ticks = 15", "heartbeat_ticks: a heartbeat every 15 ticks"),
        ("election_ticks_min = 3", "election_ticks_min: a heartbeat every 3 ticks"),
        ("election_ticks_min = 31", "election_ticks_min: election_ticks_min 31 is above"),
        ("election_ticks_max = 14", "election_ticks_max: election_ticks_min 15 is above"),
    ],
)
def test_timing_makes_sense(table: str, key: str) -> None:
    assert mistake(f"{NODES}[timing]\n{table}").startswith(f"paxos.toml:6: timing.{key}")


@pytest.mark.parametrize("name", [entry.name for entry in fields(Limits)])
def test_every_limit_has_bounds(name: str) -> None:
    most = LIMIT_BOUNDS.get(name, 1 << 40)
    huge = "1" * 2000
    for value in ("0", "-1", str(most + 1), huge, "1.0", "false", "'1'"):
        message = mistake(f"{NODES}[limits]\n{name} = {value}")
        assert message.startswith(f"paxos.toml:6: limits.{name}: "), message
        assert f"give 1 to {most}" in message
        assert len(message) < 200


def test_limits_agree_with_one_another() -> None:
    text = f"{NODES}[limits]\ncommand_bytes_max = 2000\npending_bytes_max = 1999"
    assert mistake(text).startswith("paxos.toml:6: limits.command_bytes_max: a command of 2000")
    message = mistake(text.replace("1999", "2042"))
    assert "a command of 2000 bytes waits as 2043" in message
    parse(text.replace("1999", "2043"))
    message = mistake(f"{NODES}[limits]\nwindow_slots = 513")
    assert message.startswith("paxos.toml:6: limits.window_slots: vote_slots_max 1024 is below")
    parse(f"{NODES}[limits]\nwindow_slots = 512")


def test_a_chosen_command_size_fits_a_frame() -> None:
    config = parse(f"{NODES}[limits]\ncommand_bytes_max = 60000")
    check_frame(config, 64 << 10)
    room = largest_command(32 << 10)
    with pytest.raises(ConfigError, match=f"at most {room}, or larger frames"):
        check_frame(config, 32 << 10)
    with pytest.raises(ConfigError, match="at most 0"):
        check_frame(config, 100)
    check_frame(parse(NODES), 1000)  # the default asks for nothing
    text = f"{NODES}[limits]\ncommand_bytes_max = 800\n[transport_options]\nframe_bytes_max = 1000"
    assert mistake(text).startswith("paxos.toml:6: limits.command_bytes_max: 800 does not fit")
    parse(text.replace("800", str(largest_command(1000))))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a = \n", "paxos.toml:1: not valid TOML"),
        (NODES + '3 = "again"', "paxos.toml:5: not valid TOML"),
        ("x = [[[[", "paxos.toml:1: not valid TOML"),
        ("x = " + "[" * 20_000, "paxos.toml: not valid TOML"),
        ("x = " + "1" * 5000, "paxos.toml: not valid TOML"),
        ("\x00", "paxos.toml:1: not valid TOML"),
    ],
)
def test_what_is_not_toml(text: str, start: str) -> None:
    assert mistake(text).startswith(start)


@given(st.text(max_size=200))
def test_any_text_gives_a_configuration_or_one_line(text: str) -> None:
    for attempt in (text, NODES + text, f"{NODES}[timing]\n{text}"):
        complaint = ""
        try:
            parse(attempt)
        except ConfigError as error:
            complaint = str(error)
        assert not complaint or complaint.isprintable()


def test_a_name_from_the_file_cannot_break_the_line() -> None:
    assert "a\\nb\\x1b[31m" in mistake('"a\\nb\\u001b[31m" = 1\n' + NODES)
    assert len(mistake(f"{'k' * 100_000} = 1\n")) < 700


def test_loading_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paxos.toml").write_text(EVERYTHING)
    config = load_config(tmp_path / "paxos.toml")
    assert config.base == tmp_path
    assert config.store_path(1) == tmp_path / "state" / "node-1"
    monkeypatch.chdir(tmp_path)
    assert load_config("paxos.toml") == config


def test_an_absolute_data_directory(tmp_path: Path) -> None:
    config = parse(f'data = "{tmp_path}"\n{NODES}')
    assert config.data_path == tmp_path


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def complaint(path: str | os.PathLike[str]) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(caught.value).isprintable()
        return str(caught.value)

    path = tmp_path / "paxos.toml"
    assert "No such file" in complaint(path)
    assert "Is a directory" in complaint(tmp_path)
    assert "cannot be read" in complaint("a\0b")
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    assert f"{path}:2: byte 11 is not UTF-8" in complaint(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert "larger than 1 MiB" in complaint(path)
    path.write_bytes(b"#" * (1 << 20))
    assert "there are no nodes" in complaint(path)
    assert "larger than 1 MiB" in complaint("/dev/zero")
