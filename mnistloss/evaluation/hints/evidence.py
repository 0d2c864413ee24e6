"""What the hints look at: what one pass over predictions gathers, and the labels beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array, row_sum_tolerance
from mnistloss.formatting import shown
from mnistloss.stats import Moments

_MIN_EXAMPLES = 50
_MAX_CLASSES = 1000
_MAX_KEPT_ROWS = 100_000
_MIN_ACCURACY_GAIN, _Z = 0.05, 6.0

_MAX_LEAST_PROBABILITY = 1e-3
_NEARLY_ALL = 0.9
_SCALES = (1, 100, 255)
_SUM_ERROR, _RELATIVE_SUM_ERROR = 1e-2, 1e-4


class Hint(NamedTuple):
    """Something that looks wrong: its name, the evidence, and what to do."""

    name: str
    evidence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.evidence}; {self.advice}"

    def as_dict(self) -> dict[str, str]:
        return self._asdict()


def hint_lines(predictions: str, hints: Sequence[Hint]) -> tuple[str, ...]:
    """Return a line for each hint about the predictions of that name."""
    return tuple(f"Hint: {shown(predictions)}: {hint}" for hint in hints)


class Evidence:
    """What one pass over n predictions gathers for the hints, block by block.

    hard: every value is 0 or 1.
    """

    def __init__(self, input: str, n: int) -> None:
        self._input = input
        self.hard = input == "probs"
        self._may_be_softmax_twice = input in ("probs", "logprobs")
        self._common_sums = dict.fromkeys(_SCALES if input == "logits" else (), 0)
        self._class_sums: dict[str, Any] = {"softmax": 0.0, "log-softmax": 0.0} if input == "logits" else {}
        self._confidences: list[Array] = []
        self._codes: list[Array] | None = [] if n <= _MAX_KEPT_ROWS else None
        self._confidence_sums: list[float] = []
        self._inner_confidences: list[float] = []
        self._inner_minima: list[float] = []
        self._n = 0

    def update(self, y: Any) -> None:
        """Add a block of outputs; predicted classes give no evidence."""
        if self._input == "labels":
            return
        self._n += y.scores.shape[1]
        if self.hard:
            within = y.min_value == 0 and y.max_value == 1
            self.hard = within and bool(((y.scores == 0) | (y.scores == 1)).all())
        if self._input == "logits":
            self._add_sums(y)
        self._confidence_sums.append(float(y.confidence.sum()))
        if self._codes is not None and len(y.scores) <= _MAX_CLASSES:
            self._codes.append(_row_codes(y.scores))
            self._confidences.append(y.confidence.astype(np.float32))
        if self._may_be_softmax_twice:
            self._undo_softmax(y)

    def _add_sums(self, y: Any) -> None:
        """Count the rows that sum to 1, 100 or 255, as those of distributions do, and sum each class."""
        totals, positive = y.scores.sum(axis=0), y.scores.min(axis=0) >= 0
        for scale in self._common_sums:
            tolerance = row_sum_tolerance(y.scores.dtype) * scale
            within = np.abs(totals - scale) <= (tolerance if scale == 1 else max(tolerance, len(y.scores) / 2))
            self._common_sums[scale] += int(np.count_nonzero(positive & within))
        if "softmax" in self._class_sums and not (y.min_value >= 0 and y.max_value <= 1):
            del self._class_sums["softmax"]
        if "log-softmax" in self._class_sums and y.max_value > 0:
            del self._class_sums["log-softmax"]
        for name in self._class_sums:
            values = y.scores if name == "softmax" else np.exp(y.scores)
            self._class_sums[name] = self._class_sums[name] + values.sum(axis=1)

    def _undo_softmax(self, y: Any) -> None:
        """Undo a softmax of probabilities: its logs, shifted so that each row sums to 1, are these probabilities."""
        k, is_log = len(y.scores), self._input == "logprobs"
        max_value = math.exp(min(y.max_value, 1.0)) if is_log else y.max_value
        least = -math.inf if is_log else 0
        self._may_be_softmax_twice = bool(y.min_value > least and max_value <= softmax_twice_bound(k) + 1e-3)
        if self._may_be_softmax_twice:
            logs = y.scores if is_log else np.log(y.scores)
            inner = logs + (1 - logs.sum(axis=0)) / k
            self._may_be_softmax_twice = bool(inner.min() >= -1e-3)
            self._inner_confidences.append(float(inner.max(axis=0).sum()))
            self._inner_minima.append(float(inner.min(axis=0).sum()))

    @property
    def confidence(self) -> float | None:
        """The mean of the largest probability of each row; None for predicted classes."""
        return math.fsum(self._confidence_sums) / self._n if self._n else None

    @cached_property
    def confidences(self) -> Array | None:
        """The largest probability of each row (N,); None where it is not kept."""
        return np.concatenate(self._confidences) if self._confidences else None

    @cached_property
    def codes(self) -> Array | None:
        """A number for each row (N,), the same for rows of the same numbers; None where it is not kept."""
        return np.concatenate(self._codes) if self._codes else None

    @property
    def scale(self) -> int | None:
        """The sum (1, 100 or 255) that nine in ten rows of raw scores have; None without one."""
        scales = (scale for scale, rows in self._common_sums.items() if self._n and rows >= _NEARLY_ALL * self._n)
        return next(scales, None)

    @property
    def wrong_axis(self) -> tuple[str, int] | None:
        """Whether the raw scores are a softmax, or its log, over the examples, and of how many batches; None if not.

        Every class then sums to the number of batches. Rows that sum to 1 would have sums of n / K at best.
        """
        for name, sums in self._class_sums.items():
            batches = round(float(np.mean(sums)))
            error = float(np.abs(sums - batches).max())
            over_classes = abs(batches * np.size(sums) - self._n) <= 0.01 * self._n
            if 1 <= batches <= self._n / 2 and error <= _SUM_ERROR + _RELATIVE_SUM_ERROR * batches and not over_classes:
                return name, batches
        return None

    @property
    def inner_confidence(self) -> float | None:
        """The mean confidence of what went into a softmax of probabilities; None where these cannot be one.

        The class that a model finds least likely has a probability near 0. Undoing a softmax that was applied once
        leaves more than that.
        """
        if not self._may_be_softmax_twice or not self._n:
            return None
        if math.fsum(self._inner_minima) / self._n > _MAX_LEAST_PROBABILITY:
            return None
        return math.fsum(self._inner_confidences) / self._n


def _row_codes(scores: Any) -> Array:
    """Return a weighted sum of the values of each example, each term apart, so that equal rows have equal sums."""
    codes = np.zeros(scores.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for k, values in enumerate(scores):
            codes += values * math.sqrt(k + 2)
    return codes


def softmax_twice_bound(classes: int) -> float:
    """Return the largest probability that a softmax of probabilities can give."""
    return math.e / (math.e + classes - 1)


class Fingerprint(NamedTuple):
    """What tells predictions apart, in whatever dtype they are: a number for each row, None for very many rows."""

    name: str
    input: str
    dtype: np.dtype[Any]
    digest: str
    codes: Array | None

    def equals(self, other: Fingerprint) -> bool:
        """Whether all rows have the same numbers, up to the rounding of the coarser of two dtypes."""
        if self.input != other.input or self.dtype == other.dtype:
            return (self.input, self.digest) == (other.input, other.digest)
        if self.codes is None or other.codes is None or self.codes.shape != other.codes.shape:
            return False
        dtypes = [dtype for dtype in (self.dtype, other.dtype) if dtype.kind == "f"]
        eps = max((float(np.finfo(dtype).eps) for dtype in dtypes), default=0.0)
        return bool(np.abs(self.codes - other.codes).max() <= eps * np.abs(self.codes).max())


class Place(NamedTuple):
    """Labels of a whole split, and the options that name it where the predictions are scored elsewhere."""

    dataset: str
    split: str
    labels: Array


@dataclass(frozen=True)
class HintInputs:
    """What the hints look at.

    losses: moments by name, always of the error. references: what constant predictions cost, by name of the loss.
    labels, predicted: (N,), None for soft targets or very many examples. split: None for targets of the user's own.
    chosen: whether indices name the examples. elsewhere: returns the labels of other splits and datasets.
    """

    input: str
    classes: int
    accuracy: float
    losses: Mapping[str, Moments]
    references: Mapping[str, Mapping[str, float]]
    evidence: Evidence
    labels: Array | None = field(default=None, repr=False)
    predicted: Array | None = field(default=None, repr=False)
    dataset: str | None = None
    split: str | None = None
    chosen: bool = False
    elsewhere: Callable[[], Sequence[Place]] = field(default=tuple, repr=False)

    @property
    def n(self) -> int:
        return self.losses["error"].count

    @property
    def enough(self) -> bool:
        """Whether there are enough examples to tell a mistake from chance."""
        return self.n >= _MIN_EXAMPLES

    @cached_property
    def counts(self) -> Array | None:
        """Examples of each class (rows) by predicted class (columns); None where they tell nothing."""
        if self.labels is None or self.predicted is None or self.classes > _MAX_CLASSES:
            return None
        if not self.enough or 1 - self.accuracy < _MIN_ACCURACY_GAIN:
            return None
        return count_classes(self.labels, self.predicted, self.classes)

    def explains(self, share: float, chance: float) -> bool:
        """Whether a correction that makes this share of predictions right beats the accuracy and chance clearly.

        It must be more than half, and exceed both the accuracy and the accuracy of predictions unrelated to the labels
        by 0.05 and by 6 standard errors of the difference of two shares.
        """
        return share > 0.5 and all(share - other >= self._margin(share, other) for other in (self.accuracy, chance))

    def _margin(self, share: float, other: float) -> float:
        p = (share + other) / 2
        return max(_MIN_ACCURACY_GAIN, _Z * math.sqrt(2 * p * (1 - p) / self.n))

    def score_only(self, examples: str) -> str:
        """Return how to score predictions of some of these examples, which a NumPy expression lists."""
        if self.split is None:
            return f"targets=FILE, which holds targets[{examples}]"
        listed = f"indices[{examples}]" if self.chosen else examples
        return f'split="{self.split}" and indices=FILE, which holds {listed}'


def count_classes(labels: Array, predicted: Array, k: int) -> Array:
    """Return how many examples of each class (rows) are predicted as each class (columns), (K, K)."""
    return np.bincount(labels.astype(np.intp) * k + predicted, minlength=k * k).reshape(k, k)


def agreement_by_chance(counts: Array, order: Sequence[int] | None = None) -> float:
    """Return the accuracy of predictions with these class counts that are unrelated to the labels."""
    predicted = counts.sum(axis=0)
    return float(counts.sum(axis=1) @ (predicted if order is None else predicted[list(order)]) / counts.sum() ** 2)


def classes_agree(piece: Array, labels: Array, tries: int) -> bool:
    """Whether predicted classes agree with these labels too often for chance: at odds below e^-20 over all tries.

    Counted are the rows whose label differs from the one before, so that sorted labels, which fit any run of a wrong
    class, tell nothing. Bound: Chernoff's, n times the relative entropy of the share of hits and its expectation.
    """
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    if not changes.size:
        return False
    y, t = piece[changes], labels[changes]
    k = int(max(y.max(), t.max())) + 1
    chance = float(np.bincount(y, minlength=k) @ np.bincount(t, minlength=k)) / len(t) ** 2
    hits = np.array([np.count_nonzero(y == t)])
    return bool(hits[0] > len(t) / 2 and odds_against_chance(hits, len(t), chance)[0] >= 20 + math.log(tries))


def odds_against_chance(hits: Array, n: Any, chance: float) -> Array:
    """Return -log of Chernoff's bound on so many hits among n where each has this chance; 0 for fewer than expected."""
    share = np.clip(hits / n, 1e-12, 1 - 1e-12)
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    entropy = share * np.log(share / chance) + (1 - share) * np.log((1 - share) / (1 - chance))
    return np.where(share > chance, n * entropy, 0.0)


def best_offset(piece: Array, labels: Array, k: int, origin: int = 0) -> int:
    """Return where in the labels the predicted classes of a piece agree best, counted by a convolution for each class.

    At least half of the piece meets labels. Of equal offsets, the one nearest to the origin.
    """
    m, n = len(piece), len(labels)
    size = 1 << (m + n - 1).bit_length()
    spectra = (np.fft.rfft(labels == c, size) * np.conj(np.fft.rfft(piece == c, size)) for c in range(k))
    offsets = np.arange(-(m // 2), n - m + m // 2 + 1)
    hits = np.rint(np.fft.irfft(np.add.reduce(list(spectra)), size))[offsets % size]
    overlap = np.minimum(offsets + m, n) - np.maximum(offsets, 0)
    chance = float(np.bincount(piece, minlength=k) @ np.bincount(labels, minlength=k)) / (m * n)
    odds = odds_against_chance(hits, overlap, chance)
    best = np.flatnonzero(odds >= odds.max() * (1 - 1e-9))
    return int(offsets[best[np.abs(offsets[best] - origin).argmin()]])
