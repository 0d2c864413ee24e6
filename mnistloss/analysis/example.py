"""The loss of one example as the course computes it, term by term, beside the formulas."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistloss import formatting
from mnistloss.arrays.checks import Floats, whole
from mnistloss.arrays.npy import Source
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.examples import Scores, load_examples
from mnistloss.evaluation.scoring import DataOptions, Predictions
from mnistloss.formatting import finite, shown
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import OUTPUTS

_LOSSES = ("mse", "cee")


@dataclass(frozen=True)
class ExampleLoss:
    """The loss of one row of predictions; each array is (K,), a number for each class.

    y: probabilities. t: targets. squares: (y - t)². logs: t log(y + delta). scores: the logits, if it was these that
    were given. losses: the row's mse and cee.
    """

    examples: Scores = field(repr=False)
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
        """The class of the largest output; ties go to the lowest class."""
        return int(self.examples.predicted[self.index])

    @property
    def place(self) -> int | None:
        """Which example of the split it is; None for targets of the user's own."""
        return None if self.examples.dataset is None else int(self.examples.positions()[self.index])

    @property
    def exponentials(self) -> Floats | None:
        """exp(z - max z) of the scores, which the softmax divides by their sum."""
        return None if self.scores is None else np.exp(self.scores - self.scores.max())

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: null for what is infinite."""
        of, place = self.examples, self.place
        data = {"predictions": of.name, "index": self.index, "dataset": of.dataset, "split": of.split, "example": place}
        said = {"input": of.input, "delta": of.delta, "label": self.label, "predicted": self.predicted}
        columns = {"y": self.y, "t": self.t, "squared_difference": self.squares, "t_log_y": self.logs}
        if self.scores is not None and self.exponentials is not None:
            columns |= {"score": self.scores, "exponential": self.exponentials}
        terms = [
            {"class": k, **{name: float(column[k]) for name, column in columns.items()}} for k in range(len(self.y))
        ]
        sums = {name: float(column.sum()) for name, column in columns.items() if name != "score"}
        return {**data, **said, "terms": list(map(finite, terms)), "sums": finite(sums), "losses": finite(self.losses)}

    def parts(self) -> list[Part]:
        """The digit, the softmax of scores, the terms with their sums, and the losses beside their formulas."""
        targets = "soft targets" if self.label is None else f"label {self.label}"
        delta = formatting.delta(self.examples.delta)
        log = f"log(y_k + {delta})" if self.examples.delta else "log y_k"
        terms = self._table(
            f"{shown(self.examples.name)}, row {self.index}: {targets}, predicted {self.predicted}",
            {">y_k": self.y, ">t_k": self.t, ">(y_k - t_k)²": self.squares, f">t_k {log}": self.logs},
        )
        losses = Table(
            f"the losses of this example, made of these sums; delta is {delta}",
            ("", "formula", ">value"),
            tuple((name, LOSSES[name].formula, formatting.loss(value)) for name, value in self.losses.items()),
        )
        return [*self._picture(), *self._softmax(), terms, losses]

    def _picture(self) -> list[Part]:
        caption = f"{self.index if self.place is None else self.place}: {'soft' if self.label is None else self.label}"
        return self.examples.pictures(np.array([self.index]), (caption,))

    def _softmax(self) -> Iterator[Part]:
        if self.scores is None or self.exponentials is None:
            return
        yield self._table(
            "scores z and their softmax y_k = exp(z_k) / Σ_j exp(z_j)",
            {">z_k": self.scores, ">exp(z_k - max z)": self.exponentials, ">y_k": self.y},
        )
        before, after = self.predicted, int(np.argmax(self.y))
        yield Lines(
            (
                f"The largest z and the largest y are of class {before}: to predict, the softmax can be left out; the"
                " loss needs it."
                if before == after
                else f"The largest z is of class {before}; rounding made y as large for class {after}.",
            )
        )

    def _table(self, title: str, columns: Mapping[str, Floats]) -> Table:
        """A row for each class and one for the sums, of scores excepted, under headings."""
        rows = [
            (str(k), *map(_cell, values), self._mark(k)) for k, values in enumerate(zip(*columns.values(), strict=True))
        ]
        sums = ("" if column is self.scores else _cell(float(column.sum())) for column in columns.values())
        return Table(title, (">k", *columns, ""), (*rows, ("Σ", *sums, "")))

    def _mark(self, k: int) -> str:
        marks = ("true class" if k == self.label else "", "predicted" if k == self.predicted else "")
        return ", ".join(filter(None, marks))


def _cell(value: float) -> str:
    """A term; 0 and 1 without decimals, so that targets are seen, and the sums that are 1 but for rounding."""
    if value == -np.inf:
        return "-infinite"
    return f"{value:z.0f}" if value == 0 or abs(value - 1) < 1e-12 else formatting.loss(value)


def explain_example(
    predictions: Predictions,
    index: int,
    *,
    targets: Source | None = None,
    indices: Source | None = None,
    dataset: str = "mnist",
    split: str = "auto",
    input: str = "probs",
    delta: float | None = None,
    allow_unnormalized: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> ExampleLoss:
    """The loss of row `index` of predictions, term by term; the other arguments are those of `evaluate`.

    Raises as `evaluate` does, ArgumentError for an index outside of the rows, InputError for predicted classes.

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> found = explain_example([y], 0, targets=[2])
    >>> round(found.losses["mse"], 12), found.squares.round(4).tolist()
    (0.0975, [0.01, 0.0025, 0.16, 0.0, 0.0025, 0.01, 0.0, 0.01, 0.0, 0.0])
    """
    cache_options = CacheOptions(cache_dir, download)
    selection = DataOptions(targets, indices, dataset, split, input, delta, allow_unnormalized, cache_options)
    return explained(load_examples(predictions, selection), index)


def explained(examples: Scores, index: int) -> ExampleLoss:
    """As `explain_example`, of examples that are loaded."""
    index = whole(index, "index", least=0)
    if index >= examples.n:
        raise ArgumentError(f"index {index} is outside 0..{examples.n - 1}, the rows of {shown(examples.name)}")
    y = examples.probabilities()[:, index]
    outputs = OUTPUTS[examples.input](examples.outputs.scores[:, [index]])
    label = int(examples.t[index]) if examples.t.ndim == 1 else None
    t = examples.t[index] if label is None else np.eye(len(y))[label]
    differences = y - t
    if label is not None:
        differences[label] = outputs.p_minus_one(np.array([label]))[0]
    logs = np.multiply(t, outputs.log(None, examples.delta)[:, 0], where=t != 0, out=np.zeros_like(y))
    return ExampleLoss(
        examples=examples,
        index=index,
        label=label,
        y=y,
        t=t,
        squares=differences**2,
        logs=logs,
        scores=outputs.scores[:, 0] if examples.input == "logits" else None,
        losses={name: float(examples.losses(name)[index]) for name in _LOSSES},
    )
