"""Moments that merge, and the intervals made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Floats, block_slices
from mnistloss.errors import ArgumentError

Interval = tuple[float, float]

HUGE = 1e140
"""The size from which a loss counts as infinite: sums of such, or of their squares, may be."""

_USUAL = 1.9599639845400536
"""The quantile for 0.95: what computes it takes as long to import as half of this package."""

EXACT = 14
"""Up to so many differences that are not zero, a sign-flip test goes through all of the sign patterns."""

_CELLS = 2**17
_FLIPS, _BOOTSTRAP = 1, 2
_TIE = 1e-12


@dataclass(frozen=True)
class Moments:
    """Count, sum and squared deviations of the finite values of some blocks, and how many are infinite."""

    n: int
    total: float
    deviations: float
    infinite: int

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """The moments of one block of per-example losses; those beyond HUGE count as infinite."""
        with np.errstate(over="ignore"):
            finite, total = values, float(values.sum())
        if not abs(total) < HUGE:
            finite = values[np.abs(values) < HUGE]
            total = float(finite.sum())
        centred = finite - total / max(1, len(finite))
        return cls(len(finite), total, float(np.square(centred).sum()), len(values) - len(finite))

    @classmethod
    def merged(cls, blocks: Iterable[Moments]) -> Moments:
        """The moments of all blocks together; sums are joined with `math.fsum`, so only the blocks matter."""
        parts = list(blocks)
        n, total = sum(p.n for p in parts), math.fsum(p.total for p in parts)
        between = (p.n * (p.total / p.n - total / n) ** 2 for p in parts if p.n)
        deviations = math.fsum([*(p.deviations for p in parts), *between])
        return cls(n, total, deviations, sum(p.infinite for p in parts))

    @classmethod
    def over(cls, values: Floats) -> Moments:
        """The moments of all per-example losses (N,), by the blocks that `evaluate` makes."""
        return cls.merged(cls.of(values[rows]) for rows in block_slices(len(values)))

    @property
    def count(self) -> int:
        """N, with the infinite ones."""
        return self.n + self.infinite

    @property
    def sum(self) -> float:
        """The sum over all examples."""
        return math.inf if self.infinite else self.total

    @property
    def mean(self) -> float:
        """The mean over all examples."""
        return self.sum / self.count

    @property
    def stderr(self) -> float | None:
        """Standard error of the mean, s / sqrt(N); None for one example or where a loss is infinite."""
        if self.infinite or self.n < 2:
            return None
        return math.sqrt(self.deviations / (self.n - 1) / self.n)


def quantile(confidence: Any) -> float:
    """The z with which a two-sided normal interval has this confidence; outside (0, 1) raises ArgumentError."""
    real = isinstance(confidence, (int, float, np.floating))
    if not (real and 0 < confidence < 1 and 0.5 + confidence / 2 < 1):
        raise ArgumentError(f"confidence is {confidence!r}; expected a number between 0 and 1, such as 0.95")
    if confidence == 0.95:
        return _USUAL
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def normal_interval(value: float, stderr: float | None, confidence: float) -> Interval | None:
    """value -+ z standard errors; None without a standard error."""
    if stderr is None:
        return None
    margin = quantile(confidence) * stderr
    return value - margin, value + margin


def wilson_interval(share: float, n: int, confidence: float) -> Interval:
    """Interval of a share of n by E. B. Wilson (1927), which stays within [0, 1] and works near its ends."""
    z = quantile(confidence)
    spread = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    middle, scale = share + z * z / (2 * n), 1 + z * z / n
    return (middle - spread) / scale if share > 0 else 0.0, (middle + spread) / scale if share < 1 else 1.0


def bootstrap_interval(values: Floats, draws: int, seed: int, confidence: float) -> Interval:
    """Percentile interval of the mean of values (n,); see `bootstrap_intervals`."""
    return bootstrap_intervals(values[np.newaxis], draws, seed, confidence)[0]


def bootstrap_intervals(values: Floats, draws: int, seed: int, confidence: float) -> list[Interval]:
    """Percentile intervals of the means of each row of values (m, n): quantiles over `draws` resamples of the columns.

    All rows see the same resamples, each of n columns with replacement. An index is the high half of a 32-bit word
    times n, so its probability is off by 2^-32 at most.
    Source: B. Efron, Bootstrap methods: another look at the jackknife (1979).
    """
    quantile(confidence)
    n = values.shape[1]
    stream = np.random.PCG64([seed, _BOOTSTRAP])
    means = []
    for size in _blocks(draws, n):
        halves = stream.random_raw((size * n + 1) // 2).astype("<u8").view("<u4")[: size * n]
        columns = ((halves.astype(np.uint64) * np.uint64(n)) >> np.uint64(32)).astype(np.intp).reshape(size, n)
        starts = n * np.arange(size)[:, np.newaxis]
        counts = np.bincount((columns + starts).ravel(), minlength=size * n).reshape(size, n)
        means.append(counts.astype(np.float64) @ values.T / n)
    ends = np.quantile(np.concatenate(means), [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return [(float(low), float(high)) for low, high in ends.T]


def sign_flip_p(differences: Floats, flips: int, seed: int) -> tuple[float, bool]:
    """Two-sided p-value of the paired randomisation test of a mean, and whether it is exact.

    Under the hypothesis that two models are exchangeable, each paired difference could as well have had the
    other sign. p is the share of sign patterns whose mean is at least as far from 0 as the one found: of all
    patterns where at most EXACT differences are not zero, else (count + 1) / (flips + 1) of random ones.
    Means within 1e-12 of the mean absolute difference are ties, and count.
    Source: R. A. Fisher, The Design of Experiments (1935), section 21; E. J. G. Pitman (1937).

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]), flips=1000, seed=0)
    (0.25, True)
    """
    moving = differences[differences != 0]
    least = abs(moving.sum()) - _TIE * np.abs(moving).sum()
    if len(moving) <= EXACT:
        return float((np.abs(_signed_sums(moving)) >= least).mean()), True
    count = sum(int(np.count_nonzero(np.abs(sums) >= least)) for sums in _random_sums(moving, flips, seed))
    return (count + 1) / (flips + 1), False


def _signed_sums(values: Floats) -> Floats:
    """The sums over the last axis under each of its 2^m sign patterns, (..., 2^m); bit k of a pattern flips value k."""
    sums = np.zeros((*values.shape[:-1], 1))
    for k in range(values.shape[-1]):
        value = values[..., k, np.newaxis]
        sums = np.concatenate([sums + value, sums - value], axis=-1)
    return sums


def _random_sums(values: Floats, flips: int, seed: int) -> Iterator[Floats]:
    """The sums under `flips` random sign patterns, in blocks.

    The values lie in groups of eight whose 256 signed sums are a table: a random byte flips eight signs at once.
    """
    words = -(-len(values) // 64)
    groups = np.pad(values, (0, 64 * words - len(values))).reshape(8 * words, 8)
    table = _signed_sums(groups).ravel()
    starts = np.arange(0, len(table), 256)
    stream = np.random.PCG64([seed, _FLIPS])
    for size in _blocks(flips, len(groups)):
        patterns = stream.random_raw(size * words).astype("<u8").view(np.uint8).reshape(size, -1)
        yield table.take(starts + patterns).sum(axis=1)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test: of the examples that only one of two models gets right.

    Under the hypothesis of equal accuracy each of these is a fair coin's throw: twice the binomial tail, at most 1.
    The tail is summed in whole numbers, so nothing is rounded before the end.
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
    """The p-values of several tests, adjusted so that the chance of any false alarm stays within their level.

    The least of m is multiplied by m, the next by m - 1 and so on; none falls below an earlier one or exceeds 1.
    Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).

    >>> holm([0.03, 0.01, 0.5])
    [0.06, 0.03, 0.5]
    """
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[at]))
        adjusted[at] = largest
    return adjusted


def _blocks(total: int, width: int) -> Iterator[int]:
    """`total` rows of some width in blocks of bounded size: how many rows each block has."""
    rows = max(1, _CELLS // width)
    return (min(rows, total - start) for start in range(0, total, rows))
