"""A copy of the last commit whose core and simulator mypyc has compiled, for long campaigns.

`make compiled FOLDER=...`. Python source and extension modules lie side by side there, and
Python takes the latter. The same seeds give the same runs, half as fast again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CORE = """acceptor batch catchup checksum client codec config durable election jitter learner
    messages proposer quorum ready replica replicated_log service session types"""
SIMULATOR = "chance disk machine members monitor network seats sessions simulator storage"
"""What a simulated event passes through, as far as mypyc takes it."""

BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup

modules = mypycify(["--follow-imports=silent", *sys.argv[1:]])
setup(packages=[], ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])
"""


def main() -> int:
    match sys.argv[1:]:
        case [name] if not name.startswith("-") and not Path(name).exists():
            folder = Path(name).resolve()
        case _:
            print("make: compiled needs FOLDER=.., one that is not there yet", file=sys.stderr)
            return 2
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    files = [f"paxos_core/{name}.py" for name in CORE.split()]
    files += [f"paxos_core/testing/{name}.py" for name in SIMULATOR.split()]
    subprocess.run([sys.executable, "-c", BUILD, *files], cwd=folder, check=True)
    print(f"cd {folder}; PYTHONPATH=. {Path(sys.executable).with_name('paxos')} simulate ...")
    return 0


if __name__ == "__main__":
    sys.exit(main())
