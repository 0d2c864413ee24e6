"""Signs of mistakes that a pass over predictions gathers beside the losses, for the doctor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_NEXT_TO_NOTHING = 1e-3
_NEARLY, _FIRST = 0.9, 100
_SCALES = (1, 100, 255)


class Signs:
    """What is gathered, as long as there is something to gather; what is gathered of later rows merges into it.

    hard: every value is 0 or 1. scales: what nearly every row of raw scores may sum to as a distribution does: to 1,
    to 100 or to 255; whole numbers may be rounded.
    """

    def __init__(self, input: str) -> None:
        self._input = input
        self.hard = input == "probs"
        self.scales = set(_SCALES) if input == "logits" else set()
        self._twice = input in ("probs", "logprobs")
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
        if self.scales:
            for scores in (y.scores[:, :_FIRST], y.scores):  # the first ones tell what most others are
                self.scales = self.scales and _summed_to(scores, self.scales)
        self._confidences.append(float(y.confidence.sum()))
        if self._twice:
            self._look_within(y)

    def _look_within(self, y: Any) -> None:
        """Undo a softmax: the logs of a softmax of probabilities, shifted to sum to 1, are these probabilities."""
        k, logged = len(y.scores), self._input == "logprobs"
        highest = math.exp(min(y.highest, 1.0)) if logged else y.highest
        self._twice = bool((logged or y.lowest > 0) and highest <= math.e / (math.e + k - 1) + 1e-3)
        if self._twice:
            logs = y.scores if logged else np.log(y.scores)
            inner = logs + (1 - logs.sum(axis=0)) / k
            self._twice = bool(inner.min() >= -1e-3)
            self._inner.append(float(inner.max(axis=0).sum()))
            self._least.append(float(inner.min(axis=0).sum()))

    def merge(self, later: Signs) -> None:
        """Take in what was gathered of later rows."""
        self._n += later._n
        self.hard &= later.hard
        self.scales &= later.scales
        self._twice &= later._twice
        self._confidences += later._confidences
        self._inner += later._inner
        self._least += later._least

    @property
    def confidence(self) -> float | None:
        """The mean of the largest probability; None for predicted classes."""
        return math.fsum(self._confidences) / self._n if self._n else None

    @property
    def twice(self) -> float | None:
        """The confidence of what went into a softmax of probabilities; None where this cannot be one.

        What a model finds least likely has next to no probability; undoing a softmax that was none leaves more.
        """
        if not self._twice or not self._n or math.fsum(self._least) / self._n > _NEXT_TO_NOTHING:
            return None
        return math.fsum(self._inner) / self._n


def _summed_to(scores: Any, scales: set[int]) -> set[int]:
    """To which of these nine in ten columns sum, none of them below 0; whole numbers may be rounded."""
    positive = scores.min(axis=0) >= 0
    enough = _NEARLY * positive.size
    if np.count_nonzero(positive) < enough:
        return set()
    totals = scores.sum(axis=0)
    within = {scale: 1e-3 if scale == 1 else max(1e-3 * scale, len(scores) / 2) for scale in scales}
    return {
        scale for scale in scales if np.count_nonzero(positive & (np.abs(totals - scale) <= within[scale])) >= enough
    }
