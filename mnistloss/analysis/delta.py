"""Effect of delta, the number added inside the log, on the cross-entropy (cee) of the same predictions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistloss.analysis.view import View
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import counted, finite, nats
from mnistloss.losses.losses import DELTA
from mnistloss.stats import Moments

DELTAS = (0.0, *(float(f"1e-{power}") for power in range(15, 1, -1)))


@dataclass(frozen=True)
class DeltaRow:
    """The mean cee with one delta, the change from delta = 1e-7 (of the course), and the number of infinite losses."""

    delta: float
    cee: float
    change: float
    infinite: int
    of_the_course: bool


@dataclass(frozen=True)
class Delta:
    """The mean cee with each of DELTAS, and the accuracy. hard: whether every probability is 0 or 1."""

    rows: tuple[DeltaRow, ...]
    hard: bool
    accuracy: float

    def as_dict(self) -> dict[str, Any]:
        return finite(asdict(self))

    def parts(self) -> list[Part]:
        rows = []
        for row in self.rows:
            delta = f"{row.delta:.0e}" if row.delta else "0"
            change = f"{row.change:+.3e}" if math.isfinite(row.change) else "infinite"
            note = "the course's" if row.of_the_course else ""
            rows.append((delta, nats(row.cee, 7), change, f"{row.infinite:,}", note))
        columns = (">delta", ">cee", ">change from 1e-7", ">infinite terms", "")
        return [Table("mean cee by delta", columns, tuple(rows)), Lines((self._sentence(),))]

    def _sentence(self) -> str:
        if self.hard:
            cost, errors = -math.log(DELTA), 1 - self.accuracy
            return (
                "Every prediction is 0 or 1, so the cee depends on delta and the accuracy alone: -log(delta) * (1 -"
                f" accuracy), at 1e-7 {cost:.3f} * {errors:.4f} = {cost * errors:.4f}, up to a term smaller than delta."
            )
        if self.rows[0].infinite:
            return (
                f"{counted(self.rows[0].infinite, 'term is', 'terms are')} infinite without delta and -log(delta) with"
                " it: compare this cee only with one of the same delta."
            )
        return "No term is infinite without delta: delta changes the cee only by what the table shows."


def delta(scores: Scores) -> Delta:
    """Compute the mean cee with each of DELTAS. Predicted classes raise InputError."""
    p = scores.probabilities()
    moments = {value: Moments.over(scores.losses("cee", value)) for value in DELTAS}
    course = moments[DELTA].mean
    rows = tuple(DeltaRow(value, m.mean, m.mean - course, m.infinite, value == DELTA) for value, m in moments.items())
    accuracy = 1 - Moments.over(scores.losses("error")).mean
    return Delta(rows, bool(np.all((p == 0) | (p == 1))), accuracy)


VIEW = View("delta", "effect of delta on the cee", ALL_COLUMNS, delta)
