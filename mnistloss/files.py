"""Writing files: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from mnistloss.errors import OutputError, shown


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new temporary name beside `path`, renamed onto it when the block ends well and removed when not.

    Readers see the old file or the new one, never a part. Raises OutputError where the system refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
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
    """Like `replacing`, for a folder of files; a `path` that holds something already raises OutputError."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{shown(path)} exists and is not an empty folder; remove it or name another one")
    with replacing(path) as temporary:
        temporary.mkdir(parents=True)
        yield temporary


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
