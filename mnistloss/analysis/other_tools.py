"""What other tools print as cross-entropy or squared error of the same predictions, and why that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistloss.analysis.view import View
from mnistloss.arrays.checks import Array, Floats
from mnistloss.document import Part, Table
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import finite, nats
from mnistloss.losses.losses import DELTA
from mnistloss.stats import Moments

_TITLES = {"nll": "cross-entropy as other tools print it", "mse": "squared error as other tools print it"}


@dataclass(frozen=True)
class Tool:
    """A tool: which of our losses it means, how it differs, and its arithmetic: (p, log p, labels) -> values (N,)."""

    name: str
    ours: str
    why: str
    run: Callable[[Floats, Floats, Array], Array] = field(repr=False)


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


def others(scores: Scores) -> Others:
    """Score the examples as other tools do. Soft targets and predicted classes raise InputError."""
    t, p = scores.labels, scores.probabilities()
    with np.errstate(all="ignore"):
        log_p = scores.outputs.log(None, 0.0)
        values = tuple(float(tool.run(p, log_p, t).mean()) for tool in TOOLS)
        return Others(scores.n, {name: Moments.over(scores.losses(name)).mean for name in _TITLES}, values)


def _signed(difference: float) -> str:
    return f"{difference:+.1e}" if difference and np.isfinite(difference) else nats(difference, 0)


def _true(y: Array, t: Array) -> Array:
    return y[t, np.arange(len(t))]


def _clipped(p: Array, t: Array) -> Array:
    """scikit-learn 1.9.1: clipped by the epsilon of the dtype; rows that do not sum to 1 only bring a warning."""
    eps = np.finfo(p.dtype).eps
    return -np.log(np.clip(_true(p, t), eps, 1 - eps))


def _keras(p: Array, t: Array) -> Array:
    """Keras 3: rows are divided by their sum, then clipped; all in float32."""
    return -np.log(np.clip(_true(p / p.sum(axis=0), t), np.float32(1e-7), np.float32(1 - 1e-7)))


def _softmaxed(z: Array, t: Array) -> Array:
    """Torch: minus the log-softmax of whatever it is given."""
    shifted = z - z.max(axis=0)
    return np.log(np.exp(shifted).sum(axis=0)) - _true(shifted, t)


def _squared(p: Array, t: Array) -> Array:
    """The squared error averaged over the classes: the Brier score divided by K."""
    return ((p - (np.arange(len(p))[:, None] == t)) ** 2).mean(axis=0)


def _single(y: Array) -> Array:
    return y.astype(np.float32)


TOOLS = (
    Tool("course, with delta", "nll", "adds 1e-7 inside the log", lambda p, _, t: -np.log(_true(p, t) + DELTA)),
    Tool("course, batch version without delta", "nll", "the same as ours", lambda p, _, t: -np.log(_true(p, t))),
    Tool(
        "scikit-learn 1.9.1 log_loss, float64",
        "nll",
        "p clipped to [2.2e-16, 1 - 2.2e-16]",
        lambda p, _, t: _clipped(p, t),
    ),
    Tool(
        "scikit-learn 1.9.1 log_loss, float32",
        "nll",
        "p clipped to [1.2e-7, 1 - 1.2e-7], float32",
        lambda p, _, t: _clipped(_single(p), t),
    ),
    Tool(
        "Keras categorical_crossentropy",
        "nll",
        "rows divided by their sum, p clipped to [1e-7, 1 - 1e-7], float32",
        lambda p, _, t: _keras(_single(p), t),
    ),
    Tool(
        "torch CrossEntropyLoss of logits",
        "nll",
        "log-softmax in float32; log p serves as the logits",
        lambda _, log_p, t: _softmaxed(_single(log_p), t),
    ),
    Tool(
        "torch CrossEntropyLoss of probabilities",
        "nll",
        "a mistake: a softmax too many",
        lambda p, _, t: _softmaxed(_single(p), t),
    ),
    Tool("torch NLLLoss of log p", "nll", "float32", lambda _, log_p, t: -_true(_single(log_p), t)),
    Tool(
        "MSE of Keras, scikit-learn, torch",
        "mse",
        "mean over the K classes, without the half: 2 / K of ours",
        lambda p, _, t: _squared(p, t),
    ),
)
"""Tests hold each against the tool itself, where that is installed."""


VIEW = View("others", "what other tools print as cross-entropy or squared error", ALL_COLUMNS, others)
