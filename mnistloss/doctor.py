"""Hints that something is wrong with predictions. One function a hint: evidence or nothing.

What cannot be scored at all is refused before it comes here. A hint is about what can be, and looks like a
mistake all the same; an honest model, however bad, should get none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from mnistloss.arrays import Array
from mnistloss.statistics import Moments

_SHIFTS = [shift for far in range(1, 11) for shift in (far, -far)]
_SURE = 0.5
_CLEARLY = 0.3
_MOST_CLASSES = 12
_ENOUGH = 50


@dataclass(frozen=True)
class Hint:
    """Something that looks wrong: what, by which evidence, and what to do."""

    name: str
    evidence: str
    advice: str

    def as_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What one pass over predictions has seen.

    losses: moments by name. prior: what the class prior costs, by name. labels, predicted: (N,), None for soft
    targets or very many examples. confidence: the mean of the largest probability. hard: every value is 0 or 1.
    like_probabilities: scores that lie in [0, 1] and sum to 1 in every row. twice: the confidence of what went into
    a softmax of probabilities, None where this cannot be one. elsewhere: labels of other datasets by name.
    """

    input: str
    classes: int
    accuracy: float
    losses: Mapping[str, Moments]
    prior: Mapping[str, float]
    hard: bool = False
    like_probabilities: bool = False
    confidence: float = 0.0
    twice: float | None = None
    labels: Array | None = field(default=None, repr=False)
    predicted: Array | None = field(default=None, repr=False)
    elsewhere: Callable[[], Mapping[str, Array]] = field(default=dict, repr=False)

    @property
    def lost(self) -> bool:
        """Whether so many examples are wrong that it is worth asking whether they are the right ones."""
        known = self.labels is not None and self.predicted is not None and len(self.labels) >= _ENOUGH
        return known and self.accuracy < _SURE


def probabilities_as_logits(facts: Facts) -> Hint | None:
    """Scores of which every row is a distribution already."""
    if not facts.like_probabilities:
        return None
    return Hint(
        "probabilities-as-logits",
        "every row lies in [0, 1] and sums to 1, yet it was read as raw scores",
        "score these with --input probs",
    )


def softmax_twice(facts: Facts) -> Hint | None:
    """A softmax of something that is a confident distribution itself."""
    if facts.twice is None or facts.twice < _SURE:
        return None
    top = math.e / (math.e + facts.classes - 1)
    return Hint(
        "softmax-twice",
        f"no probability exceeds {top:.3f}, the most that a softmax of probabilities can give, and undoing it"
        f" leaves distributions with a mean confidence of {facts.twice:.2f}",
        "save what goes into the last softmax, and score it with --input probs",
    )


def another_dataset(facts: Facts) -> Hint | None:
    """Wrong here, and right for the labels of another dataset."""
    if not facts.lost:
        return None
    for name, labels in facts.elsewhere().items():
        share = _agreement(facts.predicted, labels)
        if share > max(_SURE, facts.accuracy + _CLEARLY):
            return Hint(
                "another-dataset",
                f"the accuracy is {facts.accuracy:.4f} here and {share:.4f} against the labels of {name}",
                f"score these with --dataset {name}",
            )
    return None


def rows_shifted(facts: Facts) -> Hint | None:
    """Right for the examples some rows further on."""
    if not facts.lost:
        return None
    shares = {shift: _agreement(*_shifted(facts, shift)) for shift in _SHIFTS}
    shift = max(shares, key=lambda s: shares[s], default=0)
    if not shares or shares[shift] <= max(_SURE, facts.accuracy + _CLEARLY):
        return None
    return Hint(
        "rows-shifted",
        f"the accuracy is {facts.accuracy:.4f}, and {shares[shift]:.4f} if row i is held against example i {-shift:+d}",
        "check where the first row of the predictions comes from",
    )


def columns_permuted(facts: Facts) -> Hint | None:
    """Right after the columns change places."""
    if not facts.lost or facts.classes > _MOST_CLASSES:
        return None
    counts = np.zeros((facts.classes, facts.classes), int)
    np.add.at(counts, (np.asarray(facts.labels), np.asarray(facts.predicted)), 1)
    order = _assignment(counts)
    share = float(sum(counts[t, y] for t, y in enumerate(order)) / counts.sum())
    if share <= max(_SURE, facts.accuracy + _CLEARLY):
        return None
    found = f"the accuracy is {facts.accuracy:.4f}, and {share:.4f}"
    for step, name in ((1, "above"), (-1, "below")):
        if order == [(t + step) % facts.classes for t in range(facts.classes)]:
            evidence = f"{found} if class k is read from the column {name} k"
            return Hint("labels-from-one", evidence, "count the classes from 0 where the model is trained")
    columns = " ".join(map(str, order))
    return Hint(
        "columns-permuted",
        f"{found} if the columns are put into the order {columns}",
        f"save predictions[:, [{columns.replace(' ', ', ')}]], or find out why the classes are sorted like this",
    )


def rows_shuffled(facts: Facts) -> Hint | None:
    """Confident, with the right number of each class, and right no more often than by chance."""
    others = (another_dataset, rows_shifted, columns_permuted)
    if not facts.lost or max(facts.confidence, float(facts.hard)) < _SURE or any(other(facts) for other in others):
        return None
    labels, predicted = np.asarray(facts.labels), np.asarray(facts.predicted)
    n = len(labels)
    t, y = (np.bincount(classes, minlength=facts.classes) / n for classes in (labels, predicted))
    chance = float(t @ y)
    if abs(facts.accuracy - chance) > 4 * math.sqrt(chance * (1 - chance) / n) or np.abs(t - y).sum() / 2 > 0.1:
        return None
    return Hint(
        "rows-shuffled",
        f"the accuracy {facts.accuracy:.4f} is chance ({chance:.4f}), although the model is sure and predicts each"
        " class as often as it occurs",
        "save the predictions in the published order: no shuffling when predicting",
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
    """A cross-entropy or squared error above that of the class prior by 1 % and by three standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, guess = facts.losses.get(name), facts.prior.get(name)
        if moments is None or guess is None or moments.stderr is None:
            continue
        if moments.mean > 1.01 * guess + 3 * moments.stderr:
            return Hint(
                "worse-than-prior",
                f"{name} {moments.mean:.4f} is above {guess:.4f}, what the share of each class costs as a constant",
                "check that row i belongs to example i, and column k to class k",
            )
    return None


HINTS: tuple[Callable[[Facts], Hint | None], ...] = (
    probabilities_as_logits,
    softmax_twice,
    another_dataset,
    rows_shifted,
    columns_permuted,
    rows_shuffled,
    hard_predictions,
    worse_than_prior,
)


def examine(facts: Facts) -> tuple[Hint, ...]:
    """All hints for which there is evidence."""
    return tuple(hint for check in HINTS if (hint := check(facts)) is not None)


def _agreement(first: Array | None, second: Array | None) -> float:
    if first is None or second is None or len(first) != len(second):
        return 0.0
    return float(np.mean(first == second))


def _shifted(facts: Facts, shift: int) -> tuple[Array | None, Array | None]:
    """Predicted classes and labels, the former `shift` rows late."""
    if facts.predicted is None or facts.labels is None:
        return None, None
    if shift > 0:
        return facts.predicted[shift:], facts.labels[:-shift]
    return facts.predicted[:shift], facts.labels[-shift:]


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
