"""What one pass over predictions collects: statistics that merge, so that any number of processes can gather them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from mnistloss.arrays import Array, Floats
from mnistloss.losses import Loss, find
from mnistloss.scoring import Block, Scoring
from mnistloss.signs import Signs
from mnistloss.statistics import Moments

EXAMINED = 10**6
"""The most examples whose predicted classes are kept for the doctor."""


class Tally:
    """Moments, hits and signs of mistakes, sums by class, and what is kept of each example where it is needed.

    n: the rows taken in. keep: the losses that are kept of each example.
    top: for which k hits among the k best are counted.
    """

    def __init__(
        self,
        scoring: Scoring,
        losses: Sequence[Loss],
        *,
        keep: Sequence[str] = (),
        top: Sequence[int] = (),
        by_class: bool = False,
    ) -> None:
        self._delta, self._classes = scoring.delta, scoring.targets.classes
        self._losses = {loss.name: loss for loss in (*losses, find("error"))}
        self._kept = keep
        self._by_class = by_class
        self._keeps_predicted = scoring.layout.n <= EXAMINED and scoring.targets.t.ndim == 1
        self.n = 0
        self.signs = Signs(scoring.layout.input)
        self.hits = dict.fromkeys(top, 0)
        self._moments: dict[str, list[Moments]] = {name: [] for name in self._losses}
        self._values: dict[str, list[Floats]] = {name: [] for name in self._kept}
        self._sums: dict[str, list[Floats]] = {name: [] for name in self._losses}
        self._predicted: list[Array] = []

    def add(self, blocks: Iterable[Block]) -> Tally:
        """Take in some blocks."""
        for block in blocks:
            self._add(block)
        return self

    def _add(self, block: Block) -> None:
        self.n += block.rows.stop - block.rows.start
        self.signs.add(block.outputs)
        if self._keeps_predicted:
            self._predicted.append(block.outputs.predicted.astype(np.min_scalar_type(self._classes)))
        for k in self.hits:
            self.hits[k] += int(np.count_nonzero(_ranks(block.outputs.scores, block.t) < k))
        for name, loss in self._losses.items():
            values = loss(block.outputs, block.t, self._delta)
            self._moments[name].append(Moments.of(values))
            if name in self._kept:
                self._values[name].append(values)
            if self._by_class:
                self._sums[name].append(np.bincount(block.t, values, self._classes).astype(np.float64))

    def merge(self, later: Tally) -> None:
        """Take in what another one has gathered of later rows."""
        self.n += later.n
        self.signs.merge(later.signs)
        for k, hits in later.hits.items():
            self.hits[k] += hits
        for name in self._losses:
            self._moments[name] += later._moments[name]
            self._sums[name] += later._sums[name]
        for name in self._kept:
            self._values[name] += later._values[name]
        self._predicted.extend(later._predicted)

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """The moments of all blocks, by loss; of the error too, whether it was asked for or not."""
        return {name: Moments.merged(parts) for name, parts in self._moments.items()}

    @cached_property
    def values(self) -> dict[str, Floats]:
        """The per-example losses (N,), by loss, where they are kept."""
        return {name: np.concatenate(parts) for name, parts in self._values.items()}

    @property
    def sums(self) -> dict[str, list[list[float]]]:
        """The sums over the examples of each class, by loss, of each block."""
        return {name: [part.tolist() for part in parts] for name, parts in self._sums.items()}

    @property
    def predicted(self) -> Array | None:
        """The predicted classes (N,), where they are kept."""
        return np.concatenate(self._predicted) if self._keeps_predicted else None


def _ranks(y: Floats, t: Array) -> Array:
    """How many classes stand before the true one: those with more, and lower ones with as much."""
    k = np.arange(len(y))[:, np.newaxis]
    true = y[t, np.arange(len(t))]
    return ((y > true) | ((y == true) & (k < t))).sum(axis=0)
