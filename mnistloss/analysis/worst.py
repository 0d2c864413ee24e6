"""The costliest examples and their share of the loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.analysis.view import Option, View, pictures
from mnistloss.arrays.checks import Array
from mnistloss.datasets.catalog import known_errors
from mnistloss.document import Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import finite, nats, percent, ratio
from mnistloss.stats import Moments


@dataclass(frozen=True)
class CostlyExample:
    """One example with a large loss. index: in the split. probability: of the label.

    share: the part of the total loss that this example carries. cumulative: the part that this example and all
    costlier examples carry. Both are None if the total loss is infinite or 0.
    label_known_wrong: None if the split has no list of label errors.
    """

    index: int
    label: int
    predicted: int
    probability: float
    loss: float
    share: float | None
    cumulative: float | None
    label_known_wrong: bool | None


@dataclass(frozen=True)
class Worst:
    """The examples with the largest cross-entropy (cee). total: sum over all rows. rows: those of `examples`."""

    examples: tuple[CostlyExample, ...]
    total: float
    rows: Array = field(repr=False)
    scores: Scores = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        worst = [asdict(example) for example in self.examples]
        return finite({"loss": "cee", "delta": self.scores.delta, "total": self.total, "worst": worst})

    def parts(self) -> list[Part]:
        heads: tuple[str, ...] = (">index", ">label", ">predicted", ">p of the label", ">loss", ">share", ">cumulative")
        if any(e.label_known_wrong is not None for e in self.examples):
            heads += ("label known to be wrong",)
        rows = []
        for e in self.examples:
            classes, shares = map(str, (e.index, e.label, e.predicted)), map(percent, (e.share, e.cumulative))
            wrong = "yes" if e.label_known_wrong else "no"
            row = (*classes, f"{e.probability:.4g}", nats(e.loss), *shares, wrong)
            rows.append(row[: len(heads)])
        title = f"costliest examples by cee, {len(rows):,} of {self.scores.n:,}"
        captions = tuple(f"{e.index}: {e.label} as {e.predicted}" for e in self.examples)
        return [Table(title, heads, tuple(rows)), *pictures(self.scores, self.rows, captions)]


def worst(scores: Scores, k: int = 10) -> Worst:
    """Find the k examples with the largest cee. Soft targets and predicted classes raise InputError."""
    labels, losses = scores.labels, scores.losses("cee")
    total = Moments.over(losses).sum
    rows = np.argsort(-losses, kind="stable")[:k]
    costs = np.cumsum(losses[rows])
    errors = known_errors(scores.dataset, scores.split)
    positions, predicted = scores.positions(), scores.predicted
    examples = tuple(
        CostlyExample(
            index=int(positions[row]),
            label=int(labels[row]),
            predicted=int(predicted[row]),
            probability=float(scores.columns["label_probability"][row]),
            loss=float(losses[row]),
            share=ratio(float(losses[row]), total),
            cumulative=ratio(float(cost), total),
            label_known_wrong=int(positions[row]) in errors if errors else None,
        )
        for row, cost in zip(rows, costs, strict=True)
    )
    return Worst(examples, total, rows, scores)


VIEW = View(
    "worst",
    "costliest examples and their share of the loss",
    ("cee", "label_probability"),
    worst,
    (Option("k", 10, 1, "Number of examples to list."),),
)
