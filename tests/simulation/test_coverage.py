"""That seeds differ in what goes wrong, and that even few of them get everywhere."""

from collections import Counter
from itertools import combinations, product

from paxos_core.testing import Options, simulate
from paxos_core.testing.coverage import INTERESTING, unseen
from paxos_core.testing.plan import FRAMES_BYTES, KINDS, TINY_FRAMES_BYTES, draw_plan

SEEDS_MAX = 500


def test_every_pair_of_kinds_is_on_and_off_in_every_way():
    seen: Counter[tuple[str, bool, str, bool]] = Counter()
    for seed in range(400):
        kinds = draw_plan(Options(seed)).kinds
        on = {kind: kind in kinds for kind in KINDS}
        seen.update((a, on[a], b, on[b]) for a, b in combinations(KINDS, 2))
    for a, b in combinations(KINDS, 2):
        for a_on, b_on in product((False, True), repeat=2):
            assert seen[a, a_on, b, b_on], f"{a} {a_on}, {b} {b_on}"


def test_every_size_meets_every_quorum_and_every_frame():
    plans = [draw_plan(Options(seed)) for seed in range(2500)]
    found = {
        (
            len(plan.quorums.members),
            plan.quorums.phase1 == plan.quorums.phase2,
            plan.frame_bytes_max,
        )
        for plan in plans
    }
    assert found == set(product((3, 5, 7), (False, True), {*FRAMES_BYTES, *TINY_FRAMES_BYTES}))


def test_a_small_campaign_gets_everywhere():
    counts: Counter[str] = Counter()
    for seed in range(SEEDS_MAX):
        counts += simulate(Options(seed)).counts
        if not unseen(counts):
            return
    assert not unseen(counts)


def test_what_was_never_seen_is_named_in_order():
    first, second, *_ = INTERESTING
    assert unseen({name: 1 for name in INTERESTING if name not in (first, second)}) == [
        first,
        second,
    ]
