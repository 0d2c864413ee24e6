"""Moments and intervals, against the standard library, against textbooks, and by simulation."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistloss import evaluate
from mnistloss.errors import ArgumentError
from mnistloss.stats import Moments, hall_interval, quantile, wilson_interval

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60)


@given(values=values, cut=st.integers(1, 59))
def test_merged_moments_are_the_moments(values: list[float], cut: int) -> None:
    """Merged blocks give the mean and the standard error of all values."""
    blocks = [np.array(part) for part in (values[:cut], values[cut:]) if part]
    moments = Moments.merged(map(Moments.of, blocks))
    assert moments.count == len(values)
    assert moments.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-9)
    expected = statistics.stdev(values) / math.sqrt(len(values))
    assert moments.stderr == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_infinite_values_are_counted() -> None:
    """One infinite value makes the mean infinite and the standard error None."""
    moments = Moments.merged([Moments.of(np.array([1.0, math.inf])), Moments.of(np.array([math.inf]))])
    assert (moments.count, moments.infinite, moments.stderr) == (3, 2, None)
    assert moments.sum == moments.mean == math.inf


def test_losses_whose_sum_overflows_count_as_infinite() -> None:
    """Finite losses too large to be squared and summed count as infinite."""
    moments = Moments.of(np.array([1e308, 1e308, 1e200, 3.0]))
    assert (moments.n, moments.total, moments.infinite) == (1, 3.0, 3)
    result = evaluate([[0.0, -1e308]] * 4, targets=[1] * 4, input="logits")
    assert result.losses["cee"].infinite == 4


@pytest.mark.parametrize("scale", [1e-160, 1e-110, 1e-40, 1e50, 1e120, 1e139])
def test_skewness_of_tiny_and_huge_values(scale: float) -> None:
    """Neither cubes that overflow nor such that vanish raise; without a third moment there is no interval."""
    blocks = [np.array([0.0, 1.0, 5.0]) * scale, np.array([2.0, 9.0]) * scale]
    moments = Moments.merged(map(Moments.of, blocks))
    ends = hall_interval(moments.mean, moments.stderr, moments.skewness_of_mean, 0.95)
    if 1e-100 < scale < 1e100:
        assert moments.skewness_of_mean == pytest.approx(123.84 / 53.2**1.5)
    assert (ends is None) == (scale > 1e100)


def test_one_value_has_no_standard_error() -> None:
    """A single example has no standard error and no interval."""
    assert Moments.of(np.array([2.0])).stderr is None
    assert hall_interval(2.0, None, 0.0, 0.95) is None


def test_quantile() -> None:
    """The quantile of 0.95 is the textbook's 1.96; a confidence outside (0, 1) is refused."""
    assert quantile(0.95) == pytest.approx(1.959963984540054, rel=1e-12)
    for confidence in (0, 1, -1, math.nan):
        with pytest.raises(ArgumentError, match="between 0 and 1"):
            quantile(confidence)


def test_wilson_interval() -> None:
    """Wilson's interval for 8 and 2 of 10, 1 of 100, for all and for none."""
    assert wilson_interval(0.8, 10, 0.95) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson_interval(1.0, 10, 0.95) == pytest.approx((0.7224672, 1.0), abs=1e-6)
    assert wilson_interval(0.0, 10, 0.95)[0] == 0
    assert wilson_interval(0.01, 100, 0.95) == pytest.approx((0.0017674, 0.0544862), abs=1e-6)
    assert wilson_interval(0.2, 10, 0.95) == pytest.approx((0.0566822, 0.5098375), abs=1e-6)


def test_intervals_cover() -> None:
    """Between 94 and 96 % of many 95 % intervals cover the true value."""
    rng = np.random.default_rng(8)
    draws = rng.normal(1, 3, size=(4000, 500))
    hits = [low <= 1 <= high for low, high in (_interval(row) for row in draws)]
    assert 0.94 < np.mean(hits) < 0.96
    shares = rng.binomial(1000, 0.9, size=4000) / 1000
    hits = [low <= 0.9 <= high for low, high in (wilson_interval(s, 1000, 0.95) for s in shares)]
    assert 0.94 < np.mean(hits) < 0.96


def _interval(row: np.ndarray) -> tuple[float, float]:
    moments = Moments.of(row)
    interval = hall_interval(moments.mean, moments.stderr, moments.skewness_of_mean, 0.95)
    assert interval is not None
    return interval


def test_the_usual_quantile() -> None:
    """The quantile spelt out for 0.95 equals the computed one."""
    assert quantile(0.95) == statistics.NormalDist().inv_cdf(0.5 + 0.95 / 2)
