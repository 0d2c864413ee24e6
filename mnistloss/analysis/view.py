"""The description and the options of a view, and helpers that several views use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array, whole
from mnistloss.document import Curve, Lines, Part, Pictures, Result
from mnistloss.errors import ArgumentError, InputError, UnavailableError
from mnistloss.evaluation.scoring import Scores

MAIN_LOSS = ("cee", "error")
"""The columns of `Scores` that a view of the main loss reads."""


@dataclass(frozen=True)
class Option:
    """A numeric option of a view: name, default, limits and help text. The type is the type of the default."""

    name: str
    default: int | float
    least: float
    meaning: str
    most: float = math.inf

    def check(self, value: Any) -> None:
        """Raise ArgumentError if the value has another type than the option, or lies outside the limits."""
        number = whole(value, self.name, int(self.least)) if isinstance(self.default, int) else value
        if not (isinstance(number, (int, float, np.floating)) and self.least <= number <= self.most):
            limits = f"at least {self.least:g}" if math.isinf(self.most) else f"{self.least:g} to {self.most:,.0f}"
            raise ArgumentError(f"{self.name} is {value!r}; expected {limits}")


@dataclass(frozen=True)
class View:
    """A view in the registry: a name, what the view shows, and the function that takes `Scores` and options.

    needs: the columns of `Scores` that the function reads. charted: whether the result holds a chart.
    """

    name: str
    meaning: str
    needs: tuple[str, ...]
    run: Callable[..., Result]
    options: tuple[Option, ...] = ()
    charted: bool = False

    def see(self, scores: Scores, **options: Any) -> Result:
        """Check the options and run the view."""
        if unknown := options.keys() - {option.name for option in self.options}:
            raise ArgumentError(f"{self.name} has no option {min(unknown)}")
        for option in self.options:
            option.check(options.get(option.name, option.default))
        return self.run(scores, **options)


@dataclass(frozen=True)
class NotAvailable:
    """The reason why a view or a comparison is not possible for these predictions, in place of a result."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {"refused": self.reason}

    def parts(self) -> list[Part]:
        return [Lines((f"Not available: {self.reason}",))]


def result_or_reason(run: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """Run a view or a comparison; an InputError becomes `NotAvailable`."""
    try:
        return run(*arguments, **options)
    except InputError as error:
        return NotAvailable(str(error))


def main_loss(scores: Scores) -> str:
    """Return the name of the loss that views show: "error" for predicted classes, else "cee", the cross-entropy."""
    return "error" if scores.input == "labels" else "cee"


def staircase(name: str, edges: Array, heights: Array) -> Curve:
    """Draw heights (n,) of bins with edges (n + 1,) as a curve of steps, which starts and ends at zero."""
    return Curve(name, (float(edges[0]), *edges.tolist()), (0.0, *heights.tolist(), 0.0), "steps")


def pictures(scores: Scores, rows: Array, captions: tuple[str, ...]) -> list[Part]:
    """Return the images of some rows with captions, or a line that says why the images are not available.

    For targets of the user's own, which have no images, return an empty list.
    """
    if scores.dataset is None:
        return []
    labels = scores.t[rows] if scores.t.ndim == 1 else ["by a soft row"] * len(rows)
    examples = zip(scores.positions()[rows], labels, scores.predicted[rows], strict=True)
    alts = tuple(f"example {index}, labelled {label}, predicted {predicted}" for index, label, predicted in examples)
    try:
        return [Pictures(scores.images(rows), captions, alts)]
    except UnavailableError as error:
        return [Lines((f"No pictures: {error}",))]
