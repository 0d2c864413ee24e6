"""Resampling: p-values and intervals against brute force, scipy and statsmodels; seeds; memory."""

import itertools
import math
import random
import statistics
import tracemalloc
import warnings
from collections.abc import Iterable

import numpy as np
import pytest

from mnistloss.errors import ArgumentError
from mnistloss.stats import EXACT, Interval, bootstrap_intervals, holm, mcnemar_p, sign_flip_p


def bootstrap_interval(values: np.ndarray, draws: int, seed: int, confidence: float) -> Interval | None:
    (interval,) = bootstrap_intervals(values[np.newaxis], draws, seed, confidence)
    return interval


def brute_force(differences: np.ndarray) -> float:
    """Return the share of sign patterns whose sum is at least as far from zero, by plain loops."""
    observed = abs(math.fsum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    sums = [abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns]
    return sum(total >= observed * (1 - 1e-12) for total in sums) / len(patterns)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 12])
@pytest.mark.parametrize("seed", range(4))
def test_sign_flips_are_exact_for_few(n: int, seed: int) -> None:
    """For a few differences the p-value is exact: the share of all sign patterns that plain loops count."""
    differences = np.random.default_rng([n, seed]).normal(0.4, 1, n)
    assert sign_flip_p(differences, 10, 0) == (brute_force(differences), True)


def test_ties_count() -> None:
    """Sums that differ by rounding only are ties: 0.1 + 0.2 counts as 0.3."""
    differences = np.array([0.1, 0.2, -0.3, 0.3, 0.1, 0.2])
    tenfold = np.array([1.0, 2.0, -3.0, 3.0, 1.0, 2.0])
    assert sign_flip_p(differences, 10, 0) == sign_flip_p(tenfold, 10, 0) == (brute_force(tenfold), True)


def test_zero_differences_are_ignored() -> None:
    """Zero differences change no p-value and do not count towards EXACT."""
    differences = np.random.default_rng(1).normal(0.4, 1, 9)
    padded = np.concatenate([differences, np.zeros(5000)])
    assert sign_flip_p(padded, 10, 0) == sign_flip_p(differences, 10, 0)
    assert sign_flip_p(np.zeros(100), 10, 0) == (1.0, True)


def test_sign_flips_at_the_border() -> None:
    """Random flips agree with the exact p-value, on both sides of EXACT."""
    rng = np.random.default_rng(4)
    for n in (EXACT, EXACT + 1):
        differences = rng.normal(0.5, 1, n)
        p, exact = sign_flip_p(differences, 200_000, 0)
        assert exact == (n == EXACT)
        assert p == pytest.approx(brute_force(differences), abs=0.004)


@pytest.mark.parametrize("n", [15, 63, 64, 65, 1000])
def test_random_flips_have_the_distribution_of_the_mean(n: int) -> None:
    """The random p-value is near that of the normal limit."""
    differences = np.random.default_rng(n).normal(0, 1, n)
    differences += 1.5 * math.sqrt((differences**2).mean() / n) - differences.mean()
    z = abs(differences.sum()) / math.sqrt((differences**2).sum())
    assert sign_flip_p(differences, 50_000, 3)[0] == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.015)


def test_no_random_p_is_zero() -> None:
    """The observed pattern counts as one of the patterns: the smallest p of 999 flips is 1/1000."""
    assert sign_flip_p(np.ones(1000), 999, 0) == (1 / 1000, False)


@pytest.mark.parametrize("n", [10, 400])
def test_sign_flips_agree_with_scipy(n: int) -> None:
    """The p-value is that of scipy's paired permutation_test: equal if both are exact, close if both are random."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(n)
    a, b = rng.exponential(1, (2, n))
    b += 0.3 / math.sqrt(n)
    expected = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        batch=1000,
        rng=0,
    ).pvalue
    p, exact = sign_flip_p(b - a, 20_000, 0)
    assert exact == (n == 10)
    assert p == pytest.approx(expected, abs=1e-12 if exact else 0.015)


def studentised(values: list[float], resamples: Iterable[list[float]], confidence: float) -> Interval:
    """Return the bootstrap-t interval by plain loops: the quantiles of the t of each resample, turned around."""
    root, mean = math.sqrt(len(values)), statistics.fmean(values)
    t = sorted((statistics.fmean(r) - mean) / (statistics.stdev(r) / root) for r in resamples)
    low, high = (t[math.ceil(level * len(t)) - 1] for level in (0.5 - confidence / 2, 0.5 + confidence / 2))
    stderr = statistics.stdev(values) / root
    return mean - high * stderr, mean - low * stderr


def test_bootstrap_by_plain_loops() -> None:
    """The interval is that of plain loops: on the same resamples exactly, on those of another generator nearly."""
    values = np.random.default_rng(8).exponential(1, 60)
    halves = np.random.PCG64([3, 2]).random_raw(400 * 60 // 2).astype("<u8").view("<u4")
    resamples = [[float(values[half * 60 >> 32]) for half in row] for row in halves.reshape(400, 60).tolist()]
    assert bootstrap_interval(values, 400, 3, 0.9) == pytest.approx(studentised(values.tolist(), resamples, 0.9))
    rng = random.Random(1)
    others = (rng.choices(values.tolist(), k=60) for _ in range(5000))
    low, high = studentised(values.tolist(), others, 0.9)
    assert bootstrap_interval(values, 20_000, 0, 0.9) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_bootstrap_covers_a_skewed_mean() -> None:
    """For 100 values of an exponential distribution the 95 % interval covers the mean, and misses on neither side."""
    rng = np.random.default_rng(5)
    rows = rng.exponential(1, (300, 100))
    intervals = [bootstrap_interval(row, 400, 0, 0.95) for row in rows]
    below = sum(ends is not None and ends[1] < 1 for ends in intervals)
    above = sum(ends is not None and ends[0] > 1 for ends in intervals)
    assert 1 - (below + above) / 300 >= 0.92
    assert max(below, above) / 300 <= 0.05


def test_bootstrap_without_spread() -> None:
    """Equal values have an interval of no width; where too many resamples have no spread there is none."""
    assert bootstrap_interval(np.full(5, 2.0), 100, 0, 0.95) == (2.0, 2.0)
    assert bootstrap_interval(np.array([0.0, 0.0, 1.0]), 100, 0, 0.95) is None
    outlier = np.r_[1.0, np.full(199, 0.01)]  # the variance of most resamples is a rounding error
    assert bootstrap_interval(outlier, 500, 0, 0.95) is None


@pytest.mark.parametrize("position", range(7))
def test_bootstrap_draws_every_value_alike(position: int) -> None:
    """A value is missing from a resample of 7 with probability (6/7)^7 = 0.340, whatever its position.

    Such a resample has no spread, so that there is no interval whose lower level is below this share.
    """
    values = np.zeros(7)
    values[position] = 7
    assert bootstrap_interval(values, 50_000, position, 1 - 2 * 0.33) is None
    assert bootstrap_interval(values, 50_000, position, 1 - 2 * 0.35) is not None


def test_seeds() -> None:
    """A seed gives the same numbers in every release, and another seed gives others."""
    differences = np.arange(-30.0, 40.0)
    p, _ = sign_flip_p(differences, 9999, 7)
    interval = bootstrap_interval(differences, 999, 7, 0.95)
    assert p == 0.0733
    assert interval == pytest.approx((-0.309111301, 9.678097027))
    assert sign_flip_p(differences, 9999, 8)[0] != p
    assert bootstrap_interval(differences, 999, 8, 0.95) != interval


def test_memory_is_bounded() -> None:
    """10,000 flips and 500 resamples of 10,000 examples use less than 10 MB."""
    differences = np.random.default_rng(0).normal(0, 1, 10_000)
    tracemalloc.start()
    sign_flip_p(differences, 10_000, 0)
    bootstrap_interval(differences, 500, 0, 0.95)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (1, 5), (6, 6), (30, 51), (400, 330), (3000, 3100)])
def test_mcnemar(b: int, c: int) -> None:
    """The p-value is the exact one of statsmodels, in either order of the models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    expected = tables.mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
    assert mcnemar_p(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(c, b) == mcnemar_p(b, c)


@pytest.mark.parametrize("p", [[0.04], [0.01, 0.02, 0.03], [0.9, 0.001, 0.04, 0.04, 0.2], [1.0, 1.0]])
def test_holm(p: list[float]) -> None:
    """The adjusted p-values are those of statsmodels' multipletests, in the given order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        multitest = pytest.importorskip("statsmodels.stats.multitest")
    np.testing.assert_allclose([q or 0 for q in holm(p)], multitest.multipletests(p, method="holm")[1], rtol=1e-12)


def test_refusals() -> None:
    """A confidence outside (0, 1) is refused."""
    with pytest.raises(ArgumentError, match="confidence is 1"):
        bootstrap_interval(np.ones(3), 10, 0, 1)
