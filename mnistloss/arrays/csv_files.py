"""Read tables of numbers from CSV and text files with distrust; a first column that counts the rows is an index.

Numbers are decimal, in ASCII, whatever the locale. A file has at most 64 MiB, and a line at most 64 KiB.
"""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mnistloss.arrays.checks import Array, Floats
from mnistloss.arrays.file_kinds import START, describe, identify
from mnistloss.arrays.files import opened, size_of
from mnistloss.errors import InputError
from mnistloss.formatting import shown

_MAX_FILE = 1 << 26
_MAX_LINE = 1 << 16
_MAX_WHOLE = 2.0**53
"""Up to this size, float64 holds every whole number."""

_MAX_REASON = 200
_INDEX_NAMES = ("", "index", "id", "imageid", "image_id", "row", "example", "unnamed: 0")


class Table(NamedTuple):
    """The numbers of a file, without the index column.

    values: (N, K) float64. A single column is (N,), and is int64 where all numbers are whole.
    indices: the index of each example (N,), int64; None where the file has no index, or has 0..N-1 in order.
    """

    values: Array
    indices: NDArray[np.int64] | None


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Read the numbers of a text file, with or without a heading.

    Raises InputError for a file that is not regular or of another kind, for lines of different lengths, for a field
    that is no number, and for a first column that seems to count the rows but does not.
    """
    name = shown(path)
    with opened(path) as stream:
        size = size_of(stream)
        if size > _MAX_FILE:
            raise InputError(f"{name}: {size:,} bytes; expected at most {_MAX_FILE:,} of text: save it with np.save")
        heading, table = parse(reader := io.BufferedReader(stream), name)
        reader.detach()
    index = _index(table, heading, name)
    values = table if index is None else table[:, 1:]
    if index is not None and np.array_equal(index, np.arange(len(index))):
        index = None
    if values.shape[1] == 1:
        values = values[:, 0].astype(np.int64) if _is_whole(values[:, 0]) else values[:, 0]
    return Table(values, index)


def parse(stream: io.BufferedReader[Any], name: str, dtype: DTypeLike = np.float64) -> tuple[list[str], Array]:
    """Return the heading, empty if there is none, and the numbers as a table (rows, columns)."""
    start = stream.peek(START)[:START]
    if identify(start) is not None:
        raise InputError(f"{name}: {describe(start)}")
    lines = _lines(stream, name)
    first = list(itertools.islice(lines, 2))
    delimiter = next((mark for mark in ";\t," if mark in first[0]), None)
    fields = [[field.strip().strip('"') for field in line.split(delimiter)] for line in first]
    heading = fields[0] if _is_heading(*fields) else []
    if heading and len(first) < 2:
        raise InputError(f"{name}: the file has no rows of numbers")
    position = itertools.count(1 + bool(heading))
    rows = (line for line, _ in zip(itertools.chain(first[bool(heading) :], lines), position, strict=False))
    try:
        return heading, np.loadtxt(rows, dtype, comments=None, delimiter=delimiter, quotechar='"', ndmin=2)
    except InputError:
        raise
    except ValueError as error:
        reason = re.sub(r" at row \d.*", "", str(error)[:_MAX_REASON])
        raise InputError(
            f"{name}: line {next(position) - 1}: {shown(reason)}; expected equally many numbers in each line, with a"
            " decimal point"
        ) from None


def _lines(stream: io.BufferedReader[Any], name: str) -> Iterator[str]:
    """Yield the lines without a byte order mark and without the # that np.savetxt puts before a heading."""
    for number in itertools.count(1):
        line = stream.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise InputError(f"{name}: line {number} is longer than {_MAX_LINE:,} bytes; expected a row of numbers")
        if not line:
            return
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf").removeprefix(b"#").lstrip(b" ")
        text = line.decode("ascii", "backslashreplace")
        if not text.strip():
            raise InputError(f"{name}: line {number} is empty; expected a row of numbers")
        yield text.strip("\r\n ")


def _is_heading(fields: list[str], next_fields: list[str] | None = None) -> bool:
    """Whether the first of two lines names columns, perhaps by 0, 1, 2, ... as pandas does."""
    if len(fields) > 1 and not fields[0]:
        return True
    try:
        _ = [float(field or 0) for field in fields]
    except ValueError:
        return True
    is_count = fields == [str(i) for i in range(len(fields))]
    return is_count and next_fields is not None and not all(field.isdigit() for field in next_fields)


def _is_whole(column: Floats) -> bool:
    return bool((np.isfinite(column) & (column == np.rint(column)) & (np.abs(column) <= _MAX_WHOLE)).all())


def _index(table: Floats, heading: list[str], name: str) -> NDArray[np.int64] | None:
    """Return the first column if it counts the rows, None if it does not; raise InputError where it counts oddly."""
    first, n = table[:, 0], len(table)
    if table.shape[1] < 2 or not _is_whole(first):
        return None
    is_distinct = len(np.unique(first)) == n
    is_named = bool(heading) and heading[0].lower() in _INDEX_NAMES
    if not is_named and (first.max() < 2 or (not is_distinct and _is_whole(table[:, 1:].ravel()))):
        return None
    index = first.astype(np.int64)
    what = f"{name}: the first column holds whole numbers, like an index of the rows, but"
    advice = "Save the file without this column, with its rows in the order of the examples"
    if index.min() < 0:
        raise InputError(f"{what} {index.min()} is below 0. {advice}")
    if not is_distinct:
        values, counts = np.unique(index, return_counts=True)
        repeated = int(values[counts > 1][0])
        rows = " and ".join(map(str, np.flatnonzero(index == repeated)[:2]))
        raise InputError(f"{what} {repeated} is in rows {rows}. {advice}")
    if index.min() == 1 and index.max() == n:
        raise InputError(
            f"{what} it counts from 1, and examples are counted from 0: subtract 1 from it. {advice};"
            " or, if these are examples 1 to N of a split, save the column apart, as indices=FILE"
        )
    return index
