"""Refusals: a second look at predictions that cannot be scored, the causes that fit, and what to do.

`SCALES` lists what numbers can be instead of probabilities. Every other cause is a function that yields what it sees
and an advice, and stands in `VALUE_CAUSES` or `SHAPE_CAUSES`. A message names all causes that fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mnistloss.arrays.checks import SLACK, Array, Floats, block_slices
from mnistloss.arrays.files import CHANGED
from mnistloss.errors import InputError
from mnistloss.formatting import counted

if TYPE_CHECKING:
    from mnistloss.evaluation.predictions import PredictionShape, Rows

MAX_VALUES, _MAX_VALUES_OF_ROWS, _SAMPLE = 10**7, 10**6, 5000
_NEARLY_ALL, _MAX_DISTANCE, _EXACT = 0.9, 1e-2, 1e-4
_MAX_SUM_ERROR, _LEAST_SHIFT, _MAX_DECIMALS = 0.05, 1e-3, 4
_LONGEST_RUN_BY_CHANCE = 4

_FROM_BITS = "(predictions.astype(np.uint32) << 16).view(np.float32)"

Cause = tuple[str, str]
"""What is seen, and what to do about it."""


# Evidence: the scale and the order in which rows sum to 1.


class Scale(NamedTuple):
    """Numbers that stand for probabilities, such as their logs.

    code: turns `predictions` into what can be scored as `input`; "" if they can be scored unchanged.
    decode: turns the numbers into probabilities. classes: the least K for which the scale can be recognised.
    """

    name: str
    input: str
    code: str
    decode: Callable[[Floats], Array]
    classes: int = 2

    def misfit(self, rows: Array) -> float:
        """Return how far the row sums of the probabilities are from 1; infinity if a tenth are no distributions."""
        with np.errstate(all="ignore"):
            p = self.decode(rows[:: len(rows) // _SAMPLE or 1].astype(np.float64))
            distances = np.abs(p.sum(axis=1) - 1)
            good = (distances <= _MAX_DISTANCE) & (p >= -SLACK).all(axis=1)
        enough = p.shape[1] >= self.classes and np.count_nonzero(good) >= max(1, _NEARLY_ALL * len(p))
        return float(distances[good].mean()) if enough else np.inf

    def fits(self, rows: Array) -> bool:
        return self.misfit(rows) < np.inf


SCALES = (
    Scale("probabilities", "probs", "", lambda y: y),
    Scale("log-probabilities", "logprobs", "", np.exp),
    Scale("negative log-probabilities", "logprobs", "-predictions", lambda y: np.exp(-y)),
    Scale("percentages", "probs", "predictions / 100", lambda y: y / 100),
    Scale("base-2 logs of probabilities", "logprobs", "predictions * np.log(2)", np.exp2),
    Scale("base-10 logs of probabilities", "logprobs", "predictions * np.log(10)", lambda y: np.power(10.0, y)),
    Scale("odds p / (1 - p)", "probs", "predictions / (1 + predictions)", lambda y: y / (1 + y)),
    Scale("1 - p of probabilities p", "probs", "1 - predictions", lambda y: 1 - y, 3),
    Scale("2p - 1 of probabilities p", "probs", "(predictions + 1) / 2", lambda y: (y + 1) / 2, 3),
    Scale("decisions as -1 and 1", "probs", "(predictions + 1) / 2", lambda y: (y + 1) / (2 * (np.abs(y) == 1))),
    Scale("log-odds", "probs", "1 / (1 + np.exp(-predictions))", lambda y: 1 / (1 + np.exp(-y)), 3),
    Scale(
        "8-bit integers of quantised probabilities (TFLite's int8)",
        "probs",
        "(predictions + 128.0) / (predictions + 128.0).sum(axis=1, keepdims=True)",
        lambda y: (y + 128) / 256 / ((y == np.rint(y)) & (y >= -128) & (y <= 127)),
        3,
    ),
    Scale(
        "the bits of bfloat16 numbers", "probs", _FROM_BITS, lambda y: (y.astype("i8").astype("u4") << 16).view("f4")
    ),
)
PROBABILITIES, OUTPUTS, COMMON_SCALES = SCALES[0], SCALES[:2], SCALES[:4]


def _closest(misfits: Mapping[Any, float]) -> list[Any]:
    """Return what fits best and what fits at most twice as badly; nothing if nothing fits."""
    least = min(misfits.values())
    return [candidate for candidate, misfit in misfits.items() if misfit <= 2 * least < np.inf]


def _orders(y: Array, k: int) -> dict[str, float]:
    """Return the code that reads all numbers by rows of K, and by columns, with the misfit on a common scale."""
    by_row = ("predictions.T", y.T) if y.shape[1:] == (k,) else ("predictions", y)
    by_column = "predictions.T" if y.ndim == 2 and len(y) == k else f"predictions.reshape({k}, -1).T"
    orders = {f"{by_row[0]}.reshape(-1, {k})": by_row[1].reshape(-1, k), by_column: y.reshape(k, -1).T}
    return {code: min(scale.misfit(rows) for scale in COMMON_SCALES) for code, rows in orders.items()}


def _are_shares(p: Array) -> bool:
    return bool(((p >= -SLACK) & (p <= 1 + SLACK)).all())


def _are_whole(y: Array) -> bool:
    return bool((y == np.rint(y)).all())


def to_save(code: str, input: str = "") -> str:
    """Return the advice to save the array that this code makes, and how to score it."""
    score = f' and score it with input="{input}"' if input else ""
    return f"save {code}{score}" if code else f'score these with input="{input}"'


# Causes of values that are not what `input` says.


class Values(NamedTuple):
    """Predictions (N, K) of which some rows cannot be scored.

    array: all rows, or the first ones of very many. y: a sample (n, K) of the rows that are not all zero.
    empty: (N,), whether the row is all zero. few: whether nearly all rows can be scored.
    tolerance: how far the sum of a row may differ from 1.
    """

    array: Array
    y: Floats
    empty: Array
    few: bool
    input: str
    tolerance: float


def never_filled(look: Values) -> Iterator[Cause]:
    """Some rows are all zero: in runs, such as a batch that was left out, or one by one."""
    rows = np.flatnonzero(look.empty)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    seen, advice = f"{counted(len(rows), 'row is', 'rows are')} all zero", "predict these rows too"
    if len(rows) > 1 and (len(runs) == 1 or len(rows) > _LONGEST_RUN_BY_CHANCE * len(runs)):
        where = ", ".join(f"{run[0]} to {run[-1]}" for run in runs[:3]) + ", ..." * (len(runs) > 3)
        yield f"{seen}, rows {where}, and were probably never filled, as happens to the last batch", advice
    elif len(rows) and _are_shares(look.y) and _are_whole(look.y):
        seen += f", first row {rows[0]}, and the others are decisions, so that a row of zeros is no decision"
        yield seen, "save the probabilities (predict_proba in scikit-learn), not the decisions"
    elif len(rows):
        yield f"{seen}, first row {rows[0]}", advice


def another_scale(look: Values) -> Iterator[Cause]:
    """Probabilities on a scale of the table; whole numbers are no logs."""
    scales = [scale for scale in SCALES if "log" not in scale.name or not _are_whole(look.y)]
    for scale in _closest({scale: scale.misfit(look.y) for scale in scales}):
        if scale.input != look.input or scale.code:
            yield f"these look like {scale.name}", to_save(scale.code, scale.input)


def times_a_number(look: Values) -> Iterator[Cause]:
    """Probabilities times a number, such as bytes, votes or sums over several models; whole numbers may be rounded."""
    y, k = look.y, look.y.shape[1]
    if not len(y) or not np.isfinite(y).all() or y.min() < 0 or any(ranks(look)):
        return
    is_whole, total = _are_whole(y), float(np.median(y.sum(axis=1)))
    within = 0.02 if is_whole else look.tolerance
    is_one_minus_p = abs(total - (k - 1)) <= within * total and y.max() <= 1 + SLACK
    if not _sum_to(total, y, within) or abs(total - 1) <= look.tolerance or is_one_minus_p:
        return
    seen = f"the rows sum to {total:.7g}"
    if y.min() > _LEAST_SHIFT * total:
        yield f"{seen}, as probabilities times a number do, or plus a number", "save the probabilities themselves"
    else:
        divisor = "predictions.sum(axis=1, keepdims=True)" if is_whole else f"{total:.7g}"
        advice = to_save(f"predictions / {divisor}", "probs")
        yield f"{seen}, so that these look like probabilities times {total:.7g}", advice


def _sum_to(total: float, y: Array, within: float) -> bool:
    """Return whether nearly all rows sum to the total; within: how far, as a share of the total, or of 1 if smaller."""
    return bool(np.mean(np.abs(y.sum(axis=1) - total) <= within * max(abs(total), 1)) >= _NEARLY_ALL)


def ranks(look: Values) -> Iterator[Cause]:
    """Each row holds the numbers from 0 to K-1, or from 1 to K, once."""
    k = look.y.shape[1]
    first = look.y.min(initial=np.inf)
    if (first == 1 or (first == 0 and k > 2)) and (np.sort(look.y, axis=1) == np.arange(k) + first).all():
        seen = f"each row holds every number from {first:g} to {k - 1 + first:g} once, as ranks and argsort do"
        yield seen, "save the scores themselves"


def memory_order(look: Values) -> Iterator[Cause]:
    """The numbers were written row by row and read column by column, or the other way round."""
    is_certain = min(scale.misfit(look.y) for scale in SCALES) < _EXACT  # of the order that they have
    if not is_certain and (fitting := _closest(_orders(look.array, look.array.shape[1]))):
        yield "read in the other memory order the rows sum to 1", " or ".join(map(to_save, fitting))


def softmax_over_rows(look: Values) -> Iterator[Cause]:
    """The softmax was taken over axis 0 or over all values, of the whole array or of each batch."""
    for scale in OUTPUTS:
        if not _are_shares(scale.decode(look.y)) or not _are_shares(p := scale.decode(look.array.astype(float))):
            continue
        by_column = _sums_of_batches(p)
        batches = by_column or _sums_of_batches(p.sum(axis=1, keepdims=True))
        if not batches:
            continue
        how = "of the whole array" if batches[0] == 1 else f"of batches of {batches[1]}"
        if by_column:
            seen = f"each column sums to {batches[0]}, as after a softmax over the examples (axis 0) {how}"
            advice = "take the softmax over the classes (axis 1) and predict again"
            yield f"{seen}, which cannot be undone", advice
        else:
            rows = ("predictions / predictions.sum(axis=1, keepdims=True)", "probs")
            advice = to_save(*(rows if scale is PROBABILITIES else ("", "logits")))
            yield f"all values together sum to {batches[0]}, as after a softmax over all values {how}", advice


def _sums_of_batches(p: Floats) -> tuple[int, int] | None:
    """Return how many batches of which size there are if each column of each batch sums to 1."""
    totals, n = p.cumsum(axis=0), len(p)
    count = round(float(totals[-1].mean()))
    size = n if count == 1 else int(np.abs(totals - 1).max(axis=1).argmin()) + 1
    ends = np.vstack([totals[size - 1 : n - 1 : size], totals[-1:]])
    distances = np.abs(ends / np.arange(1, len(ends) + 1)[:, np.newaxis] - 1)
    is_sum = size > 1 and len(ends) == count and distances.max() <= _MAX_DISTANCE
    return (count, size) if is_sum and not np.allclose(p, p[0]) else None


def column_of_indices(look: Values | Shape) -> Iterator[Cause]:
    """The first column holds whole numbers, all different; the others are the predictions, or the classes."""
    y = look.array
    if y.ndim != 2 or not 1 < y.shape[1] < len(y) or not _are_whole(y[:, 0]) or y[0, 0] < 0:
        return
    first, save = y[:, 0], to_save("predictions[:, 1:]")
    if y.shape[1] == 2:
        if not _are_whole(y) or y[:, 1].min() < 0:
            return
        save = f'{to_save("predictions[:, 1].astype(np.int64)")} and score it with losses="error"'
    if first[0] <= 1 and (first == np.arange(len(y)) + first[0]).all():
        yield "column 0 counts the rows", save
    elif len(np.unique(first)) == len(y):
        order = "indices=FILE, where FILE holds predictions[:, 0].astype(np.int64)"
        join = "and" if y.shape[1] == 2 else "and score it with"
        yield "column 0 holds different whole numbers, as an index does", f"{save} {join} {order}"


def unclear(look: Values) -> Iterator[Cause]:
    """No other cause fits: a few wrong rows, rounded values, sums that are nearly 1, or raw scores."""
    y, k = look.array, look.y.shape[1]
    is_share = look.input == "probs" and _are_shares(y)
    error = float(np.abs(y.sum(axis=1) - 1).max()) if is_share else np.inf
    decimals = range(1, _MAX_DECIMALS + 1)
    rounded = next((n for n in decimals if error < k * 10.0**-n and np.allclose(y, np.round(y, n), 0, SLACK)), 0)
    if rounded:
        seen = f"the values are rounded to {counted(rounded, 'decimal', 'decimals')}"
        yield seen, "save the probabilities with all digits"
    if look.few and not rounded:
        yield "the other rows are as they should be", "correct these where they are made"
    elif error <= _MAX_SUM_ERROR:
        yield "if these sums are meant", "allow_unnormalized=True takes the rows as they are"
    elif np.isfinite(y).all() and not _are_whole(y) and y.min() < 0 < y.max():
        if _may_be_shares(look.y):
            seen = "these can be raw scores, or 2p - 1, 1 - 2p or the like of probabilities p"
            yield seen, "save the probabilities themselves"
        else:
            yield "these look like raw scores", to_save("", "logits")


def _may_be_shares(y: Array) -> bool:
    """Return whether rows (n, K) are within [-1, 1], as 2p - 1 and tanh, or sum to one number, as 5p - 1.

    Raw scores often sum to 0, which says nothing but where K is 2.
    """
    total = float(np.median(y.sum(axis=1)))
    is_telling = y.shape[1] == 2 or abs(total) > _LEAST_SHIFT
    return bool(np.abs(y).max() <= 1) or (is_telling and _sum_to(total, y, _LEAST_SHIFT))


VALUE_CAUSES = (never_filled, ranks, times_a_number, another_scale, memory_order, softmax_over_rows, column_of_indices)


# Causes of shapes that are not (N, K).


class Shape(NamedTuple):
    """Predictions whose shape is not (N, K). axes: the sizes above 1. sizes: the numbers of examples that fit."""

    array: Array
    axes: list[int]
    classes: int
    sizes: Collection[int]


def axes_in_another_order(look: Shape) -> Iterator[Cause]:
    """All numbers are there, in another order or with axes of size 1."""
    y, axes, k, sizes = look
    rows, rest = divmod(y.size, k)
    is_batched = len(axes) > 2 and axes[-1] == k and not {*axes[:-1]} & {*sizes}
    if rest or (len(axes) > 1 and k not in axes) or (len(axes) != 2 and rows not in {*sizes, 1} and not is_batched):
        return
    orders = _orders(y, k)
    by_row, by_column = orders
    if fitting := _closest(orders):
        yield "in this order the rows sum to 1", " or ".join(map(to_save, fitting))
    elif axes[-1] == k:
        yield "its last axis above 1 is that of the classes", to_save(by_row)
    elif axes[0] == k:
        yield "it is transposed", to_save(by_column)
    elif len(axes) == 1:
        yield f"these are as many as {rows:,} rows of {k}", "give them the shape (N, K) that they have in the model"


def several_answers(look: Shape) -> Iterator[Cause]:
    """Each example has several answers: draws with dropout, models of an ensemble, augmented images."""
    y, axes, k, sizes = look
    if y.ndim != 3 or len(axes) != 3 or k not in axes or any(no_and_yes(look)):
        return
    columns = [np.moveaxis(y, axis, -1).reshape(-1, axes[axis]) for axis in range(3)]
    axis = max((a for a in range(3) if axes[a] == k), key=lambda a: (any(s.fits(columns[a]) for s in OUTPUTS), a))
    draws, examples = sorted({0, 1, 2} - {axis}, key=lambda a: (axes[a] in sizes, axes[a]))
    order = (draws, examples, axis)
    advice = to_save_mean("predictions" if order == (0, 1, 2) else f"predictions.transpose{order}", columns[axis])
    advice = advice or "turn each answer into probabilities first"
    if axes[examples] in sizes or not sizes:
        yield f"axis {draws} may hold {axes[draws]} answers for each example, whose mean is the answer", advice


def to_save_mean(code: str, rows: Array, axis: int = 0) -> str:
    """Return how to save the mean over an axis of several answers; "" if their rows (n, K) are not clearly outputs."""
    fitting = _closest({scale: scale.misfit(rows) for scale in SCALES})
    if fitting:
        form = {PROBABILITIES: code, OUTPUTS[1]: f"np.exp({code})"}.get(fitting[0], "")
        return to_save(f"{form}.mean(axis={axis})", "probs") if form and len(fitting) == 1 else ""
    if rows.min() >= 0 or _may_be_shares(rows):
        return ""
    return to_save(f"np.array([mnistloss.softmax(z) for z in {code}]).mean(axis={axis})", "probs")


def no_and_yes(look: Shape) -> Iterator[Cause]:
    """Two probabilities for each class (K, N, 2), as forests give for one-hot labels."""
    y, k = look.array, look.classes
    is_pair = y.ndim == 3 and y.shape[::2] == (k, 2) and PROBABILITIES.fits(y.reshape(-1, 2))
    if is_pair and (k > 2 or PROBABILITIES.fits(y[:, :, 1].T)):
        yield "the last axis holds the probabilities of no and yes for each class", to_save("predictions[:, :, 1].T")


def unused_column(look: Shape) -> Iterator[Cause]:
    """A column before or after those of the K classes."""
    y, k = look.array, look.classes
    if y.ndim != 2 or y.shape[1] != k + 1 or (_are_whole(y[:, 0]) and y[:, 0].max() > 1):
        return
    sides = ((0, y[:, 1:], "1:", "classes may be counted from 1"), (k, y[:, :k], f":{k}", "class may be unused"))
    for column, rest, kept, reason in sides:
        if (y[:, column] < rest.max(axis=1)).all():
            yield f"column {column} is never the largest, so that the {reason}", to_save(f"predictions[:, {kept}]")
        elif any(scale.fits(rest) for scale in OUTPUTS):
            yield f"without column {column} the rows sum to 1", to_save(f"predictions[:, {kept}]")


def predicted_classes(look: Shape) -> Iterator[Cause]:
    """Classes as floats, or with an axis of their own."""
    y = look.array
    if len(look.axes) < 2 and _are_whole(y) and y.min() >= 0 and y.max() < look.classes:
        code = "predictions" + ".ravel()" * (y.ndim > 1) + ".astype(np.uint8)" * (y.dtype.kind not in "iu")
        yield "these look like predicted classes", f'{to_save(code)} and score it with losses="error"'


SHAPE_CAUSES = (axes_in_another_order, several_answers, no_and_yes, column_of_indices, unused_column, predicted_classes)


# Messages.


@np.errstate(all="ignore")
def refuse(source: Rows, shape: PredictionShape, sum_tolerance: float | None) -> InputError:
    """Return the error for predictions with a row that cannot be scored; it reads all rows a second time."""
    n, is_log, parts = shape.n, shape.input == "logprobs", []
    infinite, outside, empty, sums = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool), np.ones(n)
    lowest, highest = np.inf, -np.inf
    for rows in block_slices(n):
        stored = np.atleast_2d(source.rows(rows if len(source.shape) > 1 else slice(0, source.shape[0])))
        if rows.start * stored.shape[1] < _MAX_VALUES_OF_ROWS:
            parts.append(stored[: _MAX_VALUES_OF_ROWS // stored.shape[1] or 1].copy())
        y = stored.astype(np.float64)
        finite = np.isfinite(y) | (is_log & (y == -np.inf))
        infinite[rows], empty[rows] = ~finite.all(axis=1), ~stored.any(axis=1)
        y[~finite] = 0.0
        lowest, highest = min(lowest, float(y.min())), max(highest, float(y.max()))
        if shape.input != "logits":
            p = np.exp(np.minimum(y, 1.0)) if is_log else y
            outside[rows] = ((y > (0.0 if is_log else 1.0) + SLACK) | (p < -SLACK)).any(axis=1)
            sums[rows] = p.sum(axis=1)
    distances = np.abs(sums - 1)
    off = distances > (np.inf if sum_tolerance is None else sum_tolerance)
    bad = next((rows for rows in (infinite, outside, off) if rows.any()), None)
    if bad is None:
        return InputError(f"{source.name}: {CHANGED}")
    first, count, worst = int(bad.argmax()), np.count_nonzero(bad), int(distances.argmax())
    where = f"row {first}" if count == 1 else f"{count:,} rows, first in row {first}"
    span = f"values from {lowest:g} to {highest:g}"
    found = f"the sum is not 1 within {sum_tolerance or 0:g} in {where}"
    found += f"; the worst is row {worst} with {sums[worst]:.9g} ({span})"
    if bad is infinite:
        found = f"NaN or infinity in {where}; expected finite numbers"
    elif bad is outside:
        found = f"{span}, outside {'what logs of probabilities can be (at most 0)' if is_log else '[0, 1]'}, in {where}"
    few = bool(np.mean(infinite | outside | off) <= 1 - _NEARLY_ALL)
    array = np.concatenate(parts)
    filled = np.flatnonzero(~empty[: len(array)])
    y = array[filled[:: len(filled) // _SAMPLE or 1]].astype(np.float64)
    look = Values(array, y, empty, few, shape.input, sum_tolerance or 1e-3)
    causes = [cause for function in (VALUE_CAUSES[:1] if few else VALUE_CAUSES) for cause in function(look)]
    return InputError(compose(f"{source.name}: {found}", causes or unclear(look)))


def shape_error(source: Rows, input: str, classes: int | None, sizes: Collection[int], expected: str) -> InputError:
    """Return the error for predictions of a shape that does not fit.

    classes: K, or None if nothing tells it. sizes: the numbers of examples that would fit.
    """
    found, causes = f"{source.name}: shape {source.shape} of {source.dtype}; {expected}", []
    if classes and source.shape and 0 < math.prod(source.shape) <= MAX_VALUES:
        y = source.rows(slice(0, source.shape[0])).copy()
        look = Shape(y, [size for size in y.shape if size > 1], classes, sizes)
        functions = SHAPE_CAUSES[-1:] if input == "labels" else SHAPE_CAUSES
        causes = [cause for function in functions for cause in function(look)]
    return InputError(compose(found, causes))


def compose(found: str, causes: Iterable[Cause]) -> str:
    """Return a message that says what was found and each advice with its cause; without a cause it claims nothing."""
    texts = {advice: f"{seen}: {advice}" for seen, advice in causes}
    text = f"either {'; or '.join(texts.values())}" if len(texts) > 1 else "".join(texts.values())
    return f"{found}. {text[0].upper()}{text[1:]}" if text else found
