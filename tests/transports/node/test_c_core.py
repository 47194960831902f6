"""The C core: how it is built, kept and declared, and that a wheel brings all it needs."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import make_config
from native_kit import need_compiler

from paxos_core import Codec, DurableState, Limits, QuorumSystem, ReplicaConfig
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.config import Timing
from paxos_core.messages import Prepare, Vote
from paxos_core.types import make_ballot
from transports._paxos_device import (
    DECIDED,
    FRAME,
    PERSISTED,
    SEND,
    pack_frame,
    pack_record,
)
from transports.node import ConfigError, open_node
from transports.node.cores import load_c_core
from transports.node.machines import Journal
from transports.node.native import build, library
from transports.node.native.build import BuildFailed, cache_directory, library_path, sources
from transports.node.native.library import CoreRefused, LibraryChannel, PxConfig, PxPort, PxStatus

ROOT = Path(__file__).parents[3]
CONFIG = ReplicaConfig(1, QuorumSystem((1, 2, 3)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pluggable-paxos" / "c-core"


# Building


def test_it_is_built_once_and_kept_to_ourselves(cache: Path) -> None:
    need_compiler()
    path = library_path()
    assert path.parent == cache
    assert cache.stat().st_mode & 0o777 == 0o700
    made = path.stat()
    assert library_path().stat() == made
    assert [entry.name for entry in cache.iterdir()] == [path.name]
    assert load_c_core().px_port_write


def test_its_name_tells_what_it_is_made_from(cache: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(sources()), str(copy)], check=True)
    before = build._digest(copy)
    assert before == build._digest(sources())
    header = copy / "uapi" / "paxos.h"
    header.write_text(header.read_text() + "/* more */\n")
    assert build._digest(copy) != before


def test_without_a_compiler_it_says_what_is_missing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildFailed, match=r"needs a C compiler, cc.*apt-get install gcc") as caught:
        library_path()
    assert "\n" not in str(caught.value)


async def test_a_node_without_a_compiler_does_not_start(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    config = make_config(tmp_path, core="c")
    with pytest.raises(ConfigError, match="needs a C compiler"):
        async with open_node(config, 1, Journal(), first_start=True):
            pass
    async with open_node(replace(config, core="python"), 1, Journal(), first_start=True):
        pass


def test_what_the_compiler_says_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    for part in ("core", "compat/user", "uapi"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "core" / "broken.c").write_text("this is no C\n")
    monkeypatch.setattr(build, "sources", lambda: tmp_path)
    with pytest.raises(BuildFailed, match=r"cannot be built: .*broken\.c.*error") as caught:
        library_path()
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_directory_that_others_may_enter_is_refused(cache: Path, mode: int) -> None:
    cache.mkdir(parents=True)
    cache.chmod(mode)
    with pytest.raises(BuildFailed, match="code is loaded from it"):
        cache_directory()
    cache.chmod(0o700)
    assert cache_directory() == cache


def test_a_directory_of_somebody_else_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True, mode=0o700)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(BuildFailed, match="set XDG_CACHE_HOME"):
        cache_directory()


def test_a_directory_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BuildFailed, match="cannot be kept there"):
        cache_directory()


def test_a_library_that_is_none_is_told(cache: Path) -> None:
    path = cache_directory() / f"libpaxos-{build._digest(sources())}.so"
    path.write_bytes(b"no library")
    with pytest.raises(ConfigError, match=r"cannot be loaded.*remove the file"):
        load_c_core()


# What is declared


def test_structures_are_those_of_the_headers(tmp_path: Path) -> None:
    need_compiler()
    wanted: dict[str, int] = {}
    for name, struct in {"config": PxConfig, "port": PxPort, "status": PxStatus}.items():
        wanted[f"sizeof(struct px_{name})"] = ctypes.sizeof(struct)
        for field, *_ in struct._fields_:
            wanted[f"offsetof(struct px_{name}, {field})"] = getattr(struct, field).offset
    numbers = {
        "PX_PORT_LIBRARY": library.PORT_LIBRARY,
        "-PX_DROP_MALFORMED": 1,
        "-PX_DROP_VERSION": 2,
        "-PX_DROP_CLUSTER": 3,
        "-PX_DROP_MISATTRIBUTED": 4,
        "-PX_DROP_NO_MEMORY": -library._NO_MEMORY,
    }
    wanted |= numbers
    lines = [f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in wanted]
    source = tmp_path / "numbers.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <px_port.h>\n"
        "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    program = tmp_path / "numbers"
    includes = [f"-I{sources() / part}" for part in ("core", "compat/user", "uapi")]
    subprocess.run(["cc", *includes, "-o", str(program), str(source)], check=True)
    shown = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert dict(zip(wanted, map(int, shown.split()), strict=True)) == wanted


def open_channel(config: ReplicaConfig, *, durable: bool = False) -> LibraryChannel:
    return LibraryChannel(load_c_core(), config, 7, DurableState(), durable=durable)


def test_every_limit_that_a_configuration_may_give_is_taken() -> None:
    need_compiler()
    for limits in (
        Limits(),
        Limits(window_slots=1 << 16, vote_slots_max=1 << 17),
        Limits(vote_slots_max=1 << 20),
        Limits(log_keep_slots=1 << 20),
        Limits(log_bytes_max=1, pending_bytes_max=1, command_bytes_max=1),
        Limits(window_slots=1, vote_slots_max=2, log_keep_slots=1),
        Limits(log_bytes_max=1 << 40, pending_bytes_max=1 << 40, snapshot_bytes_max=512 << 20),
    ):
        status = open_channel(replace(CONFIG, limits=limits)).status()
        assert (status.watermark, status.leader, status.voting) == (0, 0, True)


def test_sizes_of_frames_and_clusters() -> None:
    need_compiler()
    for members in range(1, 16):
        for frame_bytes_max in (512, 1474, 65_481, 1 << 20):
            nodes = range(100, 100 + members)
            open_channel(ReplicaConfig(100, QuorumSystem(nodes), frame_bytes_max=frame_bytes_max))


def test_what_c_does_not_take_is_told() -> None:
    need_compiler()
    timing = Timing()
    object.__setattr__(timing, "resend_ticks", 0)
    with pytest.raises(CoreRefused, match="does not take these limits"):
        open_channel(replace(CONFIG, timing=timing))


def test_a_store_may_hold_values_from_when_frames_were_larger() -> None:
    need_compiler()
    value = encode_batch([bytes(400 << 10)])
    crc = checksum(value)
    vote = Vote(1, make_ballot(5, 2), crc, value)
    state = DurableState(make_ballot(5, 2), 1, {1: vote}, {0: (crc, value)})
    channel = LibraryChannel(load_c_core(), CONFIG, 7, state, durable=True)
    (decided,) = channel.read()
    assert (decided.kind, decided.payload) == (DECIDED, value)
    codec = Codec(7, 2)
    prepare = codec.encode(Prepare(make_ballot(9, 2), 0))
    channel.write(pack_frame(FRAME, 2, prepare))
    (record,) = channel.read()
    channel.write(pack_record(PERSISTED, record.a))
    (promise,) = channel.read()
    assert (promise.kind, promise.a) == (SEND, 2)


# What is installed


def test_a_wheel_brings_all_that_a_node_with_the_c_core_needs(cache: Path, tmp_path: Path) -> None:
    need_compiler()
    wheels, home = tmp_path / "wheels", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(ROOT)], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    # What it depends on is taken from here; a path in a .pth file brings no editable package.
    (place,) = home.glob("lib/python*/site-packages")
    (place / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    told = subprocess.run(
        [str(python), "-c", "import transports; print(transports.__file__)"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert told.stdout.startswith(str(place))
    demo = [str(python), "-m", "transports.node.cli", "demo", "--core", "c", "--commands", "20"]
    result = subprocess.run(demo, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PASS" in result.stdout
    assert len(list(cache.glob("libpaxos-*.so"))) == 1
