"""Inspect predictions with one view, or with all of them.

A view is a pure function that takes `Scores` and options. It returns a frozen result with `as_dict` for JSON and
`parts` for a document. Each view has a file of its own, and a `View` that describes the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from mnistloss import formatting
from mnistloss.analysis import calibration, confusion, delta, histogram, label_errors, lens, other_tools, power, worst
from mnistloss.analysis.view import View, main_loss, result_or_reason
from mnistloss.document import Heading, Lines, Part, Result
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.scoring import ALL_COLUMNS, Predictions, Scores, score
from mnistloss.evaluation.targets import DataKeywords, data_options
from mnistloss.formatting import Printable, shown

VIEWS: dict[str, View] = {
    module.VIEW.name: module.VIEW
    for module in (confusion, worst, label_errors, calibration, histogram, delta, lens, power, other_tools)
}


def find_view(name: str) -> View:
    """Return the view with this name. An unknown name raises ArgumentError, which lists all names."""
    try:
        return VIEWS[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"no view is named {name!r}; the views are {', '.join(VIEWS)}") from None


@dataclass(frozen=True)
class Inspection(Printable):
    """The scores of predictions, and the results of views by name."""

    scores: Scores
    results: dict[str, Result]

    def __repr__(self) -> str:
        return f"Inspection({self.scores.name!r}, {', '.join(self.results)})"

    def where(self) -> dict[str, Any]:
        """Return for JSON what all views share: the file, dataset, split, n, signature and hints."""
        s = self.scores
        hints = [hint.as_dict() for hint in s.hints]
        data = {"predictions": s.name, "dataset": s.dataset, "split": s.split, "n": s.n}
        return {**data, "signature": str(s.signature(main_loss(s))), "hints": hints}

    def as_dict(self) -> dict[str, Any]:
        return {name: result.as_dict() for name, result in self.results.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for each item of the lists in the views: an example, a bin, a confusion, a delta, ..."""
        views = self.as_dict().items()
        lists = [(view, items) for view, data in views for items in data.values() if isinstance(items, list)]
        return [{"view": view, **item} for view, items in lists for item in items if isinstance(item, dict)]

    def parts(self) -> list[Part]:
        s, several = self.scores, len(self.results) > 1
        data = formatting.data(s.dataset, s.split)
        parts: list[Part] = [Lines((f"{shown(s.name)} on {data}, n = {s.n:,}",))]
        for name, result in self.results.items():
            parts += [*([Heading(name)] if several else []), *result.parts()]
        return [*parts, Lines(("", str(s.signature(main_loss(s))), *hint_lines(s.name, s.hints)))]


def inspect(
    predictions: Predictions,
    view: str = "all",
    *,
    options: Mapping[str, Any] | None = None,
    **data: Unpack[DataKeywords],
) -> Inspection:
    """Inspect predictions with one view, or with all views.

    view: the name of a view, or "all". options: options of this view by name; "all" uses the defaults.
    data: see `DataKeywords`.

    A single view that these predictions do not allow raises InputError. With "all", the reason takes the place of the
    result. Raises the errors of `evaluate` as well.

    >>> inspection = inspect([[0.1] * 10] * 1000, "worst", dataset="mnist-5k", options={"k": 1})
    >>> inspection, round(inspection.rows()[0]["loss"], 6)
    (Inspection('predictions', worst), 2.302584)
    """
    needs = ALL_COLUMNS if view == "all" else ("predicted", *find_view(view).needs)
    scores = score(predictions, data_options("inspect", DataKeywords, data), keep=needs)
    if view != "all":
        return Inspection(scores, {view: find_view(view).see(scores, **(options or {}))})
    return Inspection(scores, {name: result_or_reason(one.see, scores) for name, one in VIEWS.items()})
