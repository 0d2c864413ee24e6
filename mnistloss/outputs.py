"""A model's outputs, one block of examples at a time, and what the losses need of them without losing digits.

A block is transposed, (K, n): a row for each class, so that every reduction runs along the long axis.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays import Array, Floats

BLOCK = 8192
"""Examples in a block. Part of the arithmetic: sums are made of sums over blocks, whoever computes them."""


class Outputs(Protocol):
    """One block of outputs, whatever they are. `t` picks the true class of each example; soft rows, or None, all."""

    scores: Floats

    @property
    def best(self) -> Floats:
        """The largest output (n,)."""
        ...

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The class (n,) of the largest output; ties go to the lowest class."""
        ...

    @property
    def p(self) -> Floats:
        """Probabilities (K, n)."""
        ...

    def less_one(self, t: Array | None) -> Floats:
        """p - 1."""
        ...

    def log(self, t: Array | None, delta: float) -> Floats:
        """log(p + delta)."""
        ...

    def place(self, t: Array) -> NDArray[np.intp]:
        """Where the true class of each example lies in (K, n), counted through the rows."""
        ...


class _Scores:
    """Outputs with a number for every class."""

    def __init__(self, scores: Floats) -> None:
        self.scores = np.ascontiguousarray(scores)  # true classes are found by their place in memory
        self._placed: tuple[Any, Any] = (None, None)

    @cached_property
    def best(self) -> Floats:
        best: Floats = self.scores.max(axis=0)
        return best

    @cached_property
    def highest(self) -> float:
        """The largest of all, NaN if one is."""
        return float(self.best.max())

    @cached_property
    def lowest(self) -> float:
        """The smallest of all, NaN if one is."""
        return float(self.scores.min())

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        k = len(self.scores)
        rank = np.arange(k, 0, -1).astype(np.min_scalar_type(k))[:, np.newaxis]
        reached = ~(self.scores < self.best)  # of NaN too, so that there always is a class
        return k - (reached * rank).max(axis=0).astype(np.intp)

    def place(self, t: Array) -> NDArray[np.intp]:
        if self._placed[0] is not t:
            n = self.scores.shape[1]
            self._placed = t, np.asarray(t, np.intp) * n + np.arange(n)
        places: NDArray[np.intp] = self._placed[1]
        return places

    def _pick(self, values: Floats, t: Array | None) -> Floats:
        return values if t is None or t.ndim == 2 else values.reshape(-1).take(self.place(t))


class Probabilities(_Scores):
    """Outputs that are probabilities."""

    @property
    def p(self) -> Floats:
        return self.scores

    def less_one(self, t: Array | None) -> Floats:
        return self._pick(self.scores, t) - 1.0

    def log(self, t: Array | None, delta: float) -> Floats:
        p = self._pick(self.scores, t)
        return _log_sum(p, p - 1.0, delta)


class LogProbabilities(_Scores):
    """Outputs that are log-probabilities."""

    @cached_property
    def p(self) -> Floats:
        return np.exp(self.scores)

    def less_one(self, t: Array | None) -> Floats:
        return np.expm1(self._log(t))

    def log(self, t: Array | None, delta: float) -> Floats:
        log_p = self._log(t)
        return log_p if delta == 0 else _log_sum(np.exp(log_p), np.expm1(log_p), delta)

    def _log(self, t: Array | None) -> Floats:
        return self._pick(self.scores, t)


class Logits(LogProbabilities):
    """Outputs that are raw scores, by way of the log-softmax; the predicted class needs no softmax."""

    @cached_property
    def p(self) -> Floats:
        return np.exp(self._log(None))

    @cached_property
    def _others(self) -> Floats:
        """The sum of exponentials (n,), shifted by the largest score, without that largest term, which is 1."""
        exponentials = self._shifted(self.scores)
        np.exp(exponentials, out=exponentials)
        exponentials.reshape(-1)[self.place(self.predicted)] = 0.0
        others: Floats = exponentials.sum(axis=0)
        return others

    def _shifted(self, scores: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return scores - self.best

    def _log(self, t: Array | None) -> Floats:
        return self._shifted(self._pick(self.scores, t)) - np.log1p(self._others)


class Classes:
    """Predicted classes: of a model's outputs, nothing else is known."""

    def __init__(self, predicted: NDArray[np.intp]) -> None:
        self.predicted = predicted


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "probs": Probabilities,
    "logits": Logits,
    "logprobs": LogProbabilities,
    "labels": Classes,
}
"""What predictions can be, and how a block of them is read."""


def _log_sum(p: Floats, p_less_one: Floats, delta: float) -> Floats:
    """log(p + delta), by log1p where p is near 1; -inf for p + delta <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.log(np.maximum(p + delta, 0.0))
        return np.where(p_less_one > -0.5, np.log1p(p_less_one + delta), small)
