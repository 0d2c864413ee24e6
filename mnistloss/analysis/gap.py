"""The generalisation gap: a model's mean loss on the test split minus that on the training split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from mnistloss.analysis.compare import check_finite
from mnistloss.datasets.catalog import SPLITS
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.evaluate import ScoreOptions, summarize
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import Predictions, Scores, score
from mnistloss.evaluation.targets import ReadKeywords, data_options
from mnistloss.formatting import Printable, difference_cells, level, shown
from mnistloss.stats import Interval, hall_interval


@dataclass(frozen=True)
class SplitDifference:
    """A mean on each split, and gap = test - train; stderr and ci are None where a split has one example."""

    train: float
    test: float
    gap: float
    stderr: float | None
    ci: Interval | None


@dataclass(frozen=True, repr=False)
class Gap(Printable):
    """The result of `gap` for each loss and the accuracy; above zero the loss is larger on the test split."""

    train: Evaluation
    test: Evaluation
    confidence: float
    losses: Mapping[str, SplitDifference]
    accuracy: SplitDifference

    def as_dict(self) -> dict[str, Any]:
        splits = {}
        for split in (self.train, self.test):
            what = {"predictions": split.predictions, "n": split.n, "input": split.input}
            hints = [hint.as_dict() for hint in split.hints]
            splits[str(split.split)] = {**what, "signature": str(split.signature), "hints": hints}
        losses = {name: vars(difference) for name, difference in self.losses.items()}
        head = {"dataset": self.test.dataset, "splits": splits, "confidence": self.confidence}
        return {**head, "losses": losses, "accuracy": vars(self.accuracy)}

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for each loss and the accuracy."""
        rows = []
        for name, d in [*self.losses.items(), ("accuracy", self.accuracy)]:
            low, high = d.ci or (None, None)
            means = {"train": d.train, "test": d.test, "gap": d.gap}
            rows.append({"measure": name, **means, "stderr": d.stderr, "low": low, "high": high})
        return rows

    def __repr__(self) -> str:
        gaps = (f"{row['measure']}={row['gap']:.7g}" for row in self.rows())
        return f"Gap({', '.join(gaps)})"

    def parts(self) -> list[Part]:
        splits = self.train, self.test
        train, test = (f"{shown(split.predictions)} ({split.n:,})" for split in splits)
        rows = []
        for name, d in [*self.losses.items(), ("accuracy", self.accuracy)]:
            means = (f"{mean:z.{4 if name == 'accuracy' else 7}f}" for mean in (d.train, d.test))
            rows.append((name, *means, *difference_cells(d.gap, d.stderr, d.ci)))
        columns = ("measure", ">train", ">test", ">test - train", ">std. error", f">{level(self.confidence)} interval")
        hints = (line for split in splits for line in hint_lines(split.predictions, split.hints))
        table = Table(f"{self.test.dataset} train: {train}, test: {test}", columns, tuple(rows))
        return [table, Lines((self._verdict(), *(str(split.signature) for split in splits), *hints))]

    def _verdict(self) -> str:
        """Say whether the first loss is larger on the test split by more than chance."""
        name, d = next(iter(self.losses.items()))
        size, _, interval = difference_cells(d.gap, d.stderr, d.ci)
        overfits = d.ci is not None and d.ci[0] > 0
        end = "the model overfits by this much" if overfits else "these examples show no overfitting"
        return f"The test {name} differs from the train {name} by {size} ({interval}): {end}."


def gap(
    train: Predictions,
    test: Predictions,
    *,
    losses: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    **data: Unpack[ReadKeywords],
) -> Gap:
    """Compute the generalisation gap of a model: its mean loss on the test split minus that on the training split.

    train, test: predictions of the same model for the whole of each split. The splits are independent samples: the
        variance of the gap is the sum of the variances of the two means. The interval is Hall's, with the skewness of a
        difference of two independent means. Source: X.-H. Zhou and P. Dinh, Biostatistics 6 (2005), 187-200.
    losses: a name of the registry LOSSES, or several; default cee and mse, and error for predicted classes.
    confidence: level of the intervals.
    data: `dataset`, `input`, `delta`, `allow_unnormalized`, `cache_dir`, `download` and `array`, which `evaluate`
        describes.

    Raises as `evaluate` does, and InputError for an infinite loss.

    >>> result = gap([[0.1] * 10] * 4000, [[0.1] * 10] * 1000, dataset="mnist-5k")
    >>> round(result.losses["mse"].test, 12), round(result.losses["mse"].gap, 12)
    (0.45, 0.0)
    """
    both = data_options("gap", ReadKeywords, data)
    names = ScoreOptions(losses).loss_names(both.input)
    options = ScoreOptions(every := [*names, "error"], confidence=confidence)
    trained, tested = (
        score(source, replace(both, split=split), losses=every)
        for source, split in zip((train, test), SPLITS, strict=True)
    )
    differences = {name: _difference(trained, tested, name, confidence) for name in every}
    on_train, on_test, error = summarize(trained, options), summarize(tested, options), differences["error"]
    ci = error.ci and (0.0 - error.ci[1], 0.0 - error.ci[0])
    accuracy = SplitDifference(on_train.accuracy.value, on_test.accuracy.value, 0.0 - error.gap, error.stderr, ci)
    return Gap(on_train, on_test, confidence, {name: differences[name] for name in names}, accuracy)


def _difference(train: Scores, test: Scores, name: str, confidence: float) -> SplitDifference:
    first, second = train.moments[name], test.moments[name]
    for split, moments in ((train, first), (test, second)):
        check_finite(split.name, name, moments.infinite)
    gap = second.mean - first.mean
    stderr = None if first.stderr is None or second.stderr is None else math.hypot(first.stderr, second.stderr)
    u = (second.cubes / second.n**3 - first.cubes / first.n**3) / stderr / stderr / stderr if stderr else 0.0
    return SplitDifference(first.mean, second.mean, gap, stderr, hall_interval(gap, stderr, u, confidence))
