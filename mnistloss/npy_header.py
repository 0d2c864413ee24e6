"""The header of a .npy file: what it says of the array, read with distrust.

Source: NEP 1, and numpy.lib.format.
"""

from __future__ import annotations

import ast
import io
import math
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mnistloss.errors import InputError

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_PIECE = 1 << 20
_IMPOSTORS = (
    (b"PK", "a zip archive, such as .npz; save one array with np.save"),
    (b"\x1f\x8b", "gzip data; decompress it first"),
    (b"<", "HTML or XML, perhaps the error page of a download"),
    (b"\x80", "a pickle, and pickles are never loaded; save the array with np.save"),
    (b"", "no .npy file; save the array with np.save"),
)


class Header(NamedTuple):
    """What a .npy header says: the array's shape, dtype and order, and where its bytes start."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: io.RawIOBase | BinaryIO, name: str) -> Header:
    """The header at the start of a stream; raises InputError where it is none, or one that lies."""
    start = bytes(exactly(stream, 8, name))
    if len(start) < 8 or not start.startswith(_MAGIC):
        raise InputError(f"{name}: {_impostor(start)}")
    if start[6] not in (1, 2, 3):
        raise InputError(f"{name}: .npy version {start[6]}.{start[7]}; expected 1.0, 2.0 or 3.0")
    width, code = (2, "<H") if start[6] == 1 else (4, "<I")
    prefix = exactly(stream, width, name)
    length = struct.unpack(code, prefix)[0] if len(prefix) == width else 0
    if length > _LONGEST_HEADER:
        raise InputError(f"{name}: the .npy header claims {length:,} bytes; an honest one has about a hundred")
    text = exactly(stream, length, name)
    if not text or len(text) < length:
        raise InputError(f"{name}: the file ends within its .npy header")
    return Header(*_parse(text.decode("latin1"), name), offset=8 + width + length)


def _parse(text: str, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    try:
        fields = ast.literal_eval(text.strip())
        shape, fortran, descr = fields["shape"], fields["fortran_order"], fields["descr"]
        dtype = np.dtype(descr if isinstance(descr, str) else [tuple(field) for field in descr])
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise InputError(f"{name}: the .npy header cannot be read ({type(error).__name__})") from error
    honest = isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 2**63 for size in shape)
    if not honest or type(fortran) is not bool or len(shape) > 32:
        raise InputError(f"{name}: the .npy header says a shape or an order that cannot be")
    return shape, dtype, fortran


def exactly(stream: io.RawIOBase | BinaryIO, count: int, name: str) -> bytearray:
    """`count` bytes, or fewer where the stream ends."""
    data = bytearray()
    while len(data) < count and (piece := _piece(stream, count - len(data), name)):
        data += piece
    return data


def _piece(stream: io.RawIOBase | BinaryIO, most: int, name: str) -> bytes:
    """Some bytes, of which there are none at the end only."""
    try:
        piece = stream.read(min(most, _PIECE))
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read ({error})") from error
    if not isinstance(piece, bytes):
        found = type(piece).__name__
        raise InputError(f"{name}: reading gives {found}; expected bytes, of a binary stream that waits for them")
    return piece


def _impostor(start: bytes) -> str:
    if not start:
        return "the file is empty"
    kind = next(kind for magic, kind in _IMPOSTORS if start.lstrip().startswith(magic))
    return f"it starts with {start!r}: {kind}"
