"""Read the dataset files that a file or folder on this machine may hold, whatever their names and containers.

A folder is searched with its sub-folders. Readable are IDX files, gzipped or not, .zip and .tar.gz archives of them,
.npz files of arrays (Keras), and CSV files with the label in the first column (Kaggle). Nothing is extracted to disk,
and no file is read further than the largest dataset file can be long.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from mnistloss.arrays import npy
from mnistloss.arrays.files import open_regular
from mnistloss.datasets import idx
from mnistloss.datasets.verify import inflate, max_file_size
from mnistloss.errors import IdxError, InputError, IntegrityError, UnavailableError
from mnistloss.formatting import shown

_DATA_FILE_NAME = re.compile(
    r"(train|t10k|test).*(images|labels)|(mnist|archive).*\.(npz|csv|zip|tar\.gz|tgz)$", re.IGNORECASE
)
_MAX_NPY_HEADER = 1 << 20
_MAX_NPZ_ARRAYS = 100
_MAX_TAR_FILES = 4
_MAX_CSV_LINE = 1 << 15
_CSV_BYTES_PER_PIXEL = 5  # three digits, a comma and a space


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
    readers = {
        ".npz": _read_npz,
        ".csv": _read_csv,
        ".zip": _read_zip,
        ".tar.gz": _read_tar,
        ".tgz": _read_tar,
        ".tar": _read_tar,
    }
    reader = next((readers[suffix] for suffix in readers if path.name.lower().endswith(suffix)), _read_idx)
    broken: tuple[type[Exception], ...] = (*npy.archive_errors(), tarfile.TarError, IntegrityError)
    try:
        yield from reader(path, limit)
    except broken as error:
        yield UnusableFile(shown(path), shown(getattr(error, "strerror", None) or str(error)))


def _read_idx(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with io.BufferedReader(open_regular(path)) as stream:
        yield _inflate_stream(shown(path), stream, limit)


def _read_zip(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if _DATA_FILE_NAME.search(os.path.basename(member.filename)) and not member.is_dir():
                with archive.open(member) as inner:
                    yield _inflate_stream(f"{shown(path)}[{shown(member.filename)}]", inner, limit)


def _read_tar(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with open_regular(path) as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        bounded = _BoundedStream(gzip.GzipFile(fileobj=stream) if gzipped else stream, _MAX_TAR_FILES * limit)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]  # only reads
            for member in archive:
                named = member.isreg() and _DATA_FILE_NAME.search(os.path.basename(member.name))
                inner = archive.extractfile(member) if named else None
                if inner is not None:
                    yield _inflate_stream(f"{shown(path)}[{shown(member.name)}]", inner, limit)


class _BoundedStream:
    """A stream that raises IntegrityError once more than `size` bytes were read."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise IntegrityError("the archive holds far more than the files of a dataset")
        return data


def _inflate_stream(location: str, stream: IO[bytes], limit: int) -> LocalFile | UnusableFile:
    data = stream.read(max_file_size(limit) + 1)
    try:
        return LocalFile(location, inflate(data, limit), hashlib.sha256(data).hexdigest())
    except IntegrityError as error:
        return UnusableFile(location, str(error))


def _read_npz(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Yield the arrays of a .npz, each encoded as an IDX file."""
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if len(members) > _MAX_NPZ_ARRAYS:
            raise InputError(f"{len(members):,} arrays; expected at most {_MAX_NPZ_ARRAYS}")
        for member in members:
            location = f"{shown(path)}[{shown(member.filename.removesuffix('.npy'))}]"
            try:
                if member.file_size > limit + _MAX_NPY_HEADER:
                    raise InputError(f"{member.file_size:,} bytes, larger than any file of the dataset")
                with archive.open(member) as inner, npy.open_npy(inner, name=location, most=limit) as array:  # type: ignore[arg-type]  # binary
                    yield LocalFile(location, idx.encode(array.all()), "")
            except (InputError, IdxError) as error:
                yield UnusableFile(location, str(error))


def _read_csv(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Yield the pixels and labels of a CSV of a label and 784 pixels a line, each encoded as an IDX file."""
    with io.BufferedReader(open_regular(path), _MAX_CSV_LINE) as stream:
        first_line = stream.peek(_MAX_CSV_LINE)[:_MAX_CSV_LINE].partition(b"\n")[0]
        columns = first_line.count(b",") + 1
        if columns != 1 + 28 * 28:
            raise InputError(f"{columns} columns; expected a label and {28 * 28} pixels")
        max_size = _CSV_BYTES_PER_PIXEL * limit
        text = stream.read(max_size).removeprefix(b"\xef\xbb\xbf")
        if stream.read(1):
            raise InputError(f"longer than {max_size:,} bytes, larger than any file of the dataset as CSV")
    header_lines = 0 if text[:1].isdigit() else 1
    table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", skiprows=header_lines, ndmin=2)
    yield LocalFile(f"{shown(path)}[pixels]", idx.encode(table[:, 1:].reshape(-1, 28, 28)), "")
    yield LocalFile(f"{shown(path)}[labels]", idx.encode(np.ascontiguousarray(table[:, 0])), "")
