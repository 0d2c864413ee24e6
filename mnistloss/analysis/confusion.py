"""Confusion matrix, and the cost of each confusion, which is the sum of the losses of these examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistloss.analysis.view import MAIN_LOSS, View, main_loss
from mnistloss.arrays.checks import Array, Floats
from mnistloss.document import Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import finite, nats, percent, ratio

_MAX_ROWS = 10


@dataclass(frozen=True)
class Confusion:
    """Numbers of examples (K, K), and sums of losses (K, K), by true class (rows) and predicted class (columns)."""

    loss: str
    counts: Array = field(repr=False)
    costs: Floats = field(repr=False)

    def ledger(self) -> list[tuple[int, int, int, float, float | None]]:
        """List (true class, predicted class, count, cost, share of the total cost), costliest first."""
        total, counts, costs, k = float(self.costs.sum()), self.counts.ravel(), self.costs.ravel(), len(self.counts)
        cells = [i for i in np.argsort(-costs, kind="stable").tolist() if counts[i]]
        return [(i // k, i % k, int(counts[i]), float(costs[i]), ratio(float(costs[i]), total)) for i in cells]

    def as_dict(self) -> dict[str, Any]:
        keys = ("true", "predicted", "count", "cost", "share")
        return {
            "loss": self.loss,
            "counts": self.counts.tolist(),
            "ledger": [dict(zip(keys, (t, y, n, finite(c), s), strict=True)) for t, y, n, c, s in self.ledger()],
        }

    def parts(self) -> list[Part]:
        total, matrix = float(self.costs.sum()), []
        for t, row in enumerate(self.counts):
            share = percent(ratio(float(self.costs[t].sum()), total))
            matrix.append((str(t), *(f"{n:,}" if n else "." for n in row), share))
        heads = ("true", *(f">{c}" for c in range(len(self.counts))), ">share of the loss")
        shades = tuple((0.0, *row, 0.0) for row in self._shades().tolist())
        wrong = [row for row in self.ledger() if row[0] != row[1]]
        ledger = [(str(t), str(y), f"{n:,}", nats(cost, 3), percent(s)) for t, y, n, cost, s in wrong[:_MAX_ROWS]]
        title = f"costliest confusions by {self.loss}, {len(ledger)} of {len(wrong)}"
        columns = (">true", ">predicted", ">examples", ">cost", ">share of the loss")
        return [
            Table("examples by true class (rows) and predicted class (columns)", heads, tuple(matrix), shades),
            Table(title, columns, tuple(ledger)),
        ]

    def _shades(self) -> Floats:
        """Return shades (K, K) from 0 to 1, the square roots of relative costs; if a cost is infinite, others get 0."""
        costs = np.nan_to_num(np.maximum(self.costs, 0), posinf=np.inf)
        top = costs.max() or 1.0
        return np.isinf(costs).astype(np.float64) if np.isinf(top) else np.sqrt(costs / top)


def confusion(scores: Scores) -> Confusion:
    """Count examples and sum losses by true and predicted class. Soft targets raise InputError."""
    k = scores.classes
    loss = main_loss(scores)
    cells = scores.labels * k + scores.predicted
    counts = np.bincount(cells, minlength=k * k).reshape(k, k)
    costs = np.bincount(cells, weights=scores.losses(loss), minlength=k * k).astype(np.float64)
    return Confusion(loss, counts, costs.reshape(k, k))


VIEW = View("confusion", "confusion matrix, and what each confusion costs", MAIN_LOSS, confusion)
