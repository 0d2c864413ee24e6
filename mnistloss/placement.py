"""Hints that predictions are right, but of other examples or of other classes than they are held against."""

from __future__ import annotations

import math

import numpy as np

from mnistloss.arrays import Array
from mnistloss.hints import Facts, Hint

_SHIFTS = [shift for far in range(1, 11) for shift in (far, -far)]
_MOST_CLASSES = 12
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
    if counts is None or k > _MOST_CLASSES or not facts.explained(counts.max(axis=1).sum() / counts.sum(), 0.0):
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
