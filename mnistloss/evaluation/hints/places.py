"""Hints about predictions that are right for other examples, or for classes in another order."""

from __future__ import annotations

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.evaluation.hints.evidence import (
    Hint,
    HintInputs,
    Place,
    agreement_by_chance,
    best_offset,
    classes_agree,
)
from mnistloss.evaluation.hints.order import rows_shuffled

_SHIFTS = [shift for distance in range(1, 11) for shift in (distance, -distance)]
_MAX_COLUMNS = 12
_MAX_ACCURACY = 0.5
_ONLY_ONE = "do only one of these, as the labels come in turn, so that rows and columns explain it alike"


def misplaced(inputs: HintInputs, counts: Array) -> tuple[Hint, ...]:
    """Predictions that are right for other examples or classes; "shuffled" only where nothing else explains them."""
    checks = (another_split, rows_shifted, columns_permuted)
    hints = tuple(hint for check in checks if (hint := check(inputs, counts)))
    if {hint.name for hint in hints} > {"rows-shifted"}:
        hints = tuple(hint._replace(advice=f"{hint.advice}; {_ONLY_ONE}") for hint in hints)
    shuffled = None if hints else rows_shuffled(inputs, counts)
    return hints if shuffled is None else (shuffled,)


def another_split(inputs: HintInputs, counts: Array) -> Hint | None:
    """Wrong here, and right for the labels of another dataset, or for rows of a split of this one."""
    if inputs.accuracy >= _MAX_ACCURACY or inputs.split is None:
        return None
    for place in inputs.elsewhere():
        hint = _of_place(inputs, place, agreement_by_chance(counts))
        if hint is not None:
            return hint
    return None


def _of_place(inputs: HintInputs, place: Place, chance: float) -> Hint | None:
    predicted, labels, n = inputs.predicted, place.labels, inputs.n
    if predicted is None:
        return None
    here = f"the accuracy is {inputs.accuracy:.4f} here and"
    if place.dataset != inputs.dataset:
        share = _agreement(predicted, labels)
        if not inputs.explains(share, chance):
            return None
        return Hint(
            "another-dataset",
            f"{here} {share:.4f} against the labels of {place.dataset} (compared were the datasets cached here)",
            f'score these with dataset="{place.dataset}"',
        )
    if n > len(labels):
        return _several_times(inputs, place, here, chance)
    start = best_offset(predicted, labels, inputs.classes)
    if not 0 <= start <= len(labels) - n:
        return None
    part = labels[start : start + n]
    share = _agreement(predicted, part)
    if not inputs.explains(share, chance) or not classes_agree(predicted, part, len(labels)):
        return None
    side = "first " if start == 0 else "last " if start + n == len(labels) else ""
    rows = f"the {side}{n:,} examples" if side else f"the examples {start:,} to {start + n - 1:,}"
    return Hint(
        "another-part",
        f"{here} {share:.4f} against the labels of {rows} of {place.split}",
        f'score these with split="{place.split}" and indices=FILE, which holds np.arange({start}, {start + n})',
    )


def _several_times(inputs: HintInputs, place: Place, here: str, chance: float) -> Hint | None:
    """Several answers for each example of a smaller split, one after the other or in turn."""
    size, predicted = len(place.labels), inputs.predicted
    times = inputs.n // size
    if predicted is None or inputs.n % size:
        return None
    draws = f"predictions.reshape({times}, {size}, -1).mean(axis=0)"
    in_turn = f"predictions.reshape({size}, {times}, -1).mean(axis=1)"
    for labels, mean, first in (
        (np.tile(place.labels, times), draws, f"predictions[:{size}]"),
        (np.repeat(place.labels, times), in_turn, f"predictions[::{times}]"),
    ):
        share = _agreement(predicted, labels)
        if inputs.explains(share, chance):
            save = mean if inputs.input == "probs" else first
            return Hint(
                "another-part",
                f"{here} {share:.4f} against the labels of {place.split}, {times} answers for each example",
                f'save {save} and score these with split="{place.split}"',
            )
    return None


def rows_shifted(inputs: HintInputs, counts: Array) -> Hint | None:
    """Right for the examples some rows further on."""
    if inputs.predicted is None or inputs.labels is None:
        return None
    labels = inputs.labels.astype(inputs.predicted.dtype)
    shares = {shift: _agreement(*_shifted(inputs.predicted, labels, shift)) for shift in _SHIFTS}
    shift = max(shares, key=lambda s: shares[s])
    if not inputs.explains(shares[shift], agreement_by_chance(counts)):
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
    if not inputs.explains(share, agreement_by_chance(counts, order)):
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


def _agreement(predicted: Array | None, labels: Array) -> float:
    if predicted is None or len(predicted) != len(labels):
        return 0.0
    return np.count_nonzero(predicted == labels) / len(labels)


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
