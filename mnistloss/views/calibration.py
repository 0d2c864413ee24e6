"""Whether a confidence is as large as the accuracy that comes with it, and what the difference costs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistloss import numbers
from mnistloss.document import Axis, Bars, Chart, Curve, Lines, Part, Table
from mnistloss.errors import InputError, shown
from mnistloss.examples import ALL, Examples
from mnistloss.numbers import finite
from mnistloss.statistics import Moments
from mnistloss.views.figures import nats
from mnistloss.views.reliability import Bin, Brier, reliability
from mnistloss.views.temperature import FLOOR, LIMIT, Tempering, temper
from mnistloss.views.view import Option, View


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
        fitted, bins = self.tempering, numbers.counted(len(self.bins), "bin", "bins")
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


def calibration(examples: Examples, bins: int = 15) -> Calibration:
    """Bin the confidences, take the Brier score apart, and fit a temperature.

    Soft targets raise InputError, and so do rows that do not sum to 1: of these, confidence means nothing.
    """
    if examples.unnormalized:
        raise InputError(f"{shown(examples.name)}: rows that do not sum to 1 have no confidence to be calibrated")
    correct = (examples.predicted == examples.labels).astype(np.float64)
    confidence = examples.probabilities()[examples.predicted, np.arange(examples.n)]
    found, brier = reliability(confidence, correct, bins)
    gaps = [
        (b.count, abs(b.accuracy - b.confidence)) for b in found if b.accuracy is not None and b.confidence is not None
    ]
    return Calibration(
        bins=found,
        ece=math.fsum(n * gap for n, gap in gaps) / examples.n,
        mce=max(gap for _, gap in gaps),
        brier=brier,
        nll=Moments.over(examples.losses("nll")).mean,
        tempering=temper(examples),
    )


VIEW = View(
    "calibration",
    "whether confidence is as large as accuracy, and what the difference costs",
    ALL,
    calibration,
    (Option("bins", 15, 1, "how many bins of equal width", 10_000),),
    charted=True,
)
