"""Read .npy and .npz files and streams with distrust: a header is checked against the file that it describes.

Nothing is unpickled, nothing is allocated because a header says so, and only regular files are opened. The array of a
.npz is read as a whole, and has at most 1 GiB.
Source of the format: NEP 1 and numpy.lib.format.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import math
import os
import re
import struct
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import BFLOAT16, Array, as_real, check_dtype
from mnistloss.arrays.file_kinds import START, describe
from mnistloss.arrays.files import CHANGED, is_csv, opened
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import counted, shown

if TYPE_CHECKING:
    import zipfile

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_PIECE = 1 << 20
_LONGEST_ELEMENT = 256
_LARGEST_MEMBER = 1 << 30
_MOST_LISTED = 20


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
    if not start.startswith(_MAGIC):
        size = os.fstat(stream.fileno()).st_size if isinstance(stream, io.FileIO) else None
        raise InputError(f"{name}: {describe(start + exactly(stream, START - len(start), name), size)}")
    if len(start) < 8:
        raise InputError(f"{name}: the file ends within its .npy header")
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
    return Header(*_parse(bytes(text), start[6], name), offset=8 + width + length)


def _parse(content: bytes, version: int, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    text = content.decode("utf-8" if version == 3 else "latin1", "replace").strip()
    text = re.sub(r"(?<=\d)L(?=\s*[,)])", "", text)  # a long integer of Python 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old dtype names, and escapes in strings
            fields = ast.literal_eval(text)
            shape, fortran, descr = fields["shape"], fields["fortran_order"], fields["descr"]
            dtype = np.dtype(descr if isinstance(descr, str) else [tuple(field) for field in descr])
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        reason = f" {BFLOAT16}" if "g2'" in text or "bfloat16" in text else ""
        raise InputError(f"{name}: the .npy header cannot be read ({type(error).__name__}).{reason}") from None
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
    except archive_errors() as error:
        raise InputError(f"{name}: cannot be read ({error})") from None
    if not isinstance(piece, bytes):
        raise InputError(
            f"{name}: reading gives {type(piece).__name__}; expected bytes, of a binary stream that waits for them"
        )
    return piece


Path = str | os.PathLike[str]
Source = ArrayLike | os.PathLike[str]


class NpyArray:
    """An array in a .npy file, read by rows into a buffer that is reused."""

    indices: Array | None = None

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
    source: Path | BinaryIO,
    kinds: str = "fiub",
    *,
    name: str | None = None,
    most: int | None = None,
    array: str | None = None,
) -> Iterator[NpyArray]:
    """Open an array: of a .npy file, of a .npz file, or of a binary stream of .npy such as standard input.

    array: its name in a .npz file; None stands for the only one. Only the header is read before the rows of a stream
    or of a .npz are.

    Raises InputError where it is not a regular file, neither .npy nor .npz, not exactly as long as its header says,
    where its dtype is of another kind than `kinds`, where it has more than `most` elements, or where it changes while
    it is open.
    """
    if not isinstance(source, (str, os.PathLike)):
        name = name or shown(getattr(source, "name", "stream"))
        _check_no_name(array, name)
        header = _checked(read_header(source, name), name, kinds, most)
        yield NpyArray(_Lazy(source, header, name), header._replace(offset=0), name)
        return
    name = shown(source)
    with opened(source) as stream:
        if _starts_as_zip(stream, name):
            with _zipped(stream, name) as members, members.open(members.choose(array), kinds, most) as npy:
                yield npy
            return
        _check_no_name(array, name)
        header = _checked(read_header(stream, name), name, kinds, most)
        _check_end(stream, header, name)
        yield NpyArray(stream, header, name)


def _check_no_name(array: str | None, name: str) -> None:
    if array is not None:
        raise ArgumentError(f'array="{shown(array)}" is the name of an array in a .npz file; {name} is no .npz file')


def _starts_as_zip(stream: io.FileIO, name: str) -> bool:
    start = exactly(stream, 4, name)
    stream.seek(0)
    return start == b"PK\x03\x04"


def is_zip(path: Path) -> bool:
    """Whether a regular file starts as a zip archive does; raises InputError as `open_npy` does."""
    with opened(path) as stream:
        return _starts_as_zip(stream, shown(path))


def given(source: Source, what: str, most: int | None = None) -> tuple[Array, str]:
    """Return an array, given as such or as the path of a file, with its name: `what`, or the path.

    Raises InputError for a file of more than `most` elements before its array is read.
    """
    if not isinstance(source, (str, os.PathLike)):
        return as_real(source, what), what
    if is_csv(source):
        from mnistloss.arrays.csv_files import read_csv

        table = read_csv(source)
        if table.indices is not None:
            raise InputError(f"{shown(source)}: the first column is an index in another order; sort the rows by it")
        return table.values, shown(source)
    with open_npy(source, most=most) as npy:
        return npy.all(), shown(source)


def _checked(header: Header, name: str, kinds: str, most: int | None) -> Header:
    check_dtype(header.dtype, name, kinds, header.shape)
    count, itemsize = math.prod(header.shape), header.dtype.itemsize
    if most is not None and count > most:
        raise InputError(f"{name}: {count:,} elements; expected {most:,} at the most")
    if most is not None and itemsize > _LONGEST_ELEMENT:
        raise InputError(f"{name}: elements of {itemsize:,} bytes; expected {_LONGEST_ELEMENT} at the most")
    return header


def _check_size(header: Header, size: int, name: str) -> None:
    if size == header.size:
        return
    what = "truncated" if size < header.size else "followed by other bytes"
    raise InputError(
        f"{name}: the array is {what}: shape {header.shape} of {header.dtype} has {header.size:,} bytes,"
        f" found {size:,}{' or more' if size > header.size else ''}"
    )


def _check_end(stream: io.FileIO, header: Header, name: str) -> None:
    """Refuse a file that is not exactly as long as its header says."""
    size = os.fstat(stream.fileno()).st_size - header.offset
    if size > header.size:
        stream.seek(header.offset + header.size)
        if exactly(stream, len(_MAGIC), name) == _MAGIC:
            raise InputError(
                f"{name}: several arrays in one file, as several np.save to one handle write them; the first has shape"
                f" {header.shape}. Read each with np.load(f), of f = open(FILE, 'rb'), and save np.concatenate of those"
                " that are predictions"
            )
    _check_size(header, size, name)


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


class _Members:
    """The arrays of an open .npz file."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._name = archive, name
        self._infos = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}

    def __contains__(self, array: str) -> bool:
        return array in self._infos

    def choose(self, array: str | None) -> str:
        """Return the name of an array, or of the only one; InputError lists all where there is no such one."""
        if array is None and len(self._infos) == 1:
            return next(iter(self._infos))
        if array is not None and array in self:
            return array
        number = counted(len(self._infos), "array", "arrays")
        listed = ", ".join(f"{shown(name)} {self._shape(name)}" for name in list(self._infos)[:_MOST_LISTED])
        choice = 'choose one with array="NAME"' if array is None else f"none is named {shown(array)}"
        raise InputError(f"{self._name}: the .npz file holds {number}: {listed}; {choice}")

    def _shape(self, array: str) -> str:
        try:
            with self.open(array, kinds="fiubcOVSUTMm") as npy:
                return str(npy.shape)
        except InputError:
            return "(unreadable)"

    @contextlib.contextmanager
    def open(self, array: str, kinds: str, most: int | None = None) -> Iterator[NpyArray]:
        """Open an array, of which only the header is read before its rows are."""
        info, name = self._infos[array], f"{self._name}[{shown(array)}]"
        if info.compress_type not in (0, 8):
            raise InputError(f"{name}: compressed in another way than np.savez_compressed does")
        if info.file_size > _LARGEST_MEMBER:
            raise InputError(
                f"{name}: {info.file_size:,} bytes; an array of a .npz may have 2**30: save it with np.save"
            )
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(self._archive.open(info))
            except archive_errors() as error:
                raise InputError(f"{name}: cannot be read ({error})") from None
            header = _checked(read_header(stream, name), name, kinds, most)  # type: ignore[arg-type]  # it is binary
            _check_size(header, info.file_size - header.offset, name)
            yield NpyArray(_Lazy(stream, header, name), header._replace(offset=0), name)  # type: ignore[arg-type]


@contextlib.contextmanager
def _zipped(stream: io.FileIO, name: str) -> Iterator[_Members]:
    import zipfile

    start = bytes(exactly(stream, START, name))
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stream))
        except archive_errors() as error:
            raise InputError(f"{name}: not a readable .npz file ({error})") from None
        if not any(member.endswith(".npy") for member in archive.namelist()):
            raise InputError(f"{name}: {describe(start)}")
        yield _Members(archive, name)


def load_member(path: Path, array: str, kinds: str = "fiub", *, most: int) -> Array | None:
    """Read one array of a .npz file, of at most `most` elements; None if it has no array of that name.

    Raises InputError as `open_npy` does.
    """
    with opened(path) as stream, _zipped(stream, shown(path)) as members:
        if array not in members:
            return None
        with members.open(array, kinds, most) as npy:
            return npy.all()
