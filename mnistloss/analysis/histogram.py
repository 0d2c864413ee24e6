"""Histogram of the per-example losses by order of magnitude, and the share of the loss that each bin makes up."""

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

_MIN_LOSS = 1e-6
"""Smaller losses share the first bin: the default delta, 1e-7, dominates them, and a perfect row costs -1e-7."""

_COSTLIEST_ONE_IN = 20


@dataclass(frozen=True)
class Histogram:
    """Counts and sums (bins,) of the cee of n examples over edges (bins + 1,), equally spaced in its logarithm.

    The first bin also holds all smaller losses, the last one its upper edge; no bin holds the infinite losses.
    costliest_twentieth: the share of the total that it makes up, None if the total is infinite or 0.
    """

    n: int
    delta: float
    edges: Floats = field(repr=False)
    counts: NDArray[np.intp] = field(repr=False)
    sums: Floats = field(repr=False)
    infinite: int
    median: float
    costliest_twentieth: float | None

    @property
    def shares(self) -> list[float | None]:
        """The share of the total that each bin makes up; None if a loss is infinite."""
        total = math.inf if self.infinite else math.fsum(self.sums)
        return [ratio(max(0.0, float(part)), total) for part in self.sums]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; the lower edge of the first bin is null, and so is an infinite median."""
        rows = zip(pairwise([None, *self.edges.tolist()[1:]]), self.counts.tolist(), self.shares, strict=True)
        return {
            "loss": "cee",
            "delta": self.delta,
            "n": self.n,
            "infinite": self.infinite,
            "median": finite(self.median),
            "share_of_costliest_twentieth": self.costliest_twentieth,
            "bins": [{"low": low, "high": high, "count": n, "share_of_loss": share} for (low, high), n, share in rows],
        }

    def parts(self) -> list[Part]:
        """Return bars of the counts with each bin's share of the loss, and sentences."""
        edges = [_edge_text(edge) for edge in self.edges]
        labels = (f"below {edges[1]}", *(f"{low} to {high}" for low, high in pairwise(edges[1:])))
        notes = tuple(f"{n:,}, {percent(share)} of the loss" for n, share in zip(self.counts, self.shares, strict=True))
        title = "examples by cee, in nats"
        return [Bars(title, labels, tuple(map(float, self.counts)), notes, self._chart()), Lines(self._sentences())]

    def _chart(self) -> Chart:
        curves = [staircase("share of the examples", self.edges, 100 * self.counts / self.n)]
        if not self.infinite:
            curves += [staircase("share of the loss", self.edges, 100 * np.array(self.shares, np.float64))]
        x = Axis(f"cee of an example, in nats; the first bin holds all below {_edge_text(self.edges[1])}", log=True)
        return Chart("share of the examples and of the loss by cee", x, Axis("share in a bin, in %"), tuple(curves))

    def _sentences(self) -> tuple[str, ...]:
        sentences = [f"Half of the examples cost {nats(self.median, 6)} or less."]
        if self.costliest_twentieth is not None:
            count = math.ceil(self.n / _COSTLIEST_ONE_IN)
            which, make = (f"{count:,} costliest", "make") if count > 1 else ("costliest", "makes")
            share = percent(self.costliest_twentieth)
            sentences += [f"The {which} of them, {percent(count / self.n)}, {make} up {share} of the loss."]
        if self.infinite:
            sentences += [f"Infinite losses, in no bin: {self.infinite:,}."]
        return tuple(sentences)


def histogram(scores: Scores, per_decade: int = 3) -> Histogram:
    """Bin the cee of each example, `per_decade` bins to a power of ten. Predicted classes raise InputError."""
    losses = np.sort(scores.losses("cee"))
    finite_losses = losses[np.isfinite(losses)]
    edges = _edges(finite_losses if len(finite_losses) else np.array([_MIN_LOSS]), per_decade)
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, finite_losses, side="right") - 1, 0, bins - 1)
    return Histogram(
        n=scores.n,
        delta=scores.delta,
        edges=edges,
        counts=np.bincount(place, minlength=bins),
        sums=np.bincount(place, finite_losses, bins).astype(np.float64),
        infinite=scores.n - len(finite_losses),
        median=float(losses[(scores.n - 1) // 2]),
        costliest_twentieth=ratio(math.fsum(losses[-math.ceil(scores.n / _COSTLIEST_ONE_IN) :]), math.fsum(losses)),
    )


def _edges(losses: Floats, per_decade: int) -> Floats:
    """Return edges between powers of ten that enclose the sorted losses, those below _MIN_LOSS excepted."""
    ends = np.log10(np.maximum(losses[[0, -1]], _MIN_LOSS))
    low = math.floor(ends[0])
    decades = max(1, math.ceil(ends[1]) - low)
    return 10.0 ** (low + np.arange(decades * per_decade + 1) / per_decade)


def _edge_text(edge: float) -> str:
    return f"{edge:.2g}" if edge < 99 else f"{edge:.0f}"


VIEW = View(
    "histogram",
    "distribution of the per-example losses",
    ("cee",),
    histogram,
    (Option("per_decade", 3, 1, "Number of bins to a power of ten.", 100),),
    charted=True,
)
