"""Statistics of per-example losses: moments that merge, confidence intervals, and tests of paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
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
_NO_SPREAD = 1e-12  # a variance below this part of the mean square is a rounding error


def without_huge(losses: Floats) -> Floats:
    """Return per-example losses with infinity for those of HUGE or more."""
    return np.where(losses < HUGE, losses, np.inf) if losses.max(initial=0.0) >= HUGE else losses


class Moments:
    """The count, sum and sums of squared and cubed deviations of finite values, and the number of infinite values."""

    __slots__ = ("cubes", "deviations", "infinite", "n", "total")

    def __init__(self, n: int, total: float, deviations: float, cubes: float, infinite: int) -> None:
        self.n: int = n
        self.total: float = total
        self.deviations: float = deviations
        self.cubes: float = cubes
        self.infinite: int = infinite

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Compute the moments of one block of per-example losses; those of HUGE or more count as infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            finite, total = values, float(np.add.reduce(values))
            if not abs(total) < HUGE:
                finite = values[np.abs(values) < HUGE]
                total = float(np.add.reduce(finite))
            centred = finite - total / max(1, len(finite))
            squares = np.square(centred)
            deviations = float(np.add.reduce(squares))
            cubes = float(np.add.reduce(np.multiply(squares, centred, out=squares)))
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
        """The number of values, finite and infinite."""
        return self.n + self.infinite

    @property
    def sum(self) -> float:
        """The sum of all values; infinite if one value is."""
        return math.inf if self.infinite else self.total

    @property
    def mean(self) -> float:
        """The mean of all values; infinite if one value is."""
        return self.sum / self.count

    @property
    def stderr(self) -> float | None:
        """The standard error of the mean, s / sqrt(N); None for a single value, or if one value is infinite."""
        if self.infinite or self.n < 2:
            return None
        return math.sqrt(self.deviations / (self.n - 1) / self.n)

    @property
    def skewness_of_mean(self) -> float:
        """u = m3 / m2^1.5 / sqrt(n), the skewness of the mean; 0 where all values are equal."""
        return self.cubes / self.deviations / math.sqrt(self.deviations) if self.deviations else 0.0


def quantile(confidence: Any) -> float:
    """Return the z of a two-sided normal interval; a confidence outside (0, 1) raises ArgumentError."""
    real = isinstance(confidence, (int, float, np.floating))
    if not (real and 0 < confidence < 1 and 0.5 + confidence / 2 < 1):
        raise ArgumentError(f"confidence is {confidence!r}; expected a number between 0 and 1, such as 0.95")
    if confidence == 0.95:
        return _Z_95
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def hall_interval(mean: float, stderr: float | None, u: float, confidence: float) -> Interval | None:
    """Return P. Hall's interval of the mean of skewed data; None without a standard error.

    u: the skewness of the mean. The ends are mean - stderr G(z) and mean - stderr G(-z), z the normal quantile and G
    the inverse of h(T) = T + u T^2/3 + u^2 T^3/27 + u/6, in a form without division by u. For u = 0 this is the normal
    interval. Source: P. Hall, J. R. Statist. Soc. B 54 (1992), 221-228.
    """
    if stderr is None or not math.isfinite(u):
        return None
    z, ends = quantile(confidence), []
    for w in (z - u / 6, -z - u / 6):
        c = math.cbrt(1 + u * w)
        ends.append(mean - stderr * (3 * w / (c * c + c + 1)))
    return ends[0], ends[1]


def hall_p(mean: float, stderr: float | None, u: float) -> float | None:
    """Return the two-sided p-value of the hypothesis that the mean is 0; None without spread.

    p = 2 Phi(-|h(T)|) with T = mean / stderr, so p agrees with `hall_interval`, which defines h.
    """
    if not stderr or formatting.noise(stderr) or not math.isfinite(u):
        return None
    t = mean / stderr
    return math.erfc(abs(t + u * t**2 / 3 + u**2 * t**3 / 27 + u / 6) / math.sqrt(2))


def is_too_skewed(u: float, confidence: float) -> bool:
    """Whether the skewness u of a mean is too large for `hall_interval`: an end lies beyond the flat point of h."""
    return not 1 - abs(u) * quantile(confidence) - u * u / 6 > 0


def wilson_interval(share: float, n: int, confidence: float) -> Interval:
    """Return E. B. Wilson's interval (1927) of a share of n. It stays within [0, 1] and is good near 0 and 1 too."""
    z = quantile(confidence)
    spread = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    middle, scale = share + z * z / (2 * n), 1 + z * z / n
    return (middle - spread) / scale if share > 0 else 0.0, (middle + spread) / scale if share < 1 else 1.0


def bootstrap_intervals(values: Floats, draws: int, seed: int, confidence: float) -> list[Interval | None]:
    """Return bootstrap-t intervals of the means of the rows of values (m, n), from `draws` resamples of the columns.

    A resample is n columns drawn with replacement, the same for all rows; T = (mean of the resample - mean) / standard
    error of the resample. The ends are mean - stderr T at the quantiles of T; None where too many resamples have no
    spread. An index is the high half of a 32-bit word times n, so its probability is off by 2^-32 at most.
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
        variances = squares - shifts**2
        errors = np.sqrt(np.where(variances > _NO_SPREAD * squares, variances, 0.0) / (n - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics.append(np.where(shifts == 0, 0.0, shifts / errors))
    levels = [0.5 + confidence / 2, 0.5 - confidence / 2]
    tails = np.quantile(np.concatenate(statistics), levels, axis=0, method="inverted_cdf")
    stderrs = np.sqrt(np.square(centred).sum(axis=1) / (n - 1) / n)
    ends = means[:, 0] - np.where(stderrs == 0, 0.0, stderrs * tails)
    return [(float(low), float(high)) if math.isfinite(low + high) else None for low, high in ends.T]


def sign_flip_p(differences: Floats, flips: int, seed: int) -> tuple[float, bool]:
    """Return the two-sided p-value of the paired randomisation test of a mean, and whether it is exact.

    If two models are exchangeable, each paired difference could as well have had the other sign. p is the share of sign
    patterns whose mean is at least as far from 0 as the observed mean: of all patterns for at most EXACT nonzero
    differences, else (count + 1) / (flips + 1) with random patterns. Means within 1e-12 times the mean absolute
    difference of the observed mean are ties, and count. Source: R. A. Fisher, The Design of Experiments (1935), section
    21; E. J. G. Pitman (1937).

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]), flips=1000, seed=0)
    (0.25, True)
    """
    values = differences[differences != 0]
    n, total = len(values), values.sum()
    threshold, exact = abs(total) - _TIE_TOLERANCE * np.abs(values).sum(), n <= EXACT
    patterns = [np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1] if exact else _random_bits(n, flips, seed)
    count = sum(int(np.count_nonzero(np.abs(total - 2 * (flip @ values)) >= threshold)) for flip in patterns)
    return (count / 2**n, True) if exact else ((count + 1) / (flips + 1), False)


def _random_bits(n: int, rows: int, seed: int) -> Iterator[Floats]:
    """Yield rows of n random bits, in blocks."""
    words = -(-n // 64)
    stream = np.random.PCG64([seed, _FLIP_STREAM])
    for size in block_sizes(rows, 64 * words):
        octets = stream.random_raw(size * words).astype("<u8").view(np.uint8).reshape(size, -1)
        yield np.unpackbits(octets, axis=1, count=n, bitorder="little").astype(np.float64)


def welch(x: Moments, y: Moments) -> tuple[float | None, float]:
    """Return the standard error of the difference of two means, and Welch's degrees of freedom."""
    if x.stderr is None or y.stderr is None:
        return None, 1.0
    v, w = x.stderr**2, y.stderr**2
    return math.sqrt(v + w), (v + w) ** 2 / (v**2 / (x.n - 1) + w**2 / (y.n - 1)) if v + w else 1.0


def t_p(t: float, df: float) -> float:
    """Return the two-sided p-value of Student's t with `df` degrees of freedom, which need not be a whole number.

    p is the regularised incomplete beta function I_x(df / 2, 1 / 2) at x = df / (df + t^2), by its power series
    (NIST DLMF, 8.17.8). For |t| < 1 the series of the complement converges faster.
    """
    square, small = t * t, abs(t) < 1
    a, b, x = (0.5, df / 2, square / (df + square)) if small else (df / 2, 0.5, df / (df + square))
    term = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) * x**a * (1 - x) ** b / a
    total, n = term, 0
    while term > 1e-17 * total:
        term *= x * (a + b + n) / (a + 1 + n)
        total, n = total + term, n + 1
    return 1 - total if small else total


def t_quantile(confidence: float, df: float) -> float:
    """Return the t of a two-sided interval with this confidence, by bisection of `t_p`."""
    low, high = 0.0, 1.0
    while t_p(high, df) > 1 - confidence:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_p(middle, df) > 1 - confidence else (low, middle)
    return high


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947) for the examples that only one model gets right.

    With equal accuracies each such example is a fair coin toss: p is twice the binomial tail, at most 1. The tail is
    summed in integers, so only the last division rounds.

    >>> mcnemar_p(1, 5)
    0.21875
    """
    n = only_first + only_second
    tail = term = 1
    for k in range(min(only_first, only_second)):
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**n)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that the probability of any false positive among all tests stays within their level.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none falls below an earlier one or exceeds 1.
    None stays None and does not count. Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).

    >>> holm([0.03, None, 0.01, 0.5])
    [0.06, None, 0.03, 0.5]
    """
    adjusted: list[float | None] = [None] * len(p)
    tests, largest = sorted((value, place) for place, value in enumerate(p) if value is not None), 0.0
    for rank, (value, place) in enumerate(tests):
        adjusted[place] = largest = max(largest, min(1.0, (len(tests) - rank) * value))
    return adjusted


def block_sizes(total: int, width: int) -> Iterator[int]:
    """Split `total` rows of this width into blocks of bounded size; return the number of rows of each block."""
    rows = max(1, _BLOCK_CELLS // width)
    return (min(rows, total - start) for start in range(0, total, rows))
