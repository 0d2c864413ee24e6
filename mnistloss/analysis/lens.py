"""Spread of the loss over random mini-batches, compared with the mean over all examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.analysis.view import MAIN_LOSS, Option, View, main_loss, staircase
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Lines, Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import counted, finite, nats, noise
from mnistloss.sampling.sampling import Words, partition
from mnistloss.stats import Moments, block_sizes

_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
_MAX_BINS = 20
_CURVE_POINTS = 101


@dataclass(frozen=True)
class Lens:
    """The mean losses of random mini-batches, and the mean loss of all examples, which is `full`.

    means: (draws,), sorted. edges (bins + 1,), counts (bins,): a histogram of the finite means.
    infinite: the number of infinite means. quantiles: by name; each quantile is one of the means.
    sd: the standard deviation of the means. predicted: s / sqrt(batch_size), where s is the standard deviation of the
    losses of all examples. Both are None if a loss is infinite.
    batches, last, batch_means: all examples, in row order, cut into batches of batch_size: the number of batches, the
    size of the last batch, and the mean of the batch means, which gives every batch the same weight.
    """

    loss: str
    full: float
    batch_size: int
    seed: int
    means: Floats = field(repr=False)
    edges: Floats = field(repr=False)
    counts: NDArray[np.intp] = field(repr=False)
    infinite: int
    quantiles: Mapping[str, float]
    sd: float | None
    predicted: float | None
    batches: int
    last: int
    batch_means: float

    def as_dict(self) -> dict[str, Any]:
        content = {
            "loss": self.loss,
            "batch_size": self.batch_size,
            "draws": len(self.means),
            "seed": self.seed,
            "full": self.full,
            "quantiles": self.quantiles,
            "sd": self.sd,
            "predicted_sd": self.predicted,
            "histogram": {"edges": self.edges.tolist(), "counts": self.counts.tolist(), "infinite": self.infinite},
            "partition": {"batches": self.batches, "last": self.last, "mean_of_batch_means": self.batch_means},
        }
        return finite(content)

    def parts(self) -> list[Part]:
        title = f"mean {self.loss} of random mini-batches of {self.batch_size:,}, {len(self.means):,} draws"
        heads = ("all examples", *self.quantiles, "sd", "s / sqrt(B)")
        values = (self.full, *self.quantiles.values(), self.sd, self.predicted)
        table = Table(title, tuple(f">{head}" for head in heads), (tuple(nats(value) for value in values),))
        labels = tuple(f"{nats(low)} to {nats(high)}" for low, high in pairwise(self.edges))
        notes = tuple(f"{n:,}" for n in self.counts)
        title = f"mini-batches by mean {self.loss}"
        bars = [Bars(title, labels, tuple(map(float, self.counts)), notes, self._chart(title))] if labels else []
        infinite = (f"Infinite means, in no bin: {self.infinite:,}.",) if self.infinite else ()
        return [table, *bars, Lines((*infinite, self._sentence()))]

    def _chart(self, title: str) -> Chart:
        curves = [staircase("mini-batches", self.edges, self.counts)]
        if self.predicted and not noise(self.predicted):
            x = np.linspace(self.edges[0], self.edges[-1], _CURVE_POINTS)
            scale = len(self.means) * (self.edges[1] - self.edges[0]) / (self.predicted * math.sqrt(2 * math.pi))
            y = scale * np.exp(-(((x - self.full) / self.predicted) ** 2) / 2)
            curves += [Curve("normal, s / sqrt(B)", tuple(x.tolist()), tuple(y.tolist()))]
        if math.isfinite(self.full):
            curves += [Curve("all examples", (self.full, self.full), (0.0, float(self.counts.max())))]
        size = counted(self.batch_size, "example", "examples")
        unit = "a share" if self.loss == "error" else "in nats"
        return Chart(title, Axis(f"mean {self.loss} of {size}, {unit}"), Axis("mini-batches in a bin"), tuple(curves))

    def _sentence(self) -> str:
        count = counted(self.batches, "batch", "batches")
        unweighted = f"the unweighted mean of the means of {count} in row order, {nats(self.batch_means, 7)}"
        if self.batches == 1 or self.last == self.batch_size:
            return f"All batches have the same size, so {unweighted}, is the mean over all examples."
        return (
            f"Do not report {unweighted}: the mean over all examples is {nats(self.full, 7)}. The last batch has only"
            f" {counted(self.last, 'example', 'examples')} but the same weight as the others."
        )


def lens(scores: Scores, batch_size: int = 100, draws: int = 10000, seed: int = 0) -> Lens:
    """Compute the mean losses of random mini-batches. A seed gives the same draws on every machine."""
    loss = main_loss(scores)
    losses = scores.losses(loss)
    moments = Moments.over(losses)
    batches = [losses[indices] for indices in partition(scores.n, batch_size)]
    words, sizes = Words(seed), block_sizes(draws, batch_size)  # blocks, so that memory is bounded
    drawn = (words.below(scores.n, size * batch_size).reshape(size, batch_size) for size in sizes)
    means = np.sort(np.concatenate([losses[indices].mean(axis=1) for indices in drawn]))
    finite_means = means[np.isfinite(means)]
    edges = _edges(finite_means, loss, batch_size)
    quantiles = np.quantile(means, _QUANTILES, method="inverted_cdf").tolist()
    return Lens(
        loss=loss,
        full=moments.mean,
        batch_size=batch_size,
        seed=seed,
        means=means,
        edges=edges,
        counts=np.histogram(finite_means, edges)[0],
        infinite=draws - len(finite_means),
        quantiles={f"{100 * q:g} %": value for q, value in zip(_QUANTILES, quantiles, strict=True)},
        sd=None if moments.infinite else float(means.std()),
        predicted=None if moments.infinite else math.sqrt(moments.deviations / moments.n / batch_size),
        batches=len(batches),
        last=len(batches[-1]),
        batch_means=math.fsum(float(batch.mean()) for batch in batches) / len(batches),
    )


def _edges(means: Floats, loss: str, batch_size: int) -> Floats:
    """Return the edges of at most 20 equal bins; for error rates, each bin covers equally many numbers of errors."""
    if not len(means):
        return np.zeros(1)
    low, high = float(means[0]), float(means[-1])
    errors = means * batch_size
    if loss == "error" and np.allclose(errors, np.rint(errors), rtol=0, atol=1e-6):
        fewest, most = round(errors[0]), round(errors[-1])
        step = math.ceil((most - fewest + 1) / _MAX_BINS)
        return (np.arange(fewest, most + step + 1, step) - 0.5) / batch_size
    if noise(high - low):
        margin = abs(low) / 10 or 1.0
        return np.linspace(low - margin, high + margin, 2)
    return np.linspace(low, high, _MAX_BINS + 1)


VIEW = View(
    "lens",
    "spread of the loss over random mini-batches",
    MAIN_LOSS,
    lens,
    (
        Option("batch_size", 100, 1, "Number of examples in a mini-batch, drawn with replacement.", 10**6),
        Option("draws", 10000, 1, "Number of mini-batches to draw.", 10**6),
        Option("seed", 0, 0, "Seed of the draws."),
    ),
    charted=True,
)
