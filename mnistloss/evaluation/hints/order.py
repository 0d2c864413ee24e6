"""Hints about the order of the rows: some of them moved, or all of them shuffled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.evaluation.hints.evidence import (
    Hint,
    HintInputs,
    agreement_by_chance,
    best_offset,
    classes_agree,
    count_classes,
)

_MAX_CLASSES = 100
_MIN_ROWS = 16
_MAX_DISTANCE = 30_000
_PIECE, _MAX_FAILURES, _MAX_CALLS = 64, 24, 400
_EDGE = 32
_ROUND = 64_000
_CAP = 12.0
_MIN_CONTRAST = 0.25
_MAX_RANGES = 24

_BATCH_SIZES = (8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024)
_CHANCE_SIGMAS, _MAX_CHANCE_WIDTH = 2, 0.05
_MAX_HISTOGRAM_DISTANCE = 0.1
_MIN_CONFIDENCE, _MIN_WEAK_CONFIDENCE = 0.75, 0.4
_MIN_DEPENDENCE = 0.12
_MIN_CHI2 = 20
_ADVICE = "predict in the order of the examples, without shuffling and with one worker"


class Segment(NamedTuple):
    """Rows start to stop - 1, which are right for the examples `offset` further on."""

    start: int
    stop: int
    offset: int

    def __str__(self) -> str:
        first, last, d = self.start, self.stop - 1, self.offset
        if abs(d) < _MIN_ROWS:
            return f"from row {first:,} to {last:,}, row i is right for example i {d:+d}"
        return f"rows {first:,} to {last:,} are right for the examples {first + d:,} to {last + d:,}"


def rows_moved(inputs: HintInputs) -> Hint | None:
    """Some rows at chance among others that are not: right elsewhere, or shuffled.

    By chance alone, an honest file gets this with a probability below e^-20 for each part that is at chance, see
    `classes_agree`; a class that is never right, or drift, has no other place where it is right.
    """
    labels, predicted = inputs.labels, inputs.predicted
    if labels is None or predicted is None or not inputs.enough or inputs.classes > _MAX_CLASSES:
        return None
    low = _low_parts(labels, predicted, inputs.classes)
    search = _Search(predicted, labels, inputs.classes)
    segments = [segment for part in low for segment in search.segments(*part)]
    right = predicted == labels
    if segments:
        return _moved(inputs, right, segments)
    shuffled = [part for part in low if _is_shuffled_part(inputs, labels, predicted, slice(*part))]
    if not shuffled:
        return None
    inside = np.concatenate([right[start:stop] for start, stop in shuffled])
    outside = (right.sum() - inside.sum()) / max(1, len(right) - len(inside))
    rows = _join([f"{start:,} to {stop - 1:,}" for start, stop in shuffled])
    return Hint(
        "rows-shuffled",
        f"the accuracy is {inside.mean():.2f} in rows {rows}, which is chance, and {outside:.2f} in the others,"
        " although each class is predicted as often there as it occurs",
        _advice(inputs),
    )


def _low_parts(labels: Array, predicted: Array, k: int) -> list[tuple[int, int]]:
    """Return the runs of rows where the accuracy is rather chance than that of the better parts of the file.

    A cumulative sum of log likelihood ratios, held between 0 and a cap: at the cap rows are low, at 0 they end.
    """
    right = predicted == labels
    n = len(right)
    cell = max(_EDGE, min(128, n // 8))
    cells = right[: n // cell * cell].reshape(-1, cell).mean(axis=1)
    good = min(0.95, float(np.quantile(cells, 0.9)))
    chance = agreement_by_chance(count_classes(labels, predicted, k))
    if good - chance < _MIN_CONTRAST:
        return []
    chance = max(chance, 1e-3)
    steps = np.where(right, math.log(chance / good), math.log((1 - chance) / (1 - good)))
    sums = np.cumsum(steps)
    if (sums - np.minimum.accumulate(np.minimum(sums, 0))).max() < _CAP:
        return []
    parts, start, stop, height = [], 0, 0, 0.0
    for row, step in enumerate([*steps.tolist(), -math.inf]):
        height = min(_CAP, max(0.0, height + step))
        if height == _CAP:
            stop = row + 1
        if height == 0:
            if stop - start >= _MIN_ROWS:
                parts.append((start, stop))
            start = stop = row + 1
    return parts


class _Search:
    """Looks for the examples that misplaced rows are right for; gives up after many pieces that are right nowhere."""

    def __init__(self, predicted: Array, labels: Array, k: int) -> None:
        self._predicted, self._labels, self._k = predicted, labels, k
        self._failures, self._calls = _MAX_FAILURES, _MAX_CALLS

    def segments(self, start: int, stop: int) -> list[Segment]:
        """Return the segments of these rows: of all of them, else of the first that a few pieces of them lead to."""
        middles = np.linspace(start, max(start, stop - _PIECE), 4, dtype=int).tolist()
        pieces = [(start, stop), *((i, min(stop, i + _PIECE)) for i in middles if stop - start > _PIECE)]
        for piece in pieces if stop - start >= _MIN_ROWS else ():
            if min(self._failures, self._calls) <= 0:
                break
            segment = self._segment(*piece, start, stop)
            if segment is not None:
                return [*self.segments(start, segment.start), segment, *self.segments(segment.stop, stop)]
            self._failures -= 1
        return []

    def _segment(self, first: int, last: int, start: int, stop: int) -> Segment | None:
        self._calls -= 1
        low, high = max(0, first - _MAX_DISTANCE), min(len(self._labels), last + _MAX_DISTANCE)
        piece, labels = self._predicted[first:last], self._labels[low:high]
        offset = low - first + best_offset(piece, labels, self._k, first - low)
        return _extent(self._predicted, self._labels, start, stop, offset) if offset else None


def _extent(predicted: Array, labels: Array, start: int, stop: int, offset: int) -> Segment | None:
    """Return the rows in and around a part that are right at this offset more often than not, if that is no chance."""
    n = len(labels)
    first, last = max(0, -offset, start - _EDGE), min(n, n - offset, stop + _EDGE)
    if last - first < _MIN_ROWS:
        return None
    there = predicted[first:last] == labels[first + offset : last + offset]
    here = predicted[first:last] == labels[first:last]
    sums = np.concatenate([[0.0], np.cumsum(there - 0.5 - 0.75 * here)])
    b = int((sums - np.minimum.accumulate(sums)).argmax())
    a = int(sums[: b + 1].argmin())
    if abs(offset) >= _MIN_ROWS:  # batches begin and end at round numbers
        a, b = (_roundest(sums, edge, first, sign) for edge, sign in ((a, 1), (b, -1)))
    a, b = first + a, first + b
    if b - a < _MIN_ROWS or min(b, stop) - max(a, start) < _MIN_ROWS / 2:
        return None
    if not classes_agree(predicted[a:b], labels[a + offset : b + offset], n * n):
        return None
    return Segment(a, b, offset)


def _roundest(sums: Array, edge: int, first: int, sign: int) -> int:
    """Return the likeliest edge: each factor of two in its roundness makes up for most of a row."""
    near = range(max(0, edge - 6), min(len(sums), edge + 7))
    return max(near, key=lambda i: 0.4 * math.log2(math.gcd(first + i, _ROUND)) - sign * (sums[i] - sums[edge]))


def _moved(inputs: HintInputs, right: Array, segments: list[Segment]) -> Hint:
    example, moved = _examples(inputs.n, segments)
    order = np.argsort(~moved, kind="stable")
    examples, first = np.unique(example[order], return_index=True)
    rows = order[first]
    listed, kept = ranges(rows), ranges(examples)
    if max(listed.count(":"), kept.count(":")) > _MAX_RANGES:
        advice = _advice(inputs)
    elif len(rows) == inputs.n:
        advice = f"save predictions[{listed}], or {_ADVICE}"
    else:
        advice = f"save predictions[{listed}] and score these with {inputs.score_only(kept)}"
    where = _join([str(segment) for segment in segments])
    return Hint(
        "rows-moved",
        f"the accuracy is {right[moved].mean():.2f} in {moved.sum():,} rows, and {right[~moved].mean():.2f} in the"
        f" others: {where}",
        advice,
    )


def _examples(n: int, segments: list[Segment]) -> tuple[Array, Array]:
    """Return the example of each row and whether it moved; segments grow by rows that swapped batches leave over."""
    example, moved, taken = np.arange(n), np.zeros(n, bool), np.zeros(n, bool)
    for start, stop, offset in segments:
        example[start:stop], moved[start:stop] = np.arange(start, stop) + offset, True
        taken[example[start:stop]] = True
    for start, stop, offset in segments:
        for row, step in ((stop, 1), (start - 1, -1)):
            while 0 <= row < n and not moved[row] and taken[row] and 0 <= row + offset < n:
                if taken[row + offset] or not moved[row + offset]:
                    break
                example[row], moved[row], taken[row + offset] = row + offset, True, True
                row += step
    return example, moved


def ranges(rows: Array) -> str:
    """Return whole numbers as an expression of NumPy, such as np.r_[0:300, 400:500]."""
    edges = np.flatnonzero(np.diff(rows) != 1) + 1
    runs = np.split(rows, edges)
    return f"np.r_[{', '.join(f'{run[0]}:{run[-1] + 1}' for run in runs)}]"


def _join(parts: list[str]) -> str:
    return ", ".join(parts[:4]) + (f", and {len(parts) - 4} more" if len(parts) > 4 else "")


def rows_shuffled(inputs: HintInputs, counts: Array) -> Hint | None:
    """Right no more often than by chance, of all rows or within batches, though the class counts are right.

    See `_is_shuffled`. Predicted classes have no confidence. Where the classes are uneven they are told from guesses:
    they have the class counts of the labels, and not those of a uniform guess.
    """
    labels, predicted = inputs.labels, inputs.predicted
    if labels is None or predicted is None or inputs.classes > _MAX_CLASSES:
        return None
    segments = _Search(predicted, labels, inputs.classes).segments(0, inputs.n)
    if len(segments) > 2:
        return _moved(inputs, predicted == labels, segments)
    fits = {size: gain for size in _BATCH_SIZES if (gain := _batch_gain(labels, predicted, inputs.classes, size))}
    if fits:
        size = max(fits, key=lambda size: fits[size])
        return Hint(
            "rows-shuffled",
            f"the accuracy {inputs.accuracy:.4f} is that of rows shuffled within batches of {size}: each batch has the"
            " class counts of its labels",
            _advice(inputs),
        )
    if not _is_shuffled(counts, inputs.evidence.confidence):
        return None
    chance, width, confidence = agreement_by_chance(counts), _chance_width(counts), inputs.evidence.confidence
    confident = "" if confidence is None else f"the mean confidence is {confidence:.2f} and "
    return Hint(
        "rows-shuffled",
        f"the accuracy {inputs.accuracy:.4f} is chance ({chance:.4f} ± {width:.4f}), although {confident}each class is"
        " predicted as often as it occurs",
        _advice(inputs),
    )


def _advice(inputs: HintInputs) -> str:
    if inputs.split is None:
        return f"{_ADVICE}, or score these with targets=FILE, the labels in the order of the rows"
    return f'{_ADVICE}, or score these with split="{inputs.split}" and indices=FILE, the example of each row'


def _is_shuffled(counts: Array, confidence: float | None) -> bool:
    """Whether a confident model is right by chance though it predicts each class as often as it occurs.

    Its classes must be independent of the labels: those of an untrained network, however sure, are not. A less
    confident one needs so many examples that a model whose classes depend on the labels, if only by Cramér's V = 0.12,
    looks independent with a probability below 0.002.
    """
    n, k = int(counts.sum()), len(counts)
    t, y = counts.sum(axis=1) / n, counts.sum(axis=0) / n
    chance, width = agreement_by_chance(counts), _chance_width(counts)
    distance = float(np.abs(t - y).sum() / 2)
    off = abs(np.trace(counts) / n - chance)
    if (
        off > 1.5 * width
        or width > _MAX_CHANCE_WIDTH
        or distance > _MAX_HISTOGRAM_DISTANCE
        or 1 - distance - chance < 6 * math.sqrt(0.5 / n)
    ):
        return False
    if confidence is None:
        present = t > 0
        chi2_labels = float(n * ((y - t)[present] ** 2 / t[present]).sum())
        chi2_uniform = float(n * k * ((y - 1 / k) ** 2).sum())
        return off <= width and chi2_uniform - chi2_labels >= _MIN_CHI2
    excess = (confidence - 1 / k) / (1 - 1 / k)
    independent, evident = _independence(counts)
    return independent and (
        (excess >= _MIN_CONFIDENCE and off <= width) or (excess >= _MIN_WEAK_CONFIDENCE and evident)
    )


def _chance_width(counts: Array) -> float:
    chance = agreement_by_chance(counts)
    return _CHANCE_SIGMAS * math.sqrt(chance * (1 - chance) / counts.sum())


def _independence(counts: Array) -> tuple[bool, bool]:
    """Whether labels and predicted classes are independent by Pearson's chi-squared, and dependence would be seen."""
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    n, freedom = counts.sum(), (counts.shape[0] - 1) * (counts.shape[1] - 1)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    chi2, width = float(((counts - expected) ** 2 / expected).sum()), math.sqrt(2 * freedom)
    dependent = _MIN_DEPENDENCE**2 * n * (min(counts.shape) - 1)
    evident = dependent >= 2 * width + 3 * math.sqrt(2 * freedom + 4 * dependent)
    return freedom > 0 and chi2 <= freedom + 2.5 * width, bool(evident and chi2 <= freedom + 2 * width)


def _is_shuffled_part(inputs: HintInputs, labels: Array, predicted: Array, rows: slice) -> bool:
    confidences = inputs.evidence.confidences
    confidence = None if confidences is None else float(confidences[rows].mean())
    return _is_shuffled(count_classes(labels[rows], predicted[rows], inputs.classes), confidence)


def _batch_gain(labels: Array, predicted: Array, k: int, size: int) -> float:
    """Return by how much more of the predicted classes of a batch are in its labels than in those of the next.

    0 unless that is clear by six standard errors, and the rows are right as often as in any order within batches.
    """
    batches = len(labels) // size
    if batches < 8:
        return 0.0
    labels, predicted = labels[: batches * size], predicted[: batches * size]
    rows = np.arange(len(labels)) // size * k
    y, t = (np.bincount(rows + c, minlength=batches * k).reshape(batches, k) for c in (predicted, labels))
    hits, yt = np.count_nonzero(predicted == labels), y * t
    means = yt.sum(axis=1) / size
    pairs = yt.sum(axis=1) ** 2 - (yt**2).sum(axis=1) + (yt * (y - 1) * (t - 1)).sum(axis=1)
    variance = (pairs / (size * (size - 1)) + means - means**2).sum()
    if variance <= 0 or abs(hits - means.sum()) > 3 * math.sqrt(variance):
        return 0.0
    own, next_ = np.minimum(y, t)[:-1].sum(axis=1) / size, np.minimum(y[:-1], t[1:]).sum(axis=1) / size
    gain, error = (own - next_).mean(), (own - next_).std() / math.sqrt(batches - 1)
    clear = gain >= max(6 * error, (1 - next_.mean()) / 2) and own.mean() - hits / len(labels) >= _MIN_CONTRAST
    return float(gain) if clear else 0.0
