"""All that a report page says of prediction files: scores, views from several sides, and a comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mnistloss.analysis import compare
from mnistloss.analysis.inspect import find, tried
from mnistloss.analysis.view import main_loss
from mnistloss.document import Result
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.evaluate import ScoreOptions, score
from mnistloss.evaluation.examples import Scores, load_examples
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import DataOptions
from mnistloss.losses.losses import find as find_loss

VIEWS: Mapping[str, Mapping[str, int]] = {
    "confusion": {},
    "calibration": {},
    "histogram": {},
    "lens": {},
    "worst": {"k": 20},
}
"""The views of a report, with the options that are not their defaults."""


@dataclass(frozen=True)
class Finding:
    """One file: what it scores, and what each view shows of it, by the view's name."""

    evaluation: Evaluation
    views: Mapping[str, Result]

    def as_dict(self) -> dict[str, Any]:
        views = {name: result.as_dict() for name, result in self.views.items()}
        return {"evaluation": self.evaluation.as_dict(), "views": views}


@dataclass(frozen=True)
class Overview:
    """Files in the order in which they were named, and how they compare with the first; None for a single one."""

    files: tuple[Finding, ...]
    comparison: Result | None = None

    def as_dict(self) -> dict[str, Any]:
        compared = {} if self.comparison is None else {"comparison": self.comparison.as_dict()}
        return {"files": [file.as_dict() for file in self.files], **compared}


def gather(
    predictions: Sequence[str | os.PathLike[str]], selection: DataOptions, *, confidence: float = 0.95
) -> Overview:
    """Score files, look at each with every view of a report, and compare them with the first.

    Raises as `evaluate` does. Views and comparisons that the predictions cannot have are `NotAvailable`: predicted
    classes have no calibration, files of different examples no paired differences.
    """
    if not predictions:
        raise ArgumentError("there are no predictions to report; name a file or more")
    examples = [load_examples(path, selection) for path in predictions]
    files = tuple(_finding(path, e, selection, confidence) for path, e in zip(predictions, examples, strict=True))
    if len(files) == 1:
        return Overview(files)
    loss, draws = find_loss(main_loss(examples[0])), compare.Draws(confidence=confidence)
    return Overview(files, tried(lambda: compare.run(predictions, selection, loss, draws)))


def _finding(path: str | os.PathLike[str], examples: Scores, selection: DataOptions, confidence: float) -> Finding:
    hard = examples.t.ndim == 1
    evaluation = score(path, selection, ScoreOptions(confidence=confidence, per_class=hard))
    views = {name: tried(partial(find(name).see, examples, **chosen)) for name, chosen in VIEWS.items()}
    return Finding(evaluation, views)
