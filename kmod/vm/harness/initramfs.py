"""The initial file tree: busybox, an init, and the kernel modules that reach the host's tree.

Written here rather than by `cpio`, because a device node in an archive needs no root this way.
"""

from __future__ import annotations

import gzip
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import CannotRun

WANTED = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_rng",
    "veth",
    "bridge",
    "dummy",
    "macvlan",
    "8021q",
    "sch_netem",
)
"""Modules to insert at boot, by name; what they depend on comes before them."""

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def build(init: Path, modules: Path | None, texts: Mapping[str, str]) -> bytes:
    """A gzip-compressed archive that a kernel takes as its initrd.

    `texts` are further files, by name. Raises `CannotRun` if busybox or a module is missing.
    """
    archive = _Archive()
    for directory in ("bin", "dev", "proc", "sys", "modules", "lower", "rw", "root"):
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, _busybox().read_bytes())
    archive.add("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    archive.add("init", stat.S_IFREG | 0o755, init.read_bytes())
    order = [] if modules is None else list(_in_order(modules))
    for path in order:
        archive.add(f"modules/{path.name}", stat.S_IFREG | 0o644, path.read_bytes())
    archive.add("modules/order", stat.S_IFREG | 0o644, _lines(path.name for path in order))
    for name, text in texts.items():
        archive.add(name, stat.S_IFREG | 0o644, text.encode())
    return gzip.compress(archive.finish(), compresslevel=1)


def _lines(names: Iterator[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _busybox() -> Path:
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        # A dynamic one finds no libraries in the archive.
        if path.exists() and b"/ld-linux" not in path.read_bytes():
            return path
    raise CannotRun("missing; apt-get install --no-install-recommends busybox-static")


def _in_order(modules: Path) -> Iterator[Path]:
    """The wanted modules and all they depend on, each after what it needs."""
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    seen: set[str] = set()

    def with_needs(name: str) -> Iterator[Path]:
        if name in seen:
            return
        seen.add(name)
        if name not in files:
            raise CannotRun(f"the kernel's module {name} is not under {modules}")
        found = _DEPENDS.search(files[name].read_bytes())
        for need in found[1].decode().split(",") if found and found[1] else ():
            yield from with_needs(need.replace("-", "_"))
        yield files[name]

    for wanted in WANTED:
        yield from with_needs(wanted)


class _Archive:
    """A cpio archive in the format "newc" (initramfs-buffer-format in the kernel's docs)."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inode = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        links, owner, mtime, check = 1, 0, 0, 0
        fields = (
            *(self._inode, mode, owner, owner, links, mtime, len(data)),
            *(0, 0, *device, len(encoded), check),
        )
        self._bytes += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._pad()
        self._bytes += data
        self._pad()

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return bytes(self._bytes)

    def _pad(self) -> None:
        self._bytes += b"\0" * (-len(self._bytes) % 4)
