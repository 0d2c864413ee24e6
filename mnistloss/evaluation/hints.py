"""Hints: evidence that predictions which can be scored are nevertheless a mistake, and how to mend the mistake.

An honest model gets no hint, however bad it is: where a hint rests on chance, a docstring bounds how often the hint is
wrong. Predictions that cannot be scored raise InputError before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array, row_sum_tolerance
from mnistloss.formatting import shown
from mnistloss.stats import Moments

MIN_EXAMPLES = 50
"""Fewer examples do not tell a mistake from chance."""

MAX_CLASSES = 1000
_MAX_KEPT_ROWS = 100_000
_SIGMAS = 6.0
_RUN = 16
_SCALES = (1, 100, 255)
_NEARLY_ALL = 0.9
_MAX_LEAST_PROBABILITY = 1e-3


class Hint(NamedTuple):
    """Something that looks wrong: name of the hint, evidence, and what to do."""

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

    hard: whether every value is 0 or 1.
    """

    def __init__(self, input: str, n: int) -> None:
        self._input, self._rows = input, n
        self.hard: bool = input == "probs"
        self._may_be_softmax_twice = input in ("probs", "logprobs")
        self._scale_counts = dict.fromkeys(_SCALES, 0)
        self._softmaxes = {"softmax", "log-softmax"} if input == "logits" else set()
        self._class_sums: Any = 0.0
        self._keeps_codes = n <= _MAX_KEPT_ROWS
        self._codes: list[Array] = []
        self._confidence = self._inner_confidence = self._inner_least = 0.0
        self._n = 0

    def update(self, y: Any) -> None:
        """Add a block of outputs; predicted classes give no evidence."""
        if self._input == "labels":
            return
        self._n += y.shape[1]
        self._confidence += float(y.confidence.sum())
        if self.hard:
            within = y.min_value == 0 and y.max_value == 1
            self.hard = within and bool(((y.scores == 0) | (y.scores == 1)).all())
        if self._keeps_codes and y.shape[0] <= MAX_CLASSES:
            self._codes.append(_row_codes(y.scores))
        if self._input == "logits":
            self._add_sums(y)
        if self._may_be_softmax_twice:
            self._undo_softmax(y)

    def _add_sums(self, y: Any) -> None:
        """Count the rows that sum to 1, 100 or 255, as those of distributions do, and sum each class."""
        rows_left = self._rows - self._n + y.shape[1]
        if max(self._scale_counts.values()) + rows_left >= _NEARLY_ALL * self._rows:  # else no scale can fit any more
            totals, positive = y.scores.sum(axis=0), y.scores.min(axis=0) >= 0
            for scale in _SCALES:
                tolerance = row_sum_tolerance(y.scores.dtype) * scale
                within = np.abs(totals - scale) <= (tolerance if scale == 1 else max(tolerance, len(y.scores) / 2))
                self._scale_counts[scale] += int(np.count_nonzero(positive & within))
        ranges = {"softmax": y.min_value >= 0 and y.max_value <= 1, "log-softmax": y.max_value <= 0}
        self._softmaxes = {name for name in self._softmaxes if ranges[name]}
        if self._softmaxes:
            values = y.scores if "softmax" in self._softmaxes else np.exp(y.scores)
            self._class_sums = self._class_sums + values.sum(axis=1)

    def _undo_softmax(self, y: Any) -> None:
        """Undo a softmax of probabilities: the logs, shifted so that each row sums to 1, are these probabilities."""
        k, is_log = y.shape[0], self._input == "logprobs"
        max_value = math.exp(min(y.max_value, 1.0)) if is_log else y.max_value
        least = -math.inf if is_log else 0
        self._may_be_softmax_twice = bool(y.min_value > least and max_value <= softmax_twice_bound(k) + 1e-3)
        if self._may_be_softmax_twice:
            logs = y.scores if is_log else np.log(y.scores)
            inner = logs + (1 - logs.sum(axis=0)) / k
            self._may_be_softmax_twice = bool(inner.min() >= -1e-3)
            self._inner_confidence += float(inner.max(axis=0).sum())
            self._inner_least += float(inner.min(axis=0).sum())

    @property
    def confidence(self) -> float | None:
        """The mean of the largest probability of each row; None for predicted classes."""
        return self._confidence / self._n if self._n else None

    @cached_property
    def codes(self) -> Array | None:
        """A number for each row (N,), the same for rows of the same numbers; None where the numbers are not kept."""
        return np.concatenate(self._codes) if self._codes else None

    @property
    def scale(self) -> int | None:
        """The sum (1, 100 or 255) that nine in ten rows of raw scores have; None if there is no such sum."""
        scales = (scale for scale, rows in self._scale_counts.items() if self._n and rows >= _NEARLY_ALL * self._n)
        return next(scales, None)

    @property
    def wrong_axis(self) -> tuple[str, int] | None:
        """Whether raw scores are a softmax, or its log, over the examples, and of how many batches; None if not.

        The values of each class then sum to the number of batches. Of rows that sum to 1, the classes sum to N / K on
        average.
        """
        if not self._softmaxes:
            return None
        batches = round(float(np.mean(self._class_sums)))
        error = float(np.abs(self._class_sums - batches).max())
        over_classes = abs(batches * np.size(self._class_sums) - self._n) <= 0.01 * self._n
        fits = 1 <= batches <= self._n / 2 and error <= 1e-2 + 1e-4 * batches and not over_classes
        return (max(self._softmaxes), batches) if fits else None

    @property
    def inner_confidence(self) -> float | None:
        """The mean confidence of what went into a softmax of probabilities; None if these are no such softmax.

        A model gives its least likely class a probability near 0. Undoing a softmax that was applied once leaves more
        for that class.
        """
        if not self._may_be_softmax_twice or not self._n or self._inner_least / self._n > _MAX_LEAST_PROBABILITY:
            return None
        return self._inner_confidence / self._n


def _row_codes(scores: Any) -> Array:
    """Return for each example a weighted sum of its values, added in one fixed order: equal rows have equal sums."""
    codes = np.zeros(scores.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for k, values in enumerate(scores):
            codes += values * math.sqrt(k + 2)
    return codes


def softmax_twice_bound(classes: int) -> float:
    """Return the largest probability that a softmax of probabilities can give."""
    return math.e / (math.e + classes - 1)


class Place(NamedTuple):
    """Labels of a whole split, and the names of the dataset and the split."""

    dataset: str
    split: str
    labels: Array


class HintInputs:
    """What the hints look at.

    losses: moments by name, always of the error. references: what constant predictions cost, by name of the loss.
    labels, predicted: (N,), empty for soft targets and for very many examples. split: None for targets of the user's
    own. chosen: whether indices name the examples. elsewhere: returns the labels of other splits and datasets.
    """

    def __init__(
        self,
        input: str,
        classes: int,
        losses: Mapping[str, Moments],
        references: Mapping[str, Mapping[str, float]],
        evidence: Evidence,
        labels: Array,
        predicted: Array,
        dataset: str | None = None,
        split: str | None = None,
        *,
        chosen: bool = False,
        elsewhere: Callable[[], Sequence[Place]] = tuple,
    ) -> None:
        self.input = input
        self.classes = classes
        self.losses = losses
        self.references = references
        self.evidence = evidence
        self.labels = labels
        self.predicted = predicted
        self.dataset = dataset
        self.split = split
        self.chosen = chosen
        self.elsewhere = elsewhere

    @property
    def n(self) -> int:
        return self.losses["error"].count

    @property
    def accuracy(self) -> float:
        return 1 - self.losses["error"].mean

    @cached_property
    def right(self) -> Array:
        """Whether each example is predicted right (N,)."""
        return self.predicted == self.labels


def find_hints(inputs: HintInputs) -> tuple[Hint, ...]:
    """Return every hint for which there is evidence."""
    misplaced: Sequence[Hint] = ()
    if _may_be_misplaced(inputs):
        from mnistloss.evaluation.misplaced import find_misplaced  # what an honest file does not need

        misplaced = find_misplaced(inputs)
    of_outputs, of_losses = (
        [Hint(name, *pair) for name, recognise in table if (pair := recognise(inputs))] for table in _CHECKS
    )
    return (*of_outputs, *misplaced, *of_losses)


def _may_be_misplaced(inputs: HintInputs) -> bool:
    """Whether rows repeat, or half of some 16 rows in a row are wrong: without either, no hint of `misplaced` fits."""
    sums = np.cumsum(inputs.right, dtype=np.uint8)  # differences of at most 16 are right after an overflow too
    low = len(sums) > _RUN and (sums[_RUN:] - sums[:-_RUN]).min() <= _RUN / 2
    return bool(low or (len(sums) and _repeats(inputs.evidence.codes)))


def _repeats(codes: Array | None) -> bool:
    """Whether two codes are equal, or NaN; `np.unique` would import numpy.ma, a tenth of the start of the command."""
    ordered = np.sort(np.empty(0) if codes is None else codes)
    return len(ordered) > 1 and bool((ordered[1:] == ordered[:-1]).any() or math.isnan(ordered[-2]))


def _recognise_softmax_over_examples(inputs: HintInputs) -> tuple[str, str] | None:
    """Recognise raw scores of equal class sums, a whole number, whose classes are not predicted equally often."""
    if inputs.evidence.wrong_axis is None:
        return None
    _, counts = np.unique(inputs.predicted, return_counts=True)
    if counts.size and counts.min() == counts.max():
        return None
    name, batches = inputs.evidence.wrong_axis
    return (
        f"the {'values' if name == 'softmax' else 'exponentials'} of each class sum to {batches:,}: this is a {name}"
        f" over the examples (axis 0), of {batches:,} batch{'es' if batches > 1 else ''}, which cannot be undone",
        f"predict again with the {name} over the classes (axis 1)",
    )


def _recognise_probabilities(inputs: HintInputs) -> tuple[str, str] | None:
    """Recognise raw scores of which nearly every row is a distribution, perhaps in percent or as bytes."""
    scale = inputs.evidence.scale
    if scale is None or _recognise_softmax_over_examples(inputs):
        return None
    save = "" if scale == 1 else "save predictions / predictions.sum(axis=1, keepdims=True), and "
    return (
        f"nearly every row lies in [0, {scale}] and sums to {scale}, yet it was read as raw scores",
        f'{save}score these with input="probs"',
    )


def _recognise_softmax_twice(inputs: HintInputs) -> tuple[str, str] | None:
    """Recognise a softmax of rows that are confident distributions themselves."""
    confidence, k = inputs.evidence.inner_confidence, inputs.classes
    if confidence is None or inputs.n < MIN_EXAMPLES or confidence < (1 + 1 / k) / 2:
        return None
    logs = "np.float64(predictions)" if inputs.input == "logprobs" else "np.log(np.float64(predictions))"
    return (
        f"no probability exceeds {softmax_twice_bound(k):.3f}, the most that a softmax of probabilities can give, and"
        f" undoing it leaves distributions with a mean confidence of {confidence:.2f}",
        "softmax was applied twice: leave one out; or, without the model, save y / y.sum(axis=1, keepdims=True) of"
        f" y = np.maximum(0, z + (1 - z.sum(axis=1, keepdims=True)) / {k}) of z = {logs},"
        ' which is what went into the last softmax, and score it with input="probs"',
    )


def _recognise_decisions(inputs: HintInputs) -> tuple[str, str] | None:
    """Recognise rows that are all one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not inputs.evidence.hard or inputs.accuracy == 1 or not {"cee", "nll"} & inputs.losses.keys():
        return None
    return (
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        'save the model\'s probabilities instead of its decisions, or score these with losses="error"',
    )


def _recognise_high_loss(inputs: HintInputs) -> tuple[str, str] | None:
    """Recognise a loss above that of the uniform guess by 1 % and by six standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, costs = inputs.losses.get(name), inputs.references.get(name)
        if moments is None or not costs or costs["prior"] <= 0 or moments.stderr is None:
            continue
        if moments.mean > 1.01 * costs["uniform"] + _SIGMAS * moments.stderr:
            return (
                f"{name} {moments.mean:.4f} is above {costs['uniform']:.4f}, the cost of the uniform guess, and"
                f" {costs['prior']:.4f}, that of the class prior",
                "check that row i belongs to example i, and column k to class k: `mnistloss inspect confusion` shows"
                " which classes are predicted for which",
            )
    return None


_CHECKS = (
    (
        ("softmax-over-examples", _recognise_softmax_over_examples),
        ("probabilities-as-logits", _recognise_probabilities),
        ("softmax-twice", _recognise_softmax_twice),
    ),
    (("hard-predictions", _recognise_decisions), ("worse-than-prior", _recognise_high_loss)),
)
"""The hints about outputs, and those about losses: names, and functions that return evidence and advice or None."""


class Fingerprint(NamedTuple):
    """Numbers by which the same predictions are recognised in several files, even with different dtypes.

    eps: the distance from 1 to the next number of the dtype. codes: a number for each of at most 256 groups of rows.
    """

    input: str
    dtype: str
    eps: float
    digest: str
    codes: tuple[float, ...]

    def equals(self, other: Fingerprint) -> bool:
        """Whether these rows of another dtype have the same numbers, up to the rounding of the coarser dtype."""
        if self.input != other.input or not 0 < len(self.codes) == len(other.codes):
            return False
        codes, eps = np.array([self.codes, other.codes]), max(self.eps, other.eps)
        with np.errstate(invalid="ignore"):
            return bool(np.abs(codes[0] - codes[1]).max() <= eps * np.abs(codes).max())


def identical_predictions(names: Sequence[str], files: Sequence[Fingerprint]) -> list[tuple[Hint, ...]]:
    """Return for each file the hint that an earlier file has the same numbers, or no hint."""
    hints: list[tuple[Hint, ...]] = []
    names_by_digest: dict[tuple[str, str, str], str] = {}
    by_dtype: dict[str, list[tuple[Fingerprint, str]]] = {}
    advice = "check that each file holds the predictions of its own model"
    for name, file in zip(names, files, strict=True):
        key = file.input, file.dtype, file.digest
        same, rounding = names_by_digest.get(key), ""
        if same is None:
            others = (pair for dtype, pairs in by_dtype.items() if dtype != file.dtype for pair in pairs)
            same = next((other for fingerprint, other in others if file.equals(fingerprint)), None)
            rounding = ", up to the rounding of their dtypes"
            names_by_digest[key] = name
            by_dtype.setdefault(file.dtype, []).append((file, name))
        evidence = f"every row has the same numbers as in {shown(same)}{rounding}"
        hints.append((Hint("identical-predictions", evidence, advice),) if same is not None else ())
    return hints
