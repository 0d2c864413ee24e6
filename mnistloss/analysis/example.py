"""The loss of one example, term by term, with the formulas of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

import numpy as np

from mnistloss import formatting
from mnistloss.analysis.view import pictures
from mnistloss.arrays.checks import Floats, whole
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.scoring import ALL_COLUMNS, Predictions, Scores, score
from mnistloss.evaluation.targets import DataKeywords, data_options
from mnistloss.formatting import Printable, finite, shown
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import OUTPUTS

_LOSSES = ("mse", "cee")


@dataclass(frozen=True, repr=False)
class ExampleLoss(Printable):
    """The loss of one row of predictions; each array is (K,), a number for each class.

    source: the scores of all rows. y: probabilities. t: targets. squares: (y - t)². logs: t log(y + delta).
    scores: the logits, or None if the predictions are not logits. losses: mse and cee of the row, by name.
    """

    source: Scores = field(repr=False)
    index: int
    label: int | None
    y: Floats
    t: Floats
    squares: Floats
    logs: Floats
    scores: Floats | None
    losses: dict[str, float]

    @property
    def predicted(self) -> int:
        """The class with the largest output; of equal outputs, the lowest class."""
        return int(self.source.predicted[self.index])

    @property
    def place(self) -> int | None:
        """The index of the example in the split, or None for targets of the user's own."""
        return None if self.source.dataset is None else int(self.source.positions()[self.index])

    @property
    def exponentials(self) -> Floats | None:
        """exp(z - max z) of the logits z, or None if the predictions are not logits."""
        return None if self.scores is None else np.exp(self.scores - self.scores.max())

    def as_dict(self) -> dict[str, Any]:
        source = self.source
        columns = {"y": self.y, "t": self.t, "squared_difference": self.squares, "t_log_y": self.logs}
        if self.scores is not None and self.exponentials is not None:
            columns |= {"score": self.scores, "exponential": self.exponentials}
        terms = zip(*(column.tolist() for column in columns.values()), strict=True)
        data = {"predictions": source.name, "index": self.index, "dataset": source.dataset, "split": source.split}
        how = {"example": self.place, "input": source.input, "delta": source.delta}
        classes = {"label": self.label, "predicted": self.predicted}
        rows = [{"class": k, **dict(zip(columns, term, strict=True))} for k, term in enumerate(terms)]
        sums = {name: float(column.sum()) for name, column in columns.items() if name != "score"}
        return finite({**data, **how, **classes, "terms": rows, "sums": sums, "losses": self.losses})

    def rows(self) -> list[dict[str, Any]]:
        """Return the terms of each class as a flat row."""
        return self.as_dict()["terms"]

    def parts(self) -> list[Part]:
        label = "soft" if self.label is None else str(self.label)
        caption = f"{self.index if self.place is None else self.place}: {label}"
        parts = pictures(self.source, np.array([self.index]), (caption,))
        if self.scores is not None and self.exponentials is not None:
            columns = {">z_k": self.scores, ">exp(z_k - max z)": self.exponentials, ">y_k": self.y}
            softmax = self._table("scores z and their softmax y_k = exp(z_k) / Σ_j exp(z_j)", columns)
            parts += [softmax, Lines((self._prediction(),))]
        delta = formatting.delta(self.source.delta)
        log = f"log(y_k + {delta})" if self.source.delta else "log y_k"
        targets = "soft targets" if self.label is None else f"label {self.label}"
        title = f"{shown(self.source.name)}, row {self.index}: {targets}, predicted {self.predicted}"
        columns = {">y_k": self.y, ">t_k": self.t, ">(y_k - t_k)²": self.squares, f">t_k {log}": self.logs}
        rows = [(name, LOSSES[name].formula, formatting.loss(value)) for name, value in self.losses.items()]
        of_sums = f"the losses of this example, from these sums; delta is {delta}"
        return [*parts, self._table(title, columns), Table(of_sums, ("", "formula", ">value"), tuple(rows))]

    def _prediction(self) -> str:
        before, after = self.predicted, int(np.argmax(self.y))
        if before != after:
            return f"The largest z is of class {before}; after rounding, y is as large for class {after}."
        largest = f"The largest z and the largest y are of class {before}"
        return f"{largest}: a prediction does not need the softmax, the loss does."

    def _table(self, title: str, columns: Mapping[str, Floats]) -> Table:
        """Return a table with one row for each class, and a last row of sums. Logits have no sum."""
        rows = []
        for k, values in enumerate(zip(*columns.values(), strict=True)):
            marks = ("true class" if k == self.label else "", "predicted" if k == self.predicted else "")
            rows.append((str(k), *map(_cell, values), ", ".join(filter(None, marks))))
        sums = ("" if column is self.scores else _cell(float(column.sum())) for column in columns.values())
        return Table(title, (">k", *columns, ""), (*rows, ("Σ", *sums, "")))


def _cell(value: float) -> str:
    """Write a term as text. 0, and numbers that differ from 1 only by rounding, have no decimals."""
    if value == -np.inf:
        return "-infinite"
    return f"{value:z.0f}" if value == 0 or abs(value - 1) < 1e-12 else formatting.loss(value)


def explain_example(predictions: Predictions, index: int, **data: Unpack[DataKeywords]) -> ExampleLoss:
    """Compute the loss of one row of predictions, term by term.

    index: the number of the row, from 0.
    data: `targets`, `indices`, `dataset`, `split`, `input`, `delta`, `allow_unnormalized`, `cache_dir`, `download` and
        `array`, which `evaluate` describes.

    Raises the errors of `evaluate`, ArgumentError if there is no such row, and InputError for predicted classes.

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> result = explain_example([y], 0, targets=[2])
    >>> round(result.losses["mse"], 12), result.squares.round(4).tolist()
    (0.0975, [0.01, 0.0025, 0.16, 0.0, 0.0025, 0.01, 0.0, 0.01, 0.0, 0.0])
    """
    scores = score(predictions, data_options("explain_example", DataKeywords, data), keep=ALL_COLUMNS)
    index = whole(index, "index", least=0)
    if index >= scores.n:
        raise ArgumentError(f"index {index} is outside 0..{scores.n - 1}, the rows of {shown(scores.name)}")
    y = scores.probabilities()[:, index]
    outputs = OUTPUTS[scores.input](scores.outputs.scores[:, [index]])
    label = int(scores.t[index]) if scores.t.ndim == 1 else None
    t = scores.t[index] if label is None else np.eye(len(y))[label]
    differences = y - t
    if label is not None:
        differences[label] = outputs.p_minus_one(np.array([label]))[0]
    logs = np.multiply(t, outputs.log(None, scores.delta)[:, 0], where=t != 0, out=np.zeros_like(y))
    return ExampleLoss(
        source=scores,
        index=index,
        label=label,
        y=y,
        t=t,
        squares=differences**2,
        logs=logs,
        scores=outputs.scores[:, 0] if scores.input == "logits" else None,
        losses={name: float(scores.losses(name)[index]) for name in _LOSSES},
    )
