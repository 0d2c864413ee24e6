"""Read the dataset files that a file or folder on this machine may hold, whatever their names and containers.

A folder is searched with its sub-folders. Readable are IDX files, gzipped or not, .npz files of arrays (Keras), CSV
files with the label in the first or last column (Kaggle), and .zip, .tar.gz and .tar.xz archives of them. Nothing is
extracted to disk, and of one file no more is read or inflated than a dataset can have.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import math
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnistloss.arrays import npy
from mnistloss.arrays.checks import Array
from mnistloss.arrays.file_kinds import START, identify, inflated
from mnistloss.arrays.files import open_regular
from mnistloss.datasets import idx
from mnistloss.datasets.verify import inflate, max_file_size
from mnistloss.errors import IdxError, InputError, IntegrityError, UnavailableError
from mnistloss.formatting import shown

_DATA_FILE_NAME = re.compile(
    r"(train|t10k|test).*(images|labels|\.(csv|pt|parquet)$)"
    r"|(mnist|archive).*\.(npz|csv|zip|tar|tar\.[gx]z|t[gx]z|pkl|pkl\.gz|pt|parquet)$",
    re.IGNORECASE,
)
_MAX_NPY_HEADER = 1 << 20
_MAX_NPZ_ARRAYS = 100
_MAX_FILES = 8
"""How many times the largest file of a dataset may be read from one archive; as CSV, a dataset has three times."""
_MAX_OVERHEAD = 1 << 20
_MAX_MEMBERS = 10_000
_MAX_TAR_NAME = 1 << 16
_MAX_XZ_MEMORY = 1 << 28
_MAX_CSV_LINE = 1 << 15
_PIECE = 1 << 16
_PIXELS = 28 * 28
_MAX_CLASSES = 10


@dataclass(frozen=True)
class LocalFile:
    """A file that could be read: its location, its content, and the SHA-256 of the file as stored ("" if unknown)."""

    location: str
    content: bytes
    archive_sha256: str


@dataclass(frozen=True)
class UnusableFile:
    """A file that could not be used, and why."""

    location: str
    reason: str


def is_folder(source: Path) -> bool:
    """Whether the source is a folder; raises UnavailableError if it cannot be accessed."""
    try:
        return stat.S_ISDIR(source.stat().st_mode)
    except FileNotFoundError:
        raise UnavailableError(f"{shown(source)} does not exist; --from takes a file or a folder") from None
    except OSError as error:
        raise UnavailableError(f"{shown(source)}: {error.strerror}") from error


def search(source: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Yield the files that a file or folder holds, each with at most `limit` bytes of content."""
    if not is_folder(source):
        yield from _read(source, limit)
        return
    errors: list[OSError] = []
    for parent, folders, names in os.walk(source, onerror=errors.append):
        folders.sort()
        yield from (
            UnusableFile(shown(path), "a link to a folder, which is not followed")
            for path in (Path(parent, name) for name in folders)
            if path.is_symlink()
        )
        for name in sorted(names):
            if _DATA_FILE_NAME.search(name):
                yield from _read(Path(parent, name), limit)
    yield from (UnusableFile(shown(error.filename), str(error.strerror)) for error in errors)


def _read(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Yield what one file holds; its suffix decides how it is read."""
    broken: tuple[type[Exception], ...] = (*npy.archive_errors(), tarfile.TarError, IntegrityError)
    location, name, budget = shown(path), path.name.lower(), _Budget(_MAX_FILES * limit + _MAX_OVERHEAD)
    try:
        with open_regular(path) as stream:
            if name.endswith(".zip"):
                yield from _read_zip(location, stream, limit, budget)
            elif name.endswith((".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")):
                yield from _read_tar(location, stream, limit, budget)
            elif name.endswith(".npz"):
                yield from _read_npz(location, stream, limit, budget)
            else:
                yield from _read_member(location, stream, limit, budget)
    except broken as error:
        yield UnusableFile(location, shown(getattr(error, "strerror", None) or str(error)))


class _Budget:
    """Bytes that may still be read or inflated from one file, whatever its members claim."""

    def __init__(self, size: int) -> None:
        self._left = size

    def spend(self, count: int) -> None:
        """Take `count` bytes; raise IntegrityError where so many are not left."""
        self._left -= count
        if self._left < 0:
            raise IntegrityError("it holds far more than the files of a dataset")


class _Bounded(io.RawIOBase):
    """The next `size` bytes of a stream, or all up to its end, which are taken from the budget."""

    def __init__(self, stream: Any, budget: _Budget, size: float = math.inf) -> None:
        self._stream, self._budget, self._left = stream, budget, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(int(min(len(buffer), self._left)))
        if not data and 0 < self._left < math.inf:
            raise EOFError("the archive ends early")
        self._budget.spend(len(data))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _read_zip(location: str, stream: io.FileIO, limit: int, budget: _Budget) -> Iterator[LocalFile | UnusableFile]:
    with zipfile.ZipFile(stream) as archive:
        _check_count(len(archive.infolist()))
        for member in archive.infolist():
            if _DATA_FILE_NAME.search(os.path.basename(member.filename)) and not member.is_dir():
                inner_location = f"{location}[{shown(member.filename)}]"
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    yield UnusableFile(inner_location, "compressed in a way that is not read; make it with deflate")
                    continue
                with archive.open(member) as inner:
                    yield from _read_member(inner_location, inner, limit, budget)


def _read_tar(location: str, stream: io.FileIO, limit: int, budget: _Budget) -> Iterator[LocalFile | UnusableFile]:
    """Yield the files of a tar archive, which is read once from its start to its end."""
    magic = stream.read(6)
    stream.seek(0)
    inflated: Any = stream
    if magic.startswith(b"\x1f\x8b"):
        inflated = gzip.GzipFile(fileobj=stream)
    elif magic == b"\xfd7zXZ\0":
        inflated = _XzStream(stream)
    archive, long_name, count = io.BufferedReader(_Bounded(inflated, budget)), "", 0
    while len(block := archive.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and block.strip(b"\0"):
        _check_count(count := count + 1)
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        names_next = header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)
        if header.size < 0 or (names_next and header.size > _MAX_TAR_NAME):
            raise IntegrityError(f"a header of the archive claims {header.size:,} bytes")
        content = _Bounded(archive, _Budget(header.size), header.size)
        if names_next:
            long_name = _long_name(header.type, content.read())
        else:
            name, long_name = long_name or header.name, ""
            if header.isreg() and _DATA_FILE_NAME.search(os.path.basename(name)):
                yield from _read_member(f"{location}[{shown(name)}]", content, limit, budget)
        while content.read(_PIECE):
            pass
        archive.read(-header.size % tarfile.BLOCKSIZE)


def _check_count(count: int) -> None:
    if count > _MAX_MEMBERS:
        raise IntegrityError(f"the archive has more than {_MAX_MEMBERS:,} members")


def _long_name(kind: bytes, content: bytes) -> str:
    """Return the name in a header of a GNU or pax archive, for the next member; "" where it has none."""
    record = re.search(rb"(?:^|\n)\d+ path=([^\n]*)\n", content) if kind == tarfile.XHDTYPE else None
    name = content.rstrip(b"\0") if kind == tarfile.GNUTYPE_LONGNAME else record[1] if record else b""
    return name.decode("utf-8", "surrogateescape")


class _XzStream:
    """Inflates xz data within bounded memory; `lzma.LZMAFile` takes as much as the data ask for."""

    def __init__(self, stream: io.FileIO) -> None:
        self._stream, self._decoder = stream, lzma.LZMADecompressor(memlimit=_MAX_XZ_MEMORY)

    def read(self, size: int) -> bytes:
        data = b""
        while size and not data and not self._decoder.eof:
            piece = self._stream.read(_PIECE) if self._decoder.needs_input else b""
            if self._decoder.needs_input and not piece:
                raise EOFError("the xz data end early")
            data = self._decoder.decompress(piece, size)
        return data


def _read_member(location: str, stream: Any, limit: int, budget: _Budget) -> Iterator[LocalFile | UnusableFile]:
    """Yield what a file that is no archive, or the member of one, holds."""
    bounded = io.BufferedReader(_Bounded(stream, budget), _MAX_CSV_LINE)
    if re.search(r"\.npz\]?$", location, re.IGNORECASE):
        yield from _read_npz(location, io.BytesIO(bounded.read()), limit, budget)
    elif re.search(r"\.csv\]?$", location, re.IGNORECASE):
        yield from _read_csv(location, bounded)
    else:
        yield _read_idx(location, bounded, limit, budget)


def _read_idx(location: str, stream: io.BufferedReader[Any], limit: int, budget: _Budget) -> LocalFile | UnusableFile:
    start = stream.peek(START)[:START]
    content = inflated(start)
    kind = identify(content) if (content or not start) and not content.startswith(b"\x1f\x8b") else None
    if kind is not None:
        return UnusableFile(location, kind.what)
    data = stream.read(max_file_size(limit) + 1)
    try:
        content = inflate(data, limit)
    except IntegrityError as error:
        budget.spend(limit)
        return UnusableFile(location, str(error))
    budget.spend(len(content))
    return LocalFile(location, content, hashlib.sha256(data).hexdigest())


def _read_npz(location: str, stream: Any, limit: int, budget: _Budget) -> Iterator[LocalFile | UnusableFile]:
    """Yield the arrays of a .npz, each encoded as an IDX file."""
    with zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if len(members) > _MAX_NPZ_ARRAYS:
            raise InputError(f"{len(members):,} arrays; expected at most {_MAX_NPZ_ARRAYS}")
        for member in members:
            name = f"{location}[{shown(member.filename.removesuffix('.npy'))}]"
            try:
                if member.file_size > limit + _MAX_NPY_HEADER:
                    raise InputError(f"{member.file_size:,} bytes, larger than any file of the dataset")
                with (
                    archive.open(member) as inner,
                    npy.open_npy(_Bounded(inner, budget), name=name, most=limit) as array,  # type: ignore[arg-type]  # binary
                ):
                    yield LocalFile(name, idx.encode(_as_published(array.all())), "")
            except (InputError, IdxError) as error:
                yield UnusableFile(name, str(error).removeprefix(f"{name}: "))


def _as_published(array: Array) -> Array:
    """Return images of any shape as (N, 28, 28), and labels (N,) of any integer dtype as bytes."""
    if array.ndim > 1 and math.prod(array.shape[1:]) == _PIXELS:
        return array.reshape(-1, 28, 28)
    is_labels = array.ndim == 1 and array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255
    return array.astype(np.uint8) if is_labels else array


def _read_csv(location: str, stream: io.BufferedReader[Any]) -> Iterator[LocalFile | UnusableFile]:
    """Yield the pixels and labels of a CSV of 784 pixels and a label, first or last, each encoded as an IDX file."""
    start = stream.peek(_MAX_CSV_LINE).removeprefix(b"\xef\xbb\xbf")
    kind = identify(start[:START])
    if kind is not None:
        raise InputError(kind.what)
    columns = start.partition(b"\n")[0].count(b",") + 1
    if columns != 1 + _PIXELS:
        raise InputError(f"{columns} columns; expected a label and {_PIXELS} pixels")
    lines = _csv_lines(stream)
    if not start[:1].isdigit():
        next(lines)
    table = np.loadtxt(lines, dtype=np.uint8, delimiter=",", ndmin=2)
    label = max((0, -1), key=lambda column: _label_count(table[:, column]))
    pixels = np.ascontiguousarray(np.delete(table, label, axis=1)).reshape(-1, 28, 28)
    yield LocalFile(f"{location}[pixels]", idx.encode(pixels), "")
    yield LocalFile(f"{location}[labels]", idx.encode(np.ascontiguousarray(table[:, label])), "")


def _csv_lines(stream: io.BufferedReader[Any]) -> Iterator[str]:
    while line := stream.readline(_MAX_CSV_LINE + 1):
        if len(line) > _MAX_CSV_LINE:
            raise InputError(f"a line is longer than {_MAX_CSV_LINE:,} bytes")
        yield line.removeprefix(b"\xef\xbb\xbf").decode("latin1")


def _label_count(column: Array) -> int:
    """Return how many classes a column of a CSV has, if its numbers can be classes."""
    return len(np.unique(column)) if column.max(initial=0) < _MAX_CLASSES else 0
