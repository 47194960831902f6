"""``python -m tests.mutants [NAME ...]``: make each wrong edit, and see that its test fails.

A NAME is a part of a mutant's name, such as ``store/`` or ``gate``. Exit status: 0 if all
are dead, 1 if one is not, 2 for a name that no mutant has.
"""

from __future__ import annotations

import sys
from concurrent.futures import as_completed

from .catalogue import mutants
from .outcome import NotKilled
from .runner import Runs


def main(names: list[str]) -> int:
    """Check the mutants that are named, or all."""
    if {"-h", "--help"} & set(names):
        print(__doc__)
        return 0
    everyone = mutants()
    for name in names:
        if not any(name in mutant.id for mutant in everyone):
            print(f"no mutant has {name!r} in its name; they are in tests/mutants/data")
            return 2
    chosen = [m for m in everyone if not names or any(name in m.id for name in names)]
    alive = 0
    with Runs(chosen) as runs:
        checks = {runs.of(mutant): mutant for mutant in chosen}
        for count, done in enumerate(as_completed(checks), 1):
            try:
                done.result()
                print(f"{count}/{len(chosen)} dead   {checks[done].id}", flush=True)
            except NotKilled as error:
                alive += 1
                print(f"{count}/{len(chosen)} ALIVE  {error}", flush=True)
    print(f"{len(chosen)} mutants: {len(chosen) - alive} dead, {alive} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
