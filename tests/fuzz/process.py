"""One target in one process under Atheris; `python -m tests.fuzz` starts it.

``python -m tests.fuzz.process TARGET COUNT_FILE [libFuzzer's arguments]``. The count
of frames is kept in the file, since the fuzzer ends the process without a word.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import atheris

INSTRUMENTED = ["paxos_core", "transports._packets", "transports._paxos_device",
                "transports.framing", "transports.node.config"]  # fmt: skip


def main(name: str, count_file: Path, arguments: list[str]) -> None:
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import load

        target = load(name)
    count_file.write_bytes(bytes(8))
    with count_file.open("r+b") as file:
        count = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
    run = target.run

    def one_input(data: bytes) -> None:
        count[0] += run(data)

    atheris.Setup([name, *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
