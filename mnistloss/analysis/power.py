"""How many examples it takes to see a difference in the mean loss, and what these can show."""

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
    """Two models on test sets of their own (correlation None), or on the same examples, with correlated losses.

    needed: examples in each test set; detectable: the least difference that n examples show.
    """

    correlation: float | None
    needed: int | None
    detectable: float | None

    def as_dict(self) -> dict[str, Any]:
        paired = {"paired": self.correlation is not None, "correlation": self.correlation}
        return {**paired, "examples_needed": self.needed, "detectable_difference": self.detectable}


@dataclass(frozen=True)
class Power:
    """What it takes to see `difference` by a normal test; s is the standard deviation of the n per-example losses.

    s and all that follows from it are None where a loss is infinite, and for a single example.
    """

    loss: str
    difference: float
    n: int
    s: float | None
    designs: tuple[Design, ...]

    def as_dict(self) -> dict[str, Any]:
        test = {"power": POWER, "significance": round(1 - CONFIDENCE, 12), "sides": 2, "formula": FORMULA}
        what = {"loss": self.loss, "difference": self.difference, "n": self.n, "s": self.s}
        return {**what, **test, "designs": [design.as_dict() for design in self.designs]}

    def parts(self) -> list[Part]:
        """A row for each design, and the formula."""
        table = Table(
            f"to see a difference of {self.difference:g} in mean {self.loss}, and what {self.n:,} examples show",
            ("the two models", ">examples needed", f">detectable at n = {self.n:,}"),
            tuple(
                (
                    _named(design.correlation),
                    "-" if design.needed is None else f"{design.needed:,}",
                    "-" if design.detectable is None else f"{design.detectable:.5f}",
                )
                for design in self.designs
            ),
        )
        return [table, Lines((self._spread(), f"{FORMULA}; r is the correlation, 0 for two test sets."))]

    def _spread(self) -> str:
        if self.s is None:
            return "The losses have no finite spread, so that nothing can be said."
        return (
            f"{POWER:.0%} power, {1 - CONFIDENCE:.0%} two-sided, normal approximation;"
            f" both models' losses are taken to spread as these do, s = {self.s:.4f}."
        )


def power(scores: Scores, difference: float = 0.005) -> Power:
    """Examples needed for a difference of this size, and the difference that as many examples as these show."""
    loss, n = main_loss(scores), scores.n
    stderr = Moments.over(scores.losses(loss)).stderr
    s = None if stderr is None else stderr * math.sqrt(n)
    designs = tuple(_design(r, s, n, difference) for r in (None, *CORRELATIONS))
    return Power(loss, difference, n, s, designs)


def _design(correlation: float | None, s: float | None, n: int, difference: float) -> Design:
    """The difference of two means of n has the variance 2 (1 - r) s² / n."""
    if s is None:
        return Design(correlation, None, None)
    z = quantile(CONFIDENCE) + quantile(2 * POWER - 1)
    scale = z * s * math.sqrt(2 * (1 - (correlation or 0.0)))
    return Design(correlation, max(1, math.ceil((scale / difference) ** 2)), scale / math.sqrt(n))


def _named(correlation: float | None) -> str:
    return (
        "two test sets, of so many each" if correlation is None else f"the same examples, correlation {correlation:g}"
    )


VIEW = View(
    "power",
    "how many examples it takes to see a difference in the loss",
    MAIN_LOSS,
    power,
    (Option("difference", 0.005, 1e-9, "the difference of two means that is to be seen", 1e9),),
)
