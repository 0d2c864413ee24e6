"""Predictions: open them, read their shape, and check every row or refuse them with the reason."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import Array, Floats, as_real, block_slices, row_sum_tolerance, transposed
from mnistloss.arrays.npy import CHANGED, open_npy
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import shown
from mnistloss.losses.outputs import OUTPUTS

INPUTS = tuple(OUTPUTS)
"""What predictions can be: probs, logits, logprobs or labels (predicted classes)."""

_SLACK = 1e-6
_MAX_INSPECTED_ROWS = 10**6


class Rows(Protocol):
    """Predictions of any origin: a shape, a dtype, and rows on demand."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def rows(self, rows: slice) -> Array:
        """Return some rows, valid until the next call."""
        ...


class InMemory:
    """Predictions in an array."""

    def __init__(self, array: Array) -> None:
        self.name = "predictions"
        self.shape = array.shape
        self.dtype = array.dtype
        self._array = array

    def rows(self, rows: slice) -> Array:
        return self._array[rows]


def name_of(source: ArrayLike | os.PathLike[str] | BinaryIO) -> str:
    """Return the name of predictions: a path as the user gave it (print it through `shown`), or a stream's own name."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    return shown(getattr(source, "name", "stream")) if hasattr(source, "read") else "predictions"


@contextlib.contextmanager
def open_predictions(source: ArrayLike | os.PathLike[str] | BinaryIO) -> Iterator[Rows]:
    """Open predictions given as an array, as the path of a .npy file or as a binary stream of one."""
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        with open_npy(source) as npy:  # type: ignore[arg-type]  # narrowed by duck type: what has read() is a stream
            yield npy
    else:
        yield InMemory(as_real(source, "predictions"))


class PredictionShape(NamedTuple):
    """What the shape of predictions says: N, K (None where nothing fixes it), and the input they can be."""

    n: int
    classes: int | None
    input: str

    @classmethod
    def of(cls, source: Rows, input: str, classes: int | None) -> PredictionShape:
        """Read the shape of predictions; `classes` is K where the targets fix it. Other shapes raise InputError."""
        if input not in INPUTS:
            raise ArgumentError(f"no input is named {input!r}; the inputs are {', '.join(INPUTS)}")
        shape, integers = source.shape, source.dtype.kind in "iu"
        if len(shape) == 1 and integers and input in ("probs", "labels"):
            return cls(_at_least_one(shape[0], source), classes, "labels")
        if input == "labels":
            raise InputError(f"{source.name}: {_describe(source)}; expected predicted classes, integers of shape (N,)")
        if len(shape) == 1 and shape[0] == (classes or shape[0]) >= 2:
            return cls(1, shape[0], input)
        if len(shape) != 2 or shape[1] != (classes or shape[1]) or shape[1] < 2:
            raise InputError(f"{source.name}: {_describe(source)}; {_expected(source, classes)}")
        return cls(_at_least_one(shape[0], source), shape[1], input)


def check_probabilities(name: str, input: str, n: int, what: str) -> None:
    """Refuse predicted classes where `what` needs probabilities."""
    if input == "labels":
        raise InputError(
            f"{name}: these are predicted classes, integers of shape ({n},): {what} would need a probability for"
            " every class. Save the model's probabilities; classes have the loss error only"
        )


def _describe(source: Rows) -> str:
    return f"shape {source.shape} of {source.dtype}"


def _at_least_one(n: int, source: Rows) -> int:
    if n < 1:
        raise InputError(f"{source.name}: {_describe(source)} has no rows")
    return n


def _expected(source: Rows, classes: int | None) -> str:
    """Return what shape was expected, and how to get it from the one that was found."""
    shape = source.shape
    if classes is None:
        return "expected (N, K) with K >= 2"
    expected = f"expected (N, {classes}), a row for each example and a column for each class"
    if len(shape) == 2 and shape[0] == classes:
        return f"{expected}; it is transposed: save predictions.T"
    if len(shape) == 2 and shape[1] == classes + 1 and _first_is_unused(source):
        return (
            f"{expected}. Column 0 is never the largest, so the classes are counted from 1: save predictions[:, 1:],"
            " or count them from 0 in training"
        )
    if len(shape) > 2 and sorted(size for size in shape if size != 1)[:1] == [classes]:
        return f"{expected}; save predictions.reshape(-1, {classes})"
    return expected


def _first_is_unused(source: Rows) -> bool:
    """Whether no row, of not too many, has its largest value in the first column."""
    if not 0 < source.shape[0] <= _MAX_INSPECTED_ROWS:
        return False
    blocks = (source.rows(rows) for rows in block_slices(source.shape[0]))
    return all(bool((block[:, 0] < block[:, 1:].max(axis=1)).all()) for block in blocks)


def is_acceptable(y: Any, input: str, sum_tolerance: float | None) -> bool:
    """Whether every row of a block of outputs is what `input` says; None as tolerance skips the sums."""
    if not (math.isfinite(y.min_value) and math.isfinite(y.max_value)):
        return False
    if input == "logits":
        return True
    if y.max_value > (1.0 if input == "probs" else 0.0) + _SLACK or (input == "probs" and y.min_value < -_SLACK):
        return False
    return sum_tolerance is None or bool(np.abs(y.p.sum(axis=0) - 1.0).max() <= sum_tolerance)


def refuse(source: Rows, shape: PredictionShape, sum_tolerance: float | None) -> InputError:
    """Return the error for predictions with a row that is not acceptable; it reads all of them a second time."""
    census = _Census(shape.input, row_sum_tolerance(source.dtype))
    for rows in block_slices(shape.n):
        census.add(transposed(as_block(source, rows)), rows.start)
    span = f"values from {census.lowest:g} to {census.highest:g}"
    if census.not_finite.rows:
        return InputError(f"{source.name}: NaN or infinity in {census.not_finite}; expected finite numbers")
    if census.outside.rows:
        scale = "[0, 1]" if shape.input == "probs" else "what logs of probabilities can be (at most 0)"
        few = 2 * (census.outside.rows + census.off.rows) < shape.n
        advice = "The others are as they should be: correct it where it is made" if few else census.looks_like()
        return InputError(f"{source.name}: {span}, outside {scale}, in {census.outside}. {advice}")
    _, row, total = census.worst
    if sum_tolerance is None or not census.off.rows:
        return InputError(f"{source.name}: {CHANGED}")
    advice = (
        census.looks_like()
        if shape.input == "logprobs"
        else "Divide each row by its sum, or take the rows as they are with --allow-unnormalized"
    )
    return InputError(
        f"{source.name}: the sum is not 1 within {sum_tolerance:g} in {census.off};"
        f" the worst is row {row} with {total:.9g} ({span}). {advice}"
    )


class _Fault:
    """How many rows have a fault, and the first of them."""

    def __init__(self) -> None:
        self.rows = self.first = 0

    def add(self, rows: Any, start: int) -> None:
        bad = np.asarray(rows)
        if bad.any():
            self.first = self.first if self.rows else start + int(bad.argmax())
            self.rows += int(np.count_nonzero(bad))

    def __str__(self) -> str:
        return f"row {self.first}" if self.rows == 1 else f"{self.rows:,} rows, first in row {self.first}"


class _Census:
    """Counts what is wrong with rows, and gathers what they look like instead."""

    def __init__(self, input: str, sum_tolerance: float) -> None:
        self.not_finite, self.outside, self.off = _Fault(), _Fault(), _Fault()
        self.lowest, self.highest = np.inf, -np.inf
        self.worst = (0.0, 0, 1.0)
        self._input, self._sum_tolerance = input, sum_tolerance
        self._sum_like = self._log_like = self._integral = True
        self._scales, self._bases = {100, 255}, {2, 10}

    def add(self, y: Floats, start: int) -> None:
        """Add a transposed block of rows (K, n); `start` is its first row."""
        finite = np.isfinite(y)
        self.not_finite.add(~finite.all(axis=0), start)
        y = np.where(finite, y, 0.0)
        self.lowest, self.highest = min(self.lowest, float(y.min())), max(self.highest, float(y.max()))
        exponentials = np.exp(np.minimum(y, 1.0))
        p = exponentials if self._input == "logprobs" else y
        top = 0.0 if self._input == "logprobs" else 1.0
        self.outside.add(((y > top + _SLACK) | (p < -_SLACK)).any(axis=0), start)
        totals = p.sum(axis=0)
        distances = np.abs(totals - 1.0)
        self.off.add(distances > self._sum_tolerance, start)
        at = int(distances.argmax())
        self.worst = max(self.worst, (float(distances[at]), start + at, float(totals[at])))
        self._sum_like &= self._near_one(y)
        self._log_like &= self._near_one(exponentials)
        self._scales = {scale for scale in self._scales if self._near_one(y / scale)}
        self._bases = {base for base in self._bases if self._near_one(float(base) ** np.minimum(y, 1.0))}
        self._integral &= bool((y == np.rint(y)).all())

    def _near_one(self, y: Floats) -> bool:
        return bool((np.abs(y.sum(axis=0) - 1.0) <= self._sum_tolerance).all())

    def looks_like(self) -> str:
        """Return what values outside their range are likely to be, and what to type."""
        within = self.lowest >= -_SLACK and self.highest <= 1 + _SLACK
        if self._input == "logprobs" and self._sum_like and within:
            return "These look like probabilities: --input probs"
        if self._input == "probs" and self._log_like:
            return "These look like log-probabilities: --input logprobs"
        if self._input == "probs" and self._sum_like:
            return "The rows sum to 1, yet a probability lies between 0 and 1: correct them where they are made"
        for base in self._bases:
            how = f"These look like base-{base} logs of probabilities: save predictions * np.log({base})"
            return how if self._input == "logprobs" else f"{how}, which are --input logprobs"
        if self._scales and self.lowest >= 0:
            (scale,) = self._scales
            return f"The rows sum to {scale}: these are probabilities times {scale}, so divide them by {scale}"
        if self._integral and self.lowest >= 0 and self.highest <= 255:
            return "These are integers 0..255, like pixels or scaled probabilities: divide each row by its sum"
        return "These look like raw scores: --input logits"


def as_block(source: Rows, rows: slice) -> Array:
    """Return rows as (n, K), of a single example too."""
    if len(source.shape) == 1:
        return source.rows(slice(0, source.shape[0]))[np.newaxis]
    return source.rows(rows)
