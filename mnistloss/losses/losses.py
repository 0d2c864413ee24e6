r"""The losses: kernels, the registry LOSSES, and the public functions that compute a mean loss.

y are probabilities and t are targets, of N examples and K classes; log is the natural logarithm, so cross-entropies
are in nats. A kernel computes the losses (n,) of a block of n examples. It takes outputs (K, n), transposed so that
every sum runs along the long axis, and targets, which are labels (n,) or soft rows (K, n).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import Array, Floats, as_rows, as_targets, block_slices, block_targets, transposed
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import did_you_mean
from mnistloss.losses.outputs import Classes, Logits, Outputs, Probabilities

DELTA = 1e-7
"""The number added to each probability inside the log of the cee, the cross-entropy error of the course."""


def _cross_entropy(y: Outputs, t: Array, delta: float) -> Floats:
    log = y.log(t, delta)
    if t.ndim == 1:
        return 0.0 - log
    return 0.0 - np.multiply(t, log, where=t != 0, out=np.zeros_like(log)).sum(axis=0)


def _squared_error(y: Outputs, t: Array, _: float) -> Floats:
    if t.ndim == 1:
        squares = y.squares()
        squares.reshape(-1)[y.flat_index(t)] = y.p_minus_one(t) ** 2
    else:
        squares = np.square(np.where(t == 1, y.p_minus_one(t), y.p - t) if (t == 1).any() else y.p - t)
    total: Floats = squares.sum(axis=0)
    return total


def _error(y: Outputs | Classes, t: Array, _: float) -> Floats:
    if t.ndim == 1:
        return (~y.correct(t)).astype(np.float64)
    return 1.0 - t[y.predicted, np.arange(t.shape[1])]


class Loss(NamedTuple):
    """A loss of the registry: a name, a formula, a meaning, and the kernel that scores a block of examples.

    minimum: returns the smallest possible loss of an example for a delta, as probabilities are at most 1 + 1e-6.
    """

    name: str
    formula: str
    meaning: str
    kernel: Callable[[Any, Array, float], Floats]
    needs_probabilities: bool = True
    uses_delta: bool = False
    minimum: Callable[[float], float] = lambda _: 0.0

    def __call__(self, outputs: Outputs | Classes, t: Array, delta: float = DELTA) -> Floats:
        """Compute the losses (n,) of a block. t: labels (n,), or soft rows transposed to (K, n)."""
        return self.kernel(outputs, t, delta)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "formula", "meaning", "needs_probabilities")}


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cee",
            "-Σ_k t_k log(y_k + delta)",
            "cross-entropy error of the course, in nats; delta = 1e-7 keeps log 0 finite",
            _cross_entropy,
            uses_delta=True,
            minimum=lambda delta: -math.log(1 + 1e-6 + delta),
        ),
        Loss(
            "mse",
            "½ Σ_k (y_k - t_k)²",
            "half-sum squared error of the course; half of the Brier score",
            lambda y, t, _: 0.5 * _squared_error(y, t, _),
        ),
        Loss(
            "nll",
            "-Σ_k t_k log y_k",
            "cross-entropy without delta, in nats; infinite where the true class got probability 0",
            lambda y, t, _: _cross_entropy(y, t, 0.0),
            minimum=lambda _: -math.log(1 + 1e-6),
        ),
        Loss(
            "brier",
            "Σ_k (y_k - t_k)²",
            "multi-class Brier score, from 0 to 2",
            _squared_error,
        ),
        Loss(
            "error",
            "1 - t_k at k = argmax y",
            "1 where the predicted class is wrong, else 0; ties go to the lowest class",
            _error,
            needs_probabilities=False,
        ),
    )
}


def find_loss(name: str) -> Loss:
    """Return the loss with this name. An unknown name raises ArgumentError, which lists all names."""
    try:
        return LOSSES[name]
    except (KeyError, TypeError):
        known = f"the losses are {', '.join(LOSSES)}{did_you_mean(name, LOSSES)}"
        raise ArgumentError(f"no loss is named {name!r}; {known}") from None


def check_delta_matters(delta: float | None, names: Sequence[str]) -> None:
    """Raise ArgumentError if delta is given and names are given, but none of the named losses uses delta."""
    if delta is not None and names and not any(find_loss(name).uses_delta for name in names):
        raise ArgumentError(f"delta has no effect on {' and '.join(names)}; leave it out, or ask for the loss cee")


def check_delta(delta: Any) -> float:
    """Return delta as a float. Raise ArgumentError unless delta is a finite number of at least 0."""
    if not (isinstance(delta, (int, float, np.integer, np.floating)) and 0 <= delta <= sys.float_info.max):
        raise ArgumentError(f"delta is {delta!r}; expected a number of 0 or more, such as 1e-7")
    return float(delta)


def _mean(loss: Loss, y: ArrayLike, t: ArrayLike, delta: float = DELTA) -> float:
    """Compute the mean of a loss over the rows of y, without a check of their sums."""
    rows = as_rows(y)
    n, classes = rows.shape
    targets = as_targets(t, n, classes)
    sums = [
        float(loss(Probabilities(transposed(rows[block])), block_targets(targets, block), delta).sum())
        for block in block_slices(n)
    ]
    return math.fsum(sums) / n


def mean_squared_error(y: ArrayLike, t: ArrayLike) -> float:
    r"""Compute half the squared error, averaged over rows: $\frac{1}{N}\sum_n \frac12 \sum_k (y_{nk} - t_{nk})^2$.

    y: probabilities (N, K), or one row (K,), used as given. t: labels (N,), or one-hot or soft rows (N, K).
    Raises InputError, a ValueError, for wrong shapes, dtypes or labels.
    Source: K. Saitoh, Deep Learning from Scratch (2016), section 4.2.1; half of G. W. Brier's score (1950).

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> round(mean_squared_error(y, 2), 12)
    0.0975
    """
    return _mean(LOSSES["mse"], y, t)


def cross_entropy_error(y: ArrayLike, t: ArrayLike, *, delta: float = DELTA) -> float:
    r"""Compute the cross-entropy error in nats: $-\frac{1}{N}\sum_n \sum_k t_{nk} \log(y_{nk} + \delta)$.

    y: probabilities (N, K), or one row (K,), used as given. t: labels (N,), or one-hot or soft rows (N, K).
    delta: a number added to each probability inside the log. With delta = 0, the result is infinite if a true
    class has probability 0.
    Raises InputError for wrong shapes, dtypes or labels, and ArgumentError for a bad delta; both are ValueErrors.
    Source: K. Saitoh, Deep Learning from Scratch (2016), section 4.2.2.

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> round(cross_entropy_error(y, 2), 12)
    0.510825457099
    >>> cross_entropy_error(y, 2) == cross_entropy_error(y, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    True
    """
    return _mean(LOSSES["cee"], y, t, check_delta(delta))


def softmax(z: ArrayLike) -> Floats:
    r"""Compute the softmax over the last axis: $y_k = e^{z_k} / \sum_j e^{z_j}$, from z - max z in float64.

    z: scores (N, K) or (K,). Raises InputError if a score is not finite. Source: J. S. Bridle (1990).

    >>> softmax([0.3, 2.9, 4.0]).round(8)
    array([0.01821127, 0.24519181, 0.73659691])
    """
    scores = as_rows(z, "scores")
    if not np.isfinite(scores).all():
        raise InputError("scores: NaN or infinity; expected finite numbers")
    rows = Logits(transposed(scores)).p.T
    return np.ascontiguousarray(rows).reshape(np.shape(z))
