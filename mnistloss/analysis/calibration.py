"""Whether a confidence is as large as the accuracy that comes with it, and what the difference costs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss import formatting
from mnistloss.analysis.view import Option, View
from mnistloss.arrays.checks import Array, Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Lines, Part, Table
from mnistloss.errors import InputError
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import finite, nats, shown
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import Logits
from mnistloss.stats import Moments

FLOOR = 1e-300
"""What stands for smaller probabilities inside the log, so that 0 has a finite one."""

LIMIT = 1000.0
"""Temperatures are looked for between 1 / LIMIT and LIMIT."""


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


@dataclass(frozen=True)
class Tempering:
    """The best temperature, the nll there, and the nll where each half is scored at the other half's temperature.

    halves: the temperatures of the even and of the odd rows; they and `crossed` are None for a single example.
    """

    temperature: float
    in_sample: float
    halves: tuple[float, float] | None
    crossed: float | None


@dataclass(frozen=True)
class Calibration:
    """Calibration of the top label: the confidence max_k y_k against whether that class is right."""

    bins: tuple[Bin, ...]
    ece: float
    mce: float
    brier: Brier
    nll: float
    tempering: Tempering

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; costs are nll as given minus nll at a temperature, null where that is infinite."""
        fitted = self.tempering
        return {
            "confidence": "max_k y_k",
            "binning": {"bins": len(self.bins), "edges": "equal width, (low, high]", "norm": "L1, weighted by count"},
            "expected_calibration_error": self.ece,
            "maximum_calibration_error": self.mce,
            "brier_of_top_label": asdict(self.brier),
            "reliability": [asdict(b) for b in self.bins],
            "temperature": {"best": fitted.temperature, "even_and_odd_rows": fitted.halves, "floor": FLOOR},
            "nll": {"as_given": finite(self.nll), "in_sample": fitted.in_sample, "cross_fitted": fitted.crossed},
            "cost": {
                "in_sample": finite(self._cost(fitted.in_sample)),
                "cross_fitted": finite(self._cost(fitted.crossed)),
            },
        }

    def _cost(self, tempered: float | None) -> float | None:
        return None if tempered is None else self.nll - tempered

    def parts(self) -> list[Part]:
        """The reliability of each bin that has examples, the Brier score's parts, and sentences."""
        filled = [b for b in self.bins if b.count]
        bars = Bars(
            "accuracy by confidence",
            tuple(f"({b.low:.3f}, {b.high:.3f}]" for b in filled),
            tuple(b.accuracy or 0.0 for b in filled),
            tuple(f"{b.accuracy:.4f}, mean confidence {b.confidence:.4f}, n = {b.count:,}" for b in filled),
            self._chart(),
        )
        brier = Table(
            "Brier score of the top label, and the parts that it is made of",
            (">score", ">= reliability", ">- resolution", ">+ uncertainty", ">+ within bins"),
            (tuple(f"{value:.6f}" for value in asdict(self.brier).values()),),
        )
        return [bars, brier, Lines(self._sentences())]

    def _chart(self) -> Chart:
        means = [(b.confidence, b.accuracy) for b in self.bins if b.confidence is not None and b.accuracy is not None]
        found, right = zip(*means, strict=True)
        return Chart(
            "reliability: accuracy by confidence",
            Axis("confidence, the mean of max y in the bin, a share"),
            Axis("accuracy in the bin, a share"),
            (
                Curve("these predictions", found, right, "joined"),
                Curve("as often right as sure", (0.0, 1.0), (0.0, 1.0)),
            ),
        )

    def _sentences(self) -> tuple[str, ...]:
        fitted, bins = self.tempering, formatting.counted(len(self.bins), "bin", "bins")
        t = fitted.temperature
        how = "over-confident" if t > 1 else "under-confident" if t < 1 else "at their best as they are"
        edge = ", the edge of what is searched" if t in (LIMIT, 1 / LIMIT) else ""
        ways = [("the temperature fitted to these rows", fitted.in_sample)]
        ways += [("each half at the other half's temperature", fitted.crossed)] if fitted.crossed is not None else []
        return (
            f"Expected calibration error {self.ece:.5f}, maximum {self.mce:.5f}:"
            f" {bins} of equal width, (low, high], L1 norm, weighted by count.",
            f"Best temperature {t:.4f}{edge}: these predictions are {how}.",
            *(
                f"nll {nats(self.nll, 6)} as given, {nats(at, 6)} with {way}: "
                f"miscalibration costs {nats(self._cost(at), 6)}."
                for way, at in ways
            ),
            f"The temperature divides log y, where a y below {FLOOR:g} counts as {FLOOR:g}.",
        )


def calibration(scores: Scores, bins: int = 15) -> Calibration:
    """Bin the confidences, take the Brier score apart, and fit a temperature.

    Soft targets raise InputError, and so do rows that do not sum to 1: of these, confidence means nothing.
    """
    if scores.unnormalized:
        raise InputError(f"{shown(scores.name)}: rows that do not sum to 1 have no confidence to be calibrated")
    correct = (scores.predicted == scores.labels).astype(np.float64)
    confidence = scores.probabilities()[scores.predicted, np.arange(scores.n)]
    found, brier = reliability(confidence, correct, bins)
    gaps = [
        (b.count, abs(b.accuracy - b.confidence)) for b in found if b.accuracy is not None and b.confidence is not None
    ]
    return Calibration(
        bins=found,
        ece=math.fsum(n * gap for n, gap in gaps) / scores.n,
        mce=max(gap for _, gap in gaps),
        brier=brier,
        nll=Moments.over(scores.losses("nll")).mean,
        tempering=temper(scores),
    )


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


def temper(scores: Scores) -> Tempering:
    """Fit the temperature to all examples, and to the even and the odd rows for each other."""
    z, t = np.maximum(scores.outputs.log(None, 0.0), math.log(FLOOR)), scores.labels
    whole = fit(z, t)
    in_sample = Moments.over(nll(z, t, whole)).mean
    if scores.n < 2:
        return Tempering(whole, in_sample, None, None)
    even, odd = (fit(z[:, start::2], t[start::2]) for start in (0, 1))
    crossed = np.empty(scores.n)
    crossed[::2], crossed[1::2] = nll(z[:, ::2], t[::2], odd), nll(z[:, 1::2], t[1::2], even)
    return Tempering(whole, in_sample, (even, odd), Moments.over(crossed).mean)


def nll(z: Floats, t: Array, temperature: float) -> Floats:
    """The per-example nll (n,) of log-probabilities (K, n) at a temperature."""
    return LOSSES["nll"](Logits(z / temperature), t)


def fit(z: Floats, t: NDArray[np.intp]) -> float:
    """The temperature of least mean nll for log-probabilities (K, n).

    The mean nll is convex in b = 1 / T: Newton's method on its slope, with a bisection of log b where a step
    leaves the bracket. A minimum outside of the range gives its end; a slope of 0 at T = 1 gives 1.
    """
    low, high, b = 1 / LIMIT, LIMIT, 1.0
    if abs(_slope(z, t, b)[0]) <= 1e-15 * np.abs(z).max():
        return 1.0
    if _slope(z, t, high)[0] <= 0:
        return 1 / high
    if _slope(z, t, low)[0] >= 0:
        return 1 / low
    for _ in range(200):
        slope, curvature = _slope(z, t, b)
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curvature if curvature > 0 else low
        found = step if low < step < high else math.sqrt(low * high)
        if abs(found - b) <= 1e-12 * b:
            return 1 / found
        b = found
    return 1 / b


def _slope(z: Floats, t: NDArray[np.intp], b: float) -> tuple[float, float]:
    """First and second derivative of the mean nll by b: the mean of E[z] - z_t, and of the variance of z."""
    p = Logits(b * z).p
    expected = np.einsum("kn,kn->n", p, z)
    variance = np.einsum("kn,kn->n", p, (z - expected) ** 2)
    return float((expected - z[t, np.arange(len(t))]).mean()), float(variance.mean())


VIEW = View(
    "calibration",
    "whether confidence is as large as accuracy, and what the difference costs",
    ALL_COLUMNS,
    calibration,
    (Option("bins", 15, 1, "how many bins of equal width", 10_000),),
    charted=True,
)
