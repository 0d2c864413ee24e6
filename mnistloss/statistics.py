"""Moments that merge, and the intervals made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.arrays import Floats
from mnistloss.errors import ArgumentError
from mnistloss.losses import block_slices

Interval = tuple[float, float]

HUGE = 1e140
"""The size from which a loss counts as infinite: sums of such, or of their squares, may be."""


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


_USUAL = 1.9599639845400536
"""The quantile for 0.95: what computes it takes as long to import as half of this package."""


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
