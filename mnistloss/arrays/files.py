"""Open files without blocking, and write them completely or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from mnistloss.errors import ArgumentError, InputError, OutputError
from mnistloss.formatting import shown

if TYPE_CHECKING:  # pathlib takes 2 ms to import
    from pathlib import Path

_TEMPORARY = r"\..+\.[0-9a-f]{16}\.tmp"
_STALE_SECONDS = 3600.0


def open_regular(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file for unbuffered reading; anything else, such as a pipe, raises OSError at once."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(f"not a regular file but {kind}")
    return io.FileIO(descriptor, "rb")


def is_csv(path: str | os.PathLike[str]) -> bool:
    """Whether a file is named as text of numbers: .csv, .tsv or .txt."""
    return os.fspath(path).lower().endswith((".csv", ".tsv", ".txt"))


CHANGED = "the file was changed while it was read; try again when it is written"


class NamedFile(os.PathLike[str]):
    """A file that messages call by another name than its path, or whose content was fetched and is in memory."""

    def __init__(self, name: str, path: str | None = None, content: bytes | None = None) -> None:
        self._name, self._path = name, path or name
        self.content = content

    def __str__(self) -> str:
        return self._name

    def __fspath__(self) -> str:
        return self._path


def is_address(path: object) -> bool:
    """Whether a path is an address such as s3://bucket/preds.npy."""
    return isinstance(path, str) and "://" in path


def size_of(stream: io.IOBase | BinaryIO) -> int:
    """Return the number of bytes in a file or in memory; the position stays."""
    position = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(position)
    return size


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[io.RawIOBase | io.BytesIO]:
    """Open a regular file; raises InputError for other files, and if the file's size or time changes meanwhile."""
    if isinstance(path, NamedFile) and path.content is not None:
        yield io.BytesIO(path.content)
        return
    try:
        stream = open_regular(path)
    except (OSError, ValueError) as error:
        hint = "; to read from a pipe, name it -" if "a pipe" in str(error) else ""
        raise InputError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}{hint}") from error
    with stream:
        before, refusal = os.fstat(stream.fileno()), None
        try:
            yield stream
        except InputError as error:
            refusal = error
        now = os.fstat(stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InputError(f"{shown(path)}: {CHANGED}")
        if refusal is not None:
            raise refusal


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which is renamed to `path` if the block succeeds and removed if not.

    Readers see the old file or the new one, never a part. An OSError becomes an OutputError.
    """
    temporary = path.with_name(f".{path.name[:50]}.{os.urandom(8).hex()}.tmp")  # within 255 bytes in UTF-8
    try:
        try:
            yield temporary
            os.replace(temporary, path)
        except OSError as error:
            raise OutputError(f"cannot write {shown(path)}: {error.strerror or error}") from error
    finally:
        _remove(temporary)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Like `replacing`, for a folder of files; a `path` that exists and is not an empty folder raises OutputError."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{shown(path)} exists and is not an empty folder; remove it or name another one")
    with replacing(path) as temporary:
        temporary.mkdir(parents=True)
        yield temporary


def remove_stale(folder: Path) -> None:
    """Remove temporary files of `replacing` that are older than an hour, left by processes that were killed."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if re.fullmatch(_TEMPORARY, path.name) and time.time() - path.lstat().st_mtime > _STALE_SECONDS:
                _remove(path)


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return a path with ~ replaced by the home folder; an unknown user raises ArgumentError."""
    from pathlib import Path

    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ArgumentError(f"{shown(path)}: {error}") from error


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
