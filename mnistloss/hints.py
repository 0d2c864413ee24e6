"""What the doctor looks at and what it says: facts about predictions, and hints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mnistloss.arrays import Array
from mnistloss.errors import shown
from mnistloss.statistics import Moments

_ENOUGH, _MOST_CLASSES = 50, 1000
_GAIN, _Z = 0.05, 6.0


class Hint(NamedTuple):
    """Something that looks wrong: what, by which evidence, and what to do."""

    name: str
    evidence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.evidence}; {self.advice}"

    def as_dict(self) -> dict[str, str]:
        return self._asdict()


def hint_lines(predictions: str, hints: Sequence[Hint]) -> tuple[str, ...]:
    """Hints about the predictions of that name as people read them, one a line."""
    return tuple(f"Hint: {shown(predictions)}: {hint}" for hint in hints)


@dataclass(frozen=True)
class Facts:
    """What one pass over predictions has seen.

    losses: moments by name, of the error always. references: what constant predictions cost, by name of the loss.
    labels, predicted: (N,), None for soft targets or very many examples. confidence: the mean of the largest
    probability, None for predicted classes. hard: every value is 0 or 1. scale: what nearly every row of scores, none
    below 0, sums to, where that is 1, 100 or 255. twice: the confidence of what went into a softmax of probabilities,
    None where this cannot be one. elsewhere: labels of other datasets by name.
    """

    input: str
    classes: int
    accuracy: float
    losses: Mapping[str, Moments]
    references: Mapping[str, Mapping[str, float]]
    hard: bool = False
    scale: int | None = None
    confidence: float | None = None
    twice: float | None = None
    labels: Array | None = field(default=None, repr=False)
    predicted: Array | None = field(default=None, repr=False)
    elsewhere: Callable[[], Mapping[str, Array]] = field(default=dict, repr=False)

    @property
    def n(self) -> int:
        return self.losses["error"].count

    @property
    def enough(self) -> bool:
        """Whether there are as many examples as it takes to tell a mistake from luck."""
        return self.n >= _ENOUGH

    @cached_property
    def counts(self) -> Array | None:
        """How many examples of each class (rows) are predicted as each (columns), where that can tell anything."""
        k = self.classes
        if self.labels is None or self.predicted is None or k > _MOST_CLASSES:
            return None
        if not self.enough or 1 - self.accuracy < _GAIN:
            return None
        return np.bincount(self.labels.astype(np.intp) * k + self.predicted, minlength=k * k).reshape(k, k)

    @property
    def sure(self) -> float:
        """The mean confidence of a model that is sure: half of the way from the uniform guess to certainty."""
        return (1 + 1 / self.classes) / 2

    def explained(self, share: float, chance: float) -> bool:
        """Whether it explains the accuracy that with a change this share of predictions is right.

        That must be more than half, and more than both the accuracy and what predictions without any relation to
        the labels would give: by 0.05, and by 6 standard errors of the difference of two shares.
        """
        return share > 0.5 and all(share - least >= self._clear(share, least) for least in (self.accuracy, chance))

    def _clear(self, share: float, least: float) -> float:
        p = (share + least) / 2
        return max(_GAIN, _Z * math.sqrt(2 * p * (1 - p) / self.n))
