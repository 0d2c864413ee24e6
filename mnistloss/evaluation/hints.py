"""Hints: evidence that predictions which can be scored are nevertheless a mistake, and what mends it.

What cannot be scored is refused before. An honest model, however bad, gets no hint.
"""

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
_MIN_ACCURACY_GAIN, _Z = 0.05, 6.0

_MAX_LEAST_PROBABILITY = 1e-3
_NEARLY_ALL, _SAMPLE = 0.9, 100
_SCALES = (1, 100, 255)

_SHIFTS = [shift for distance in range(1, 11) for shift in (distance, -distance)]
_MAX_COLUMNS = 12
_MAX_ACCURACY = 0.5
_CHANCE_SIGMAS, _MAX_CHANCE_WIDTH = 2, 0.05
_MIN_CONFIDENCE = 0.75
_MAX_HISTOGRAM_DISTANCE = 0.1
_MIN_CHI2 = 20
_ONLY_ONE = "do only one of these, as the labels come in turn, so that rows and columns explain it alike"


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
    """What one pass over predictions gathers for the hints, block by block.

    hard: every value is 0 or 1. scales: the sums (1, 100 or 255) that nearly every row of raw scores has, as rows of a
    distribution do; whole numbers may be rounded.
    """

    def __init__(self, input: str) -> None:
        self._input = input
        self.hard = input == "probs"
        self.scales = set(_SCALES) if input == "logits" else set()
        self._may_be_softmax_twice = input in ("probs", "logprobs")
        self._confidences: list[float] = []
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
        if self.scales:
            for scores in (y.scores[:, :_SAMPLE], y.scores):  # a sample rules most scales out at little cost
                self.scales = self.scales and _common_sums(scores, self.scales)
        self._confidences.append(float(y.confidence.sum()))
        if self._may_be_softmax_twice:
            self._undo_softmax(y)

    def _undo_softmax(self, y: Any) -> None:
        """Undo a softmax of probabilities: its logs, shifted so that each row sums to 1, are these probabilities."""
        k, is_log = len(y.scores), self._input == "logprobs"
        max_value = math.exp(min(y.max_value, 1.0)) if is_log else y.max_value
        self._may_be_softmax_twice = bool(
            y.min_value > (-math.inf if is_log else 0) and max_value <= _softmax_twice_bound(k) + 1e-3
        )
        if self._may_be_softmax_twice:
            logs = y.scores if is_log else np.log(y.scores)
            inner = logs + (1 - logs.sum(axis=0)) / k
            self._may_be_softmax_twice = bool(inner.min() >= -1e-3)
            self._inner_confidences.append(float(inner.max(axis=0).sum()))
            self._inner_minima.append(float(inner.min(axis=0).sum()))

    @property
    def confidence(self) -> float | None:
        """The mean of the largest probability of each row; None for predicted classes."""
        return math.fsum(self._confidences) / self._n if self._n else None

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


def _common_sums(scores: Any, scales: set[int]) -> set[int]:
    """Return the scales to which nine in ten columns sum, none of their values being negative."""
    positive = scores.min(axis=0) >= 0
    enough = _NEARLY_ALL * positive.size
    if np.count_nonzero(positive) < enough:
        return set()
    totals, tolerance = scores.sum(axis=0), row_sum_tolerance(scores.dtype)
    within = {scale: tolerance if scale == 1 else max(tolerance * scale, len(scores) / 2) for scale in scales}
    return {
        scale for scale in scales if np.count_nonzero(positive & (np.abs(totals - scale) <= within[scale])) >= enough
    }


def _softmax_twice_bound(classes: int) -> float:
    """Return the largest probability that a softmax of probabilities can give."""
    return math.e / (math.e + classes - 1)


@dataclass(frozen=True)
class HintInputs:
    """What the hints look at.

    losses: moments by name, always of the error. references: what constant predictions cost, by name of the loss.
    labels, predicted: (N,), None for soft targets or very many examples. elsewhere: returns the labels of other data
    sets by name.
    """

    input: str
    classes: int
    accuracy: float
    losses: Mapping[str, Moments]
    references: Mapping[str, Mapping[str, float]]
    evidence: Evidence
    labels: Array | None = field(default=None, repr=False)
    predicted: Array | None = field(default=None, repr=False)
    elsewhere: Callable[[], Mapping[str, Array]] = field(default=dict, repr=False)

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
        k = self.classes
        if self.labels is None or self.predicted is None or k > _MAX_CLASSES:
            return None
        if not self.enough or 1 - self.accuracy < _MIN_ACCURACY_GAIN:
            return None
        return np.bincount(self.labels.astype(np.intp) * k + self.predicted, minlength=k * k).reshape(k, k)

    def explains(self, share: float, chance: float) -> bool:
        """Whether a correction that makes this share of predictions right beats the accuracy and chance clearly.

        It must be more than half, and exceed both the accuracy and the accuracy of predictions unrelated to the labels
        by 0.05 and by 6 standard errors of the difference of two shares.
        """
        return share > 0.5 and all(share - other >= self._margin(share, other) for other in (self.accuracy, chance))

    def _margin(self, share: float, other: float) -> float:
        p = (share + other) / 2
        return max(_MIN_ACCURACY_GAIN, _Z * math.sqrt(2 * p * (1 - p) / self.n))


def find_hints(inputs: HintInputs) -> tuple[Hint, ...]:
    """Return every hint for which there is evidence."""
    hints = (
        probabilities_as_logits(inputs),
        softmax_twice(inputs),
        *misplaced(inputs),
        hard_predictions(inputs),
        worse_than_prior(inputs),
    )
    return tuple(hint for hint in hints if hint is not None)


def probabilities_as_logits(inputs: HintInputs) -> Hint | None:
    """Raw scores of which nearly every row is a distribution already, perhaps in percent or as bytes."""
    if inputs.input != "logits" or not inputs.evidence.scales:
        return None
    scale = min(inputs.evidence.scales)
    save = "" if scale == 1 else "save predictions / predictions.sum(axis=1, keepdims=True), and "
    return Hint(
        "probabilities-as-logits",
        f"nearly every row lies in [0, {scale}] and sums to {scale}, yet it was read as raw scores",
        f"{save}score these with --input probs",
    )


def softmax_twice(inputs: HintInputs) -> Hint | None:
    """A softmax of something that is a confident distribution itself."""
    confidence, k = inputs.evidence.inner_confidence, inputs.classes
    if confidence is None or not inputs.enough or confidence < (1 + 1 / k) / 2:
        return None
    logs = "np.float64(predictions)" if inputs.input == "logprobs" else "np.log(np.float64(predictions))"
    return Hint(
        "softmax-twice",
        f"no probability exceeds {_softmax_twice_bound(k):.3f}, the most that a softmax of probabilities can give, and"
        f" undoing it leaves distributions with a mean confidence of {confidence:.2f}",
        "save y / y.sum(axis=1, keepdims=True) of"
        f" y = np.maximum(0, z + (1 - z.sum(axis=1, keepdims=True)) / {k}) of z = {logs},"
        " which is what went into the last softmax, and score it with --input probs",
    )


def hard_predictions(inputs: HintInputs) -> Hint | None:
    """Every row is one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not inputs.evidence.hard or inputs.accuracy == 1 or not {"cee", "nll"} & inputs.losses.keys():
        return None
    return Hint(
        "hard-predictions",
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        "save the model's probabilities instead of its decisions, or score these with --loss error",
    )


def worse_than_prior(inputs: HintInputs) -> Hint | None:
    """A loss above that of the uniform guess, and so of the class prior, by 1 % and by six standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, costs = inputs.losses.get(name), inputs.references.get(name)
        if moments is None or not costs or costs["prior"] <= 0 or moments.stderr is None:
            continue
        if moments.mean > 1.01 * costs["uniform"] + _Z * moments.stderr:
            return Hint(
                "worse-than-prior",
                f"{name} {moments.mean:.4f} is above {costs['uniform']:.4f}, the cost of the uniform guess, and"
                f" {costs['prior']:.4f}, that of the class prior",
                "check that row i belongs to example i, and column k to class k: `mnistloss inspect confusion` shows"
                " which classes are predicted for which",
            )
    return None


def misplaced(inputs: HintInputs) -> tuple[Hint, ...]:
    """Predictions that are right for other examples or classes; "shuffled" only where nothing else explains them."""
    if inputs.counts is None:
        return ()
    checks = (another_dataset, rows_shifted, columns_permuted)
    hints = tuple(hint for check in checks if (hint := check(inputs, inputs.counts)))
    if {hint.name for hint in hints} > {"rows-shifted"}:
        hints = tuple(hint._replace(advice=f"{hint.advice}; {_ONLY_ONE}") for hint in hints)
    shuffled = None if hints else rows_shuffled(inputs, inputs.counts)
    return hints if shuffled is None else (shuffled,)


def another_dataset(inputs: HintInputs, counts: Array) -> Hint | None:
    """Wrong here, and right for the labels of another dataset."""
    if inputs.accuracy >= _MAX_ACCURACY:
        return None
    for name, labels in inputs.elsewhere().items():
        share = _agreement(inputs.predicted, labels)
        if inputs.explains(share, _chance(counts)):
            return Hint(
                "another-dataset",
                f"the accuracy is {inputs.accuracy:.4f} here and {share:.4f} against the labels of {name}",
                f"score these with --dataset {name}",
            )
    return None


def rows_shifted(inputs: HintInputs, counts: Array) -> Hint | None:
    """Right for the examples some rows further on."""
    if inputs.predicted is None or inputs.labels is None:
        return None
    labels = inputs.labels.astype(inputs.predicted.dtype)
    shares = {shift: _agreement(*_shifted(inputs.predicted, labels, shift)) for shift in _SHIFTS}
    shift = max(shares, key=lambda s: shares[s])
    if not inputs.explains(shares[shift], _chance(counts)):
        return None
    return Hint(
        "rows-shifted",
        f"the accuracy is {inputs.accuracy:.4f}, and {shares[shift]:.4f} if row i is compared with example"
        f" i {-shift:+d}",
        f"save {_rolled(-shift, axis=0)}, and find out where the first row comes from",
    )


def columns_permuted(inputs: HintInputs, counts: Array) -> Hint | None:
    """Right after the columns change places; a step of one for all shows classes that are counted from 1."""
    k = inputs.classes
    if k > _MAX_COLUMNS or not inputs.explains(counts.max(axis=1).sum() / counts.sum(), 0.0):
        return None
    order = _assignment(counts)
    share = float(counts[range(k), order].sum() / counts.sum())
    if not inputs.explains(share, _chance(counts, order)):
        return None
    evidence = f"the accuracy is {inputs.accuracy:.4f}, and {share:.4f}"
    for step, side in ((1, "above"), (-1, "below")):
        if order == [(t + step) % k for t in range(k)]:
            evidence += f" if class k is read from the column {side} k"
            save = f"(predictions + {-step % k}) % {k}" if inputs.input == "labels" else _rolled(-step, axis=1)
            return Hint("labels-from-one", evidence, f"save {save}, or count the classes from 0 in training")
    evidence += f" if the columns are put into the order {' '.join(map(str, order))}"
    classes = np.argsort(order).tolist()
    save = f"np.array({classes})[predictions]" if inputs.input == "labels" else f"predictions[:, {order}]"
    return Hint("columns-permuted", evidence, f"save {save}, or find out why the classes are sorted like this")


def _rolled(by: int, axis: int) -> str:
    return f"np.roll(predictions, {by}, axis={axis})"


def rows_shuffled(inputs: HintInputs, counts: Array) -> Hint | None:
    """Confident, with the right number of each class, and right no more often than by chance.

    Predicted classes have no confidence. Where the classes are uneven they are told from guesses: they have the class
    counts of the labels, and not those of a uniform guess.
    """
    n, k = int(counts.sum()), inputs.classes
    t, y = counts.sum(axis=1) / n, counts.sum(axis=0) / n
    chance = _chance(counts)
    width = _CHANCE_SIGMAS * math.sqrt(chance * (1 - chance) / n)
    is_chance = abs(inputs.accuracy - chance) <= width <= _MAX_CHANCE_WIDTH
    distance = float(np.abs(t - y).sum() / 2)
    if not is_chance or distance > _MAX_HISTOGRAM_DISTANCE or not inputs.explains(1 - distance, chance):
        return None
    present, confidence = t > 0, inputs.evidence.confidence
    chi2_labels = float(n * ((y - t)[present] ** 2 / t[present]).sum())
    chi2_uniform = float(n * k * ((y - 1 / k) ** 2).sum())
    if confidence is None and chi2_uniform - chi2_labels < _MIN_CHI2:
        return None
    if confidence is not None and confidence < 1 / k + _MIN_CONFIDENCE * (1 - 1 / k):
        return None
    confident = "" if confidence is None else "the model is confident and "
    return Hint(
        "rows-shuffled",
        f"the accuracy {inputs.accuracy:.4f} is chance ({chance:.4f} ± {width:.4f}), although {confident}each class is"
        " predicted as often as it occurs",
        "predict without shuffling, or score these with --split SPLIT and --indices ORDER.npy, the index of the"
        " example of each row",
    )


def _agreement(predicted: Array | None, labels: Array) -> float:
    if predicted is None or len(predicted) != len(labels):
        return 0.0
    return np.count_nonzero(predicted == labels) / len(labels)


def _chance(counts: Array, order: Sequence[int] | None = None) -> float:
    """Return the accuracy of predictions with these class counts that are unrelated to the labels."""
    predicted = counts.sum(axis=0)
    return float(counts.sum(axis=1) @ (predicted if order is None else predicted[list(order)]) / counts.sum() ** 2)


def _shifted(predicted: Array, labels: Array, shift: int) -> tuple[Array, Array]:
    """Return the predicted classes and the labels that meet where the former come `shift` rows late."""
    return (predicted[shift:], labels[:-shift]) if shift > 0 else (predicted[:shift], labels[-shift:])


def _assignment(counts: Array) -> list[int]:
    """Return a column for each row, all different, with the largest sum of counts, by a search over sets of columns."""
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for row in counts.tolist():
        extended: dict[int, tuple[int, list[int]]] = {}
        for columns, (total, order) in best.items():
            for column, count in enumerate(row):
                bit = 1 << column
                if not columns & bit and total + count > extended.get(columns | bit, (-1, []))[0]:
                    extended[columns | bit] = total + count, [*order, column]
        best = extended
    return best[(1 << len(counts)) - 1][1]
