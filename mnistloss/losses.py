r"""The losses: kernels of one to three lines, the registry that describes them, and their documented wrappers.

Throughout, y are probabilities and t targets of N examples over K classes; log is natural, so that
cross-entropies are in nats. A kernel sees one block of examples transposed, (K, n), so that every reduction
runs along the long axis, and gives n per-example losses. Its targets are labels (n,) or soft rows, (K, n).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistloss.arrays import Array, Floats, as_rows, as_targets
from mnistloss.errors import ArgumentError, InputError

DELTA = 1e-7
"""What the course adds to a probability inside the log."""

BLOCK = 4096
"""Rows in a block. Part of the arithmetic: sums are made of sums over blocks, whoever computes them."""


class Outputs(Protocol):
    """One block of a model's outputs, transposed; whatever they are, what kernels need is had without losing digits.

    `at` picks the true class of each example out of (K, n), or everything.
    """

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The class (n,) of the largest output; ties go to the lowest class."""
        ...

    @property
    def p(self) -> Floats:
        """Probabilities (K, n)."""
        ...

    def less_one(self, at: Any) -> Floats:
        """p - 1."""
        ...

    def log(self, at: Any, delta: float) -> Floats:
        """log(p + delta)."""
        ...


class Probabilities:
    """Outputs that are probabilities."""

    def __init__(self, p: Floats) -> None:
        self.p = p

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        return _argmax(self.p)

    def less_one(self, at: Any) -> Floats:
        return self.p[at] - 1.0

    def log(self, at: Any, delta: float) -> Floats:
        p = self.p[at]
        return _log_sum(p, p - 1.0, delta)


class LogProbabilities:
    """Outputs that are log-probabilities; `scores` are the outputs they were made of, if others."""

    def __init__(self, log_p: Floats, scores: Floats | None = None) -> None:
        self.log_p = log_p
        self.scores = log_p if scores is None else scores

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        return _argmax(self.scores)

    @cached_property
    def p(self) -> Floats:
        return np.exp(self.log_p)

    def less_one(self, at: Any) -> Floats:
        return np.expm1(self.log_p[at])

    def log(self, at: Any, delta: float) -> Floats:
        if delta == 0:
            return self.log_p[at]
        return _log_sum(np.exp(self.log_p[at]), self.less_one(at), delta)


class Classes:
    """Predicted classes: of a model's outputs, nothing else is known."""

    def __init__(self, predicted: NDArray[np.intp]) -> None:
        self.predicted = predicted


def from_logits(z: Floats) -> LogProbabilities:
    """Outputs that are raw scores, by way of the log-softmax; the predicted class needs no softmax."""
    return LogProbabilities(_log_softmax(z), z)


OUTPUTS: dict[str, Callable[[Any], Outputs | Classes]] = {
    "probs": Probabilities,
    "logits": from_logits,
    "logprobs": LogProbabilities,
    "labels": Classes,
}
"""What predictions can be, and how a block of them is read."""


def _argmax(y: Floats) -> NDArray[np.intp]:
    best, at = y[0].copy(), np.zeros(y.shape[1], np.intp)
    for k in range(1, len(y)):
        np.copyto(at, k, where=y[k] > best)
        np.maximum(best, y[k], out=best)
    return at


def _log_sum(p: Floats, p_less_one: Floats, delta: float) -> Floats:
    """log(p + delta), by log1p where p is near 1; -inf for p + delta <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.log(np.maximum(p + delta, 0.0))
        return np.where(p_less_one > -0.5, np.log1p(p_less_one + delta), small)


def _log_softmax(z: Floats) -> Floats:
    """log softmax over axis 0: the sum of exponentials without its largest term, 1, goes through log1p."""
    with np.errstate(over="ignore"):
        shifted = z - z.max(axis=0)
    others = np.exp(shifted)
    others[_argmax(z), np.arange(z.shape[1])] = 0.0
    return shifted - np.log1p(others.sum(axis=0))


def _true(t: Array) -> Any:
    """What picks the true class of each example from (K, n); for soft targets, everything."""
    return (t, np.arange(len(t))) if t.ndim == 1 else ...


def _squared_error(y: Outputs, t: Array) -> Floats:
    if t.ndim == 1:
        residual = y.p.copy()
        residual[_true(t)] = y.less_one(_true(t))
    else:
        residual = y.p - t
    return np.einsum("kn,kn->n", residual, residual)


def _cross_entropy(y: Outputs, t: Array, delta: float) -> Floats:
    log = y.log(_true(t), delta)
    if t.ndim == 1:
        return 0.0 - log
    return 0.0 - np.multiply(t, log, where=t != 0, out=np.zeros_like(log)).sum(axis=0)


def _error(y: Outputs | Classes, t: Array) -> Floats:
    if t.ndim == 1:
        return (y.predicted != t).astype(np.float64)
    return 1.0 - t[y.predicted, np.arange(t.shape[1])]


@dataclass(frozen=True)
class Loss:
    """A loss of the registry: what it is called, what it means and how a block of examples is scored."""

    name: str
    formula: str
    meaning: str
    kernel: Callable[[Any, Array, float], Floats]
    needs_probabilities: bool = True
    uses_delta: bool = False

    def __call__(self, outputs: Outputs | Classes, t: Array, delta: float = DELTA) -> Floats:
        """The per-example losses of a block; `t` are its labels (n,) or soft rows, transposed (K, n)."""
        return self.kernel(outputs, t, delta)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cee",
            "-Σ_k t_k log(y_k + delta)",
            "cross-entropy error of the course, in nats; delta = 1e-7 keeps log 0 finite",
            _cross_entropy,
            uses_delta=True,
        ),
        Loss(
            "mse",
            "½ Σ_k (y_k - t_k)²",
            "half-sum squared error of the course; half of the Brier score",
            lambda y, t, _: 0.5 * _squared_error(y, t),
        ),
        Loss(
            "nll",
            "-Σ_k t_k log y_k",
            "cross-entropy without delta, in nats; infinite where the true class got probability 0",
            lambda y, t, _: _cross_entropy(y, t, 0.0),
        ),
        Loss(
            "brier",
            "Σ_k (y_k - t_k)²",
            "multi-class Brier score, from 0 to 2",
            lambda y, t, _: _squared_error(y, t),
        ),
        Loss(
            "error",
            "1 - t_k at k = argmax y",
            "1 where the predicted class is wrong, else 0; ties go to the lowest class",
            lambda y, t, _: _error(y, t),
            needs_probabilities=False,
        ),
    )
}


def find(name: str) -> Loss:
    """The loss of that name; an unknown one raises ArgumentError, which lists the known ones."""
    try:
        return LOSSES[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"no loss is named {name!r}; the losses are {', '.join(LOSSES)}") from None


def transposed(rows: Array) -> Floats:
    """A block of rows (n, K) of any real dtype as contiguous float64 (K, n)."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(rows.T, dtype=np.float64)


def block_targets(t: Array, rows: slice) -> Array:
    """The targets of a block, as the kernels take them."""
    return t[rows] if t.ndim == 1 else transposed(t[rows])


def block_slices(n: int) -> Iterator[slice]:
    """The blocks of n examples, in order."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def check_delta(delta: Any) -> float:
    """A delta of 0 or more; anything else raises ArgumentError."""
    if not (isinstance(delta, (int, float, np.integer, np.floating)) and 0 <= delta <= sys.float_info.max):
        raise ArgumentError(f"delta is {delta!r}; expected a number of 0 or more, such as 1e-7")
    return float(delta)


def _mean(loss: Loss, y: ArrayLike, t: ArrayLike, delta: float = DELTA) -> float:
    """The mean of a loss over the rows of y, taken as given."""
    rows = as_rows(y)
    n, classes = rows.shape
    targets = as_targets(t, n, classes)
    sums = [
        float(loss(Probabilities(transposed(rows[block])), block_targets(targets, block), delta).sum())
        for block in block_slices(n)
    ]
    return math.fsum(sums) / n


def mean_squared_error(y: ArrayLike, t: ArrayLike) -> float:
    r"""Half-sum squared error, averaged over rows: $\frac{1}{N}\sum_n \frac12 \sum_k (y_{nk} - t_{nk})^2$.

    y: probabilities (N, K), or one row (K,), taken as given. t: labels (N,), or one-hot or soft rows (N, K).
    Shapes, dtypes or labels that do not fit raise InputError, a ValueError.
    Source: K. Saitoh, Deep Learning from Scratch (2016), section 4.2.1; half of G. W. Brier's score (1950).

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> round(mean_squared_error(y, 2), 12)
    0.0975
    """
    return _mean(LOSSES["mse"], y, t)


def cross_entropy_error(y: ArrayLike, t: ArrayLike, *, delta: float = DELTA) -> float:
    r"""Cross-entropy error in nats, averaged over rows: $-\frac{1}{N}\sum_n \sum_k t_{nk} \log(y_{nk} + \delta)$.

    y: probabilities (N, K), or one row (K,), taken as given. t: labels (N,), or one-hot or soft rows (N, K).
    delta: added to each probability inside the log; with 0 the result is infinite where a true class has
    probability 0. Shapes, dtypes or labels that do not fit raise InputError, a bad delta ArgumentError; both
    are ValueErrors. Source: K. Saitoh, Deep Learning from Scratch (2016), section 4.2.2.

    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> round(cross_entropy_error(y, 2), 12)
    0.510825457099
    >>> cross_entropy_error(y, 2) == cross_entropy_error(y, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    True
    """
    return _mean(LOSSES["cee"], y, t, check_delta(delta))


def softmax(z: ArrayLike) -> Floats:
    r"""Softmax over the last axis: $y_k = e^{z_k} / \sum_j e^{z_j}$, shifted by the largest score, in float64.

    z: finite scores (N, K) or (K,); others raise InputError. Source: J. S. Bridle (1990).

    >>> softmax([0.3, 2.9, 4.0]).round(8)
    array([0.01821127, 0.24519181, 0.73659691])
    """
    scores = as_rows(z, "scores")
    if not np.isfinite(scores).all():
        raise InputError("scores: NaN or infinity; expected finite numbers")
    rows = np.exp(_log_softmax(transposed(scores))).T
    return np.ascontiguousarray(rows).reshape(np.shape(z))
