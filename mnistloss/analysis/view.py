"""What every view has: its description, its options, and what takes its place where it is not available."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array, whole
from mnistloss.document import Curve, Lines, Part, Result
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.scoring import Scores

MAIN_LOSS = ("cee", "error")
"""The columns that a view of the main loss needs."""


@dataclass(frozen=True)
class Option:
    """A numeric option of a view: its default, which fixes its type, its limits, and its help text."""

    name: str
    default: int | float
    least: float
    meaning: str
    most: float = math.inf

    def check(self, value: Any) -> None:
        """Raise ArgumentError unless the value has the option's type and lies within its limits."""
        number = whole(value, self.name, int(self.least)) if isinstance(self.default, int) else value
        if not (isinstance(number, (int, float, np.floating)) and self.least <= number <= self.most):
            limits = f"at least {self.least:g}" if math.isinf(self.most) else f"{self.least:g} to {self.most:,.0f}"
            raise ArgumentError(f"{self.name} is {value!r}; expected {limits}")


@dataclass(frozen=True)
class View:
    """A view in the registry: its name, what it shows, and the function that takes Scores and options.

    needs: the columns of `Scores` that it reads. charted: whether its result holds a chart.
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
    """The result of a view or a comparison that these predictions cannot have, with the reason."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {"refused": self.reason}

    def parts(self) -> list[Part]:
        return [Lines((f"Not available: {self.reason}",))]


def result_or_reason(run: Callable[[], Result]) -> Result:
    """Return the result, or `NotAvailable` where the predictions are refused."""
    try:
        return run()
    except InputError as error:
        return NotAvailable(str(error))


def main_loss(scores: Scores) -> str:
    """Return the loss that a view is about: cee, or error where only classes are predicted."""
    return "error" if scores.input == "labels" else "cee"


def staircase(name: str, edges: Array, heights: Array) -> Curve:
    """Return a histogram (n,) over its edges (n + 1,) as a curve of steps that starts and ends at zero."""
    return Curve(name, (float(edges[0]), *edges.tolist()), (0.0, *heights.tolist(), 0.0), "steps")
