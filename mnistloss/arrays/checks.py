"""Arrays: checks of shapes and dtypes, done once at every public entry; labels, one-hot rows and blocks of rows."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistloss.errors import ArgumentError, InputError

Array = NDArray[Any]
Floats = NDArray[np.float64]

BLOCK = 10_000
"""Examples in a block. Part of the arithmetic: a sum over examples is the sum of the sums over blocks."""

SLACK = 1e-6
"""How far a probability may lie outside [0, 1]."""

_REAL_KINDS = "fiub"
_KIND_NAMES = {
    "c": "complex numbers",
    "O": "Python objects",
    "V": "structured or raw records",
    "S": "byte strings",
    "U": "strings",
    "T": "strings",
    "M": "dates",
    "m": "time spans",
}


def whole(value: Any, what: str, least: int = 1) -> int:
    """Return a whole number of at least `least`; anything else raises ArgumentError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{what} is {value!r}; expected a whole number") from None
    if number < least:
        raise ArgumentError(f"{what} is {number}; expected at least {least}")
    return number


def check_dtype(dtype: np.dtype[Any], what: str, kinds: str = _REAL_KINDS, shape: tuple[int, ...] = ()) -> None:
    """Raise InputError, which says how to save numbers, unless the dtype is float16 to longdouble, any int, or bool."""
    if dtype.kind not in kinds or dtype.subdtype is not None or dtype.itemsize == 0:
        content = f"dtype {dtype} holds {_KIND_NAMES.get(dtype.kind, 'sub-arrays')}"
        advice = _conversion(dtype, shape, what if what.isidentifier() else "array")
        raise InputError(f"{what}: {content}; expected real numbers (float, int or bool){advice}")


def _conversion(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> str:
    """Return the advice of how to save an array of another dtype, with this name, as numbers."""
    match dtype.kind, len(shape):
        case "O", 0:
            return ". It is a single object, such as a dictionary: save the array in it"
        case "O", 1:
            return (
                ". Either these are batches of different sizes: save np.concatenate(predictions); or each is an object,"
                " such as a dictionary: save np.array([list(answer.values()) for answer in predictions], float)"
            )
        case "O", _:
            return f". Save {name}.astype(float); where a column holds text, leave it out first"
        case "V", _ if dtype.names:
            return ". Save numpy.lib.recfunctions.structured_to_unstructured(predictions)"
        case "V", _ if dtype.itemsize == 2:
            return f". {BFLOAT16}"
        case "S" | "U" | "T", dimensions:
            return f". Save {name}.astype({'np.uint8), if these are classes' if dimensions == 1 else 'float)'}"
    return ""


BFLOAT16 = (
    "Numbers of 2 bytes that NumPy does not know are probably bfloat16: save .astype(np.float32) of the model's output"
)


def as_real(values: ArrayLike, what: str) -> Array:
    """Return the values as an array of real numbers; ragged lists and other dtypes raise InputError."""
    if "numpy.ma" in sys.modules and isinstance(values, np.ma.MaskedArray):  # which need not be imported for this
        raise InputError(f"{what}: a masked array; its mask has no meaning here, so fill it or leave rows out")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what}: not a rectangular array ({error})") from None
    except (RuntimeError, TypeError) as error:
        detached = "; of a torch tensor give y.detach().cpu().float().numpy()"
        raise InputError(f"{what}: {type(values).__name__} does not become an array ({error}){detached}") from None
    check_dtype(array.dtype, what, shape=array.shape)
    return array


def as_rows(y: ArrayLike, what: str = "predictions") -> Array:
    """Return predictions as (N, K); a single row (K,) becomes (1, K). Other shapes and K < 2 raise InputError."""
    array = as_real(y, what)
    rows = array[np.newaxis] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.shape[0] < 1:
        raise InputError(f"{what}: shape {array.shape}; expected (N, K) with N >= 1 and K >= 2, or one row (K,)")
    return rows


def as_targets(t: ArrayLike, n: int, classes: int, what: str = "targets") -> Array:
    """Return targets of n examples as labels (n,) of the smallest dtype that holds K - 1, or as float64 rows (n, K).

    Labels are integers from 0 to K-1. One-hot rows become labels, so that labels and one-hot rows give the same bits.
    Other (soft) rows stay as they are. For n = 1 the targets may be one label or one row (K,).
    A wrong shape, dtype or label raises InputError.
    """
    array = as_real(t, what)
    if n == 1 and array.ndim < 2 and array.size in (1, classes):
        array = array.reshape((1,) if array.size == 1 else (1, classes))
    if array.ndim == 1:
        return _labels(array, n, classes, what)
    if array.shape != (n, classes):
        save = "ravel()" if array.size == n else "T" if array.shape == (classes, n) else ""
        advice = f". Save {what}.{save}" if save else ""
        raise InputError(f"{what}: shape {array.shape}; expected ({n},) labels or ({n}, {classes}) rows{advice}")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InputError(f"{what}: NaN or infinity in row {row}; expected finite numbers")
    if ((array == 0) | (array == 1)).all() and (np.count_nonzero(array, axis=1) == 1).all():
        return array.argmax(axis=1).astype(np.min_scalar_type(classes - 1))
    return array.astype(np.float64)


def _labels(array: Array, n: int, classes: int, what: str) -> NDArray[Any]:
    """Return n labels from 0 to K-1 in the smallest dtype; other labels raise InputError."""
    if array.dtype.kind not in "iu":
        raise InputError(f"{what}: dtype {array.dtype}; labels are integers (save them with .astype(np.uint8))")
    if len(array) != n:
        raise InputError(f"{what}: {len(array):,} labels for {n:,} predictions")
    if n and (array.min() < 0 or array.max() >= classes):
        wrong = (array < 0) | (array >= classes)
        first, from_one = int(wrong.argmax()), array.min() == 1 and array.max() == classes
        way_on = f". They run from 1 to {classes}: count the classes from 0, so subtract 1" if from_one else ""
        raise InputError(
            f"{what}: label {array[first]} in row {first} is outside 0..{classes - 1}"
            f" ({np.count_nonzero(wrong):,} in all){way_on}"
        )
    return array.astype(np.min_scalar_type(classes - 1), copy=False)


def normalized(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels of any shape as float32 in [0, 1]: the byte divided by 255."""
    x = pixels.astype(np.float32)
    x /= np.float32(255)
    return x


def one_hot(t: ArrayLike, classes: int = 10) -> NDArray[np.float32]:
    """Return integer labels (N,) as one-hot float32 rows (N, classes); a label outside 0..classes-1 raises InputError.

    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    array = as_real(t, "labels")
    if array.ndim != 1:
        raise InputError(f"labels: shape {array.shape}; expected (N,)")
    classes = whole(classes, "classes", least=2)
    labels = _labels(array, len(array), classes, "labels")
    rows = np.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def block_slices(n: int) -> Iterator[slice]:
    """Return the slices of the blocks of n examples, in order."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def transposed(rows: Array, dtype: type = np.float64) -> Array:
    """Return a block of rows (n, K) of any real dtype as a contiguous array (K, n) of this dtype, always a copy."""
    with np.errstate(over="ignore"):
        return np.array(rows.T, dtype, order="C")


def own_precision(dtype: np.dtype[Any]) -> type:
    """Return the dtype that holds such numbers exactly and that processors are fastest with: float32 or float64."""
    return np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64


def block_targets(t: Array, rows: slice) -> Array:
    """Return the targets of a block as the kernels take them: labels (n,), or soft rows (K, n)."""
    return t[rows].astype(np.intp) if t.ndim == 1 else transposed(t[rows])


def row_sum_tolerance(dtype: np.dtype[Any], rows: Array | None = None) -> float:
    """Return how far the sum of a row of probabilities may differ from 1: 1e-3, and 1e-2 for half precision.

    Half precision is float16, or a wider dtype whose first rows, given here, all hold float16 or bfloat16 numbers.
    """
    if dtype.kind == "f" and dtype.itemsize > 2 and rows is not None:
        return 1e-2 if _are_half(rows[:10]) and _are_half(rows) else 1e-3
    return 1e-2 if dtype.kind == "f" and dtype.itemsize == 2 else 1e-3


def _are_half(rows: Array) -> bool:
    """Whether all numbers are float16 numbers, or all are bfloat16 numbers: float32 whose low 16 bits are zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        single, half = rows.astype(np.float32), rows.astype(np.float16)
    is_bfloat16 = bool((single == rows).all()) and not (single.view(np.uint32) & 0xFFFF).any()
    return is_bfloat16 or bool((half == rows).all())
