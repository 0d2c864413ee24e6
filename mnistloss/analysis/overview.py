"""The content of a report on one or more predictions files: losses, views, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from mnistloss.analysis.compare import compare_scores
from mnistloss.analysis.inspect import VIEWS
from mnistloss.analysis.view import main_loss, result_or_reason
from mnistloss.document import Result
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.evaluate import ScoreOptions, summarize
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import ALL_COLUMNS, Predictions, default_losses, score
from mnistloss.evaluation.targets import DataKeywords, TargetLoader, data_options

REPORT_VIEWS: Mapping[str, Mapping[str, int]] = {
    "confusion": {},
    "calibration": {},
    "histogram": {},
    "lens": {},
    "worst": {"k": 20},
}
"""The views of a report by name, each with the options that differ from the defaults."""


@dataclass(frozen=True)
class FileReport:
    """The evaluation of one file, and the results of the views by name."""

    evaluation: Evaluation
    views: Mapping[str, Result]

    def as_dict(self) -> dict[str, Any]:
        views = {name: result.as_dict() for name, result in self.views.items()}
        return {"evaluation": self.evaluation.as_dict(), "views": views}


@dataclass(frozen=True)
class Overview:
    """The reports of files in the given order, and the comparison with the first file, or None for a single file."""

    files: tuple[FileReport, ...]
    comparison: Result | None = None

    def as_dict(self) -> dict[str, Any]:
        comparison = {} if self.comparison is None else {"comparison": self.comparison.as_dict()}
        return {"files": [file.as_dict() for file in self.files], **comparison}


def build_report(
    predictions: Sequence[Predictions], *, confidence: float = 0.95, **data: Unpack[DataKeywords]
) -> Overview:
    """Score each file once, run the views of a report on it, and compare all files with the first.

    confidence: level of the intervals. data: see `DataKeywords`. Raises the errors of `evaluate`.
    A view or a comparison that is not possible becomes `NotAvailable`, with the reason: predicted classes have no
    calibration, and files of different examples have no paired differences.
    """
    if not predictions:
        raise ArgumentError("there are no predictions to report; name at least one file")
    options = data_options("build_report", DataKeywords, data)
    loader, losses = TargetLoader(options), default_losses(options.input)
    scores = [
        score(source, options, losses=losses, keep=ALL_COLUMNS, by_class=None, loader=loader) for source in predictions
    ]
    files, comparison = [], None
    for one in scores:
        evaluation = summarize(one, ScoreOptions(confidence=confidence, per_class=one.t.ndim == 1))
        views = {name: result_or_reason(VIEWS[name].see, one, **chosen) for name, chosen in REPORT_VIEWS.items()}
        files.append(FileReport(evaluation, views))
    if len(files) > 1:
        comparison = result_or_reason(compare_scores, scores, main_loss(scores[0]), confidence=confidence)
    return Overview(tuple(files), comparison)
