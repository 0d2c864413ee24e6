"""What the doctor looks at and what it says: facts about predictions, and hints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.formatting import shown
from mnistloss.stats import Moments

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
        self.hard = (
            self.hard and y.min_value == 0 and y.max_value == 1 and bool(((y.scores == 0) | (y.scores == 1)).all())
        )
        if self.scales:
            for scores in (y.scores[:, :_FIRST], y.scores):  # the first ones tell what most others are
                self.scales = self.scales and _summed_to(scores, self.scales)
        self._confidences.append(float(y.confidence.sum()))
        if self._twice:
            self._look_within(y)

    def _look_within(self, y: Any) -> None:
        """Undo a softmax: the logs of a softmax of probabilities, shifted to sum to 1, are these probabilities."""
        k, logged = len(y.scores), self._input == "logprobs"
        highest = math.exp(min(y.max_value, 1.0)) if logged else y.max_value
        self._twice = bool((logged or y.min_value > 0) and highest <= math.e / (math.e + k - 1) + 1e-3)
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


def examine(facts: Facts) -> tuple[Hint, ...]:
    """All hints for which there is evidence."""
    first = (probabilities_as_logits(facts), softmax_twice(facts))
    last = (hard_predictions(facts), worse_than_prior(facts))
    return tuple(hint for hint in (*first, *placement(facts), *last) if hint is not None)


def probabilities_as_logits(facts: Facts) -> Hint | None:
    """Scores of which nearly every row is a distribution already, perhaps in percent or as bytes."""
    if facts.input != "logits" or facts.scale is None:
        return None
    scaled = "" if facts.scale == 1 else "save predictions / predictions.sum(axis=1, keepdims=True), and "
    return Hint(
        "probabilities-as-logits",
        f"nearly every row lies in [0, {facts.scale}] and sums to {facts.scale}, yet it was read as raw scores",
        f"{scaled}score these with --input probs",
    )


def softmax_twice(facts: Facts) -> Hint | None:
    """A softmax of something that is a confident distribution itself."""
    if facts.twice is None or not facts.enough or facts.twice < facts.sure:
        return None
    top = math.e / (math.e + facts.classes - 1)
    logs = "np.float64(predictions)" if facts.input == "logprobs" else "np.log(np.float64(predictions))"
    return Hint(
        "softmax-twice",
        f"no probability exceeds {top:.3f}, the most that a softmax of probabilities can give, and undoing it"
        f" leaves distributions with a mean confidence of {facts.twice:.2f}",
        "save y / y.sum(axis=1, keepdims=True) of"
        f" y = np.maximum(0, z + (1 - z.sum(axis=1, keepdims=True)) / {facts.classes}) of z = {logs},"
        " which is what went into the last softmax, and score it with --input probs",
    )


def hard_predictions(facts: Facts) -> Hint | None:
    """Every row is one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not facts.hard or facts.accuracy == 1 or not {"cee", "nll"} & facts.losses.keys():
        return None
    return Hint(
        "hard-predictions",
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        "save the model's probabilities instead of its decisions, or score these with --loss error",
    )


def worse_than_prior(facts: Facts) -> Hint | None:
    """A loss above that of the uniform guess, and so of the class prior, by 1 % and by six standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, costs = facts.losses.get(name), facts.references.get(name)
        if moments is None or not costs or costs["prior"] <= 0 or moments.stderr is None:
            continue
        if moments.mean > 1.01 * costs["uniform"] + 6 * moments.stderr:
            return Hint(
                "worse-than-prior",
                f"{name} {moments.mean:.4f} is above {costs['uniform']:.4f}, what the uniform guess costs, and"
                f" {costs['prior']:.4f}, what the class prior does",
                "check that row i belongs to example i, and column k to class k: `mnistloss inspect confusion` shows"
                " which classes are taken for which",
            )
    return None


_SHIFTS = [shift for far in range(1, 11) for shift in (far, -far)]
_MOST_COLUMNS = 12
_LOST = 0.5
_LUCK, _TELLING = 2, 0.05
_SURE = 0.75
_HISTOGRAMS_APART = 0.1
_EVIDENT = 20
_ONE_OF_THEM = "do only one of these, as the labels come in turn, so that rows and columns explain it alike"


def placement(facts: Facts) -> tuple[Hint, ...]:
    """What explains an accuracy that is too low; that rows are shuffled only where nothing else does."""
    if facts.counts is None:
        return ()
    found = tuple(hint for check in (another_dataset, rows_shifted, columns_permuted) if (hint := check(facts)))
    if {hint.name for hint in found} > {"rows-shifted"}:
        found = tuple(hint._replace(advice=f"{hint.advice}; {_ONE_OF_THEM}") for hint in found)
    shuffled = None if found else rows_shuffled(facts, facts.counts)
    return found if shuffled is None else (shuffled,)


def another_dataset(facts: Facts) -> Hint | None:
    """Wrong here, and right for the labels of another dataset."""
    if facts.accuracy >= _LOST:
        return None
    for name, labels in facts.elsewhere().items():
        share = _agreement(facts.predicted, labels)
        if facts.explained(share, _chance(facts)):
            return Hint(
                "another-dataset",
                f"the accuracy is {facts.accuracy:.4f} here and {share:.4f} against the labels of {name}",
                f"score these with --dataset {name}",
            )
    return None


def rows_shifted(facts: Facts) -> Hint | None:
    """Right for the examples some rows further on."""
    if facts.predicted is None or facts.labels is None:
        return None
    labels = facts.labels.astype(facts.predicted.dtype)
    found = {shift: _agreement(*_shifted(facts.predicted, labels, shift)) for shift in _SHIFTS}
    shift = max(found, key=lambda s: found[s])
    if not facts.explained(found[shift], _chance(facts)):
        return None
    return Hint(
        "rows-shifted",
        f"the accuracy is {facts.accuracy:.4f}, and {found[shift]:.4f} if row i is held against example i {-shift:+d}",
        f"save {_rolled(-shift, axis=0)}, and find out where the first row comes from",
    )


def columns_permuted(facts: Facts) -> Hint | None:
    """Right after the columns change places; a step of one for all is the mark of classes that are counted from 1."""
    k, counts = facts.classes, facts.counts
    if counts is None or k > _MOST_COLUMNS or not facts.explained(counts.max(axis=1).sum() / counts.sum(), 0.0):
        return None
    order = _assignment(counts)
    share = _explained_by(facts, counts, order)
    if share is None:
        return None
    found = f"the accuracy is {facts.accuracy:.4f}, and {share:.4f}"
    for step, name in ((1, "above"), (-1, "below")):
        if order == [(t + step) % k for t in range(k)]:
            evidence = f"{found} if class k is read from the column {name} k"
            mended = f"(predictions + {-step % k}) % {k}" if facts.input == "labels" else _rolled(-step, axis=1)
            return Hint("labels-from-one", evidence, f"save {mended}, or count the classes from 0 in training")
    evidence = f"{found} if the columns are put into the order {' '.join(map(str, order))}"
    classes = np.argsort(order).tolist()
    mended = f"np.array({classes})[predictions]" if facts.input == "labels" else f"predictions[:, {order}]"
    return Hint("columns-permuted", evidence, f"save {mended}, or find out why the classes are sorted like this")


def _rolled(by: int, axis: int) -> str:
    return f"np.roll(predictions, {by}, axis={axis})"


def _explained_by(facts: Facts, counts: Array, order: list[int]) -> float | None:
    """The share that is right with the columns in this order; None where that explains nothing."""
    share = float(counts[range(len(order)), order].sum() / counts.sum())
    return share if facts.explained(share, _by_chance(counts, order)) else None


def rows_shuffled(facts: Facts, counts: Array) -> Hint | None:
    """Confident, with the right number of each class, and right no more often than by chance.

    Predicted classes have no confidence. That they are no mere guesses shows where the classes are uneven: then
    they have the numbers of the labels, and not those of a uniform guess.
    """
    n = int(counts.sum())
    t, y = counts.sum(axis=1) / n, counts.sum(axis=0) / n
    chance = _chance(facts)
    luck = _LUCK * math.sqrt(chance * (1 - chance) / n)
    by_luck = abs(facts.accuracy - chance) <= luck <= _TELLING
    apart = float(np.abs(t - y).sum() / 2)
    if not by_luck or apart > _HISTOGRAMS_APART or not facts.explained(1 - apart, chance):
        return None
    known = t > 0
    of_labels = float(n * ((y - t)[known] ** 2 / t[known]).sum())
    of_guesses = float(n * facts.classes * ((y - 1 / facts.classes) ** 2).sum())
    if facts.confidence is None and of_guesses - of_labels < _EVIDENT:
        return None
    if facts.confidence is not None and facts.confidence < 1 / facts.classes + _SURE * (1 - 1 / facts.classes):
        return None
    how = "" if facts.confidence is None else "the model is sure and "
    return Hint(
        "rows-shuffled",
        f"the accuracy {facts.accuracy:.4f} is chance ({chance:.4f} ± {luck:.4f}), although {how}each class is"
        " predicted as often as it occurs",
        "predict without shuffling, or score these with --split SPLIT and --indices ORDER.npy, the index of the"
        " example of each row",
    )


def _agreement(predicted: Array | None, labels: Array) -> float:
    if predicted is None or len(predicted) != len(labels):
        return 0.0
    return np.count_nonzero(predicted == labels) / len(labels)


def _chance(facts: Facts) -> float:
    """The accuracy of predictions with these numbers of each class, and no relation to the labels."""
    return 0.0 if facts.counts is None else _by_chance(facts.counts, list(range(facts.classes)))


def _by_chance(counts: Array, order: list[int]) -> float:
    return float(counts.sum(axis=1) @ counts.sum(axis=0)[order] / counts.sum() ** 2)


def _shifted(predicted: Array, labels: Array, shift: int) -> tuple[Array, Array]:
    """Predicted classes and labels, the former `shift` rows late."""
    return (predicted[shift:], labels[:-shift]) if shift > 0 else (predicted[:shift], labels[-shift:])


def _assignment(counts: Array) -> list[int]:
    """The column for each row, no two the same, with the largest sum of counts: over all sets of columns taken."""
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for row in counts.tolist():
        found: dict[int, tuple[int, list[int]]] = {}
        for taken, (total, order) in best.items():
            for column, count in enumerate(row):
                bit = 1 << column
                if not taken & bit and total + count > found.get(taken | bit, (-1, []))[0]:
                    found[taken | bit] = total + count, [*order, column]
        best = found
    return best[(1 << len(counts)) - 1][1]
