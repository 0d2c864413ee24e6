"""Statistics of per-example losses: moments that merge, confidence intervals, and tests of paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss import formatting
from mnistloss.arrays.checks import Floats, block_slices
from mnistloss.errors import ArgumentError

Interval = tuple[float, float]

HUGE = 1e140
"""Losses of at least this size count as infinite: their sum, or the sum of their squares, could overflow."""

_Z_95 = 1.9599639845400536
"""The quantile for 0.95, spelt out because importing `statistics` takes as long as half of this package."""

EXACT = 14
"""Up to this number of nonzero differences, the sign-flip test enumerates all sign patterns."""

_BLOCK_CELLS = 2**17
_FLIP_STREAM, _BOOTSTRAP_STREAM = 1, 2
_TIE_TOLERANCE = 1e-12


def without_huge(losses: Floats) -> Floats:
    """Return per-example losses with infinity for those of HUGE or more."""
    return np.where(losses < HUGE, losses, np.inf) if losses.max(initial=0.0) >= HUGE else losses


@dataclass(frozen=True)
class Moments:
    """Count, sum and sums of squared and cubed deviations of the finite values, and the number of infinite ones."""

    n: int
    total: float
    deviations: float
    cubes: float
    infinite: int

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Compute the moments of one block of per-example losses; those of HUGE or more count as infinite."""
        with np.errstate(over="ignore"):
            finite, total = values, float(values.sum())
        if not abs(total) < HUGE:
            finite = values[np.abs(values) < HUGE]
            total = float(finite.sum())
        centred = finite - total / max(1, len(finite))
        squares = np.square(centred)
        deviations = float(squares.sum())
        with np.errstate(over="ignore", invalid="ignore"):
            cubes = float(np.multiply(squares, centred, out=squares).sum())
        return cls(len(finite), total, deviations, cubes, len(values) - len(finite))

    @classmethod
    def merged(cls, blocks: Iterable[Moments]) -> Moments:
        """Merge the moments of blocks; sums are joined with `math.fsum`, so the order of the blocks does not matter."""
        parts = list(blocks)
        n, total = sum(p.n for p in parts), math.fsum(p.total for p in parts)
        shifts = [(p, p.total / p.n - total / n) for p in parts if p.n]
        deviations = math.fsum([*(p.deviations for p in parts), *(p.n * shift**2 for p, shift in shifts)])
        cubes = sum(p.cubes + 3 * shift * p.deviations + p.n * shift * shift * shift for p, shift in shifts)
        return cls(n, total, deviations, cubes, sum(p.infinite for p in parts))

    @classmethod
    def over(cls, values: Floats) -> Moments:
        """Compute the moments of all per-example losses (N,), in the same blocks as `evaluate`."""
        return cls.merged(cls.of(values[rows]) for rows in block_slices(len(values)))

    @property
    def count(self) -> int:
        """Number of values, finite and infinite."""
        return self.n + self.infinite

    @property
    def sum(self) -> float:
        """Sum of all values; infinite if one is."""
        return math.inf if self.infinite else self.total

    @property
    def mean(self) -> float:
        """Mean of all values; infinite if one is."""
        return self.sum / self.count

    @property
    def stderr(self) -> float | None:
        """Standard error of the mean, s / sqrt(N); None for a single value or if one is infinite."""
        if self.infinite or self.n < 2:
            return None
        return math.sqrt(self.deviations / (self.n - 1) / self.n)

    @property
    def skewness_of_mean(self) -> float:
        """u = m3 / m2^1.5 / sqrt(n), the skewness of the mean; 0 where all values are equal."""
        return self.cubes / self.deviations / math.sqrt(self.deviations) if self.deviations else 0.0


def quantile(confidence: Any) -> float:
    """Return the z of a two-sided normal interval with this confidence; outside (0, 1) raises ArgumentError."""
    real = isinstance(confidence, (int, float, np.floating))
    if not (real and 0 < confidence < 1 and 0.5 + confidence / 2 < 1):
        raise ArgumentError(f"confidence is {confidence!r}; expected a number between 0 and 1, such as 0.95")
    if confidence == 0.95:
        return _Z_95
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def hall_interval(mean: float, stderr: float | None, u: float, confidence: float) -> Interval | None:
    """Return P. Hall's interval of the mean of skewed data; None without a standard error.

    u: the skewness of the mean. The ends are mean - stderr G(z) and mean - stderr G(-z), z the normal quantile; for
    u = 0 this is the normal interval. Source: P. Hall, J. R. Statist. Soc. B 54 (1992), 221-228.
    """
    if stderr is None or not math.isfinite(u):
        return None
    z = quantile(confidence)
    return mean - stderr * _hall_quantile(z, u), mean - stderr * _hall_quantile(-z, u)


def _hall_quantile(q: float, u: float) -> float:
    """Return G(q), the inverse of h(T) = T + u T^2/3 + u^2 T^3/27 + u/6, in a form without division by u."""
    w = q - u / 6
    c = math.cbrt(1 + u * w)
    return 3 * w / (c * c + c + 1)


def hall_p(mean: float, stderr: float | None, u: float) -> float | None:
    """Return the two-sided p-value of a mean of 0 that agrees with `hall_interval`; None without spread.

    p = 2 Phi(-|h(T)|) with T = mean / stderr and h as in `_hall_quantile`.
    """
    if not stderr or formatting.noise(stderr) or not math.isfinite(u):
        return None
    t = mean / stderr
    return math.erfc(abs(t + u * t**2 / 3 + u**2 * t**3 / 27 + u / 6) / math.sqrt(2))


def is_too_skewed(u: float, confidence: float) -> bool:
    """Whether the skewness u of a mean is too large for `hall_interval`: G is not monotonic up to the quantile."""
    return not 1 - abs(u) * quantile(confidence) - u * u / 6 > 0


def wilson_interval(share: float, n: int, confidence: float) -> Interval:
    """Return the interval of a share of n by E. B. Wilson (1927), which stays within [0, 1] and holds near its ends."""
    z = quantile(confidence)
    spread = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    middle, scale = share + z * z / (2 * n), 1 + z * z / n
    return (middle - spread) / scale if share > 0 else 0.0, (middle + spread) / scale if share < 1 else 1.0


def bootstrap_intervals(values: Floats, draws: int, seed: int, confidence: float) -> list[Interval | None]:
    """Return bootstrap-t intervals of the means of the rows of values (m, n), from `draws` resamples of the columns.

    Each resample is studentised: T = (its mean - mean) / its standard error, and the ends are mean - stderr T at the
    quantiles of T. None where too many resamples have no spread. A resample is n columns drawn with replacement, the
    same for all rows. An index is the high half of a 32-bit word times n, so its probability is off by 2^-32 at most.
    Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    quantile(confidence)
    n = values.shape[1]
    means = values.mean(axis=1, keepdims=True)
    centred = values - means
    sums = np.vstack([centred, np.square(centred)])
    stream = np.random.PCG64([seed, _BOOTSTRAP_STREAM])
    statistics = []
    for size in block_sizes(draws, n):
        halves = stream.random_raw((size * n + 1) // 2).astype("<u8").view("<u4")[: size * n]
        columns = ((halves.astype(np.uint64) * np.uint64(n)) >> np.uint64(32)).astype(np.intp).reshape(size, n)
        starts = n * np.arange(size)[:, np.newaxis]
        counts = np.bincount((columns + starts).ravel(), minlength=size * n).reshape(size, n)
        shifts, squares = np.split(counts.astype(np.float64) @ sums.T / n, 2, axis=1)
        errors = np.sqrt(np.maximum(squares - shifts**2, 0.0) / (n - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics.append(np.where(shifts == 0, 0.0, shifts / errors))
    levels = [0.5 + confidence / 2, 0.5 - confidence / 2]
    tails = np.quantile(np.concatenate(statistics), levels, axis=0, method="inverted_cdf")
    stderrs = np.sqrt(np.square(centred).sum(axis=1) / (n - 1) / n)
    ends = means[:, 0] - np.where(stderrs == 0, 0.0, stderrs * tails)
    return [(float(low), float(high)) if math.isfinite(low + high) else None for low, high in ends.T]


def sign_flip_p(differences: Floats, flips: int, seed: int) -> tuple[float, bool]:
    """Return the two-sided p-value of the paired randomisation test of a mean, and whether it is exact.

    If the two models are exchangeable, each paired difference could as well have had the other sign. p is the share
    of sign patterns whose mean is at least as far from 0 as the observed one: of all patterns if at most EXACT
    differences are nonzero, else (count + 1) / (flips + 1) with random ones. Means within 1e-12 times the mean
    absolute difference of the observed one are ties, and count.
    Source: R. A. Fisher, The Design of Experiments (1935), section 21; E. J. G. Pitman (1937).

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]), flips=1000, seed=0)
    (0.25, True)
    """
    nonzero = differences[differences != 0]
    threshold = abs(nonzero.sum()) - _TIE_TOLERANCE * np.abs(nonzero).sum()
    if len(nonzero) <= EXACT:
        return float((np.abs(_signed_sums(nonzero)) >= threshold).mean()), True
    count = sum(int(np.count_nonzero(np.abs(sums) >= threshold)) for sums in _random_sums(nonzero, flips, seed))
    return (count + 1) / (flips + 1), False


def _signed_sums(values: Floats) -> Floats:
    """Sum the last axis, of length m, under each sign pattern, (..., 2^m); bit k of a pattern flips value k."""
    sums = np.zeros((*values.shape[:-1], 1))
    for k in range(values.shape[-1]):
        value = values[..., k, np.newaxis]
        sums = np.concatenate([sums + value, sums - value], axis=-1)
    return sums


def _random_sums(values: Floats, flips: int, seed: int) -> Iterator[Floats]:
    """Yield the sums under `flips` random sign patterns, in blocks.

    The 256 signed sums of each group of eight values are a table, so that one random byte flips eight signs.
    """
    words = -(-len(values) // 64)
    groups = np.pad(values, (0, 64 * words - len(values))).reshape(8 * words, 8)
    table = _signed_sums(groups).ravel()
    starts = np.arange(0, len(table), 256)
    stream = np.random.PCG64([seed, _FLIP_STREAM])
    for size in block_sizes(flips, len(groups)):
        patterns = stream.random_raw(size * words).astype("<u8").view(np.uint8).reshape(size, -1)
        yield table.take(starts + patterns).sum(axis=1)


def t_p(t: float, df: float) -> float:
    """Return the two-sided p-value of Student's t with `df` degrees of freedom, which need not be whole.

    It is the regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2).
    """
    x, rest = df / (df + t * t), t * t / (df + t * t)
    if x > (df / 2 + 1) / (df / 2 + 2.5):  # where the fraction converges fast only for the complement
        return 1 - _incomplete_beta(0.5, df / 2, rest)
    return _incomplete_beta(df / 2, 0.5, x)


def t_quantile(confidence: float, df: float) -> float:
    """Return the t of a two-sided interval with this confidence, by bisection of `t_p`."""
    low, high = 0.0, 1.0
    while t_p(high, df) > 1 - confidence:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_p(middle, df) > 1 - confidence else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) by its continued fraction, in Lentz's way. Source: NIST DLMF, 8.17.22."""
    if x <= 0:
        return 0.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, c, d = 1.0, 1.0, 0.0
    for m in range(10_000):
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))
        before = fraction
        for numerator in (odd, even):
            d = 1 / (1 + numerator * d)
            c = 1 + numerator / c
            fraction *= c * d
        if abs(fraction - before) <= 1e-16 * abs(fraction):
            break
    return front / fraction


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test for the examples that only one of two models gets right.

    With equal accuracies each of these is a fair coin toss: p is twice the binomial tail, at most 1. The tail is
    summed in integers, so only the last division rounds.
    Source: Q. McNemar (1947), in the exact form.

    >>> mcnemar_p(1, 5)
    0.21875
    """
    n = only_first + only_second
    tail = term = 1
    for k in range(min(only_first, only_second)):
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**n)


def holm(p: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests so that the probability of any false positive stays within their level.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none falls below an earlier one or exceeds 1.
    Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).

    >>> holm([0.03, 0.01, 0.5])
    [0.06, 0.03, 0.5]
    """
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, test in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[test]))
        adjusted[test] = largest
    return adjusted


def block_sizes(total: int, width: int) -> Iterator[int]:
    """Split `total` rows of some width into blocks of bounded size, and yield the number of rows of each."""
    rows = max(1, _BLOCK_CELLS // width)
    return (min(rows, total - start) for start in range(0, total, rows))
