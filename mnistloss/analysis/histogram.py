"""How the per-example losses are spread over their orders of magnitude, and which of them make the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.analysis.view import Option, View, staircase
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Lines, Part
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import finite, nats, percent, ratio

_FLOOR = 1e-6
"""Below it the delta of the course, 1e-7, is more than a tenth of a cee; a perfect row has even -1e-7."""

_COSTLY = 20


@dataclass(frozen=True)
class Histogram:
    """Counts (bins,) and sums (bins,) of the cee of n examples, over edges (bins + 1,) of equal width in its logarithm.

    The first bin holds all that is less too, and the last one its upper end; the infinite losses are in none.
    median; costly: what share of the total the costliest twentieth has, None where that is infinite or 0.
    """

    n: int
    delta: float
    edges: Floats = field(repr=False)
    counts: NDArray[np.intp] = field(repr=False)
    sums: Floats = field(repr=False)
    infinite: int
    median: float
    costly: float | None

    @property
    def shares(self) -> list[float | None]:
        """What share of the total each bin has; None where an infinite loss has it all."""
        total = math.inf if self.infinite else math.fsum(self.sums)
        return [ratio(max(0.0, float(part)), total) for part in self.sums]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; the lower end of the first bin is null."""
        rows = zip(pairwise([None, *self.edges.tolist()[1:]]), self.counts.tolist(), self.shares, strict=True)
        bins = [{"low": low, "high": high, "count": n, "share_of_loss": share} for (low, high), n, share in rows]
        known = {"median": finite(self.median), "share_of_costliest_twentieth": self.costly}
        return {"loss": "cee", "delta": self.delta, "n": self.n, "infinite": self.infinite, **known, "bins": bins}

    def parts(self) -> list[Part]:
        """Bars of the counts with each bin's part of the loss, and what that says."""
        ends = [_said(edge) for edge in self.edges]
        labels = (f"below {ends[1]}", *(f"{low} to {high}" for low, high in pairwise(ends[1:])))
        notes = tuple(f"{n:,}, {percent(share)} of the loss" for n, share in zip(self.counts, self.shares, strict=True))
        title = "examples by their cee, in nats"
        return [Bars(title, labels, tuple(map(float, self.counts)), notes, self._chart()), Lines(self._sentences())]

    def _chart(self) -> Chart:
        curves = [staircase("share of the examples", self.edges, 100 * self.counts / self.n)]
        if not self.infinite:
            curves += [staircase("share of the loss", self.edges, 100 * np.array(self.shares, np.float64))]
        y = Axis("share in a bin, in %")
        below = _said(self.edges[1])
        return Chart(
            "examples and loss, by what an example costs",
            Axis(f"cee of an example, in nats; all below {below} in the first bin", log=True),
            y,
            tuple(curves),
        )

    def _sentences(self) -> tuple[str, ...]:
        sentences = [f"Half of the examples cost {nats(self.median, 6)} or less."]
        if self.costly is not None:
            count = math.ceil(self.n / _COSTLY)
            which, make = (f"{count:,} costliest", "make") if count > 1 else ("costliest", "makes")
            sentences += [f"The {which} of them, {percent(count / self.n)}, {make} {percent(self.costly)} of the loss."]
        if self.infinite:
            sentences += [f"{self.infinite:,} losses are infinite, and in no bin."]
        return tuple(sentences)


def histogram(scores: Scores, per_decade: int = 3) -> Histogram:
    """Bin the cee of each example by its logarithm. Predicted classes raise InputError."""
    losses = np.sort(scores.losses("cee"))
    known = losses[np.isfinite(losses)]
    edges = _edges(known if len(known) else np.array([_FLOOR]), per_decade)
    bins = len(edges) - 1
    at = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, bins - 1)
    return Histogram(
        n=scores.n,
        delta=scores.delta,
        edges=edges,
        counts=np.bincount(at, minlength=bins),
        sums=np.bincount(at, known, bins).astype(np.float64),
        infinite=scores.n - len(known),
        median=float(losses[(scores.n - 1) // 2]),
        costly=ratio(math.fsum(losses[-math.ceil(scores.n / _COSTLY) :]), math.fsum(losses)),
    )


def _edges(losses: Floats, per_decade: int) -> Floats:
    """From the power of ten below the least loss, or from the floor, to the one above the largest."""
    ends = np.log10(np.maximum(losses[[0, -1]], _FLOOR))
    low = math.floor(ends[0])
    decades = max(1, math.ceil(ends[1]) - low)
    return 10.0 ** (low + np.arange(decades * per_decade + 1) / per_decade)


def _said(edge: float) -> str:
    return f"{edge:.2g}" if edge < 99 else f"{edge:.0f}"


VIEW = View(
    "histogram",
    "how the losses of single examples are spread, and which make the loss",
    ("cee",),
    histogram,
    (Option("per_decade", 3, 1, "bins to a power of ten", 100),),
    charted=True,
)
