"""The shape of a view."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array, whole
from mnistloss.document import Curve, Lines, Part, Result
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.examples import Scores


@dataclass(frozen=True)
class NotAvailable:
    """In place of what a view would have found: why it does not see these predictions."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {"refused": self.reason}

    def parts(self) -> list[Part]:
        return [Lines((f"Not to be seen: {self.reason}",))]


@dataclass(frozen=True)
class Option:
    """A number that a view takes: its default, which also says its type, its least and most, and its meaning."""

    name: str
    default: int | float
    least: float
    meaning: str
    most: float = math.inf

    def check(self, value: Any) -> None:
        """Raise ArgumentError unless the value is of the type and between the least and the most."""
        number = whole(value, self.name, int(self.least)) if isinstance(self.default, int) else value
        if not (isinstance(number, (int, float, np.floating)) and self.least <= number <= self.most):
            limits = f"at least {self.least:g}" if math.isinf(self.most) else f"{self.least:g} to {self.most:,.0f}"
            raise ArgumentError(f"{self.name} is {value!r}; expected {limits}")


@dataclass(frozen=True)
class View:
    """A view of the registry: what it is called, what it shows, and the function that takes Scores and options.

    needs: what is to be kept of each example, as `load_examples` has it.
    charted: whether there is a chart among what it shows.
    """

    name: str
    meaning: str
    needs: tuple[str, ...]
    run: Callable[..., Result]
    options: tuple[Option, ...] = ()
    charted: bool = False

    def see(self, examples: Scores, **options: Any) -> Result:
        """Run it with options, each checked."""
        if unknown := options.keys() - {option.name for option in self.options}:
            raise ArgumentError(f"{self.name} has no option {min(unknown)}")
        for option in self.options:
            option.check(options.get(option.name, option.default))
        return self.run(examples, **options)


MAIN_LOSS = ("cee", "error")
"""What a view about the main loss needs."""


def main_loss(examples: Scores) -> str:
    """The loss that a view is about: cee, or error where only classes are known."""
    return "error" if examples.input == "labels" else "cee"


def staircase(name: str, edges: Array, heights: Array) -> Curve:
    """A histogram (n,) over its edges (n + 1,) as steps, from zero and back to it."""
    return Curve(name, (float(edges[0]), *edges.tolist()), (0.0, *heights.tolist(), 0.0), "steps")
