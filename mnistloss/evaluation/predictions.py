"""Predictions: open them, read their shape, and check every row or refuse them with the reason."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import SLACK, Array, as_real
from mnistloss.arrays.files import is_csv
from mnistloss.arrays.npy import open_npy
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import shown
from mnistloss.losses.outputs import OUTPUTS

INPUTS = tuple(OUTPUTS)
"""What predictions can be: probs, logits, logprobs or labels (predicted classes)."""


def check_input(input: str) -> None:
    """Refuse an unknown input."""
    if input not in INPUTS:
        raise ArgumentError(f"no input is named {input!r}; the inputs are {', '.join(INPUTS)}")


def check_top(top: Collection[int], classes: int) -> None:
    """Refuse a k of the top-k accuracy above the number of classes."""
    if max(top, default=0) > classes:
        raise ArgumentError(f"top is {max(top)}; there are {classes} classes")


class Rows(Protocol):
    """Predictions of any origin: a shape, a dtype, and rows on demand.

    indices: of the examples in their split, where the file itself says them in another order than 0..N-1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    indices: Array | None

    def rows(self, rows: slice) -> Array:
        """Return some rows, valid until the call after the next."""
        ...


class InMemory:
    """Predictions in an array."""

    def __init__(self, array: Array, name: str = "predictions", indices: Array | None = None) -> None:
        self.name = name
        self.indices = indices
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self._array = array

    def rows(self, rows: slice) -> Array:
        return self._array[rows]


def name_of(source: ArrayLike | os.PathLike[str] | BinaryIO) -> str:
    """Return the name of predictions: a path as the user gave it (print it through `shown`), or a stream's own name."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    return shown(getattr(source, "name", "stream")) if hasattr(source, "read") else "predictions"


@contextlib.contextmanager
def open_predictions(source: ArrayLike | os.PathLike[str] | BinaryIO, array: str | None = None) -> Iterator[Rows]:
    """Open predictions given as an array, as a binary stream of .npy, or as the path of a .npy, .npz or CSV file.

    array: the name of the array in a .npz file that holds several.
    """
    path = source if isinstance(source, (str, os.PathLike)) else None
    if array is not None and (path is None or is_csv(path)):
        raise ArgumentError(f'array="{shown(array)}" is the name of an array in a .npz file; give the path of one')
    if path is not None and is_csv(path):
        from mnistloss.arrays.csv_files import read_csv

        table = read_csv(path)
        yield InMemory(table.values, shown(path), table.indices)
    elif path is not None or hasattr(source, "read"):
        with open_npy(source, array=array) as npy:  # type: ignore[arg-type]  # what has read() is a stream
            yield npy
    else:
        yield InMemory(as_real(source, "predictions"))  # type: ignore[arg-type]  # what is left is an array


Guess = Callable[[], tuple[int | None, Collection[int]]]


class PredictionShape(NamedTuple):
    """What the shape of predictions says: N, K (None where nothing fixes it), and the input they can be."""

    n: int
    classes: int | None
    input: str

    @classmethod
    def of(cls, source: Rows, input: str, classes: int | None, guess: Guess = lambda: (None, ())) -> PredictionShape:
        """Read the shape of predictions; `classes` is K where it is fixed. Other shapes raise InputError.

        guess: returns K and the numbers of examples that would fit, which the error needs.
        """
        check_input(input)
        shape, integers = source.shape, source.dtype.kind in "iu"
        if len(shape) == 1 and integers and input in ("probs", "labels"):
            return cls(_at_least_one(shape[0], source), classes, "labels")
        if input == "labels":
            raise _shape_error(source, input, guess, "predicted classes, integers of shape (N,)")
        if len(shape) == 1 and shape[0] == (classes or shape[0]) >= 2:
            return cls(1, shape[0], input)
        if len(shape) != 2 or shape[1] != (classes or shape[1]) or shape[1] < 2:
            meaning = f"(N, {classes}), a row for each example and a column for each class"
            raise _shape_error(source, input, guess, meaning if classes else "(N, K) with K >= 2")
        return cls(_at_least_one(shape[0], source), shape[1], input)


def _shape_error(source: Rows, input: str, guess: Guess, expected: str) -> InputError:
    from mnistloss.evaluation.refusals import shape_error  # what good predictions do not need

    return shape_error(source, input, *guess(), f"expected {expected}")


def check_probabilities(name: str, input: str, n: int, what: str) -> None:
    """Refuse predicted classes where `what` needs probabilities."""
    if input == "labels":
        raise InputError(
            f"{name}: these are predicted classes, integers of shape ({n},): {what} would need a probability for"
            " every class. Save the model's probabilities; classes have the loss error only: score them with"
            ' losses="error"'
        )


def _at_least_one(n: int, source: Rows) -> int:
    if n < 1:
        raise InputError(f"{source.name}: shape {source.shape} of {source.dtype} has no rows")
    return n


def is_acceptable(y: Any, input: str, sum_tolerance: float | None) -> bool:
    """Whether every row of a block of outputs is what `input` says; None as tolerance skips the sums."""
    lowest = 0.0 if input == "logprobs" and y.min_value == -math.inf else y.min_value  # log 0
    if not (math.isfinite(lowest) and math.isfinite(y.max_value)):
        return False
    if input == "logits":
        return True
    if y.max_value > (1.0 if input == "probs" else 0.0) + SLACK or (input == "probs" and y.min_value < -SLACK):
        return False
    return sum_tolerance is None or bool(y.sums_are_one(sum_tolerance))


def as_block(source: Rows, rows: slice) -> Array:
    """Return rows as (n, K), of a single example too."""
    if len(source.shape) == 1:
        return source.rows(slice(0, source.shape[0]))[np.newaxis]
    return source.rows(rows)
