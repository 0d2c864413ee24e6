"""How much of the cee is delta: the same predictions with other deltas inside the log."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistloss.analysis.view import View
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import finite, nats
from mnistloss.losses.losses import DELTA
from mnistloss.stats import Moments

DELTAS = (0.0, *(float(f"1e-{power}") for power in range(15, 1, -1)))


@dataclass(frozen=True)
class Row:
    """The mean cee with one delta, how far it is from that with the course's, and how many terms are infinite."""

    delta: float
    cee: float
    change: float
    infinite: int

    def as_dict(self) -> dict[str, Any]:
        return {**finite(asdict(self)), "of_the_course": self.delta == DELTA}


@dataclass(frozen=True)
class Delta:
    """A row for each delta; hard says whether every prediction is 0 or 1."""

    rows: tuple[Row, ...]
    hard: bool
    accuracy: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; a change is against delta = 1e-7."""
        return {"rows": [row.as_dict() for row in self.rows], "hard": self.hard, "accuracy": self.accuracy}

    def parts(self) -> list[Part]:
        """The table, and in words what it shows."""
        table = Table(
            "the mean cee by delta",
            (">delta", ">cee", ">against 1e-7", ">infinite terms", ""),
            tuple(
                (
                    f"{row.delta:.0e}" if row.delta else "0",
                    *(nats(row.cee, 7), f"{row.change:+.3e}" if math.isfinite(row.change) else "infinite"),
                    *(f"{row.infinite:,}", "the course's" if row.delta == DELTA else ""),
                )
                for row in self.rows
            ),
        )
        return [table, Lines((self._sentence(),))]

    def _sentence(self) -> str:
        if self.hard:
            return (
                "Every prediction is 0 or 1, so that the number is all delta: cee = -log(delta) * (1 - accuracy),"
                f" which is {-math.log(DELTA):.3f} * {1 - self.accuracy:.4f}"
                f" = {-math.log(DELTA) * (1 - self.accuracy):.4f} at 1e-7, short of a term below delta."
            )
        if self.rows[0].infinite:
            return (
                f"{self.rows[0].infinite:,} terms are infinite without delta: what they count here is -log(delta),"
                " so that this cee can be compared only with one of the same delta."
            )
        return "No term is infinite without delta: delta only blurs the number, by what the table shows."


def delta(scores: Scores) -> Delta:
    """Score the examples with delta 0 and 1e-15 to 1e-2; predicted classes raise InputError."""
    p = scores.probabilities()
    found = {at: Moments.over(scores.losses("cee", at)) for at in DELTAS}
    course = found[DELTA].mean
    rows = tuple(Row(at, m.mean, m.mean - course, m.infinite) for at, m in found.items())
    accuracy = 1 - Moments.over(scores.losses("error")).mean
    return Delta(rows, bool(np.all((p == 0) | (p == 1))), accuracy)


VIEW = View("delta", "how much of the cee is delta", ALL_COLUMNS, delta)
