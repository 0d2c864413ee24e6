"""Read the dataset files that a file or folder on this machine may hold, whatever their names and containers.

A folder is searched with its sub-folders. The reader takes IDX files, gzipped or not, .npz files of arrays (Keras), CSV
files with the label in the first or last column (Kaggle), and .zip, .tar.gz and .tar.xz archives of these files.
Nothing is extracted to disk, and from one file no more bytes are read or inflated than a dataset can have.
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
from mnistloss.arrays.csv_files import parse
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
_ARCHIVE_NAME = re.compile(r"\.(zip|tar|tar\.[gx]z|t[gx]z)$")
_MAX_FILES = 8
"""How many times the largest file of a dataset may be read from one archive; as CSV, a dataset has three times."""

_MAX_OVERHEAD = 1 << 20
_MAX_MEMBERS = 1000
_MAX_TAR_NAME = 1 << 10
"""Bytes of a long name in a tar archive; before Python 3.12.6, the time of tarfile grows with their square."""

_BUFFER = 1 << 16
_PIXELS = 28 * 28
_MAX_CLASSES = 10


@dataclass(frozen=True)
class LocalFile:
    """A file that could be read: its location, its content, and the SHA-256 of the file as stored ("" if unknown)."""

    location: str
    content: bytes
    archive_sha256: str = ""


@dataclass(frozen=True)
class UnusableFile:
    """A file that could not be used, and the reason."""

    location: str
    reason: str


Candidates = Iterator[LocalFile | UnusableFile]


def is_folder(source: Path) -> bool:
    """Whether the source is a folder; raises UnavailableError if it cannot be accessed."""
    try:
        return stat.S_ISDIR(source.stat().st_mode)
    except FileNotFoundError:
        raise UnavailableError(f"{shown(source)} does not exist; --from takes a file or a folder") from None
    except OSError as error:
        raise UnavailableError(f"{shown(source)}: {error.strerror}") from error


def search(source: Path, limit: int) -> Candidates:
    """Yield the files that a file or folder holds, each with at most `limit` bytes of content."""
    if not is_folder(source):
        yield from _read_path(source, limit)
        return
    errors: list[OSError] = []
    for parent, folders, names in os.walk(source, onerror=errors.append):
        folders.sort()
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink():
                yield UnusableFile(shown(path), "a link to a folder, which is not followed")
        for name in sorted(filter(_DATA_FILE_NAME.search, names)):
            yield from _read_path(Path(parent, name), limit)
    yield from (UnusableFile(shown(error.filename), str(error.strerror)) for error in errors)


def _read_path(path: Path, limit: int) -> Candidates:
    """Yield what a file on disk holds; whatever is raised while it is read becomes the reason."""
    broken: tuple[type[Exception], ...] = (*npy.archive_errors(), IntegrityError)
    location, budget = shown(path), _Budget(_MAX_FILES * limit + _MAX_OVERHEAD)
    try:
        with open_regular(path) as stream:
            if _ARCHIVE_NAME.search(path.name.lower()):
                read_members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
                for name, member in read_members(stream, budget):
                    yield from _read(f"{location}[{shown(name)}]", member, limit, budget)
            else:
                yield from _read(location, stream, limit, budget)
    except broken as error:
        reason = getattr(error, "strerror", None) or str(error)
        yield UnusableFile(location, shown(reason).removeprefix(f"{location}: "))


class _Budget:
    """How many bytes and members may still be read or inflated from one file, whatever sizes the file claims."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._members = _MAX_MEMBERS

    def spend(self, count: int) -> None:
        """Take bytes off the budget; raise IntegrityError where too few are left."""
        self._left -= count
        self.check(0)

    def check(self, size: int) -> None:
        """Raise IntegrityError for a size that is negative or more than the bytes that are left."""
        if not 0 <= size <= self._left:
            raise IntegrityError("the file holds, or claims to hold, far more bytes than the files of a dataset")

    def take_members(self, count: int) -> None:
        """Count members of an archive; raise IntegrityError where there are too many."""
        self._members -= count
        if self._members < 0:
            raise IntegrityError(f"the archive has more than {_MAX_MEMBERS:,} members")


class _Bounded(io.RawIOBase):
    """Reads another stream at the cost of a budget."""

    def __init__(self, stream: Any, budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)


def _zip_members(stream: io.FileIO, budget: _Budget) -> Iterator[tuple[str, Any]]:
    """Yield the name and the content of each data file in a zip archive."""
    with zipfile.ZipFile(stream) as archive:
        budget.take_members(len(archive.infolist()))
        for member in archive.infolist():
            if _DATA_FILE_NAME.search(os.path.basename(member.filename)):
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise IntegrityError(f"{member.filename} is compressed in a way that is not read; use deflate")
                with archive.open(member) as content:
                    yield member.filename, content


def _tar_members(stream: io.FileIO, budget: _Budget) -> Iterator[tuple[str, Any]]:
    """Yield the name and the content of each data file in a tar archive, which is read once from start to end."""

    class Header(tarfile.TarInfo):
        """A header that is checked before tarfile acts on it."""

        @classmethod
        def frombuf(cls, *args: Any) -> Header:
            header = super().frombuf(*args)
            budget.take_members(1)
            if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) and header.size > _MAX_TAR_NAME:
                raise IntegrityError(f"a header of the archive claims {header.size:,} bytes")
            return header

    start = stream.read(6)
    stream.seek(0)
    opener: Any = gzip.open if start.startswith(b"\x1f\x8b") else lzma.open if start == b"\xfd7zXZ\0" else None
    content = _Bounded(opener(stream) if opener else stream, budget)
    with tarfile.open(fileobj=content, mode="r|", tarinfo=Header) as archive:
        for member in archive:
            budget.check(member.size)  # before tarfile goes to the end of the member, block by block
            if member.isreg() and _DATA_FILE_NAME.search(os.path.basename(member.name)):
                yield member.name, archive.extractfile(member)


def _read(location: str, stream: Any, limit: int, budget: _Budget) -> Candidates:
    """Yield what a file that is no archive, or the member of an archive, holds."""
    bounded = io.BufferedReader(_Bounded(stream, budget), _BUFFER)
    suffix = location.lower().rstrip("]")[-4:]
    if suffix == ".npz":
        yield from _read_npz(location, io.BytesIO(bounded.read()), limit, budget)
    elif suffix == ".csv":
        _, table = parse(bounded, location, np.uint8)
        if table.shape[1] != 1 + _PIXELS:
            raise InputError(f"{table.shape[1]} columns; expected a label and {_PIXELS} pixels")
        label = max((0, -1), key=lambda column: _count_labels(table[:, column]))
        yield LocalFile(f"{location}[pixels]", idx.encode(_as_published(np.delete(table, label, axis=1))))
        yield LocalFile(f"{location}[labels]", idx.encode(np.ascontiguousarray(table[:, label])))
    else:
        yield _read_idx(location, bounded, limit, budget)


def _read_idx(location: str, stream: io.BufferedReader[Any], limit: int, budget: _Budget) -> LocalFile | UnusableFile:
    """Return the content of an IDX file, or what else the file is."""
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


def _read_npz(location: str, stream: io.BytesIO, limit: int, budget: _Budget) -> Candidates:
    """Yield the arrays of a .npz, each encoded as an IDX file."""
    with zipfile.ZipFile(stream) as archive:
        budget.take_members(len(archive.infolist()))
        for member in archive.infolist():
            name = f"{location}[{shown(member.filename.removesuffix('.npy'))}]"
            try:
                with (
                    archive.open(member) as inner,
                    npy.open_npy(_Bounded(inner, budget), name=name, most=limit) as array,
                ):
                    yield LocalFile(name, idx.encode(_as_published(array.all())))
            except (InputError, IdxError) as error:
                yield UnusableFile(name, str(error).removeprefix(f"{name}: "))


def _as_published(array: Array) -> Array:
    """Return images of any shape as (N, 28, 28), and labels (N,) of any integer dtype as bytes."""
    if array.ndim > 1 and math.prod(array.shape[1:]) == _PIXELS:
        return array.reshape(-1, 28, 28)
    is_labels = array.ndim == 1 and array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255
    return array.astype(np.uint8) if is_labels else array


def _count_labels(column: Array) -> int:
    """Return how many classes a column of a CSV has; 0 if its numbers cannot be classes."""
    return len(np.unique(column)) if column.max(initial=0) < _MAX_CLASSES else 0
