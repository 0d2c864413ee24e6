"""Calibration: how far confidence and accuracy differ, and how much the best temperature lowers the nll."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.analysis.view import Option, View
from mnistloss.arrays.checks import Array, Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Lines, Part, Table
from mnistloss.errors import InputError
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import counted, finite, nats, shown
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import Logits
from mnistloss.stats import Moments

MIN_PROBABILITY = 1e-300
"""Smaller probabilities are replaced by this one, so that their logs are finite."""

MAX_TEMPERATURE = 1000.0
"""The search for the best temperature goes from 1 / MAX_TEMPERATURE to MAX_TEMPERATURE."""


@dataclass(frozen=True)
class Bin:
    """The examples whose confidence is in (low, high]. In an empty bin, accuracy and mean confidence are None."""

    low: float
    high: float
    count: int
    accuracy: float | None
    confidence: float | None

    @property
    def gap(self) -> float:
        """|accuracy - confidence|, or 0 in an empty bin."""
        return 0.0 if self.accuracy is None or self.confidence is None else abs(self.accuracy - self.confidence)


@dataclass(frozen=True)
class BrierDecomposition:
    """The Brier score of the predicted class: the mean of (confidence - correct)², where correct is 1 or 0.

    score = reliability - resolution + uncertainty + within_bins. The first three terms: A. H. Murphy (1973).
    within_bins corrects for the width of the bins: D. B. Stephenson, C. A. S. Coelho and I. T. Jolliffe (2008). It is
    the variance of the confidence in a bin, minus twice the covariance of confidence and correct in this bin.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


@dataclass(frozen=True)
class TemperatureFit:
    """The temperature with the lowest mean nll (cross-entropy without delta), and this mean nll, in nats.

    in_sample: the mean nll at `temperature`. halves: the temperatures fitted to the even rows and to the odd rows.
    cross_fitted: the mean nll if each half uses the temperature of the other half.
    A single example has no halves: `halves` and `cross_fitted` are None.
    """

    temperature: float
    in_sample: float
    halves: tuple[float, float] | None
    cross_fitted: float | None


@dataclass(frozen=True)
class Calibration:
    """The calibration of the predicted class: confidence, which is max_k y_k, compared with accuracy.

    ece: the mean of |accuracy - confidence| over the bins, weighted by count. mce: the maximum.
    nll: the mean nll of the predictions at temperature 1, in nats.
    """

    bins: tuple[Bin, ...]
    ece: float
    mce: float
    brier: BrierDecomposition
    nll: float
    fit: TemperatureFit

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON. A cost is the nll as given minus the nll at a temperature; null if infinite."""
        fit, nll = self.fit, {"in_sample": self.fit.in_sample, "cross_fitted": self.fit.cross_fitted}
        return {
            "confidence": "max_k y_k",
            "binning": {"bins": len(self.bins), "edges": "equal width, (low, high]", "norm": "L1, weighted by count"},
            "expected_calibration_error": self.ece,
            "maximum_calibration_error": self.mce,
            "brier_of_top_label": asdict(self.brier),
            "reliability": [asdict(b) for b in self.bins],
            "temperature": {"best": fit.temperature, "even_and_odd_rows": fit.halves, "floor": MIN_PROBABILITY},
            "nll": finite({"as_given": self.nll, **nll}),
            "cost": finite({name: self._cost(value) for name, value in nll.items()}),
        }

    def _cost(self, nll_at_temperature: float | None) -> float | None:
        return None if nll_at_temperature is None else self.nll - nll_at_temperature

    def parts(self) -> list[Part]:
        filled = [b for b in self.bins if b.count]
        accuracies = tuple(b.accuracy or 0.0 for b in filled)
        confidences = tuple(b.confidence or 0.0 for b in filled)
        labels = tuple(f"({b.low:.3f}, {b.high:.3f}]" for b in filled)
        notes = tuple(f"{b.accuracy:.4f}, mean confidence {b.confidence:.4f}, n = {b.count:,}" for b in filled)
        x, y = Axis("mean confidence (max y) of the bin, a share"), Axis("accuracy of the bin, a share")
        diagonal = Curve("perfect calibration", (0.0, 1.0), (0.0, 1.0))
        curves = (Curve("these predictions", confidences, accuracies, "joined"), diagonal)
        chart = Chart("reliability diagram: accuracy by confidence", x, y, curves)
        columns = (">score", ">= reliability", ">- resolution", ">+ uncertainty", ">+ within bins")
        terms = tuple(f"{value:.6f}" for value in asdict(self.brier).values())
        return [
            Bars("accuracy by confidence", labels, accuracies, notes, chart),
            Table("Brier score of the top label and its decomposition", columns, (terms,)),
            Lines(self._sentences()),
        ]

    def _sentences(self) -> tuple[str, ...]:
        t, bins = self.fit.temperature, counted(len(self.bins), "bin", "bins")
        limit = ", the end of the range searched" if t in (MAX_TEMPERATURE, 1 / MAX_TEMPERATURE) else ""
        direction = "over" if t > 1 else "under"
        verdict = "no other temperature lowers the nll" if t == 1 else f"these predictions are {direction}-confident"
        how = f"{bins} of equal width, (low, high], L1 norm, weighted by count"
        lines = [f"Expected calibration error {self.ece:.5f}, maximum {self.mce:.5f}: {how}."]
        lines += [f"Best temperature {t:.4f}{limit}: {verdict}."]
        for nll, where in (
            (self.fit.in_sample, "at the temperature fitted to these rows"),
            (self.fit.cross_fitted, "with each half at the temperature fitted to the other half"),
        ):
            if nll is not None:
                cost = f"miscalibration costs {nats(self._cost(nll), 6)}"
                lines += [f"nll {nats(self.nll, 6)} as given, {nats(nll, 6)} {where}: {cost}."]
        floor = f"{MIN_PROBABILITY:g}"
        return (*lines, f"The temperature divides log y; a y below {floor} is taken as {floor}.")


def calibration(scores: Scores, bins: int = 15) -> Calibration:
    """Bin the confidences, decompose the Brier score of the predicted class, and fit a temperature.

    Raises InputError for soft targets, for predicted classes, and for rows that do not sum to 1.
    """
    if scores.unnormalized:
        raise InputError(f"{shown(scores.name)}: some rows do not sum to 1; calibration needs rows of probabilities")
    correct = (scores.predicted == scores.labels).astype(np.float64)
    confidence = scores.probabilities()[scores.predicted, np.arange(scores.n)]
    binned, brier = reliability(confidence, correct, bins)
    return Calibration(
        bins=binned,
        ece=math.fsum(b.count * b.gap for b in binned) / scores.n,
        mce=max(b.gap for b in binned),
        brier=brier,
        nll=Moments.over(scores.losses("nll")).mean,
        fit=fit_temperature(scores),
    )


def reliability(confidence: Floats, correct: Floats, bins: int) -> tuple[tuple[Bin, ...], BrierDecomposition]:
    """Sort examples into bins of equal width by confidence, and decompose the Brier score.

    confidence: (n,). correct: (n,), 1 where the predicted class is right, else 0. bins: their number; each is
    (low, high]. A confidence outside (0, 1] goes to the nearest bin.
    """
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    accuracy, mean = (np.bincount(place, values, bins) / np.maximum(counts, 1) for values in (correct, confidence))
    binned = tuple(
        Bin(low, high, n, *((float(accuracy[b]), float(mean[b])) if n else (None, None)))
        for b, (low, high, n) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
    )
    base_rate = float(correct.mean())
    f, o, f_bin, o_bin = confidence, correct, mean[place], accuracy[place]  # forecasts, outcomes, and means by bin
    brier = BrierDecomposition(
        score=float(((f - o) ** 2).mean()),
        reliability=float(((f_bin - o_bin) ** 2).mean()),
        resolution=float(((o_bin - base_rate) ** 2).mean()),
        uncertainty=base_rate * (1 - base_rate),
        within_bins=float(((f - f_bin) * (f - f_bin - 2 * (o - o_bin))).mean()),
    )
    return binned, brier


def fit_temperature(scores: Scores) -> TemperatureFit:
    """Fit a temperature to all rows. Also fit one to each half of the rows, and score the other half with it."""
    log_p, t = np.maximum(scores.outputs.log(None, 0.0), math.log(MIN_PROBABILITY)), scores.labels
    temperature = best_temperature(log_p, t)
    in_sample = Moments.over(_nll(log_p, t, temperature)).mean
    if scores.n < 2:
        return TemperatureFit(temperature, in_sample, None, None)
    even, odd = (best_temperature(log_p[:, start::2], t[start::2]) for start in (0, 1))
    nll = np.empty(scores.n)
    nll[::2], nll[1::2] = _nll(log_p[:, ::2], t[::2], odd), _nll(log_p[:, 1::2], t[1::2], even)
    return TemperatureFit(temperature, in_sample, (even, odd), Moments.over(nll).mean)


def _nll(log_p: Floats, t: Array, temperature: float) -> Floats:
    """Compute the nll (n,) of log-probabilities (K, n), divided by the temperature, for labels (n,)."""
    return LOSSES["nll"](Logits(log_p / temperature), t)


def best_temperature(log_p: Floats, t: NDArray[np.intp]) -> float:
    """Find the temperature T with the lowest mean nll for log-probabilities (K, n) and labels (n,).

    The mean nll is a convex function of b = 1 / T. Newton's method finds the zero of the slope; a step that would
    leave the bracket is replaced by a bisection of log b. If the minimum lies outside the range, return the end of
    the range. If the slope at T = 1 is zero, return 1.
    """
    low, high, b = 1 / MAX_TEMPERATURE, MAX_TEMPERATURE, 1.0
    if abs(_slope(log_p, t, b)[0]) <= 1e-15 * np.abs(log_p).max():
        return 1.0
    if _slope(log_p, t, high)[0] <= 0:
        return 1 / high
    if _slope(log_p, t, low)[0] >= 0:
        return 1 / low
    for _ in range(200):
        slope, curvature = _slope(log_p, t, b)
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curvature if curvature > 0 else low
        new = step if low < step < high else math.sqrt(low * high)
        if abs(new - b) <= 1e-12 * b:
            return 1 / new
        b = new
    return 1 / b


def _slope(log_p: Floats, t: NDArray[np.intp], b: float) -> tuple[float, float]:
    """Return both derivatives of the mean nll by b: the mean of E[z] - z_t, and the mean of Var[z], for z = log p."""
    p = Logits(b * log_p).p
    expected = np.einsum("kn,kn->n", p, log_p)
    variance = np.einsum("kn,kn->n", p, (log_p - expected) ** 2)
    return float((expected - log_p[t, np.arange(len(t))]).mean()), float(variance.mean())


VIEW = View(
    "calibration",
    "calibration error, reliability diagram, and the temperature with the least nll",
    ALL_COLUMNS,
    calibration,
    (Option("bins", 15, 1, "Number of bins of equal width.", 10_000),),
    charted=True,
)
