"""What a file or a folder on this machine holds that may be a dataset's: whatever its name or container.

A folder is searched with its sub-folders. What may hold files: gzipped or raw IDX, .zip and .tar.gz archives of
these, .npz files of arrays (keras), and CSV with the label first (Kaggle). Nothing is extracted to disk, and nothing
is read further than what is wanted can be large.
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

_PLAUSIBLE = re.compile(
    r"(train|t10k|test).*(images|labels)|(mnist|archive).*\.(npz|csv|zip|tar\.gz|tgz)$", re.IGNORECASE
)
_PIECE = 1 << 20
_MOST_ARRAYS = 100
_TAR_LIMITS = 4
_LONGEST_LINE = 1 << 15
_CSV_LINE = 5  # bytes that a pixel takes at the most, with its comma and some air


@dataclass(frozen=True)
class LocalFile:
    """What a source holds: where, the content, and the digest of the file as it lay there."""

    where: str
    content: bytes
    archive_sha256: str


@dataclass(frozen=True)
class UnusableFile:
    """What a source holds and could not be used, with the reason."""

    where: str
    reason: str


def is_folder(source: Path) -> bool:
    """Whether the source is a folder; one that cannot be looked at raises UnavailableError."""
    try:
        return stat.S_ISDIR(source.stat().st_mode)
    except FileNotFoundError:
        raise UnavailableError(f"{shown(source)} does not exist; --from takes a file or a folder") from None
    except OSError as error:
        raise UnavailableError(f"{shown(source)}: {error.strerror}") from error


def search(source: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Whatever can be read of a source."""
    if not is_folder(source):
        yield from _read(source, limit)
        return
    unread: list[OSError] = []
    for parent, folders, names in os.walk(source, onerror=unread.append):
        folders.sort()
        yield from (
            UnusableFile(shown(path), "a link to a folder, which is not followed")
            for path in (Path(parent, name) for name in folders)
            if path.is_symlink()
        )
        for name in sorted(names):
            if _PLAUSIBLE.search(name):
                yield from _read(Path(parent, name), limit)
    yield from (UnusableFile(shown(error.filename), str(error.strerror)) for error in unread)


def _read(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """Whatever one file holds, by its kind."""
    kinds = {".npz": _arrays, ".csv": _table, ".zip": _zip, ".tar.gz": _tar, ".tgz": _tar, ".tar": _tar}
    reader = next((kinds[suffix] for suffix in kinds if path.name.lower().endswith(suffix)), _plain)
    broken: tuple[type[Exception], ...] = (*npy.archive_errors(), tarfile.TarError, IntegrityError)
    try:
        yield from reader(path, limit)
    except broken as error:
        yield UnusableFile(shown(path), shown(getattr(error, "strerror", None) or str(error)))


def _plain(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with io.BufferedReader(open_regular(path)) as stream:
        yield _inflated(shown(path), stream, limit)


def _zip(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if _PLAUSIBLE.search(os.path.basename(member.filename)) and not member.is_dir():
                with archive.open(member) as inner:
                    yield _inflated(f"{shown(path)}[{shown(member.filename)}]", inner, limit)


def _tar(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    with open_regular(path) as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        budget = _Budget(gzip.GzipFile(fileobj=stream) if packed else stream, _TAR_LIMITS * limit)
        with tarfile.open(fileobj=budget, mode="r|") as archive:  # type: ignore[call-overload]  # it reads, no more
            for member in archive:
                wanted = member.isreg() and _PLAUSIBLE.search(os.path.basename(member.name))
                inner = archive.extractfile(member) if wanted else None
                if inner is not None:
                    yield _inflated(f"{shown(path)}[{shown(member.name)}]", inner, limit)


class _Budget:
    """A stream of which no more than `most` bytes can be read; one more raises IntegrityError."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._left = stream, most

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise IntegrityError("the archive holds far more than the wanted files")
        return data


def _inflated(where: str, stream: IO[bytes], limit: int) -> LocalFile | UnusableFile:
    """One IDX file, gzipped or not, read no further than it can be one that is wanted."""
    data = stream.read(max_file_size(limit) + 1)
    try:
        return LocalFile(where, inflate(data, limit), hashlib.sha256(data).hexdigest())
    except IntegrityError as error:
        return UnusableFile(where, str(error))


def _arrays(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """The arrays of a .npz, each as the IDX file that it would be."""
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if len(members) > _MOST_ARRAYS:
            raise InputError(f"{len(members):,} arrays; expected {_MOST_ARRAYS} at the most")
        for member in members:
            where = f"{shown(path)}[{shown(member.filename.removesuffix('.npy'))}]"
            try:
                if member.file_size > limit + _PIECE:
                    raise InputError(f"{where}: larger than any wanted file: {member.file_size:,} bytes")
                with archive.open(member) as inner, npy.open_npy(inner, name=where, most=limit) as array:  # type: ignore[arg-type]  # binary
                    yield LocalFile(where, idx.encode(array.all()), "")
            except (InputError, IdxError) as error:
                yield UnusableFile(where, str(error))


def _table(path: Path, limit: int) -> Iterator[LocalFile | UnusableFile]:
    """A CSV of a label and 784 pixels a line, with or without a heading, as the two IDX files that it would be."""
    with io.BufferedReader(open_regular(path), _LONGEST_LINE) as stream:
        first = stream.peek(_LONGEST_LINE)[:_LONGEST_LINE].partition(b"\n")[0]
        columns = first.count(b",") + 1
        if columns != 1 + 28 * 28:
            raise InputError(f"{columns} columns; expected a label and {28 * 28} pixels")
        text = stream.read(_CSV_LINE * limit).removeprefix(b"\xef\xbb\xbf")
        if stream.read(1):
            raise InputError(f"larger than any wanted file would be as CSV, {_CSV_LINE * limit:,} bytes")
    heading = 0 if text[:1].isdigit() else 1
    table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",", skiprows=heading, ndmin=2)
    yield LocalFile(f"{shown(path)}[pixels]", idx.encode(table[:, 1:].reshape(-1, 28, 28)), "")
    yield LocalFile(f"{shown(path)}[labels]", idx.encode(np.ascontiguousarray(table[:, 0])), "")
