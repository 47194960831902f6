"""Runs the models of `LargeSteps` to their end, and each with a rule taken out::

    python tests/specification/models.py             # all: half an hour
    python tests/specification/models.py pages crash

What is printed for a model is what `docs/specification.md` says of it.
"""

from __future__ import annotations

import sys

import tlc

BROKEN = {
    "small": [
        ("nothing waits for the disk", "DurableBeforeSent"),
        ("a restart ignores promises", "DurableBeforeSent"),
        ("a checkpoint leaves out the promise", "DurableBeforeSent"),
        ("accepts below the promise", "P2b"),
        ("no revealed value is kept", "P2b"),
        ("leads before it has caught up", "P2b"),
        ("a watermark vouches for any vote", "DecidedOnlyIfChosen"),
    ],
    "two-ballots": [
        ("promises do not bind", "DurableBeforeSent"),
        ("accepts below the promise", "P2b"),
        ("a watermark vouches for any vote", "DecidedOnlyIfChosen"),
    ],
    "pages": [("only the first page is read", "P2b")],
    "crash": [
        ("nothing waits for the disk", "DurableBeforeSent"),
        ("a restart ignores promises", "DurableBeforeSent"),
    ],
    "same-leader": [
        ("a restart ignores promises", "DurableBeforeSent"),
        ("no revealed value is kept", "P2b"),
    ],
    "snapshots": [
        ("a checkpoint leaves out the promise", "DurableBeforeSent"),
        ("leads before it has caught up", "P2b"),
    ],
    "together": [
        ("a restart ignores promises", "DurableBeforeSent"),
        ("only the first page is read", "P2b"),
        ("a checkpoint leaves out votes", "ChosenStays"),
        ("leads before it has caught up", "P2b"),
    ],
}
"""For each model, rules that are taken out of it, and the invariant that must break."""


def show(model: str) -> bool:
    """Print what TLC finds in `model`, whole and broken; whether that is as it must be."""
    whole = tlc.check(model, {}, 24 * 3600, workers=1, actions=True)
    good = whole.violated == ""
    print(f"{model}: {whole.states:,} states, {whole.depth} deep, {whole.violated or 'all hold'}")
    print("  " + ", ".join(f"{name} {steps:,}" for name, steps in sorted(whole.taken.items())))
    for rule, invariant in BROKEN[model]:
        verdict = tlc.check(model, {"Broken": f'"{rule}"'}, 24 * 3600, workers=1)
        good &= verdict.violated == invariant
        print(f"  {rule}: {verdict.violated or 'NOT FOUND'} after {len(verdict.steps)} steps")
        sys.stdout.flush()
    return good


def main(arguments: list[str]) -> int:
    """0 if all is as it must be, 1 if not, 2 for wrong use."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    unknown = set(arguments) - set(BROKEN)
    if unknown:
        print(
            f"models.py: no model {', '.join(sorted(unknown))}: there are {', '.join(BROKEN)}",
            file=sys.stderr,
        )
        return 2
    try:
        results = [show(model) for model in arguments or BROKEN]
    except tlc.TlcMissing as error:
        print(f"models.py: {error}", file=sys.stderr)
        return 2
    except tlc.TlcFailed as error:
        print(error)
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
