"""Figures that several views make and write in the same way."""

from __future__ import annotations

import math

from mnistloss.arrays import Array
from mnistloss.document import Curve
from mnistloss.examples import Examples

MAIN_LOSS = ("cee", "error")
"""What a view about the main loss needs."""


def main_loss(examples: Examples) -> str:
    """The loss that a view is about: cee, or error where only classes are known."""
    return "error" if examples.input == "labels" else "cee"


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None where that means nothing, because either is infinite or the whole is 0."""
    return part / whole if whole and math.isfinite(part) and math.isfinite(whole) else None


def nats(value: float | None, decimals: int = 4) -> str:
    """A loss as text; - where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:z.{decimals}f}" if math.isfinite(value) else "infinite" if value > 0 else "-infinite"


def staircase(name: str, edges: Array, heights: Array) -> Curve:
    """A histogram (n,) over its edges (n + 1,) as steps, from zero and back to it."""
    return Curve(name, (float(edges[0]), *edges.tolist()), (0.0, *heights.tolist(), 0.0), "steps")
