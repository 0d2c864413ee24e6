"""Refusals of predictions whose number of rows is not that of the targets: which rows are missing or too many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.errors import InputError
from mnistloss.evaluation.refusals import MAX_VALUES, Cause, compose, to_save, to_save_mean

if TYPE_CHECKING:
    from mnistloss.evaluation.predictions import Rows

_MIN_ACCURACY_GAIN, _SIGMAS = 0.1, 6
_NEAR, _MAX_LOSS_NEAR, _LEAST_BATCH = 100, 0.2, 8
_BATCH_SIZES = (*(2**power for power in range(1, 11)), *range(10, 100, 10), *range(100, 1001, 50))


class Part(NamedTuple):
    """Targets that predictions could be of: those of a split, or the user's own (split None); labels if available."""

    split: str | None
    size: int
    labels: Array | None

    def without(self, start: int, stop: int) -> str:
        """Return how to score predictions of all examples but these."""
        indices = kept = f"np.r_[0:{start}, {stop}:{self.size}]"
        if start == 0 or stop == self.size:
            first, last = (stop, self.size) if start == 0 else (0, start)
            indices, kept = f"np.arange({first}, {last})", f"{first}:{last}"
        if self.split is None:
            return f"score these with targets=FILE, where FILE holds targets[{kept}]"
        return f'score these with split="{self.split}" and indices=FILE, where FILE holds {indices}'


def _accuracy(predicted: Array, labels: Array) -> tuple[float, bool]:
    """Return the accuracy, and whether it is clearly above that of unrelated labels."""
    share = float(np.mean(predicted == labels))
    chance = sum(float(np.mean(labels == k) * np.mean(predicted == k)) for k in np.unique(labels))
    margin = max(_MIN_ACCURACY_GAIN, _SIGMAS * math.sqrt(chance * (1 - chance) / len(labels)))
    return share, share - chance > margin


def other_rows(y: Array, part: Part) -> Iterator[Cause]:
    """Examples are missing or too many: a batch lost or added, padding, another part, several answers."""
    n, size, few = len(y), part.size, len(y) < part.size
    predicted = y if y.ndim == 1 else y.argmax(axis=1)
    gap, usual = abs(n - size), _usual_reason(y, size)
    seen = f"{gap:,} {'fewer' if few else 'more'} than {part.split or 'the targets'}"
    starts, accuracy = _gaps(predicted, part.labels) if few else _gaps(part.labels, predicted)
    if few and part.labels is None:
        yield seen + usual, "predict all examples"
    elif not few and usual and starts != [0]:
        yield seen + usual, to_save(f"predictions[0:{size}]")
    elif not few and (advice := _save_mean_of_sets(y, predicted, part)):
        yield f"{seen}, {n // size} answers for each example", advice
    elif len(starts) > 1 and starts[0] > 0:
        yield f"{seen}; by the labels, from about row {starts[0]} on", "predict all examples again"
    else:
        for start in starts:
            fit = f"{usual * (start == min(n, size))}; {_describe(start, n, size)} (accuracy {accuracy:.4f})"
            advice = part.without(start, start + gap) if few else to_save(_drop(start, gap, n))
            yield f"{seen}{fit}", advice


def _describe(start: int, n: int, size: int) -> str:
    """Return which of n predictions fit the labels of `size` examples, if a gap of either is at `start`."""
    if start in (0, min(n, size)):
        return f"the {'first' if start else 'last'} {min(n, size):,} fit the labels"
    if n < size:
        return f"by the labels, row i from {start} on belongs to example i + {size - n}"
    return f"by the labels, the rows that are too many begin at row {start}"


def _drop(start: int, count: int, n: int) -> str:
    """Return the code that leaves out so many of n rows from `start` on."""
    if start + count == n:
        return f"predictions[0:{start}]"
    return f"np.delete(predictions, range({start}, {start + count}), axis=0)" if start else f"predictions[{count}:{n}]"


def _gaps(short: Array | None, long: Array | None) -> tuple[list[int], float]:
    """Find where rows are missing in `short`: with a gap there, most of its classes (n,) equal those of `long`.

    Return possible places of the gap, and the share of equal classes. Labels show a place to within a few rows only:
    if the start, the end, or a multiple of the gap (where a batch begins) is near, it is the one place; else there
    are two. If the classes near the gap fit worse than the others, no place is returned.
    """
    if short is None or long is None:
        return [], 0.0
    n, gap = len(short), len(long) - len(short)
    equal = np.pad((short == long[:n]).cumsum(), (1, 0)) + np.pad((short == long[gap:])[::-1].cumsum()[::-1], (0, 1))
    best, share = np.flatnonzero(equal == equal.max()), float(equal.max() / n)
    ends, batches = best[best % n == 0], best[best % gap == 0]
    is_batch = gap >= _LEAST_BATCH and len(batches) == 1
    places = ends if len(ends) else batches if is_batch else best[[0, -1]]

    def fits(a: int) -> bool:
        sides = ((short[:a], long[:a], np.s_[-_NEAR:]), (short[a:], long[a + gap :], np.s_[:_NEAR]))
        return all(
            not len(x) or (_accuracy(x, t)[1] and np.mean(x[near] == t[near]) > share - _MAX_LOSS_NEAR)
            for x, t, near in sides
        )

    return [int(a) for a in places] if fits(int(places[0])) else [], share


def _usual_reason(stored: Array, size: int) -> str:
    """Return the usual reason for this number of rows; "" if there is none. A single row more is no padding."""
    head, tail = stored[:size], stored[size:]
    if not len(tail):
        is_batched = any(len(stored) % batch == 0 for batch in _BATCH_SIZES if batch > size - len(stored))
        return ", as without the last, smaller batch" * is_batched
    if np.allclose(tail, np.resize(head, tail.shape), rtol=1e-3, atol=1e-5, equal_nan=True):
        return ", and they repeat the first rows" * (len(tail) > 1)
    return ", and they are all alike, as padding is" * bool(len(tail) > 1 and (tail == tail[0]).all())


def _save_mean_of_sets(y: Array, predicted: Array, part: Part) -> str:
    """Return how to save the mean of several sets of predictions, one after another or side by side; "" if none."""
    count, rest = divmod(len(y), part.size)
    for shape in ((count, -1), (-1, count)) if y.ndim == 2 and count and not rest else ():
        axis = shape.index(count)
        sets = np.moveaxis(predicted.reshape(shape), axis, 0)
        labels = sets[0] if part.labels is None else part.labels
        if all(_accuracy(answers, labels)[1] for answers in sets):
            return to_save_mean(f"predictions.reshape({shape[0]}, {shape[1]}, {y.shape[1]})", y, axis)
    return ""


def count_error(found: str, source: Rows, n: int, parts: Iterable[Part]) -> InputError:
    """Return the error for a number of rows that does not fit; found: the number, and what would fit."""
    if n < 2 or math.prod(source.shape) > MAX_VALUES:
        return InputError(found)
    y = source.rows(slice(0, n)).copy()
    return InputError(compose(found, [cause for part in parts for cause in other_rows(y, part)]))
