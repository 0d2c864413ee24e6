"""Power analysis: how many examples a test needs to detect a difference between the mean losses of two models."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from mnistloss.analysis.view import MAIN_LOSS, Option, View, main_loss
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import Scores
from mnistloss.formatting import nats
from mnistloss.stats import Moments, quantile

POWER = 0.8
CONFIDENCE = 0.95
CORRELATIONS = (0.5, 0.9, 0.99)
FORMULA = "n = 2 (1 - r) ((z_0.975 + z_0.8) s / difference)²"


@dataclass(frozen=True)
class Design:
    """One way to test two models: each on a test set of its own, or both on the same examples (paired).

    correlation: of the losses of both models on the same examples; None if not paired. examples_needed: in each test
    set. detectable_difference: the smallest difference that a test with n examples detects.
    """

    paired: bool
    correlation: float | None
    examples_needed: int | None
    detectable_difference: float | None


@dataclass(frozen=True)
class Power:
    """The number of examples needed to detect `difference` between the mean losses of two models, for each design.

    loss: its name. s: the standard deviation of the losses of n examples. If a loss is infinite, or if n is 1, then s
    and all numbers that depend on s are None.
    """

    loss: str
    difference: float
    n: int
    s: float | None
    designs: tuple[Design, ...]

    def as_dict(self) -> dict[str, Any]:
        test = {"power": POWER, "significance": round(1 - CONFIDENCE, 12), "sides": 2, "formula": FORMULA}
        content = asdict(self)
        designs = content.pop("designs")
        return {**content, **test, "designs": designs}

    def parts(self) -> list[Part]:
        rows = []
        for d in self.designs:
            how = "two test sets, each of this size"
            if d.paired:
                how = f"the same examples, correlation {d.correlation:g}"
            needed = "-" if d.examples_needed is None else f"{d.examples_needed:,}"
            rows.append((how, needed, nats(d.detectable_difference, 5)))
        title = f"examples needed to detect a difference of {self.difference:g} in mean {self.loss}"
        columns = ("the two models are tested on", ">examples needed", f">detectable at n = {self.n:,}")
        assumptions = "The losses have no finite standard deviation, so there is nothing to compute."
        if self.s is not None:
            assumptions = (
                f"{POWER:.0%} power, two-sided test at the {1 - CONFIDENCE:.0%} level, normal approximation; the losses"
                f" of both models are assumed to have the standard deviation of these losses, s = {self.s:.4f}."
            )
        lines = Lines((assumptions, f"{FORMULA}; r is the correlation, 0 for two test sets."))
        return [Table(title, columns, tuple(rows)), lines]


def power(scores: Scores, difference: float = 0.005) -> Power:
    """Compute how many examples detect a difference of mean losses, and which difference n examples detect."""
    loss, n = main_loss(scores), scores.n
    stderr = Moments.over(scores.losses(loss)).stderr
    s = None if stderr is None else stderr * math.sqrt(n)
    z = quantile(CONFIDENCE) + quantile(2 * POWER - 1)
    designs = []
    for r in (None, *CORRELATIONS):
        needed = detectable = None
        if s is not None:  # the difference of two means of n examples has the variance 2 (1 - r) s² / n
            scale = z * s * math.sqrt(2 * (1 - (r or 0.0)))
            needed, detectable = max(1, math.ceil((scale / difference) ** 2)), scale / math.sqrt(n)
        designs.append(Design(r is not None, r, needed, detectable))
    return Power(loss, difference, n, s, tuple(designs))


VIEW = View(
    "power",
    "number of examples needed to detect a difference in the loss",
    MAIN_LOSS,
    power,
    (Option("difference", 0.005, 1e-9, "Difference of mean losses to detect.", 1e9),),
)
