"""Ways to mishandle a disk, each of which the simulator must notice. Like `teeth`.

The last one is a mistake of an operator: an old copy of a whole store looks whole,
so nothing in it says that promises are missing (see ``docs/durability.md``).
"""

from typing import Any

import pytest
from teeth import tooth

from paxos_core.testing import disk_bytes, storage
from paxos_core.testing.disk import Disk, DiskFailed
from paxos_core.testing.disk_bytes import Contents, Files
from paxos_core.testing.members import SimulatedNode
from paxos_core.testing.simulator import Simulation


@tooth
def a_torn_write_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(disk_bytes, "payload_holds", lambda payload, payload_crc: True)


@tooth
def acknowledged_damage_is_cut_like_a_torn_tail(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(disk_bytes, "is_acknowledged", lambda offset, sealed_end: False)


@tooth
def a_torn_tail_is_taken_for_damage(patch: pytest.MonkeyPatch) -> None:
    real = disk_bytes._is_torn

    def is_torn(log: bytearray, offset: int, salt: int) -> bool:
        if real(log, offset, salt):
            raise disk_bytes.DiskDamaged("a torn tail")
        return False

    patch.setattr(disk_bytes, "_is_torn", is_torn)


@tooth
def small_files_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    def unsealed(layout: Any, data: bytes, what: str) -> tuple[int, ...]:
        numbers: tuple[int, ...] = layout.unpack(data)[:-1]
        return numbers

    patch.setattr(disk_bytes, "_unsealed", unsealed)


@tooth
def a_missing_store_is_a_new_one(patch: pytest.MonkeyPatch) -> None:
    def read_files(files: Files) -> Contents:
        disk = Disk(lambda record: None)
        if files.identity is None:
            files.identity, files.logs, files.seal = (
                disk.files.identity, disk.files.logs, disk.files.seal,
            )  # fmt: skip
        return disk_bytes_read(files)

    disk_bytes_read = disk_bytes.read_files
    patch.setattr(disk_bytes, "read_files", read_files)


@tooth
def a_rebuilt_node_votes(patch: pytest.MonkeyPatch) -> None:
    def rebuild(node: SimulatedNode, monitor: Any) -> None:
        node.disk.format()

    patch.setattr(storage, "_rebuild", rebuild)


@tooth
def the_sync_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    real = Simulation._write

    def write(self: Simulation, node: SimulatedNode, ready: Any) -> None:
        real(self, node, ready)
        assert node.service is not None
        node.service.persisted(ready.write_id)

    patch.setattr(Simulation, "_write", write)


@tooth
def a_failed_sync_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    real = Disk.finish

    def finish(self: Disk, write_id: int) -> None:
        try:
            real(self, write_id)
        except DiskFailed:
            real(self, write_id)

    patch.setattr(Disk, "finish", finish)


@tooth
def a_full_disk_is_ignored(patch: pytest.MonkeyPatch) -> None:
    real = Disk.finish

    def finish(self: Disk, write_id: int) -> None:
        if not self.full:
            real(self, write_id)

    patch.setattr(Disk, "finish", finish)


@tooth
def an_old_copy_of_a_whole_store_is_started(patch: pytest.MonkeyPatch) -> None:
    def put_back(self: Disk, copy: tuple[int, bytes]) -> bool:
        generation, log = copy
        if generation != self._generation or len(log) == self._end:
            return False
        for seal in self._seals:
            self.files.seal = seal
            self.files.logs = {generation: bytearray(log)}
            try:
                return bool(disk_bytes.read_files(self.files))
            except disk_bytes.DiskDamaged:
                continue
        return False

    patch.setattr(Disk, "put_back", put_back)
