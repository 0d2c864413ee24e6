"""How other tools compute cross-entropy and squared error, each in the few lines of NumPy that give its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mnistloss.arrays import Array, Floats
from mnistloss.losses import DELTA


@dataclass(frozen=True)
class Tool:
    """A tool: which of our losses it means, how it differs, and its arithmetic: (p, log p, labels) -> values (N,)."""

    name: str
    ours: str
    why: str
    run: Callable[[Floats, Floats, Array], Array] = field(repr=False)


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
