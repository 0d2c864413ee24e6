"""Read tables of numbers from CSV and text files with distrust; a first column that counts the rows is an index.

Numbers are decimal, in ASCII, whatever the locale. A file has at most 64 MiB and a line at most 64 KiB.
"""

from __future__ import annotations

import array
import io
import itertools
import math
import os
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, Floats
from mnistloss.arrays.file_kinds import START, describe, identify
from mnistloss.arrays.files import opened
from mnistloss.errors import InputError
from mnistloss.formatting import shown

_LARGEST_FILE = 1 << 26
_LONGEST_LINE = 1 << 16
_LARGEST_WHOLE = 2.0**53
_NUMBER = re.compile(rb"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?|[+-]?nan", re.IGNORECASE)
_INDEX_NAMES = (b"", b"index", b"id", b"imageid", b"image_id", b"row", b"example", b"unnamed: 0")

Line = tuple[int, list[bytes]]


class Table(NamedTuple):
    """The numbers of a file, without its index.

    values: (N, K) float64; a single column is (N,), and int64 where all its numbers are whole.
    indices: of the examples (N,), int64; None where there is no index, or where it is 0..N-1 in order.
    """

    values: Array
    indices: NDArray[np.int64] | None


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Read the numbers of a text file, with or without a heading.

    Raises InputError for a file that is not regular, is of another kind, has lines of different lengths, or a field
    that is no number, and for a first column that seems to count the rows but does not.
    """
    name = shown(path)
    with opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(START)
        stream.seek(0)
        if identify(start) is not None:
            raise InputError(f"{name}: {describe(start)}")
        if size > _LARGEST_FILE:
            raise InputError(
                f"{name}: {size:,} bytes; expected at most {_LARGEST_FILE:,} of text: save it with np.save"
            )
        heading, table = _parse(_lines(reader := io.BufferedReader(stream), name), name)
        reader.detach()
    index = _index(table, heading, name)
    values = table if index is None else table[:, 1:]
    if index is not None and np.array_equal(index, np.arange(len(index))):
        index = None
    if values.shape[1] > 1:
        return Table(values, index)
    column = values[:, 0]
    return Table(column.astype(np.int64) if _whole(column) else column, index)


def _lines(reader: IO[bytes], name: str) -> Iterator[Line]:
    """Yield the lines with their numbers, split into fields at the delimiter that the line has."""
    number = 0
    while line := reader.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise InputError(f"{name}: line {number} is longer than {_LONGEST_LINE:,} bytes; expected a row of numbers")
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if number == 1 and line.startswith(b"#"):  # a heading of np.savetxt
            line = line[1:].lstrip()
        delimiter = next((mark for mark in (b";", b"\t", b",") if mark in line), None)
        yield number, [field.strip().strip(b'"') for field in line.strip(b"\r\n ").split(delimiter)]


def _parse(lines: Iterator[Line], name: str) -> tuple[list[bytes], Floats]:
    """Return the heading, empty if there is none, and the table of numbers."""
    first = list(itertools.islice(lines, 2))
    heading = first.pop(0)[1] if first and _is_heading(first) else []
    columns, numbers = 0, array.array("d")
    for rows in (first, lines):
        for number, fields in rows:
            columns = columns or len(fields)
            if len(fields) != columns:
                fewer = f"{name}: line {number} has {len(fields)} fields, the lines before it have {columns}"
                raise InputError(f"{fewer}; expected a row of numbers for each example")
            numbers.extend(_number(field, f"{name}: line {number}, field {i}") for i, field in enumerate(fields, 1))
    if not columns:
        raise InputError(f"{name}: the file has no rows of numbers")
    return heading, np.frombuffer(numbers, np.float64).reshape(-1, columns)


def _is_heading(lines: list[Line]) -> bool:
    """Whether the first of two lines names columns, perhaps 0, 1, 2, ... as pandas does."""
    fields = lines[0][1]
    if any(field and not _NUMBER.fullmatch(field) for field in fields) or (len(fields) > 1 and not fields[0]):
        return True
    counts = fields == [b"%d" % i for i in range(len(fields))]
    return counts and len(lines) > 1 and not all(field.isdigit() for field in lines[1][1])


def _number(field: bytes, where: str) -> float:
    if not _NUMBER.fullmatch(field):
        text = shown(field[:20].decode("latin1")) or "empty"
        raise InputError(f"{where} is {text}; expected a number, with a decimal point")
    value = float(field)
    if math.isinf(value) and b"n" not in field.lower():
        raise InputError(f"{where} is {shown(field[:20].decode())}, which is beyond float64")
    return value


def _whole(column: Floats) -> bool:
    return bool((np.isfinite(column) & (column == np.rint(column)) & (np.abs(column) <= _LARGEST_WHOLE)).all())


def _index(table: Floats, heading: list[bytes], name: str) -> NDArray[np.int64] | None:
    """Return the first column if it counts the rows; None if it does not, and InputError where it does so oddly."""
    first, n = table[:, 0], len(table)
    if table.shape[1] < 2 or not _whole(first):
        return None
    distinct = len(np.unique(first)) == n
    named = bool(heading) and heading[0].lower() in _INDEX_NAMES
    if not named and (first.max() < 2 or (not distinct and _whole(table[:, 1:].ravel()))):
        return None
    index = first.astype(np.int64)
    what = f"{name}: the first column holds whole numbers, like an index of the rows, but"
    advice = "Save the file without this column, with its rows in the order of the examples"
    if index.min() < 0:
        raise InputError(f"{what} {index.min()} is below 0. {advice}")
    if not distinct:
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
