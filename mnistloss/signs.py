"""Signs of mistakes that a pass over predictions gathers beside the losses, for the doctor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_NEXT_TO_NOTHING = 1e-3


class Signs:
    """What is gathered, as long as there is something to gather; what is gathered of later rows merges into it.

    hard: every value is 0 or 1. like_probabilities: scores of which every row is a distribution.
    """

    def __init__(self, input: str) -> None:
        self._input = input
        self.hard = input == "probs"
        self.like_probabilities = input == "logits"
        self._twice = input == "probs"
        self._confidences: list[float] = []
        self._inner: list[float] = []
        self._least: list[float] = []
        self._n = 0

    def add(self, y: Any) -> None:
        """Take in a block of outputs."""
        if self._input == "labels":
            return
        self._n += y.scores.shape[1]
        self.hard = self.hard and y.lowest == 0 and y.highest == 1 and bool(((y.scores == 0) | (y.scores == 1)).all())
        if self.like_probabilities:
            self.like_probabilities = bool(y.lowest >= 0 and (np.abs(y.scores.sum(axis=0) - 1) <= 1e-3).all())
        if self._input == "probs":
            self._confidences.append(float(y.best.sum()))
        if self._twice:
            self._look_within(y)

    def _look_within(self, y: Any) -> None:
        """Undo a softmax: the logs of a softmax of probabilities, shifted to sum to 1, are these probabilities."""
        k = len(y.scores)
        self._twice = bool(y.lowest > 0 and y.highest <= math.e / (math.e + k - 1) + 1e-3)
        if self._twice:
            logs = np.log(y.scores)
            inner = logs + (1 - logs.sum(axis=0)) / k
            self._twice = bool(inner.min() >= -1e-3)
            self._inner.append(float(inner.max(axis=0).sum()))
            self._least.append(float(inner.min(axis=0).sum()))

    def merge(self, later: Signs) -> None:
        """Take in what was gathered of later rows."""
        self._n += later._n
        self.hard &= later.hard
        self.like_probabilities &= later.like_probabilities
        self._twice &= later._twice
        self._confidences += later._confidences
        self._inner += later._inner
        self._least += later._least

    @property
    def confidence(self) -> float:
        """The mean of the largest probability."""
        return math.fsum(self._confidences) / self._n if self._n else 0.0

    @property
    def twice(self) -> float | None:
        """The confidence of what went into a softmax of probabilities; None where this cannot be one.

        What a model finds least likely has next to no probability; undoing a softmax that was none leaves more.
        """
        if not self._twice or not self._n or math.fsum(self._least) / self._n > _NEXT_TO_NOTHING:
            return None
        return math.fsum(self._inner) / self._n
