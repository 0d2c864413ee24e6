"""Histogram of the losses of single examples, and the share of the total loss in each bin."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from mnistloss.analysis.view import Option, View, staircase
from mnistloss.document import Axis, Bars, Chart, Lines, Part
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import finite, nats, percent, ratio

_MIN_LOSS = 1e-6
"""Losses below this bound share the first bin. They depend mostly on delta, 1e-7; a perfect row has the loss -1e-7."""

_COSTLIEST_ONE_IN = 20


@dataclass(frozen=True)
class LossBin:
    """The number of examples whose cee (cross-entropy) is in [low, high), and the part of the total cee they carry."""

    low: float
    high: float
    count: int
    share_of_loss: float | None


@dataclass(frozen=True)
class Histogram:
    """The cross-entropy (cee) of n examples in bins that are equally wide on a logarithmic scale.

    The first bin also holds all smaller losses, and the last bin also holds its upper edge. Infinite losses are in no
    bin. infinite: the number of infinite losses. share_of_costliest_twentieth: the part of the total loss that the
    costliest 5 % of the examples carry; None if the total is infinite or 0.
    """

    delta: float
    n: int
    infinite: int
    median: float
    share_of_costliest_twentieth: float | None
    bins: tuple[LossBin, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON. The lower edge of the first bin is null; so is an infinite median."""
        content = finite(asdict(self))
        content["bins"][0]["low"] = None
        return {"loss": "cee", **content}

    def parts(self) -> list[Part]:
        edges = [_edge_text(b.high) for b in self.bins]
        labels = (f"below {edges[0]}", *(f"{low} to {high}" for low, high in pairwise(edges)))
        notes = tuple(f"{b.count:,}, {percent(b.share_of_loss)} of the loss" for b in self.bins)
        counts = tuple(float(b.count) for b in self.bins)
        return [Bars("examples by cee, in nats", labels, counts, notes, self._chart()), Lines(self._sentences())]

    def _chart(self) -> Chart:
        edges = np.array([self.bins[0].low, *(b.high for b in self.bins)])
        curves = [staircase("share of the examples", edges, 100 * np.array([b.count for b in self.bins]) / self.n)]
        if not self.infinite:
            shares = np.array([b.share_of_loss for b in self.bins], np.float64)
            curves += [staircase("share of the loss", edges, 100 * shares)]
        x = Axis(f"cee of an example, in nats; the first bin holds all below {_edge_text(edges[1])}", log=True)
        return Chart("share of the examples and of the loss by cee", x, Axis("share in a bin, in %"), tuple(curves))

    def _sentences(self) -> tuple[str, ...]:
        sentences = [f"Half of the examples cost {nats(self.median, 6)} or less."]
        if (share := self.share_of_costliest_twentieth) is not None:
            count = math.ceil(self.n / _COSTLIEST_ONE_IN)
            which, make = (f"{count:,} costliest", "make") if count > 1 else ("costliest", "makes")
            sentences += [f"The {which} of them, {percent(count / self.n)}, {make} up {percent(share)} of the loss."]
        if self.infinite:
            sentences += [f"Infinite losses, in no bin: {self.infinite:,}."]
        return tuple(sentences)


def histogram(scores: Scores, per_decade: int = 3) -> Histogram:
    """Sort examples into bins by cee, `per_decade` for each power of ten. Predicted classes raise InputError."""
    losses = np.sort(scores.losses("cee"))
    finite_losses = losses[np.isfinite(losses)]
    smallest, largest = finite_losses[[0, -1]] if len(finite_losses) else (_MIN_LOSS, _MIN_LOSS)
    low = math.floor(np.log10(max(smallest, _MIN_LOSS)))
    k = per_decade * max(1, math.ceil(np.log10(max(largest, _MIN_LOSS))) - low)
    edges = 10.0 ** (low + np.arange(k + 1) / per_decade)
    place = np.clip(np.searchsorted(edges, finite_losses, side="right") - 1, 0, k - 1)
    counts, sums = np.bincount(place, minlength=k), np.bincount(place, finite_losses, k).astype(np.float64)
    infinite = scores.n - len(finite_losses)
    total = math.inf if infinite else math.fsum(sums)
    shares = [ratio(max(0.0, part), total) for part in sums.tolist()]
    bins = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), shares, strict=True)
    costliest = losses[-math.ceil(scores.n / _COSTLIEST_ONE_IN) :]
    return Histogram(
        delta=scores.delta,
        n=scores.n,
        infinite=infinite,
        median=float(losses[(scores.n - 1) // 2]),
        share_of_costliest_twentieth=ratio(math.fsum(costliest), math.fsum(losses)),
        bins=tuple(LossBin(*one) for one in bins),
    )


def _edge_text(edge: float) -> str:
    """Write the edge of a bin with two digits, or without decimals."""
    return f"{edge:.2g}" if edge < 99 else f"{edge:.0f}"


VIEW = View(
    "histogram",
    "distribution of the per-example losses",
    ("cee",),
    histogram,
    (Option("per_decade", 3, 1, "Number of bins for each power of ten.", 100),),
    charted=True,
)
