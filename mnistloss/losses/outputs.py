"""A model's outputs, one block of examples at a time, and what the losses need of them without losing digits.

A block is transposed, (K, n): a row for each class, so that every reduction runs along the long axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, Floats

if TYPE_CHECKING:
    from decimal import Decimal

_CANCELLED = 1e-2
"""Where |log(p + delta)| is below this part of |p log p|, the rounding of log p would cost it more than 14 digits."""


class Outputs(ABC):
    """One block of outputs, a number for every class. `t` picks the true class of each; soft rows, or None, all."""

    def __init__(self, scores: Floats) -> None:
        self.scores = np.ascontiguousarray(scores)  # true classes are found by their place in memory
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

    @abstractmethod
    def p_minus_one(self, t: Array | None) -> Floats:
        """p - 1."""

    @abstractmethod
    def log(self, t: Array | None, delta: float) -> Floats:
        """log(p + delta)."""

    @cached_property
    def max_score(self) -> Floats:
        """The largest output (n,)."""
        max_score: Floats = self.scores.max(axis=0)
        return max_score

    @cached_property
    def max_value(self) -> float:
        """The largest of all, NaN if one is."""
        return float(self.max_score.max())

    @cached_property
    def min_value(self) -> float:
        """The smallest of all, NaN if one is."""
        return float(self.scores.min())

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The class (n,) of the largest output; ties go to the lowest class."""
        k = len(self.scores)
        rank = np.arange(k, 0, -1).astype(np.min_scalar_type(k))[:, np.newaxis]
        return k - (self._reached * rank).max(axis=0).astype(np.intp)

    @cached_property
    def _reached(self) -> NDArray[np.bool_]:
        return ~(self.scores < self.max_score)  # where NaN is too, so that there always is a class

    def correct(self, t: Array) -> NDArray[np.bool_]:
        """Whether the predicted class (n,) is the true one."""
        if np.count_nonzero(self._reached) == self.scores.shape[1]:
            return self._pick(t) == self.max_score
        return self.predicted == t

    def flat_index(self, t: Array) -> NDArray[np.intp]:
        """Where the true class of each example lies in (K, n), counted through the rows."""
        if self._placed[0] is not t:
            n = self.scores.shape[1]
            self._placed = t, np.asarray(t, np.intp) * n + np.arange(n)
        places: NDArray[np.intp] = self._placed[1]
        return places

    def _pick(self, t: Array | None) -> Floats:
        """Return the outputs (n,) of the true classes, or all of them."""
        if t is None or t.ndim == 2:
            return self.scores
        if self._picked[0] is not t:
            self._picked = t, self.scores.reshape(-1).take(self.flat_index(t))
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
        """log(p + delta) of one number, with 40 digits: where p + delta is near 1, the rounding of p would show."""
        import decimal

        with decimal.localcontext(decimal.Context(prec=40)):
            p = self._decimal_p(class_, [decimal.Decimal(score) for score in self.scores[:, example].tolist()])
            return float((p + decimal.Decimal(delta)).ln())

    def _decimal_p(self, class_: int, scores: list[Decimal]) -> Decimal:
        return scores[class_].exp()

    def _log(self, t: Array | None) -> Floats:
        return self._pick(t)


class Logits(LogProbabilities):
    """Outputs that are raw scores, by way of the log-softmax; the predicted class needs no softmax."""

    @property
    def confidence(self) -> Floats:
        return 1.0 / (1.0 + self._others)

    @cached_property
    def _others(self) -> Floats:
        """The sum of exponentials (n,), shifted by the largest score, without that largest term, which is 1."""
        exponentials = self._shifted(self.scores)
        np.exp(exponentials, out=exponentials)
        exponentials.reshape(-1)[self.flat_index(self.predicted)] = 0.0
        others: Floats = exponentials.sum(axis=0)
        return others

    def _shifted(self, scores: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return scores - self.max_score

    def _decimal_p(self, class_: int, scores: list[Decimal]) -> Decimal:
        return 1 / sum(((score - scores[class_]).exp() for score in scores), 0 * scores[class_])

    def _log(self, t: Array | None) -> Floats:
        return self._shifted(self._pick(t)) - np.log1p(self._others)


class Classes:
    """Predicted classes: of a model's outputs, nothing else is known."""

    def __init__(self, predicted: NDArray[np.intp]) -> None:
        self.predicted = predicted

    def correct(self, t: Array) -> NDArray[np.bool_]:
        """Whether the predicted class (n,) is the true one."""
        return self.predicted == t


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "probs": Probabilities,
    "logits": Logits,
    "logprobs": LogProbabilities,
    "labels": Classes,
}
"""What predictions can be, and how a block of them is read."""


def _log_sum(p: Floats, delta: float, rest: Floats | float = 0.0) -> Floats:
    """log(p + delta), where p was rounded by `rest`; -inf for p + delta <= 0.

    Near 1 the log is as small as what the sum is rounded by, so that this is put back, to first order. It is found
    as T. J. Dekker (1971) does, in the order of the terms that holds near 1.
    """
    total = p + delta
    rest = rest + (delta - (total - p) if delta < 0.5 else p - (total - delta))
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(total, 0.0)) + rest / np.maximum(total, 1.0)
