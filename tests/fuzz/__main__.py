"""``python -m tests.fuzz``: every fuzzer of both languages in turn, and one count of frames."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from tests.differential.build import BuildError

from .processes import TARGETS, FuzzError, Round, prepare, run_round

ROUND_SECONDS = 60


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="in all, shared by the targets")
    parser.add_argument("--frames", type=int, help="instead: until so many are in the ledger")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS, metavar="TARGET",
                        help="of: " + ", ".join(TARGETS))  # fmt: skip
    parser.add_argument("--folder", type=Path, help="keeps corpus, findings and ledger")
    given = parser.parse_args()
    if given.seconds < 1 or (given.frames is not None and given.frames < 1):
        parser.error("--seconds and --frames take a number above zero")
    return given


def _plan(given: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """(target, seconds) of each round."""
    if given.frames is None:
        share = max(1, given.seconds // len(given.targets))
        yield from ((target, share) for target in given.targets)
    else:
        yield from ((target, ROUND_SECONDS) for target in cycle(given.targets))


def _read_ledger(path: Path) -> list[Round]:
    """The rounds of earlier runs in this folder."""
    if not path.exists():
        return []
    noted = map(json.loads, path.read_text().splitlines())
    return [Round(**one, finding=None, said="") for one in noted]


def _campaign(given: argparse.Namespace, folder: Path) -> list[Round]:
    """All rounds, each noted in the ledger as it ends; stops at a finding."""
    rounds = _read_ledger(folder / "ledger.jsonl")
    frames = sum(done.frames for done in rounds)
    if given.frames is not None and frames >= given.frames:
        return rounds
    prepared = {target: prepare(target, folder) for target in dict.fromkeys(given.targets)}
    with (folder / "ledger.jsonl").open("a") as ledger:
        for target, seconds in _plan(given):
            done = run_round(target, prepared[target], folder, f"-max_total_time={seconds}")
            rounds.append(done)
            frames += done.frames
            noted = {"target": target, "runs": done.runs, "frames": done.frames}
            ledger.write(json.dumps(noted | {"coverage": done.coverage}) + "\n")
            ledger.flush()
            if done.finding or (given.frames is not None and frames >= given.frames):
                break
    return rounds


def _table(rounds: list[Round]) -> str:
    runs, frames, coverage = Counter[str](), Counter[str](), dict[str, int]()
    for done in rounds:
        runs[done.target] += done.runs
        frames[done.target] += done.frames
        coverage[done.target] = done.coverage
    lines = [f"{'target':16} {'inputs':>13} {'frames':>14} {'edges':>6}"]
    lines += [f"{t:16} {runs[t]:>13,} {frames[t]:>14,} {coverage[t]:>6,}" for t in coverage]
    lines.append(f"{'all':16} {runs.total():>13,} {frames.total():>14,}")
    return "\n".join(lines)


def main() -> int:
    given = _arguments()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="paxos-fuzz-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        rounds = _campaign(given, folder)
    except (FuzzError, BuildError) as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"fuzz: interrupted; what was counted is in {folder}/ledger.jsonl", file=sys.stderr)
        return 130
    print(_table(rounds))
    last = rounds[-1]
    if last.finding is None:
        return 0
    print(last.said[-4000:], file=sys.stderr)
    kept = "tests/differential/data/fuzz" if last.target.startswith("c:") else "tests/fuzz/data"
    print(
        f"fuzz: {last.target} fails on {last.finding}; mend it and keep the file under {kept}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
