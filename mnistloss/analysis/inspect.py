"""Inspect predictions with one view, or with all of them.

A view is a pure function from `Scores` (and its own options) to a frozen result with `as_dict` for JSON and `parts` for
a document. Each has a file of its own, with a `View` that describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Unpack

from mnistloss import formatting
from mnistloss.analysis import calibration, confusion, delta, histogram, label_errors, lens, other_tools, power, worst
from mnistloss.analysis.view import View, main_loss, result_or_reason
from mnistloss.document import Heading, Lines, Part, Result
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.scoring import ALL_COLUMNS, Predictions, Scores, score
from mnistloss.evaluation.targets import DataKeywords, DataOptions
from mnistloss.formatting import shown

VIEWS: dict[str, View] = {
    module.VIEW.name: module.VIEW
    for module in (confusion, worst, label_errors, calibration, histogram, delta, lens, power, other_tools)
}


def find_view(name: str) -> View:
    """Return the view of that name; an unknown one raises ArgumentError, which lists the names."""
    try:
        return VIEWS[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"no view is named {name!r}; the views are {', '.join(VIEWS)}") from None


@dataclass(frozen=True)
class Inspection:
    """The results of some views of the same predictions, by view name."""

    scores: Scores
    results: dict[str, Result]

    def where(self) -> dict[str, Any]:
        """Return the predictions, their data and hints for JSON."""
        s = self.scores
        hints = [hint.as_dict() for hint in s.hints]
        data = {"predictions": s.name, "dataset": s.dataset, "split": s.split, "n": s.n}
        return {**data, "signature": str(s.signature(main_loss(s))), "hints": hints}

    def as_dict(self) -> dict[str, Any]:
        return {name: result.as_dict() for name, result in self.results.items()}

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
    """Inspect predictions with the view of that name and its options, or with "all", each with its defaults.

    A view that is not available for such predictions raises InputError; among all of them its reason takes its place.
    """
    needs = ALL_COLUMNS if view == "all" else ("predicted", *find_view(view).needs)
    scores = score(predictions, DataOptions(**data), keep=needs)
    if view != "all":
        return Inspection(scores, {view: find_view(view).see(scores, **(options or {}))})
    return Inspection(scores, {name: result_or_reason(partial(one.see, scores)) for name, one in VIEWS.items()})
