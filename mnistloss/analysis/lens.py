"""What a mini-batch sees of the loss: the mean over a few random examples, against the mean over all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss import formatting
from mnistloss.analysis.view import MAIN_LOSS, Option, View, main_loss, staircase
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Lines, Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import finite, nats
from mnistloss.sampling.sampling import Words, partition
from mnistloss.stats import Moments

_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
_BINS = 20
_POINTS = 101
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Lens:
    """The means (draws,) of random mini-batches of the loss, sorted, and the full value that they stand for.

    sd, predicted: the standard deviation of those means, and s / sqrt(batch_size); None where a loss is infinite.
    batch_means: the plain mean of the means of the ordered batches, the last of which may be smaller.
    """

    loss: str
    full: float
    batch_size: int
    seed: int
    means: Floats = field(repr=False)
    sd: float | None
    predicted: float | None
    examples: int
    batches: int
    last: int
    batch_means: float

    @property
    def quantiles(self) -> dict[str, float]:
        """By their names; each is a mean that was drawn (the inverse of the empirical distribution)."""
        values = np.quantile(self.means, _QUANTILES, method="inverted_cdf")
        return {f"{100 * q:g} %": float(value) for q, value in zip(_QUANTILES, values, strict=True)}

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """How many of the finite means are in each bin."""
        return np.histogram(self._finite, self.edges)[0]

    @cached_property
    def edges(self) -> Floats:
        """The ends of at most 20 bins of equal width; where means count hits, the bins are of so many hits each."""
        means, size = self._finite, self.batch_size
        if not len(means):
            return np.zeros(1)
        low, high = float(means[0]), float(means[-1])
        if self.loss == "error" and np.allclose(means * size, np.rint(means * size), rtol=0, atol=1e-6):
            fewest, most = round(low * size), round(high * size)
            step = math.ceil((most - fewest + 1) / _BINS)
            return (np.arange(fewest, most + step + 1, step) - 0.5) / size
        if formatting.noise(high - low):
            margin = abs(low) / 10 or 1.0
            return np.linspace(low - margin, high + margin, 2)
        return np.linspace(low, high, _BINS + 1)

    @property
    def infinite(self) -> int:
        """How many of the means are infinite."""
        return len(self.means) - len(self._finite)

    @property
    def _finite(self) -> Floats:
        return self.means[np.isfinite(self.means)]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; what is infinite is null."""
        how = {"loss": self.loss, "batch_size": self.batch_size, "draws": len(self.means), "seed": self.seed}
        return {
            **how,
            "full": finite(self.full),
            "quantiles": finite(self.quantiles),
            "sd": self.sd,
            "predicted_sd": self.predicted,
            "histogram": {
                "edges": self.edges.tolist(),
                "counts": self.counts.tolist(),
                "infinite": self.infinite,
            },
            "partition": {"batches": self.batches, "last": self.last, "mean_of_batch_means": finite(self.batch_means)},
        }

    def parts(self) -> list[Part]:
        """The quantiles, a histogram, and what the batches of a partition make of it."""
        title = f"the mean {self.loss} of a random mini-batch of {self.batch_size:,}, in {len(self.means):,} draws"
        heads = ("full value", *self.quantiles, "sd", "s / sqrt(B)")
        values = (self.full, *self.quantiles.values(), self.sd, self.predicted)
        table = Table(title, tuple(f">{head}" for head in heads), (tuple(nats(value) for value in values),))
        left = (f"{self.infinite:,} of the means are infinite, and in no bin.",) if self.infinite else ()
        return [table, *self._histogram(), Lines((*left, self._sentence()))]

    def _histogram(self) -> Iterator[Bars]:
        if self.counts.any():
            labels = tuple(f"{nats(low)} to {nats(high)}" for low, high in pairwise(self.edges))
            notes = tuple(f"{n:,}" for n in self.counts)
            title = "how often which mean was drawn"
            yield Bars(title, labels, tuple(map(float, self.counts)), notes, self._chart(title))

    def _chart(self, title: str) -> Chart:
        curves = [staircase("mini-batches", self.edges, self.counts)]
        if self.predicted and not formatting.noise(self.predicted):
            x = np.linspace(self.edges[0], self.edges[-1], _POINTS)
            scale = len(self.means) * (self.edges[1] - self.edges[0]) / (self.predicted * math.sqrt(2 * math.pi))
            y = scale * np.exp(-(((x - self.full) / self.predicted) ** 2) / 2)
            curves += [Curve("normal, s / sqrt(B)", tuple(x.tolist()), tuple(y.tolist()))]
        if math.isfinite(self.full):
            curves += [Curve("all examples", (self.full, self.full), (0.0, float(self.counts.max())))]
        size = formatting.counted(self.batch_size, "example", "examples")
        x_axis = Axis(f"mean {self.loss} of {size}{', a share' if self.loss == 'error' else ', in nats'}")
        return Chart(title, x_axis, Axis("mini-batches in a bin"), tuple(curves))

    def _sentence(self) -> str:
        count = formatting.counted(self.batches, "batch", "batches")
        plain = f"the plain mean of the means of {count} in order, {nats(self.batch_means, 7)}"
        if self.last * self.batches == self.examples:
            return f"All batches are as large, so that {plain}, is the mean over all examples."
        return (
            f"Not to be reported: {plain}, where the mean over all examples is {nats(self.full, 7)}."
            f" The last batch has only {formatting.counted(self.last, 'example', 'examples')} and counts like the"
            " others."
        )


def lens(scores: Scores, batch_size: int = 100, draws: int = 10000, seed: int = 0) -> Lens:
    """Draw mini-batches with replacement and take the mean of each; a seed gives the same ones everywhere."""
    loss = main_loss(scores)
    losses = scores.losses(loss)
    whole = Moments.over(losses)
    parts = [losses[indices] for indices in partition(scores.n, batch_size)]
    means = np.sort(_means(losses, batch_size, draws, Words(seed)))
    return Lens(
        loss=loss,
        full=whole.mean,
        batch_size=batch_size,
        seed=seed,
        means=means,
        sd=None if whole.infinite else float(means.std()),
        predicted=None if whole.infinite else math.sqrt(whole.deviations / whole.n / batch_size),
        examples=scores.n,
        batches=len(parts),
        last=len(parts[-1]),
        batch_means=math.fsum(float(part.mean()) for part in parts) / len(parts),
    )


def _means(losses: Floats, batch_size: int, draws: int, words: Words) -> Floats:
    """The means of random mini-batches, drawn one after another; not too many in memory at once."""
    step = max(1, _AT_ONCE // batch_size)
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    drawn = (words.below(len(losses), size * batch_size).reshape(size, batch_size) for size in sizes)
    return np.concatenate([losses[indices].mean(axis=1) for indices in drawn])


VIEW = View(
    "lens",
    "what a random mini-batch sees of the loss",
    MAIN_LOSS,
    lens,
    (
        Option("batch_size", 100, 1, "how many examples a mini-batch has, drawn with replacement", 10**6),
        Option("draws", 10000, 1, "how many mini-batches are drawn", 10**6),
        Option("seed", 0, 0, "which mini-batches are drawn"),
    ),
    charted=True,
)
