"""Cross-entropy and squared error of the same predictions, as other tools compute them."""

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

_TITLES = {"nll": "cross-entropy as other tools compute it", "mse": "squared error as other tools compute it"}


@dataclass(frozen=True)
class Tool:
    """Another tool, and why its value differs from ours.

    run: computes the losses (N,) from y (K, N) and labels (N,), as the tool does. dtype: of the tool's arithmetic.
    of_log: whether y is log p instead of p. ours: the name of the loss of this package that the tool computes.
    """

    name: str
    why: str
    run: Callable[[Floats, Array], Array] = field(repr=False)
    dtype: str = "f8"
    of_log: bool = False
    ours: str = "nll"


@dataclass(frozen=True)
class Others:
    """The means over n examples that each of TOOLS computes. ours: by name, the mean nll and mse of this package."""

    n: int
    ours: dict[str, float]
    values: tuple[float, ...]

    def rows(self) -> list[tuple[Tool, float, float]]:
        """List (tool, value, value minus ours). The difference of two infinite values is NaN."""
        return [(tool, value, value - self.ours[tool.ours]) for tool, value in zip(TOOLS, self.values, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        others = [
            {"name": tool.name, "ours": tool.ours, "value": value, "difference": difference, "why": tool.why}
            for tool, value, difference in self.rows()
        ]
        return finite({"n": self.n, "ours": self.ours, "others": others})

    def parts(self) -> list[Part]:
        return [
            Table(
                f"{_TITLES[name]}; our {name} is {nats(ours, 8)}",
                ("tool", ">value", ">minus ours", "why"),
                tuple((tool.name, nats(v, 8), _signed(d), tool.why) for tool, v, d in self.rows() if tool.ours == name),
            )
            for name, ours in self.ours.items()
        ]


def others(scores: Scores) -> Others:
    """Compute the mean losses of all TOOLS. Soft targets and predicted classes raise InputError."""
    t, p = scores.labels, scores.probabilities()
    with np.errstate(all="ignore"):
        log_p = scores.outputs.log(None, 0.0)
        inputs = ((log_p if tool.of_log else p).astype(tool.dtype) for tool in TOOLS)
        values = tuple(float(tool.run(y, t).mean()) for tool, y in zip(TOOLS, inputs, strict=True))
        return Others(scores.n, {name: Moments.over(scores.losses(name)).mean for name in _TITLES}, values)


def _signed(difference: float) -> str:
    """Write a difference with its sign."""
    return f"{difference:+.1e}" if difference and np.isfinite(difference) else nats(difference, 0)


def _of_label(y: Array, t: Array) -> Array:
    """Return the numbers (N,) of the labels t (N,) in y (K, N)."""
    return y[t, np.arange(len(t))]


def _scikit_learn(p: Array, t: Array) -> Array:
    """Clip p by the epsilon of the dtype, as scikit-learn 1.9.1 does, which only warns of rows that do not sum to 1."""
    eps = np.finfo(p.dtype).eps
    return -np.log(np.clip(_of_label(p, t), eps, 1 - eps))


def _keras(p: Array, t: Array) -> Array:
    """Divide each row by its sum, then clip p, in float32, as Keras 3 does."""
    return -np.log(np.clip(_of_label(p / p.sum(axis=0), t), np.float32(1e-7), np.float32(1 - 1e-7)))


def _torch(z: Array, t: Array) -> Array:
    """Return minus the log-softmax of the true class, whatever the input is, as torch does."""
    shifted = z - z.max(axis=0)
    return np.log(np.exp(shifted).sum(axis=0)) - _of_label(shifted, t)


def _mse(p: Array, t: Array) -> Array:
    """Average the squared error over the classes, which gives the Brier score divided by K."""
    return ((p - (np.arange(len(p))[:, None] == t)) ** 2).mean(axis=0)


TOOLS = (
    Tool("course, with delta", "adds 1e-7 inside the log", lambda p, t: -np.log(_of_label(p, t) + DELTA)),
    Tool("course, batch version without delta", "the same as ours", lambda p, t: -np.log(_of_label(p, t))),
    Tool("scikit-learn 1.9.1 log_loss, float64", "p clipped to [2.2e-16, 1 - 2.2e-16]", _scikit_learn),
    Tool("scikit-learn 1.9.1 log_loss, float32", "p clipped to [1.2e-7, 1 - 1.2e-7], float32", _scikit_learn, "f4"),
    Tool(
        "Keras categorical_crossentropy",
        "rows divided by their sum, p clipped to [1e-7, 1 - 1e-7], float32",
        _keras,
        "f4",
    ),
    Tool(
        "torch CrossEntropyLoss of logits",
        "log-softmax in float32; log p serves as the logits",
        _torch,
        "f4",
        of_log=True,
    ),
    Tool("torch CrossEntropyLoss of probabilities", "a mistake: softmax applied twice", _torch, "f4"),
    Tool("torch NLLLoss of log p", "float32", lambda log_p, t: -_of_label(log_p, t), "f4", of_log=True),
    Tool(
        "MSE of Keras, scikit-learn, torch",
        "mean over the K classes, without the half: 2 / K of ours",
        _mse,
        ours="mse",
    ),
)
"""The tests compare each of these with the tool itself, if the tool is installed."""

VIEW = View("others", "cross-entropy and squared error as other tools compute them", ALL_COLUMNS, others)
