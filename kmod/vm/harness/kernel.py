"""The kernels to test on: Debian's own, fetched and unpacked into a cache; or the debug one."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CannotRun, require

CONFIG = Path(__file__).parents[1] / "kasan.config"
BUILD_DEBUG = "kmod/vm/build-debug-kernel (half an hour, once)"

# Where the modules lie that the guest needs (see `initramfs.WANTED`), and what these need.
_MODULE_DIRS = (
    "drivers/char/hw_random",
    "drivers/net/dummy.ko",
    "drivers/net/macvlan.ko",
    "drivers/net/veth.ko",
    "drivers/virtio",
    "fs/9p",
    "fs/fscache",
    "fs/netfs",
    "fs/overlayfs",
    "net/802",
    "net/8021q",
    "net/9p",
    "net/bridge/bridge.ko",
    "net/llc",
    "net/sched/sch_netem.ko",
)


_XZ_MAGIC = b"\xfd7zXZ\0"


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted, and that a module can be built against."""

    name: str
    """Tells it from others: the directory in the cache, and that of the module's build."""
    image: Path
    headers: Path
    """What `make` gets as KDIR."""
    modules: Path | None
    """Where its own modules lie; None if everything is built in."""


def cache_dir() -> Path:
    """The project's directory under XDG_CACHE_HOME, or under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pluggable-paxos"


def debug_kernel() -> Kernel:
    """The newest debug kernel in the cache; raises `CannotRun` if there is none, or an old one."""
    trees = cache_dir().glob("debug-kernel-*")
    built = [path for path in trees if (path / "kasan.config").exists()]
    if not built:
        raise CannotRun(f"no debug kernel in {cache_dir()}; build it with {BUILD_DEBUG}")
    tree = max(built, key=lambda path: path.stat().st_mtime)
    if (tree / "kasan.config").read_bytes() != CONFIG.read_bytes():
        raise CannotRun(f"{tree} was built with another kasan.config; run {BUILD_DEBUG}")
    return Kernel(tree.name, tree / "arch/x86/boot/bzImage", tree, None)


def stock_kernel() -> Kernel:
    """Debian's kernel of the day; fetches it on first use. Raises `CannotRun`."""
    require({"apt-get": "apt", "dpkg-deb": "dpkg", "tar": "tar"})
    release = _release()
    tree = cache_dir() / f"kernel-{release}"
    if not (tree / "complete").exists():
        _unpack(release, tree)
    return Kernel(
        f"kernel-{release}",
        tree / f"boot/vmlinuz-{release}",
        tree / f"usr/src/linux-headers-{release}",
        tree / f"lib/modules/{release}",
    )


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        cause = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CannotRun(f"{' '.join(command[:2])} failed: {cause}; perhaps apt-get update")
    return done.stdout


def _release() -> str:
    """The release that the metapackage names now: a version written here would vanish one day."""
    depends = _run(["apt-cache", "depends", "linux-image-amd64"])
    found = re.search(r"Depends: linux-image-(\S+-amd64)$", depends, re.MULTILINE)
    if found is None:
        raise CannotRun("apt knows no linux-image-amd64; apt-get update (Debian 12, amd64)")
    return found[1]


def _unpack(release: str, tree: Path) -> None:
    """Fetches image and headers, without installing: no root, no boot loader, no initrd."""
    common = release.removesuffix("-amd64") + "-common"
    series = re.match(r"\d+\.\d+", release)
    assert series is not None, release
    image = f"linux-image-{release}"
    headers = [f"linux-headers-{release}", f"linux-headers-{common}", f"linux-kbuild-{series[0]}"]
    print(f"fetching {image} and its headers (once, about 85 MB)", flush=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        debs, files = Path(scratch, "debs"), Path(scratch, "files")
        debs.mkdir()
        files.mkdir()
        _run(["apt-get", "download", "-qq", image, *headers], cwd=debs)
        kept = [f"./lib/modules/{release}/kernel/{part}" for part in _MODULE_DIRS]
        _extract(debs, image, files, [f"./boot/vmlinuz-{release}", *kept])
        for package in headers:
            _extract(debs, package, files, ["./usr"])
        # Its one line includes the common headers by the path they are installed at.
        (files / f"usr/src/linux-headers-{release}/Makefile").write_text(
            f"include $(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-{common}/Makefile\n"
        )
        image_file = files / f"boot/vmlinuz-{release}"
        image_file.write_bytes(_uncompressed(image_file.read_bytes()))
        (files / "complete").touch()
        shutil.rmtree(tree, ignore_errors=True)
        files.rename(tree)


def _uncompressed(image: bytes) -> bytes:
    """The kernel inside its image: to unpack it under emulation takes 6 s of a 9 s boot.

    QEMU enters it by its PVH note. An image packed in another way than xz is left as it is.
    """
    start = image.find(_XZ_MAGIC)
    kernel = lzma.LZMADecompressor().decompress(image[start:]) if start >= 0 else b""
    return kernel if kernel.startswith(b"\x7fELF") else image


def _extract(debs: Path, package: str, files: Path, members: Sequence[str]) -> None:
    (deb,) = debs.glob(f"{package}_*.deb")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
        tar = ["tar", "-x", "--no-same-owner", "-C", str(files), *members]
        status = subprocess.run(tar, stdin=source.stdout, check=False).returncode
        assert source.stdout is not None
        source.stdout.close()
    if status != 0:
        raise CannotRun(f"{deb.name} holds other files than expected")
