"""Views of the same predictions, one file each, all in the same shape.

A view is a pure function from `Scores` (and options of its own) to a frozen result, which says itself as
JSON (`as_dict`) and as parts of a document (`parts`); and a `View` that describes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mnistloss import formatting
from mnistloss.analysis import calibration, confusion, delta, histogram, label_errors, lens, other_tools, power, worst
from mnistloss.analysis.view import NotAvailable, View, main_loss
from mnistloss.document import Heading, Lines, Part, Result
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.examples import Scores
from mnistloss.evaluation.hints import hint_lines
from mnistloss.formatting import shown

VIEWS: dict[str, View] = {
    module.VIEW.name: module.VIEW
    for module in (confusion, worst, label_errors, calibration, histogram, delta, lens, power, other_tools)
}


def find(name: str) -> View:
    """The view of that name; an unknown one raises ArgumentError, which lists the known ones."""
    try:
        return VIEWS[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"no view is named {name!r}; the views are {', '.join(VIEWS)}") from None


@dataclass(frozen=True)
class Inspection:
    """What some views found of the same predictions, by their names."""

    examples: Scores
    results: dict[str, Result]

    def where(self) -> dict[str, Any]:
        """What it was found of, as JSON has it."""
        found = self.examples
        where = {"predictions": found.name, "dataset": found.dataset, "split": found.split, "n": found.n}
        hints = [hint.as_dict() for hint in found.hints]
        return {**where, "signature": str(found.signature(main_loss(found))), "hints": hints}

    def as_dict(self) -> dict[str, Any]:
        return {name: result.as_dict() for name, result in self.results.items()}

    def parts(self) -> list[Part]:
        """As people read it, under the names of the views where there are several; then the signature and hints."""
        found, several = self.examples, len(self.results) > 1
        data = formatting.data(found.dataset, found.split)
        parts: list[Part] = [Lines((f"{shown(found.name)} on {data}, {formatting.examples(found.n)}",))]
        for name, result in self.results.items():
            parts += [*([Heading(name)] if several else []), *result.parts()]
        signature = str(found.signature(main_loss(found)))
        return [*parts, Lines(("", signature, *hint_lines(found.name, found.hints)))]


def inspect(examples: Scores, name: str = "all", **options: Any) -> Inspection:
    """Look at examples with the view of that name and its options, or with "all", each with its defaults.

    A view that does not see such predictions raises InputError; among all of them it says so in its place.
    """
    if name != "all":
        view = find(name)
        return Inspection(examples, {view.name: view.see(examples, **options)})
    return Inspection(examples, {view.name: tried(partial(view.see, examples)) for view in VIEWS.values()})


def tried(run: Callable[[], Result]) -> Result:
    """What is found, or, where such predictions have it not, why."""
    try:
        return run()
    except InputError as error:
        return NotAvailable(str(error))
