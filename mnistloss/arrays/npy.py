"""Read .npy and .npz files and streams with distrust: a header is checked against the file that it describes.

Nothing is unpickled, nothing is allocated because a header says so, and only regular files are opened.
Source of the format: NEP 1 and numpy.lib.format.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import math
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import BFLOAT16, Array, as_real, check_dtype
from mnistloss.arrays.files import open_regular
from mnistloss.errors import InputError
from mnistloss.formatting import shown

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
    """The content of a .npy header: the array's shape, dtype and order, and where its bytes start."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: io.RawIOBase | BinaryIO, name: str) -> Header:
    """Read the header at the start of a stream; one that is missing or impossible raises InputError."""
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
        reason = f" {BFLOAT16}" if "g2'" in text or "bfloat16" in text else ""
        raise InputError(f"{name}: the .npy header cannot be read ({type(error).__name__}).{reason}") from error
    honest = isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 2**63 for size in shape)
    if not honest or type(fortran) is not bool or len(shape) > 32:
        raise InputError(f"{name}: the .npy header has an impossible shape or order")
    return shape, dtype, fortran


def exactly(stream: io.RawIOBase | BinaryIO, count: int, name: str) -> bytearray:
    """Read `count` bytes, or fewer where the stream ends."""
    data = bytearray()
    while len(data) < count and (piece := _piece(stream, count - len(data), name)):
        data += piece
    return data


def _piece(stream: io.RawIOBase | BinaryIO, most: int, name: str) -> bytes:
    """Read some bytes; none means the end of the stream."""
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


CHANGED = "the file was changed while it was read; try again when it is written"

Path = str | os.PathLike[str]
Source = ArrayLike | os.PathLike[str]


class NpyArray:
    """An array in a .npy file, read by rows into a buffer that is reused."""

    def __init__(self, stream: io.FileIO | _Lazy, header: Header, name: str) -> None:
        self.name = name
        self.shape = header.shape
        self.dtype = header.dtype
        self._header = header
        self._stream = stream
        self._buffer = np.empty(0, np.uint8)

    def rows(self, rows: slice) -> Array:
        """Read some rows, valid until the next call; a file that has shrunk since it was opened raises InputError."""
        if self._header.fortran and len(self.shape) > 2:
            return self.all()[rows]
        n, width = rows.stop - rows.start, math.prod(self.shape[1:])
        need = n * width * self.dtype.itemsize
        if need > len(self._buffer):
            self._buffer = np.empty(need, np.uint8)
        raw = self._buffer[:need]
        if not self._header.fortran or len(self.shape) < 2:
            self._read(raw, rows.start * width)
            return raw.view(self.dtype).reshape(n, *self.shape[1:])
        for column, part in enumerate(np.split(raw, width)):
            self._read(part, column * self.shape[0] + rows.start)
        return raw.view(self.dtype).reshape(width, n).T

    def all(self) -> Array:
        """Read the whole array; an empty one raises InputError."""
        if 0 in self.shape:
            raise InputError(f"{self.name}: the array is empty, of shape {self.shape}")
        content = np.empty(self._header.size, np.uint8)
        self._read(content, 0)
        return content.view(self.dtype).reshape(self.shape, order="F" if self._header.fortran else "C")

    def _read(self, into: Array, first: int) -> None:
        view = into.data
        try:
            self._stream.seek(self._header.offset + first * self.dtype.itemsize)
            while count := self._stream.readinto(view):
                view = view[count:]
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error})") from error
        if len(view):
            raise InputError(f"{self.name}: {CHANGED}")


class _Lazy:
    """The array's bytes in a stream without random access: read at the first use, and checked against the header."""

    def __init__(self, stream: BinaryIO, header: Header, name: str) -> None:
        self._source = stream, header, name

    @functools.cached_property
    def _content(self) -> io.BytesIO:
        stream, header, name = self._source
        data = exactly(stream, header.size + 1, name)
        _check_size(header, len(data), name)
        return io.BytesIO(data)

    def seek(self, position: int) -> None:
        self._content.seek(position)

    def readinto(self, into: memoryview) -> int:
        return self._content.readinto(into)


@contextlib.contextmanager
def open_npy(
    source: Path | BinaryIO, kinds: str = "fiub", *, name: str | None = None, most: int | None = None
) -> Iterator[NpyArray]:
    """Open the array of a .npy file, given as a path or as a binary stream such as standard input.

    Raises InputError where it is not a regular file, not .npy, not exactly as long as its header says, where its
    dtype is of another kind than `kinds`, where it has more than `most` elements, or where it changes while it is open.
    Only the header of a stream is read before its rows are.
    """
    if isinstance(source, (str, os.PathLike)):
        with opened(source) as stream:
            name = shown(source)
            status = os.fstat(stream.fileno())
            header = _checked(read_header(stream, name), name, kinds, most)
            _check_size(header, status.st_size - header.offset, name)
            try:
                yield NpyArray(stream, header, name)
            except InputError:
                _check_unchanged(status, stream, name)
                raise
            _check_unchanged(status, stream, name)
    else:
        name = name or shown(getattr(source, "name", "stream"))
        header = _checked(read_header(source, name), name, kinds, most)
        yield NpyArray(_Lazy(source, header, name), header._replace(offset=0), name)


def _check_unchanged(before: os.stat_result, stream: io.FileIO, name: str) -> None:
    now = os.fstat(stream.fileno())
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError(f"{name}: {CHANGED}")


def is_zip(path: Path) -> bool:
    """Whether a regular file starts as a zip archive does; raises InputError as `open_npy` does."""
    with opened(path) as stream:
        return exactly(stream, 4, shown(path)).startswith(b"PK")


def load(source: Path) -> Array:
    """Read the whole array of a .npy file."""
    with open_npy(source) as npy:
        return npy.all()


def given(source: Source, what: str) -> tuple[Array, str]:
    """Return an array, given as such or as the path of a .npy file, with its name: `what`, or the path."""
    if isinstance(source, (str, os.PathLike)):
        return load(source), shown(source)
    return as_real(source, what), what


def opened(path: Path) -> io.FileIO:
    """Open a regular file; anything else raises InputError."""
    try:
        return open_regular(path)
    except (OSError, ValueError) as error:
        hint = "; to read from a pipe, name it -" if "a pipe" in str(error) else ""
        raise InputError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}{hint}") from error


def _checked(header: Header, name: str, kinds: str, most: int | None) -> Header:
    check_dtype(header.dtype, name, kinds, header.shape)
    count = math.prod(header.shape)
    if most is not None and count > most:
        raise InputError(f"{name}: {count:,} elements; expected {most:,} at the most")
    return header


def _check_size(header: Header, found: int, name: str) -> None:
    if found == header.size:
        return
    what = "truncated" if found < header.size else "followed by other bytes"
    raise InputError(
        f"{name}: the array is {what}: shape {header.shape} of {header.dtype} has {header.size:,} bytes,"
        f" found {found:,}{' or more' if found > header.size else ''}"
    )


def archive_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that a broken, encrypted or unknown kind of archive raises when it is read."""
    import lzma
    import zipfile
    import zlib

    return (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    )


def load_member(archive: Path, member: str, kinds: str = "fiub", *, most: int) -> Array | None:
    """Read one array of a .npz file, of at most `most` elements; None if it has no array of that name.

    Raises InputError as `open_npy` does.
    """
    import zipfile

    name = f"{shown(archive)}[{member}]"
    with opened(archive) as stream:
        try:
            with zipfile.ZipFile(stream) as zipped:
                if f"{member}.npy" not in zipped.namelist():
                    return None
                with (
                    zipped.open(f"{member}.npy") as inner,
                    open_npy(inner, kinds, name=name, most=most) as npy,  # type: ignore[arg-type]  # it is binary
                ):
                    return npy.all()
        except InputError:
            raise
        except archive_errors() as error:
            raise InputError(f"{shown(archive)}: not a readable .npz file ({error})") from error
