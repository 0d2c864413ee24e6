"""Confidences in bins, and the parts of the Brier score that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistloss.arrays import Floats


@dataclass(frozen=True)
class Bin:
    """The examples whose confidence is in (low, high]; accuracy and confidence are their means, None for none."""

    low: float
    high: float
    count: int
    accuracy: float | None
    confidence: float | None


@dataclass(frozen=True)
class Brier:
    """The mean of (confidence - correct)²: reliability - resolution + uncertainty + within_bins.

    Source: A. H. Murphy (1973); within_bins is what bins add to it, D. B. Stephenson, C. A. S. Coelho and
    I. T. Jolliffe (2008): the variance of the confidence in its bin less twice its covariance with correct.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def reliability(confidence: Floats, correct: Floats, bins: int) -> tuple[tuple[Bin, ...], Brier]:
    """Put confidences (n,), and whether they were right (n,), into bins of equal width, (low, high].

    What lies outside of (0, 1] counts to the nearest bin.
    """
    edges = np.arange(bins + 1) / bins
    at = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    accuracy, mean = (np.bincount(at, values, bins) / np.maximum(counts, 1) for values in (correct, confidence))
    found = tuple(
        Bin(low, high, n, *((float(accuracy[b]), float(mean[b])) if n else (None, None)))
        for b, (low, high, n) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
    )
    return found, _brier(confidence, correct, mean[at], accuracy[at])


def _brier(f: Floats, o: Floats, f_bin: Floats, o_bin: Floats) -> Brier:
    """Forecasts f and outcomes o of each example, and their means over the example's bin."""
    base = float(o.mean())
    return Brier(
        score=float(((f - o) ** 2).mean()),
        reliability=float(((f_bin - o_bin) ** 2).mean()),
        resolution=float(((o_bin - base) ** 2).mean()),
        uncertainty=base * (1 - base),
        within_bins=float(((f - f_bin) * (f - f_bin - 2 * (o - o_bin))).mean()),
    )
