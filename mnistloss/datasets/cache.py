"""Where the files live, and how they come there: decide, then act.

The cache holds decompressed IDX files, `<cache>/<dataset>/<file>`. A file is read once, verified on every
use, and what is parsed is what was verified. It is written under another name and renamed into place, so
no reader and no second writer ever meets a part of it.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnistloss.datasets.catalog import Dataset, File
from mnistloss.datasets.content import inflate, verify
from mnistloss.errors import IntegrityError, UnavailableError, shown
from mnistloss.files import replacing

if TYPE_CHECKING:  # at run time it would import requests, which reading the cache does not need
    from mnistloss.datasets.download import Progress

VARIABLE = "MNISTLOSS_CACHE"


class State(enum.Enum):
    """What the cache has of a file."""

    VERIFIED = "verified"
    MISSING = "missing"
    BROKEN = "broken"


class Action(enum.Enum):
    """What to do for a file."""

    USE = "cache"
    DOWNLOAD = "mirror"
    FAIL = "nowhere"


def decide(state: State, *, download: bool, force: bool = False) -> Action:
    """What to do, given what the cache has, whether downloading is allowed and whether it is asked for anew."""
    if state is State.VERIFIED and not force:
        return Action.USE
    return Action.DOWNLOAD if download else Action.FAIL


@dataclass(frozen=True)
class Obtained:
    """The verified content of a file, and where it came from: mirror, cache, disk or package."""

    dataset: Dataset
    file: File
    content: bytes
    origin: str
    path: Path


def folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The cache folder: the argument, else the variable MNISTLOSS_CACHE, else the platform's place for caches."""
    if chosen := cache_dir or os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("mnistloss", appauthor=False))


def embedded_folder(dataset: Dataset) -> Path:
    """Where an embedded dataset lies: inside the installed package, or in data/ of a source checkout."""
    package = Path(__file__).parents[1]
    installed = package / "data" / dataset.name
    return installed if installed.is_dir() else package.parent / "data" / dataset.name


def obtain(
    dataset: Dataset,
    file: File,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    force: bool = False,
    mirrors: Sequence[str] = (),
    progress: Progress | None = None,
) -> Obtained:
    """The verified content of a file: embedded, from the cache, or downloaded into it.

    Raises UnavailableError, with the ways to go on, where it is not to be had.
    """
    if dataset.embedded:
        return _read_embedded(dataset, file)
    path = folder(cache_dir) / dataset.name / file.name
    state, content = _look(path, file)
    match decide(state, download=download, force=force):
        case Action.USE:
            return Obtained(dataset, file, content, Action.USE.value, path)
        case Action.DOWNLOAD:
            content = _download(dataset, file, mirrors or dataset.mirrors, progress)
            store(path, content)
            return Obtained(dataset, file, content, Action.DOWNLOAD.value, path)
        case Action.FAIL:
            raise UnavailableError(f"{shown(path)} is {state.value}, and downloading is off\n{_ways_on(dataset)}")


def store(path: Path, content: bytes) -> None:
    """Put verified content into the cache, whole or not at all."""
    with replacing(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)


def _look(path: Path, file: File) -> tuple[State, bytes]:
    """What the cache has: one read, bounded by the published size, and the verdict on what was read."""
    try:
        with path.open("rb") as stream:
            content = stream.read(file.size + 1)
        verify(content, file)
    except FileNotFoundError:
        return State.MISSING, b""
    except (OSError, IntegrityError):
        return State.BROKEN, b""
    return State.VERIFIED, content


def _read_embedded(dataset: Dataset, file: File) -> Obtained:
    path = embedded_folder(dataset) / f"{file.name}.gz"
    try:
        content = inflate(path.read_bytes(), file.size)
        verify(content, file)
    except (OSError, IntegrityError) as error:
        raise UnavailableError(f"{shown(path)}, a part of mnistloss, is damaged ({error}); install it anew") from error
    return Obtained(dataset, file, content, "package", path)


def _download(dataset: Dataset, file: File, mirrors: Sequence[str], progress: Progress | None) -> bytes:
    from mnistloss.datasets.download import download

    try:
        return download(file, mirrors, progress)
    except UnavailableError as error:
        raise UnavailableError(f"{error}\n{_ways_on(dataset)}") from error


def _ways_on(dataset: Dataset) -> str:
    return (
        "To go on:\n"
        f"  mnistloss fetch {dataset.name} --from PATH    imports files that are on this machine\n"
        f"  mnistloss fetch {dataset.name} --mirror URL   takes them from another mirror\n"
        "  --dataset mnist-5k, in other commands, uses 5,000 digits that are always there: another dataset"
    )
