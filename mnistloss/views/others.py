"""What other tools print as cross-entropy or squared error of the same predictions, and why that is not ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistloss.document import Part, Table
from mnistloss.examples import ALL, Examples
from mnistloss.numbers import finite
from mnistloss.statistics import Moments
from mnistloss.views.figures import nats
from mnistloss.views.tools import TOOLS, Tool
from mnistloss.views.view import View

_TITLES = {"nll": "cross-entropy as other tools print it", "mse": "squared error as other tools print it"}


@dataclass(frozen=True)
class Others:
    """What each of `TOOLS` prints, in that order, and ours by name: nll and mse, the means over n examples."""

    n: int
    ours: dict[str, float]
    values: tuple[float, ...]

    def rows(self) -> list[tuple[Tool, float, float]]:
        """(tool, its value, its value less ours); less ours is NaN where both are infinite."""
        found = zip(TOOLS, self.values, strict=True)
        return [(tool, value, value - self.ours[tool.ours]) for tool, value in found]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; infinite values are null."""
        keys = ("name", "ours", "value", "difference", "why")
        rows = [dict(zip(keys, (o.name, o.ours, v, d, o.why), strict=True)) for o, v, d in self.rows()]
        return {"n": self.n, "ours": finite(self.ours), "others": list(map(finite, rows))}

    def parts(self) -> list[Part]:
        """A table for each of our losses."""
        return [
            Table(
                f"{_TITLES[name]}; our {name} is {nats(ours, 8)}",
                ("tool", ">value", ">less ours", "why"),
                tuple((o.name, nats(v, 8), _signed(d), o.why) for o, v, d in self.rows() if o.ours == name),
            )
            for name, ours in self.ours.items()
        ]


def _signed(difference: float) -> str:
    return f"{difference:+.1e}" if difference and np.isfinite(difference) else nats(difference, 0)


def others(examples: Examples) -> Others:
    """Score the examples as other tools do. Soft targets and predicted classes raise InputError."""
    t, p = examples.labels, examples.probabilities()
    with np.errstate(all="ignore"):
        log_p = examples.outputs.log(None, 0.0)
        values = tuple(float(tool.run(p, log_p, t).mean()) for tool in TOOLS)
        return Others(examples.n, {name: Moments.over(examples.losses(name)).mean for name in _TITLES}, values)


VIEW = View("others", "what other tools print as cross-entropy or squared error", ALL, others)
