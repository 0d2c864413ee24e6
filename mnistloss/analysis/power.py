"""Power: the number of examples needed to detect a difference in the mean loss, and what n examples detect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mnistloss.analysis.view import MAIN_LOSS, Option, View, main_loss
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.stats import Moments, quantile

POWER = 0.8
CONFIDENCE = 0.95
CORRELATIONS = (0.5, 0.9, 0.99)
FORMULA = "n = 2 (1 - r) ((z_0.975 + z_0.8) s / difference)²"


@dataclass(frozen=True)
class Design:
    """Two models on a test set each (correlation None), or on the same one, with correlated losses.

    needed: examples in each test set; detectable: the smallest difference that n examples detect.
    """

    correlation: float | None
    needed: int | None
    detectable: float | None

    def as_dict(self) -> dict[str, Any]:
        pairing = {"paired": self.correlation is not None, "correlation": self.correlation}
        return {**pairing, "examples_needed": self.needed, "detectable_difference": self.detectable}

    def cells(self) -> tuple[str, str, str]:
        """Return the design as a row of the table."""
        paired = self.correlation is not None
        return (
            f"the same examples, correlation {self.correlation:g}" if paired else "two test sets, each of that size",
            "-" if self.needed is None else f"{self.needed:,}",
            "-" if self.detectable is None else f"{self.detectable:.5f}",
        )


@dataclass(frozen=True)
class Power:
    """Designs that detect `difference` by a normal test; s is the standard deviation of the n per-example losses.

    s and what depends on it are None if a loss is infinite, and for a single example.
    """

    loss: str
    difference: float
    n: int
    s: float | None
    designs: tuple[Design, ...]

    def as_dict(self) -> dict[str, Any]:
        losses = {"loss": self.loss, "difference": self.difference, "n": self.n, "s": self.s}
        test = {"power": POWER, "significance": round(1 - CONFIDENCE, 12), "sides": 2, "formula": FORMULA}
        return {**losses, **test, "designs": [design.as_dict() for design in self.designs]}

    def parts(self) -> list[Part]:
        """Return a row for each design, the assumptions and the formula."""
        table = Table(
            f"examples needed to detect a difference of {self.difference:g} in mean {self.loss}",
            ("the two models are tested on", ">examples needed", f">detectable at n = {self.n:,}"),
            tuple(design.cells() for design in self.designs),
        )
        return [table, Lines((self._assumptions(), f"{FORMULA}; r is the correlation, 0 for two test sets."))]

    def _assumptions(self) -> str:
        if self.s is None:
            return "The losses have no finite standard deviation, so there is nothing to compute."
        return (
            f"{POWER:.0%} power, two-sided test at the {1 - CONFIDENCE:.0%} level, normal approximation;"
            f" the losses of both models are assumed to have the standard deviation of these, s = {self.s:.4f}."
        )


def power(scores: Scores, difference: float = 0.005) -> Power:
    """Compute the examples needed to detect a difference of mean losses, and the difference that these n detect."""
    loss, n = main_loss(scores), scores.n
    stderr = Moments.over(scores.losses(loss)).stderr
    s = None if stderr is None else stderr * math.sqrt(n)
    designs = tuple(_design(r, s, n, difference) for r in (None, *CORRELATIONS))
    return Power(loss, difference, n, s, designs)


def _design(correlation: float | None, s: float | None, n: int, difference: float) -> Design:
    """Apply FORMULA: the difference of two means of n examples has the variance 2 (1 - r) s² / n."""
    if s is None:
        return Design(correlation, None, None)
    z = quantile(CONFIDENCE) + quantile(2 * POWER - 1)
    scale = z * s * math.sqrt(2 * (1 - (correlation or 0.0)))
    return Design(correlation, max(1, math.ceil((scale / difference) ** 2)), scale / math.sqrt(n))


VIEW = View(
    "power",
    "number of examples needed to detect a difference in the loss",
    MAIN_LOSS,
    power,
    (Option("difference", 0.005, 1e-9, "Difference of mean losses to detect.", 1e9),),
)
