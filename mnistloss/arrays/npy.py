"""Read .npy and .npz files and streams with distrust: each header is checked against the bytes that follow it.

Nothing is unpickled, nothing is allocated because a header says so, and only regular files are opened. An array of a
.npz file is read as a whole, and has at most 1 GiB. Source of the format: NEP 1 and numpy.lib.format.
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
from mnistloss.arrays.files import CHANGED, is_csv, opened, size_of
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import counted, shown

if TYPE_CHECKING:
    import zipfile

Path = str | os.PathLike[str]
Source = ArrayLike | os.PathLike[str]
Stream = io.RawIOBase | BinaryIO

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_MAX_ELEMENT = 256
_MAX_MEMBER = 1 << 30
_MAX_LISTED = 20
_PIECE = 1 << 20
"""Most bytes of one read: memory grows with the bytes that come, not with those that a header claims."""


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

    def check(self, name: str, kinds: str, most: int | None) -> None:
        """Raise InputError for a dtype that is not of these kinds, and for more than `most` elements."""
        check_dtype(self.dtype, name, kinds, self.shape)
        count, itemsize = math.prod(self.shape), self.dtype.itemsize
        if most is not None and count > most:
            raise InputError(f"{name}: {count:,} elements; expected {most:,} at the most")
        if most is not None and itemsize > _MAX_ELEMENT:
            raise InputError(f"{name}: elements of {itemsize:,} bytes; expected {_MAX_ELEMENT} at the most")

    def check_size(self, name: str, size: int) -> None:
        """Raise InputError unless the array has `size` bytes."""
        if size != self.size:
            what = "truncated" if size < self.size else "followed by other bytes"
            raise InputError(
                f"{name}: the array is {what}: shape {self.shape} of {self.dtype} has {self.size:,} bytes,"
                f" found {size:,}{' or more' if size > self.size else ''}"
            )


def read_header(stream: Stream, name: str) -> Header:
    """Read the header at the start of a stream; a missing or impossible header raises InputError."""
    start = _read(stream, 8, name)
    if not start.startswith(_MAGIC):
        from mnistloss.arrays.file_kinds import START, describe

        size = size_of(stream) if isinstance(stream, (io.FileIO, io.BytesIO)) else None
        raise InputError(f"{name}: {describe(start + _read(stream, START - len(start), name), size)}")
    version = start[6:8]
    if len(version) == 2 and version[0] not in (1, 2, 3):
        raise InputError(f"{name}: .npy version {version[0]}.{version[1]}; expected 1.0, 2.0 or 3.0")
    width, code = (2, "<H") if version[:1] == b"\1" else (4, "<I")
    prefix = _read(stream, width, name)
    length = struct.unpack(code, prefix)[0] if len(prefix) == width else 0
    if length > _MAX_HEADER:
        raise InputError(f"{name}: the .npy header claims {length:,} bytes; an honest one has about a hundred")
    text = _read(stream, length, name)
    if not text or len(text) < length:
        raise InputError(f"{name}: the file ends within its .npy header")
    return Header(*_parse(text.decode("utf-8" if version[0] == 3 else "latin1", "replace"), name), 8 + width + length)


def _parse(text: str, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return the shape, the dtype and whether the order is that of Fortran."""
    text = text.strip()
    if "L" in text:
        text = re.sub(r"(?<=\d)L(?=\s*[,)])", "", text)  # a long integer of Python 2
    try:
        shape, dtype, fortran = _literal(text)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        reason = f" {BFLOAT16}" if "g2'" in text or "bfloat16" in text else ""
        raise InputError(f"{name}: the .npy header cannot be read ({type(error).__name__}).{reason}") from None
    honest = isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 2**63 for size in shape)
    if not honest or type(fortran) is not bool or len(shape) > 32:
        raise InputError(f"{name}: the .npy header has an impossible shape or order")
    return shape, dtype, fortran


@functools.lru_cache(maxsize=1)
def _literal(text: str) -> tuple[Any, np.dtype[Any], Any]:
    """Evaluate the text of a header; the last one is kept, as many files of one call have the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old dtype names, and escapes in strings
        fields = ast.literal_eval(text)
        descr = fields["descr"]
        dtype = np.dtype(descr if isinstance(descr, str) else [tuple(field) for field in descr])
    return fields["shape"], dtype, fields["fortran_order"]


def _read(stream: Stream, count: int, name: str) -> bytes:
    """Read `count` bytes, or fewer where the stream ends."""
    data = bytearray()
    while len(data) < count:
        try:
            piece = stream.read(min(count - len(data), _PIECE))
        except archive_errors() as error:
            raise InputError(f"{name}: cannot be read ({error})") from None
        if not isinstance(piece, bytes):
            kind = type(piece).__name__
            raise InputError(f"{name}: reading gives {kind}; expected bytes, of a binary stream that waits for them")
        if not piece:
            break
        data += piece
    return bytes(data)


class NpyArray:
    """An array in a .npy file or stream. A file is read by rows, a stream as a whole when rows are first asked for."""

    indices: Array | None = None

    def __init__(self, stream: Stream, header: Header, name: str, *, by_rows: bool) -> None:
        self.name = name
        self.shape: tuple[int, ...] = header.shape
        self.dtype: np.dtype[Any] = header.dtype
        self._header = header
        self._stream = stream
        self._start = header.offset if by_rows else -1
        self._buffers = [np.empty(0, np.uint8)] * 2

    def rows(self, rows: slice) -> Array:
        """Read some rows, valid until the call after the next; a file that has shrunk meanwhile raises InputError."""
        self._load()
        if self._header.fortran and len(self.shape) > 2:
            return self.all()[rows]
        n, width = rows.stop - rows.start, math.prod(self.shape[1:])
        size = n * width * self.dtype.itemsize
        buffer = self._buffers.pop(0)
        self._buffers.append(buffer if size <= len(buffer) else np.empty(size, np.uint8))
        raw = self._buffers[1][:size]
        if not self._header.fortran or len(self.shape) < 2:
            self._fill(raw, rows.start * width)
            return raw.view(self.dtype).reshape(n, *self.shape[1:])
        pieces = width if n < self.shape[0] else 1  # whole columns follow each other
        for column, part in enumerate(np.split(raw, pieces)):
            self._fill(part, column * self.shape[0] + rows.start)
        return raw.view(self.dtype).reshape(width, n).T

    def all(self) -> Array:
        """Read the whole array; an empty one raises InputError."""
        if 0 in self.shape:
            raise InputError(f"{self.name}: the array is empty, of shape {self.shape}")
        self._load()
        content = np.empty(self._header.size, np.uint8)
        self._fill(content, 0)
        return content.view(self.dtype).reshape(self.shape, order="F" if self._header.fortran else "C")

    def _load(self) -> None:
        """Read the whole array of a stream at the first call, before anything as large as the header says is made."""
        if self._start < 0:
            data = _read(self._stream, self._header.size + 1, self.name)
            self._header.check_size(self.name, len(data))
            self._stream, self._start = io.BytesIO(data), 0

    def _fill(self, buffer: Array, first: int) -> None:
        """Fill a buffer with the bytes of the array from this element on."""
        view = buffer.data
        try:
            self._stream.seek(self._start + first * self.dtype.itemsize)
            while count := self._stream.readinto(view):  # type: ignore[union-attr]  # a file or bytes in memory
                view = view[count:]
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error})") from error
        if len(view):
            raise InputError(f"{self.name}: {CHANGED}")


@contextlib.contextmanager
def open_npy(
    source: Path | Stream,
    kinds: str = "fiub",
    *,
    name: str | None = None,
    most: int | None = None,
    array: str | None = None,
) -> Iterator[NpyArray]:
    """Open an array: of a .npy file, of a .npz file, or of a binary stream of .npy such as standard input.

    array: the name of the array in a .npz file; None stands for the only array. Only the header is read before rows
    are asked for.

    Raises InputError for a file that is not regular, that is neither .npy nor .npz, that is not exactly as long as the
    header says, or that changes while it is open; for a dtype that is not of these `kinds`; and for more than `most`
    elements.
    """
    with contextlib.ExitStack() as stack:
        stream: Any = source
        is_file = isinstance(source, (str, os.PathLike))
        if is_file:
            name, stream = shown(stream), stack.enter_context(opened(stream))
            if _starts_as_zip(stream, name):
                archive = stack.enter_context(open_zip(stream, name))
                yield stack.enter_context(_open_member(archive, _choose(archive, array, name), name, kinds, most))
                return
        name = name or shown(getattr(source, "name", "stream"))
        if array is not None:
            raise ArgumentError(
                f'array="{shown(array)}" is the name of an array in a .npz file; {name} is no .npz file'
            )
        header = read_header(stream, name)
        header.check(name, kinds, most)
        if is_file:
            _check_end(stream, header, name)
        yield NpyArray(stream, header, name, by_rows=is_file)


def is_zip(path: Path) -> bool:
    """Whether a regular file starts as a zip archive does; raises InputError as `open_npy` does."""
    with opened(path) as stream:
        return _starts_as_zip(stream, shown(path))


def _starts_as_zip(stream: Stream, name: str) -> bool:
    start = _read(stream, 4, name)
    stream.seek(0)
    return start == b"PK\x03\x04"


class Given(NamedTuple):
    """An array and its name in messages."""

    array: Array
    name: str


def given(source: Source | Given, what: str, most: int | None = None) -> Given:
    """Return an array, given as such or as the path of a file, with its name: `what`, or the path.

    Raises InputError for a file of more than `most` elements before its array is read.
    """
    if isinstance(source, Given):
        return source
    if not isinstance(source, (str, os.PathLike)):
        return Given(as_real(source, what), what)
    if is_csv(source):
        from mnistloss.arrays.csv_files import read_csv

        table = read_csv(source)
        if table.indices is not None:
            raise InputError(f"{shown(source)}: the first column is an index in another order; sort the rows by it")
        return Given(table.values, shown(source))
    with open_npy(source, most=most) as npy:
        return Given(npy.all(), shown(source))


def _check_end(stream: Stream, header: Header, name: str) -> None:
    """Raise InputError unless a file is exactly as long as its header says."""
    size = size_of(stream) - header.offset
    if size > header.size:
        stream.seek(header.offset + header.size)
        if _read(stream, len(_MAGIC), name) == _MAGIC:
            raise InputError(
                f"{name}: several arrays in one file, as several np.save to one handle write them; the first has shape"
                f" {header.shape}. Read each with np.load(f), of f = open(FILE, 'rb'), and save np.concatenate of those"
                " that are predictions"
            )
    header.check_size(name, size)


def archive_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that a broken, encrypted or unknown kind of archive raises when it is read."""
    import lzma
    import tarfile
    import zipfile
    import zlib

    own = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
    return (*own, EOFError, OSError, ValueError, RuntimeError, MemoryError, LookupError)


@contextlib.contextmanager
def open_zip(stream: Stream, name: str) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file; one that is broken or holds no array raises InputError."""
    import zipfile

    from mnistloss.arrays.file_kinds import START, describe

    start = _read(stream, START, name)
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stream))
        except archive_errors() as error:
            raise InputError(f"{name}: not a readable .npz file ({error})") from None
        members = archive.namelist()
        if not any(member.endswith(".npy") for member in members):
            held = f" of {', '.join(map(shown, members[:3])) or 'nothing'}{', ...' if len(members) > 3 else ''}"
            what = describe(start)
            what = (
                f"a zip archive{held}; unpack it, and name the file of the array" if what == "a zip archive" else what
            )
            raise InputError(f"{name}: {what}")
        yield archive


def _choose(archive: zipfile.ZipFile, array: str | None, name: str) -> str:
    """Return the name of an array of a .npz file, or of the only array; otherwise list all in an InputError."""
    arrays = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
    if array in arrays or (array is None and len(arrays) == 1):
        return arrays[0] if array is None else array
    listed = []
    for member in arrays[:_MAX_LISTED]:
        try:
            with _open_member(archive, member, name, kinds="fiubcOVSUTMm") as npy:
                listed.append(f"{shown(member)} {npy.shape}")
        except InputError:
            listed.append(f"{shown(member)} (unreadable)")
    choice = 'choose one with array="NAME"' if array is None else f"none is named {shown(array)}"
    number = counted(len(arrays), "array", "arrays")
    raise InputError(f"{name}: the .npz file holds {number}: {', '.join(listed)}; {choice}")


@contextlib.contextmanager
def _open_member(
    archive: zipfile.ZipFile, array: str, name: str, kinds: str, most: int | None = None
) -> Iterator[NpyArray]:
    """Open an array of a .npz file."""
    info, name = archive.getinfo(f"{array}.npy"), f"{name}[{shown(array)}]"
    if info.compress_type not in (0, 8):
        raise InputError(f"{name}: compressed in another way than np.savez_compressed does")
    if info.file_size > _MAX_MEMBER:
        raise InputError(f"{name}: {info.file_size:,} bytes; an array of a .npz may have 2**30: save it with np.save")
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(archive.open(info))
        except archive_errors() as error:
            raise InputError(f"{name}: cannot be read ({error})") from None
        yield stack.enter_context(open_npy(stream, kinds, name=name, most=most))  # type: ignore[arg-type]  # it is binary


def load_member(path: Path, array: str, kinds: str = "fiub", *, most: int) -> Array | None:
    """Read one array of a .npz file, of at most `most` elements; None if it has no array of that name.

    Raises InputError as `open_npy` does.
    """
    with opened(path) as stream, open_zip(stream, shown(path)) as archive:
        if f"{array}.npy" not in archive.namelist():
            return None
        with _open_member(archive, array, shown(path), kinds, most) as npy:
            return npy.all()
