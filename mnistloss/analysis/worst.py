"""The examples that cost most, and how much of the loss they make."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.analysis.view import Option, View
from mnistloss.arrays.checks import Array
from mnistloss.datasets.catalog import known_errors
from mnistloss.document import Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import counted, finite, nats, percent, ratio
from mnistloss.stats import Moments


@dataclass(frozen=True)
class Case:
    """One example: where it is in the split, what it is, what was said of it, and what that cost.

    share and cumulative are of the total loss, None where that is infinite or 0.
    label_known_wrong: None where nobody has looked at the labels.
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
    """The costliest of n examples by cee with this delta, the costliest first; rows says where they are."""

    cases: tuple[Case, ...]
    total: float
    delta: float
    rows: Array = field(repr=False)
    scores: Scores = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; an infinite loss is null."""
        cases = [finite(asdict(case)) for case in self.cases]
        return {"loss": "cee", "delta": self.delta, "total": finite(self.total), "worst": cases}

    def parts(self) -> list[Part]:
        """A table, and the pictures where there are any."""
        looked = any(case.label_known_wrong is not None for case in self.cases)
        table = Table(
            f"the costliest of {counted(self.scores.n, 'example', 'examples')}, by their part of the cee",
            (">index", ">label", ">predicted", ">p of the label", ">loss", ">share", ">cumulative")
            + (("label known to be wrong",) if looked else ()),
            tuple(self._cells(case)[: 7 + looked] for case in self.cases),
        )
        return [table, *self._pictures()]

    @staticmethod
    def _cells(case: Case) -> tuple[str, ...]:
        whole = (str(case.index), str(case.label), str(case.predicted), f"{case.probability:.4g}")
        costs = (nats(case.loss), percent(case.share), percent(case.cumulative))
        return (*whole, *costs, "yes" if case.label_known_wrong else "no")

    def _pictures(self) -> list[Part]:
        captions = tuple(f"{case.index}: {case.label} as {case.predicted}" for case in self.cases)
        return self.scores.pictures(self.rows, captions)


def worst(scores: Scores, k: int = 10) -> Worst:
    """The k examples with the largest cee; of equal ones, the first. Soft targets raise InputError."""
    labels = scores.labels
    losses = scores.losses("cee")
    total = Moments.over(losses).sum
    rows = np.argsort(-losses, kind="stable")[:k]
    costs = np.cumsum(losses[rows])
    errors = known_errors(scores.dataset, scores.split)
    positions, predicted = scores.positions(), scores.predicted
    cases = tuple(
        Case(
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
    return Worst(cases, total, scores.delta, rows, scores)


VIEW = View(
    "worst",
    "the examples that cost most, and their share of the loss",
    ("cee", "label_probability"),
    worst,
    (Option("k", 10, 1, "how many examples"),),
)
