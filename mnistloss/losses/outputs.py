"""Blocks of model outputs, and the probabilities and logarithms that losses compute from them with full precision.

A block is transposed to (K, n), one row for each class, so that every sum runs along the long axis.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, Floats

if TYPE_CHECKING:
    from decimal import Decimal

_SUM_ERROR = 2.0**-22
"""More than the rounding error of a float32 sum of probabilities, for each of them."""

_CANCELLED = 1e-2
"""If |log(p + delta)| < _CANCELLED * |p log p|, rounding leaves log(p + delta) fewer than 14 correct digits."""


class Outputs(ABC):
    """One block of outputs (K, n), a number for each class and example, in float32 or float64.

    What float32 answers exactly, such as which output is the largest, is answered in the precision of the block.
    Sums and logarithms are taken in float64.

    Methods that take `t` return (n,), the numbers of the true classes, for labels (n,); for soft rows (K, n), and for
    None, they return the numbers of all classes (K, n).
    """

    def __init__(self, stored: Array) -> None:
        self._stored = np.ascontiguousarray(stored)  # flat_index needs this order in memory
        self.shape: tuple[int, ...] = self._stored.shape
        self._placed: tuple[Any, Any] = (None, None)
        self._picked: tuple[Any, Any] = (None, None)

    @property
    @abstractmethod
    def confidence(self) -> Floats:
        """The probability (n,) of the predicted class."""

    @property
    @abstractmethod
    def p(self) -> Floats:
        """Probabilities (K, n)."""

    def squares(self) -> Floats:
        """Return the squares of the probabilities (K, n), an array that may be changed."""
        return np.square(self.p)

    @abstractmethod
    def p_minus_one(self, t: Array | None) -> Floats:
        """Compute p - 1."""

    @abstractmethod
    def log(self, t: Array | None, delta: float) -> Floats:
        """Compute log(p + delta)."""

    @cached_property
    def scores(self) -> Floats:
        """The outputs (K, n) in float64."""
        return self._stored.astype(np.float64, copy=False)

    @cached_property
    def _highest(self) -> Array:
        highest: Array = np.maximum.reduce(self._stored, axis=0)
        return highest

    @cached_property
    def max_score(self) -> Floats:
        """The largest output of each example (n,)."""
        return self._highest.astype(np.float64, copy=False)

    @cached_property
    def max_value(self) -> float:
        """The largest output of the block, or NaN if an output is NaN."""
        return float(self._highest.max())

    @cached_property
    def min_value(self) -> float:
        """The smallest output of the block, or NaN if an output is NaN."""
        return float(self._stored.min())

    def sums_are_one(self, tolerance: float) -> bool:
        """Whether the sum of the probabilities of each example differs from 1 by at most `tolerance`."""
        return bool(np.abs(self.p.sum(axis=0) - 1.0).max() <= tolerance)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The class with the largest output (n,); of equal outputs, the lowest class."""
        k = len(self._stored)
        rank = np.arange(k, 0, -1).astype(np.min_scalar_type(k))[:, np.newaxis]
        return k - (~self._lower * rank).max(axis=0).astype(np.intp)

    @cached_property
    def _lower(self) -> NDArray[np.bool_]:
        """Where (K, n) an output is lower than the largest output of the example; NaN is not."""
        return self._stored < self._highest

    def correct(self, t: Array) -> NDArray[np.bool_]:
        """Return whether the predicted class is the true class (n,), for labels (n,)."""
        k, n = self.shape
        if np.count_nonzero(self._lower) == (k - 1) * n:  # no ties
            return self._pick(t) == self.max_score
        return self.predicted == t

    def flat_index(self, t: Array) -> NDArray[np.intp]:
        """Return the indices (n,) of the true classes in the flattened array (K, n)."""
        if self._placed[0] is not t:
            n = self.shape[1]
            index = np.asarray(t, np.intp) * n
            index += np.arange(n)
            self._placed = t, index
        places: NDArray[np.intp] = self._placed[1]
        return places

    def _pick(self, t: Array | None) -> Floats:
        """Return the outputs (n,) of the true classes for labels, else all outputs (K, n)."""
        if t is None or t.ndim == 2:
            return self.scores
        if self._picked[0] is not t:
            self._picked = t, self._stored.reshape(-1).take(self.flat_index(t)).astype(np.float64, copy=False)
        picked: Floats = self._picked[1]
        return picked


class Probabilities(Outputs):
    """Outputs that are probabilities."""

    @property
    def confidence(self) -> Floats:
        return self.max_score

    @property
    def p(self) -> Floats:
        return self.scores

    def squares(self) -> Floats:
        squares = self._stored.astype(np.float64)
        return np.square(squares, out=squares)

    def sums_are_one(self, tolerance: float) -> bool:
        """Sums within [0, 1] whose error in float32 could not matter are not taken again in float64."""
        error = len(self._stored) * _SUM_ERROR if self._stored.dtype == np.float32 else math.inf
        if error < tolerance:
            sums = np.add.reduce(self._stored, axis=0)
            if max(sums.max() - np.float32(1), np.float32(1) - sums.min()) <= tolerance - error:
                return True
        return super().sums_are_one(tolerance)

    def p_minus_one(self, t: Array | None) -> Floats:
        return self._pick(t) - 1.0

    def log(self, t: Array | None, delta: float) -> Floats:
        p = self._pick(t)
        if delta:
            return _log_sum(p, delta)
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(p, 0.0))


class LogProbabilities(Outputs):
    """Outputs that are log-probabilities."""

    @property
    def confidence(self) -> Floats:
        return np.exp(self.max_score)

    @cached_property
    def p(self) -> Floats:
        return np.exp(self._log(None))

    def p_minus_one(self, t: Array | None) -> Floats:
        return np.expm1(self._log(t))

    def log(self, t: Array | None, delta: float) -> Floats:
        log_p = self._log(t)
        if delta == 0:
            return log_p
        p = np.exp(log_p)
        log = _log_sum(p, delta, np.where(p > 0.5, np.expm1(log_p) - (p - 1.0), 0.0))
        with np.errstate(invalid="ignore"):
            is_cancelled = np.abs(log) < -_CANCELLED * p * log_p
        for place in np.argwhere(is_cancelled):
            class_, example = (t[place[0]], place[0]) if t is not None and t.ndim == 1 else place
            log[tuple(place)] = self._decimal_log(int(class_), int(example), delta)
        return log

    def _decimal_log(self, class_: int, example: int, delta: float) -> float:
        """Compute log(p + delta) of one number with 40 digits, because near p + delta = 1 the rounding of p matters."""
        import decimal

        with decimal.localcontext(decimal.Context(prec=40)):
            p = self._decimal_p(class_, [decimal.Decimal(score) for score in self.scores[:, example].tolist()])
            return float((p + decimal.Decimal(delta)).ln())

    def _decimal_p(self, class_: int, scores: list[Decimal]) -> Decimal:
        """Compute the probability of a class from the outputs of one example."""
        return scores[class_].exp()

    def _log(self, t: Array | None) -> Floats:
        """Compute log p."""
        return self._pick(t)


class Logits(LogProbabilities):
    """Outputs that are raw scores; their log-softmax gives the log-probabilities."""

    @property
    def confidence(self) -> Floats:
        return 1.0 / (1.0 + self._others)

    @cached_property
    def _others(self) -> Floats:
        """The sum (n,) of exp(z - max z) over all classes except the predicted class, whose term is 1."""
        exponentials = self._stored.astype(np.float64)
        with np.errstate(over="ignore"):
            exponentials -= self.max_score
        np.exp(exponentials, out=exponentials)
        exponentials.reshape(-1)[self.flat_index(self.predicted)] = 0.0
        others: Floats = exponentials.sum(axis=0)
        return others

    def _shifted(self, scores: Floats) -> Floats:
        """Subtract the largest score of each example."""
        with np.errstate(over="ignore"):
            return scores - self.max_score

    def _decimal_p(self, class_: int, scores: list[Decimal]) -> Decimal:
        return 1 / sum(((score - scores[class_]).exp() for score in scores), 0 * scores[class_])

    def _log(self, t: Array | None) -> Floats:
        return self._shifted(self._pick(t)) - np.log1p(self._others)


class Classes:
    """One block of predicted classes (n,), for models whose outputs are not known."""

    def __init__(self, predicted: NDArray[np.intp]) -> None:
        self.predicted = predicted

    def correct(self, t: Array) -> NDArray[np.bool_]:
        """Return whether the predicted class is the true class (n,), for labels (n,)."""
        return self.predicted == t


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "probs": Probabilities,
    "logits": Logits,
    "logprobs": LogProbabilities,
    "labels": Classes,
}
"""The class that reads a block of predictions, by the name of the input."""


def _log_sum(p: Floats, delta: float, rest: Floats | None = None) -> Floats:
    """Compute log(p + rest + delta), where `rest` is the rounding error of p; -inf for p + delta <= 0.

    Near p + delta = 1 the log is as small as the rounding error of this sum. The error is computed exactly (T. J.
    Dekker, 1971, for terms in the order that holds near 1) and added to the log, to first order.
    """
    total = p + delta
    error = np.subtract(total, p if delta < 0.5 else delta)
    np.subtract(delta if delta < 0.5 else p, error, out=error)
    if rest is not None:
        error += rest
    error /= np.maximum(total, 1.0)
    np.maximum(total, 0.0, out=total)
    with np.errstate(divide="ignore"):
        np.log(total, out=total)
    total += error
    return total
