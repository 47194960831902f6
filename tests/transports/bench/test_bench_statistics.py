import pytest

from transports.bench.statistics import quantile, ratio, summarise_ns


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.9, 90), (0.99, 99), (0.999, 100), (1.0, 100), (0.001, 1)]
)
def test_a_quantile_is_the_sample_of_that_rank(share: float, expected: int) -> None:
    assert quantile(range(1, 101), share) == expected


def test_every_quantile_of_one_sample_is_that_sample() -> None:
    assert [quantile([7], share) for share in (0.001, 0.5, 1.0)] == [7, 7, 7]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_outside_the_unit_interval_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        quantile([1], share)


def test_no_samples_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        quantile([], 0.5)


def test_a_summary_is_in_microseconds_and_needs_no_order() -> None:
    summary = summarise_ns([3000, 1000, 2000])
    assert summary == {
        "samples": 3,
        "p50_us": 2.0,
        "p90_us": 3.0,
        "p99_us": 3.0,
        "p999_us": 3.0,
        "min_us": 1.0,
        "max_us": 3.0,
    }


def test_a_ratio_is_of_medians_and_absent_without_a_peer() -> None:
    assert ratio([1, 2, 300], [4, 4, 4]) == 0.5
    assert ratio([], [1]) is None
    assert ratio([1], []) is None
    assert ratio([1], [0]) is None
