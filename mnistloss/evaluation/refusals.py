"""Refusals: a second look at predictions that cannot be scored, the causes that fit what is seen, and what to do.

A reason is a function of `Values`, `Shape` or `RowCount` that returns a `Cause` or None. To add one, write it beside
the others and list it in `_VALUE_REASONS`, `_SHAPE_REASONS` or `_COUNT_REASONS`. The message names all that fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array, Floats, block_slices
from mnistloss.arrays.files import CHANGED
from mnistloss.errors import InputError
from mnistloss.formatting import counted

if TYPE_CHECKING:
    from mnistloss.evaluation.predictions import PredictionShape, Rows

SLACK = 1e-6
"""How far a probability may lie outside [0, 1]."""

_MAX_VALUES, _SAMPLE = 10**7, 1000
_NEARLY_ALL, _MAX_DISTANCE = 0.9, 1e-2
_MIN_ACCURACY_GAIN, _SIGMAS = 0.1, 6
_LONGEST_RUN_BY_CHANCE = 4
_BATCH_SIZES = (*(2**power for power in range(1, 11)), *range(10, 100, 10), *range(100, 1001, 50))


class Cause(NamedTuple):
    """One explanation of what is seen, and what to do if it is the right one."""

    seen: str
    advice: str


def compose(found: str, causes: Iterable[Cause | None]) -> str:
    """Return a message that says what was found and names every cause that fits; without one it claims nothing."""
    fitting = list(dict.fromkeys(f"{cause.seen}: {cause.advice}" for cause in causes if cause))
    if not fitting:
        return found
    text = fitting[0] if len(fitting) == 1 else f"either {'; or '.join(fitting)}"
    return f"{found}. {text[0].upper()}{text[1:]}"


def _save(code: str, input: str = "") -> str:
    score = f' and score it with input="{input}"' if input else ""
    return f"save {code}{score}" if code else f'score these with input="{input}"'


# What probabilities may have been turned into.


class Reading(NamedTuple):
    """A way to read numbers as probabilities, what to save in order to be read so, and as which input."""

    name: str
    decode: Callable[[Floats], Floats]
    code: str
    input: str

    def misfit(self, y: Array, axis: int = 1) -> float:
        """Return how far the sums along an axis are from 1 on average; infinity where many are no distributions."""
        few = y[:: len(y) // _SAMPLE + 1]
        if axis == 1 and len(y) > 2 * _SAMPLE and self.misfit(few) == np.inf:
            return np.inf
        with np.errstate(all="ignore"):
            p = self.decode(np.asarray(y, np.float64))
            distances = np.abs(p.sum(axis=axis) - 1)
            good = (distances <= _MAX_DISTANCE) & (p >= -SLACK).all(axis=axis)
        enough = np.count_nonzero(good) >= max(1, _NEARLY_ALL * good.size)
        return float(distances[good].mean()) if enough else np.inf


_AS_THEY_ARE = (
    Reading("probabilities", lambda y: y, "", "probs"),
    Reading("log-probabilities", np.exp, "", "logprobs"),
)
_SCALES = (
    *_AS_THEY_ARE,
    Reading("negative log-probabilities", lambda y: np.exp(-y), "-predictions", "logprobs"),
    Reading("percentages", lambda y: y / 100, "predictions / 100", "probs"),
)
_READINGS = (
    *_SCALES,
    Reading("base-2 logs of probabilities", np.exp2, "predictions * np.log(2)", "logprobs"),
    Reading("base-10 logs of probabilities", lambda y: np.power(10.0, y), "predictions * np.log(10)", "logprobs"),
    Reading("1 - p of probabilities p", lambda y: 1 - y, "1 - predictions", "probs"),
    Reading("odds p / (1 - p)", lambda y: y / (1 + y), "predictions / (1 + predictions)", "probs"),
)
_READINGS_OF_MORE_THAN_TWO = (  # raw scores of two classes can be any z and -z
    *_READINGS,
    Reading("log-odds", lambda y: 1 / (1 + np.exp(-y)), "1 / (1 + np.exp(-predictions))", "probs"),
    Reading("2p - 1 of probabilities p", lambda y: (y + 1) / 2, "(predictions + 1) / 2", "probs"),
)


def _best(readings: Iterable[Reading], y: Array, axis: int = 1) -> Reading | None:
    """Return the reading by which the numbers are distributions along an axis, if there is one."""
    misfits = {reading: misfit for reading in readings if (misfit := reading.misfit(y, axis)) < np.inf}
    return min(misfits, key=lambda reading: misfits[reading], default=None)


def _orders_that_fit(orders: dict[str, Array]) -> list[str]:
    """Return the code of the order of all numbers in which the rows are distributions, if there is one."""
    misfits = {code: min(reading.misfit(y) for reading in _SCALES) for code, y in orders.items()}
    least = min(misfits.values())
    return [code for code in misfits if misfits[code] <= 2 * least < np.inf]


# Values that are not what `input` says.


def refuse(source: Rows, shape: PredictionShape, sum_tolerance: float | None) -> InputError:
    """Return the error for predictions with a row that is not acceptable; it reads all of them a second time."""
    n, is_log = shape.n, shape.input == "logprobs"
    infinite, outside, sums = np.zeros(n, bool), np.zeros(n, bool), np.ones(n)
    lowest, highest, parts = np.inf, -np.inf, []
    for rows in block_slices(n):
        stored = np.atleast_2d(source.rows(rows if len(source.shape) > 1 else slice(0, source.shape[0])))
        if rows.start * stored.shape[1] < _MAX_VALUES:
            parts.append(stored.copy())
        y = stored.astype(np.float64)
        finite = np.isfinite(y) | (is_log & (y == -np.inf))
        infinite[rows] = ~finite.all(axis=1)
        y[~finite] = 0.0
        lowest, highest = min(lowest, float(y.min())), max(highest, float(y.max()))
        if shape.input != "logits":
            p = np.exp(np.minimum(y, 1.0)) if is_log else y
            outside[rows] = ((y > (0.0 if is_log else 1.0) + SLACK) | (p < -SLACK)).any(axis=1)
            sums[rows] = p.sum(axis=1)
    off = np.abs(sums - 1) > (np.inf if sum_tolerance is None else sum_tolerance)
    if not (infinite | outside | off).any():
        return InputError(f"{source.name}: {CHANGED}")
    span = f"values from {lowest:g} to {highest:g}"
    if infinite.any():
        found = f"NaN or infinity in {_where(infinite)}; expected finite numbers"
    elif outside.any():
        scale = "what logs of probabilities can be (at most 0)" if is_log else "[0, 1]"
        found = f"{span}, outside {scale}, in {_where(outside)}"
    else:
        worst = int(np.abs(sums - 1).argmax())
        found = f"the sum is not 1 within {sum_tolerance:g} in {_where(off)}"
        found += f"; the worst is row {worst} with {sums[worst]:.9g} ({span})"
    few = bool(np.mean(infinite | outside | off) <= 1 - _NEARLY_ALL)
    look = Values(np.concatenate(parts), shape.input, sum_tolerance or 1e-3, few)
    causes = [reason(look) for reason in _VALUE_REASONS]
    if not any(causes):
        causes = [
            allow_unnormalized() if shape.input == "probs" and not (infinite | outside).any() else raw_scores(look)
        ]
    return InputError(f"{source.name}: {compose(found, causes)}")


def _where(bad: Array) -> str:
    first, count = int(bad.argmax()), np.count_nonzero(bad)
    return f"row {first}" if count == 1 else f"{count:,} rows, first in row {first}"


@dataclass(frozen=True)
class Values:
    """A second look at predictions (N, K) with rows that are not acceptable.

    stored: all rows, or the first ones of very many. few: whether nearly all rows are as they should be.
    """

    stored: Array
    input: str
    tolerance: float
    few: bool

    @cached_property
    def y(self) -> Floats:
        return self.stored.astype(np.float64)

    @property
    def classes(self) -> int:
        return self.y.shape[1]

    @cached_property
    def empty(self) -> Array:
        """The rows that are all zero."""
        return np.flatnonzero(~self.y.any(axis=1))

    @cached_property
    def filled(self) -> Floats:
        """The rows (n, K) that are not all zero."""
        return np.delete(self.y, self.empty, axis=0)

    @cached_property
    def reading(self) -> Reading | None:
        """How these can be read as probabilities, row by row."""
        return _best(_READINGS_OF_MORE_THAN_TWO if self.classes > 2 else _READINGS, self.filled)

    @cached_property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        return bool((self.y == np.rint(self.y)).all())


def few_rows(look: Values) -> Cause | None:
    """Nearly all rows are as they should be."""
    if not look.few or len(look.empty):
        return None
    return Cause("the other rows are as they should be", "correct these where they are made")


def never_filled(look: Values) -> Cause | None:
    """Rows of zeros: in runs, such as a batch that was left out, or strewn about."""
    runs = np.split(look.empty, np.flatnonzero(np.diff(look.empty) > 1) + 1)
    count = len(look.empty)
    if not count:
        return None
    if count > 1 and (len(runs) == 1 or count > _LONGEST_RUN_BY_CHANCE * len(runs)):
        where = ", ".join(f"{run[0]} to {run[-1]}" for run in runs[:3]) + (", ..." if len(runs) > 3 else "")
        return Cause(
            f"{count:,} rows are all zero, rows {where}, and were probably never filled, as happens to the last batch",
            "predict these rows too",
        )
    seen = f"{counted(count, 'row is', 'rows are')} all zero, first row {look.empty[0]}"
    if ((look.filled == 0) | (look.filled == 1)).all():
        return Cause(
            f"{seen}, and the others are decisions, so that a row of zeros is no decision",
            "save the probabilities (predict_proba in scikit-learn), not the decisions",
        )
    return Cause(seen, "predict these rows too")


def turned(look: Values) -> Cause | None:
    """Another scale, sign or base of probabilities."""
    reading = look.reading
    if look.few or reading is None or (reading.input == look.input and not reading.code):
        return None
    return Cause(f"these look like {reading.name}", _save(reading.code, reading.input))


def times_a_number(look: Values) -> Cause | None:
    """Probabilities times a number, such as percentages, bytes, votes or sums over several models."""
    y, k = look.filled, look.classes
    if look.few or not len(y) or not np.isfinite(y).all() or y.min() < 0:
        return None
    sums = y.sum(axis=1)
    scale = float(np.median(sums))
    scale = next((s for s in (100.0, 255.0) if abs(scale - s) <= k / 2), scale) if look.is_whole else scale
    within = max(look.tolerance * scale, (k / 2 if scale in (100, 255) else 0.5) if look.is_whole else 0)
    if np.count_nonzero(np.abs(sums - scale) <= within) < _NEARLY_ALL * len(sums) or abs(scale - 1) <= look.tolerance:
        return None
    if scale not in (100, 255) and y.min(axis=1).mean() > 0.5 * scale / k:  # no class is unlikely: something was added
        return None
    if abs(scale - (k - 1)) <= within and y.max() <= 1 + SLACK:  # 1 - p
        return None
    code = "predictions / predictions.sum(axis=1, keepdims=True)" if look.is_whole else f"predictions / {scale:.7g}"
    return Cause(
        f"the rows sum to {scale:.7g}, so that these look like probabilities times {scale:.7g}", _save(code, "probs")
    )


def softmax_over_examples(look: Values) -> Cause | None:
    """A softmax over axis 0, of the whole array or of each batch."""
    for reading in _SCALES:
        with np.errstate(over="ignore"):
            few = reading.decode(look.y[:_SAMPLE])
            if not ((few >= 0) & (few <= 1 + SLACK)).all():
                continue
            p = reading.decode(look.y)
        if (p >= 0).all() and (p <= 1 + SLACK).all() and (rows := _rows_that_sum_to_one(p)):
            how = "of the whole array" if rows == len(p) else f"of batches of {rows}"
            return Cause(
                f"each column sums to {round(p[:, 0].sum())}, as after a softmax over the examples (axis 0) {how},"
                " which cannot be undone",
                "take the softmax over the classes (axis 1) and predict again",
            )
    return None


def _rows_that_sum_to_one(p: Floats) -> int | None:
    """Return after how many rows, again and again, every column has summed to 1."""
    totals, n = p.cumsum(axis=0), len(p)
    batches = round(float(totals[-1].mean()))
    if batches < 1 or n < 2 or np.abs(totals[-1] / batches - 1).max() > 1e-2 or (p == p[0]).all():
        return None
    sizes = np.flatnonzero((np.abs(totals - 1) <= 1e-2).all(axis=1)) + 1
    errors = {
        int(size): float(np.abs(ends / np.arange(1, len(ends) + 1)[:, np.newaxis] - 1).max())
        for size in sizes[np.ceil(n / sizes) == batches]
        for ends in [totals[size - 1 :: size]]
    }
    best = min(errors, key=lambda size: errors[size], default=None)
    return best if best and errors[best] <= 1e-2 else None


def another_memory_order(look: Values) -> Cause | None:
    """The numbers of all rows, read by columns instead of by rows, or the other way round."""
    k, y = look.classes, look.y
    if look.few or (look.reading and look.reading.misfit(look.filled) < _MAX_DISTANCE / 100):
        return None
    fitting = _orders_that_fit({
        f"predictions.T.reshape(-1, {k})": y.T.reshape(-1, k),
        f"predictions.reshape({k}, -1).T": y.reshape(k, -1).T,
    })  # fmt: skip
    return Cause("read in the other memory order the rows sum to 1", _save(fitting[0])) if fitting else None


def column_of_indices(look: Values) -> Cause | None:
    """A first column that counts the rows."""
    return _extra_column(look.y) if look.classes > 2 and _counts_rows(look.y[:, 0]) else None


def decisions(look: Values) -> Cause | None:
    """Decisions as -1 and 1."""
    if not (np.abs(look.y) == 1).all() or not ((look.y == 1).sum(axis=1) == 1).all():
        return None
    return Cause("these are decisions as -1 and 1", 'save predictions.argmax(axis=1) and score it with losses="error"')


def bits(look: Values) -> Cause | None:
    """The bits of numbers of half precision, as integers."""
    stored = look.stored
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize != 2:
        return None
    if _best(_AS_THEY_ARE, (stored.astype(np.uint32) << 16).view(np.float32)):
        code = "(predictions.astype(np.uint32) << 16).view(np.float32)"
        return Cause("these are the bits of bfloat16 numbers", _save(code))
    if _best(_AS_THEY_ARE, np.ascontiguousarray(stored).view(stored.dtype.str.replace(stored.dtype.kind, "f"))):
        return Cause("these are the bits of float16 numbers", _save("predictions.view(np.float16)"))
    return None


def improper(look: Values) -> Cause | None:
    """Rows that sum to 1 with values outside [0, 1], as of a regression."""
    if look.input != "probs" or look.few or not np.abs(look.filled.sum(axis=1) - 1).max(initial=0) <= look.tolerance:
        return None
    return Cause("the rows sum to 1, yet a probability lies between 0 and 1", "correct them where they are made")


def infinite_scores(look: Values) -> Cause | None:
    """Raw scores of -inf, which masked classes have."""
    if look.input != "logits" or not (look.y == -np.inf).any() or not (look.y < np.inf).all():
        return None
    return Cause("a raw score of -inf says that its class is impossible", "save the probabilities, if that is meant")


_VALUE_REASONS: tuple[Callable[[Values], Cause | None], ...] = (
    few_rows,
    never_filled,
    turned,
    times_a_number,
    another_memory_order,
    softmax_over_examples,
    column_of_indices,
    decisions,
    bits,
    improper,
    infinite_scores,
)


def raw_scores(look: Values) -> Cause | None:
    """What values outside [0, 1] can be where nothing else fits."""
    if look.is_whole or not np.isfinite(look.y).all():
        return None
    likely = look.y.min() < 0 < look.y.max()
    return Cause("these look like raw scores" if likely else "if these are raw scores", _save("", "logits"))


def allow_unnormalized() -> Cause:
    """How to score rows of any sum."""
    return Cause("if these sums are meant", "allow_unnormalized=True takes the rows as they are")


# Shapes that are not (N, K).


class Shape(NamedTuple):
    """A second look at predictions whose shape is not (N, K), and the numbers of examples that would fit.

    y: the whole array, as it is stored. axes: the sizes above 1.
    """

    y: Array
    axes: list[int]
    classes: int
    sizes: Collection[int]


def shape_error(source: Rows, input: str, classes: int | None, sizes: Collection[int], expected: str) -> InputError:
    """Return the error for predictions of a shape that does not fit; classes: K as far as anything tells."""
    found, causes = f"{source.name}: shape {source.shape} of {source.dtype}; {expected}", []
    if classes and source.shape and 0 < math.prod(source.shape) <= _MAX_VALUES:
        y = source.rows(slice(0, source.shape[0])).copy()
        look = Shape(y, [size for size in y.shape if size > 1], classes, sizes)
        causes = [reason(look) for reason in (_CLASS_REASONS if input == "labels" else _SHAPE_REASONS)]
    return InputError(compose(found, causes))


def axes_in_another_order(look: Shape) -> Cause | None:
    """All numbers are there, in another order or with superfluous axes."""
    y, axes, k, sizes = look
    rows = y.size // k
    batches = len(axes) > 2 and axes[-1] == k and not {*axes[:-1]} & {*sizes}
    if y.size % k or (len(axes) > 1 and k not in axes) or (len(axes) != 2 and rows not in {*sizes, 1} and not batches):
        return None
    by_row, by_column = f"predictions.reshape(-1, {k})", f"predictions.reshape({k}, -1).T"
    by_column = "predictions.T" if y.ndim == len(axes) == 2 else by_column
    fitting = _orders_that_fit({by_row: y.reshape(-1, k), by_column: y.reshape(k, -1).T})
    if fitting:
        return Cause("in this order the rows sum to 1", " or ".join(_save(code) for code in fitting))
    if axes[-1:] == [k]:
        return Cause("its last axis above 1 is that of the classes", _save(by_row))
    if axes[:1] == [k]:
        return Cause("it is transposed", _save(by_column))
    if len(axes) == 1:
        return Cause(
            f"these are as many as {rows:,} rows of {k}", "give them the shape (N, K) that they have in the model"
        )
    return None


def several_answers(look: Shape) -> Cause | None:
    """Several answers for each example: draws with dropout, models of an ensemble, augmented images."""
    y, axes, k, sizes = look
    if y.ndim != 3 or len(axes) != 3 or k not in axes or forest(look):
        return None
    axis = max((a for a in range(3) if axes[a] == k), key=lambda a: (_best(_AS_THEY_ARE, y, a) is not None, a))
    draws, examples = sorted({0, 1, 2} - {axis}, key=lambda a: (axes[a] in sizes, axes[a]))
    if sizes and axes[examples] not in sizes:
        return None
    order = (draws, examples, axis)
    code = "predictions" if order == (0, 1, 2) else f"predictions.transpose{order}"
    mean = mean_of_answers(code, y.transpose(order))
    return (
        None
        if not mean
        else Cause(f"axis {draws} may hold {axes[draws]} answers for each example, whose mean is the answer", mean)
    )


def mean_of_answers(code: str, y: Array, axis: int = 0) -> str:
    """Return how to save the mean over an axis of several answers for each example; "" where these are no outputs."""
    reading = _best(_AS_THEY_ARE, y, -1)
    if reading:
        return _save(f"{code if reading.input == 'probs' else f'np.exp({code})'}.mean(axis={axis})", "probs")
    if y.min() >= 0 and y.max() <= 1 + SLACK:
        return ""
    return _save(f"np.array([mnistloss.softmax(z) for z in {code}]).mean(axis={axis})", "probs")


def forest(look: Shape) -> Cause | None:
    """A probability of no and of yes for each class, as forests give for one-hot labels."""
    y, k, probabilities = look.y, look.classes, _AS_THEY_ARE[:1]
    if y.ndim != 3 or y.shape[::2] != (k, 2) or not _best(probabilities, y, 2):
        return None
    if k == 2 and not _best(probabilities, y[:, :, 1], 0):
        return None
    return Cause("the last axis holds the probabilities of no and yes for each class", _save("predictions[:, :, 1].T"))


def column_before(look: Shape) -> Cause | None:
    """A column before those of the classes."""
    return _extra_column(look.y) if look.y.ndim == 2 and look.y.shape[1] == look.classes + 1 else None


def _extra_column(y: Array) -> Cause | None:
    first, rest, save = y[:, 0], y[:, 1:], _save("predictions[:, 1:]")
    if _counts_rows(first):
        return Cause("column 0 counts the rows", save)
    if (first == np.rint(first)).all() and first.min() >= 0 and len(np.unique(first)) == len(first) > 1:
        file = "indices=FILE, where FILE holds predictions[:, 0].astype(np.int64)"
        return Cause("column 0 holds different whole numbers, as an index does", f"{save} and score it with {file}")
    if (first < rest.max(axis=1)).all():
        seen = "column 0 is never the largest, so that the classes may be counted from 1"
        return Cause(seen, f"{save}, or count them from 0 in training")
    return Cause("without column 0 the rows sum to 1", save) if _best(_AS_THEY_ARE, rest) else None


def _counts_rows(column: Array) -> bool:
    return len(column) > 1 and column[0] in (0, 1) and bool((column == np.arange(len(column)) + column[0]).all())


def column_after(look: Shape) -> Cause | None:
    """A column after those of the classes."""
    y, k = look.y, look.classes
    if y.ndim != 2 or y.shape[1] != k + 1 or ((y[:, 0] == np.rint(y[:, 0])).all() and y[:, 0].max() > 1):
        return None
    if (y[:, k] < y[:, :k].max(axis=1)).all():
        seen = f"column {k} is never the largest, so that its class may be unused"
    elif _best(_AS_THEY_ARE, y[:, :k]):
        seen = f"without column {k} the rows sum to 1"
    else:
        return None
    return Cause(seen, _save(f"predictions[:, :{k}]"))


def predicted_classes(look: Shape) -> Cause | None:
    """Classes as floats, or with an axis of their own."""
    y = look.y
    if len(look.axes) > 1 or (y != np.rint(y)).any() or y.min() < 0 or y.max() >= look.classes:
        return None
    code = "predictions" + (".ravel()" if y.ndim > 1 else "") + ("" if y.dtype.kind in "iu" else ".astype(np.uint8)")
    return Cause("these look like predicted classes", f'{_save(code)} and score it with losses="error"')


def one_of_two(look: Shape) -> Cause | None:
    """The probability of class 1 alone, of two classes."""
    y = look.y
    if look.classes != 2 or y.size not in look.sizes or y.min() < 0 or y.max() > 1 or predicted_classes(look):
        return None
    column = "predictions" if y.ndim == 1 else "predictions.ravel()"
    return Cause(
        "these look like the probability of class 1 alone", _save(f"np.column_stack([1 - {column}, {column}])")
    )


def outputs_as_classes(look: Shape) -> Cause | None:
    """Outputs of a model where classes are expected."""
    y = look.y
    reading = _best(_AS_THEY_ARE, y) if y.ndim == 2 and y.shape[1] == look.classes else None
    return Cause(f"these look like {reading.name}", _save("", reading.input)) if reading else None


_CLASS_REASONS: tuple[Callable[[Shape], Cause | None], ...] = (predicted_classes, outputs_as_classes)
_SHAPE_REASONS: tuple[Callable[[Shape], Cause | None], ...] = (
    axes_in_another_order,
    several_answers,
    forest,
    column_before,
    column_after,
    predicted_classes,
    one_of_two,
)


# Numbers of rows that are not those of the targets.


class Part(NamedTuple):
    """Targets that predictions could be of: a split, or the user's own (split None); labels where available."""

    split: str | None
    size: int
    labels: Array | None

    def __str__(self) -> str:
        return self.split or "the targets"

    def at(self, start: int, stop: int) -> str:
        """Return how to score predictions of some of these examples."""
        if self.split is None:
            return f"score these with targets=FILE, where FILE holds targets[{start}:{stop}]"
        indices = f"np.arange({start}, {stop})" if start else f"np.arange({stop})"
        return f'score these with split="{self.split}" and indices=FILE, where FILE holds {indices}'


class RowCount(NamedTuple):
    """A second look at N predictions, (N, K) or classes (N,), where no part has N examples."""

    stored: Array
    predicted: Array
    parts: tuple[Part, ...]

    @property
    def n(self) -> int:
        return len(self.stored)


def count_error(found: str, source: Rows, n: int, parts: tuple[Part, ...]) -> InputError:
    """Return the error for a number of rows that does not fit; found: the number, and what would fit."""
    if n < 2 or math.prod(source.shape) > _MAX_VALUES:
        return InputError(found)
    stored = source.rows(slice(0, n)).copy()
    look = RowCount(stored, stored if stored.ndim == 1 else stored.argmax(axis=1), parts)
    return InputError(compose(found, [reason(look, part) for part in parts for reason in _COUNT_REASONS]))


def _accuracy(predicted: Array, labels: Array) -> tuple[float, bool]:
    """Return the accuracy, and whether it is clearly above that of unrelated labels."""
    share = float(np.mean(predicted == labels))
    chance = sum(float(np.mean(labels == k) * np.mean(predicted == k)) for k in np.unique(labels))
    margin = max(_MIN_ACCURACY_GAIN, _SIGMAS * math.sqrt(chance * (1 - chance) / len(labels)))
    return share, share - chance > margin


def some_of_a_part(look: RowCount, part: Part) -> Cause | None:
    """The first or the last examples of a part, such as those without the last batch or without a validation set."""
    n, missing = look.n, part.size - look.n
    if missing <= 0:
        return None
    fewer = f"{missing:,} fewer than {part}"
    if any(n % size == 0 for size in _BATCH_SIZES if size > missing):
        fewer += ", as without the last, smaller batch"
    if part.labels is None:
        return Cause(fewer, part.at(0, n)) if "batch" in fewer else None
    first, is_first = _accuracy(look.predicted, part.labels[:n])
    last, is_last = _accuracy(look.predicted, part.labels[missing:])
    ways = [part.at(start, start + n) for start, fits in ((0, is_first), (missing, is_last)) if fits]
    seen = f"the accuracy is {first:.4f} against the first {n:,} of {part} and {last:.4f} against the last ({fewer})"
    return Cause(seen, ", or ".join(ways)) if ways else None


def more_than_a_part(look: RowCount, part: Part) -> Cause | None:
    """A part and more: padding, the same rows again, several answers for each example, or another part."""
    head, tail, size = look.stored[: part.size], look.stored[part.size :], part.size
    more, save = f"{len(tail):,} more than {part}", f"save predictions[:{size}]"
    if not len(tail):
        return None
    if np.allclose(tail, np.resize(head, tail.shape), rtol=1e-3, atol=1e-5, equal_nan=True):
        return Cause(f"{more}, and they repeat the first rows", save)
    if (tail == tail[0]).all():
        return Cause(f"{more}, and they are all alike, as padding is", save)
    if look.n % size == 0 and look.stored.ndim == 2 and (mean := _mean_of_rows(look, part)):
        return Cause(f"{look.n // size} times as many as {part}, as with so many answers for each example", mean)
    if part.labels is not None:
        for predicted, code in ((look.predicted[:size], f"[:{size}]"), (look.predicted[-size:], f"[-{size}:]")):
            accuracy, fits = _accuracy(predicted, part.labels)
            if fits:
                return Cause(f"{more}; of predictions{code} the accuracy is {accuracy:.4f}", f"save predictions{code}")
    return None


def _mean_of_rows(look: RowCount, part: Part) -> str:
    """Return how to save the mean of answers that come one set after the other or side by side; "" where none do."""
    count, k, predicted = look.n // part.size, look.stored.shape[1], look.predicted
    after, beside = f"predictions.reshape({count}, -1, {k})", f"predictions.reshape(-1, {count}, {k})"
    for answers, code, axis in ((predicted.reshape(count, -1), after, 0), (predicted.reshape(-1, count).T, beside, 1)):
        labels = answers[0] if part.labels is None else part.labels
        if all(_accuracy(answer, labels)[1] for answer in answers[part.labels is None :]):
            return mean_of_answers(code, look.stored, axis)
    return ""


_COUNT_REASONS: tuple[Callable[[RowCount, Part], Cause | None], ...] = (some_of_a_part, more_than_a_part)
