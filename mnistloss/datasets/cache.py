"""Where the files live, and how they come there: decide, then act.

The cache holds decompressed IDX files, `<cache>/<dataset>/<file>`. A file is read once, verified on every
use, and what is parsed is what was verified. It is written under another name and renamed into place, so
no reader and no second writer ever meets a part of it. Where only the digest of a .gz file is published,
that of its content is recorded beside the cached file, in `<file>.sha256`.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mnistloss.arrays.files import expanded, open_regular, replacing, sweep
from mnistloss.datasets.catalog import DATASETS, Dataset, File
from mnistloss.datasets.settings import CACHE_DEFAULTS, OFFLINE_VARIABLE, CacheOptions
from mnistloss.datasets.verify import inflate, read_hashed, verify
from mnistloss.errors import ArgumentError, IntegrityError, OutputError, UnavailableError
from mnistloss.formatting import shown

FOLDER_VARIABLE = "MNISTLOSS_CACHE"


class State(enum.Enum):
    """What the cache has of a file."""

    VERIFIED = "verified"
    MISSING = "missing"
    BROKEN = "broken"


class Action(enum.Enum):
    """What to do for a file; the value names where it comes from."""

    USE = "cache"
    DOWNLOAD = "mirror"
    FAIL = "nowhere"


def decide(state: State, *, download: bool, force: bool = False) -> Action:
    """What to do, given what the cache has, whether downloading is allowed and whether it is asked for anew."""
    if state is State.VERIFIED and not force:
        return Action.USE
    return Action.DOWNLOAD if download else Action.FAIL


class CachedFile(NamedTuple):
    """The verified content of a file, and where it came from: mirror, cache, disk or package."""

    dataset: Dataset
    file: File
    content: bytes | memoryview
    origin: str
    path: Path

    @property
    def sha256(self) -> str:
        """The digest of the content."""
        return self.file.sha256 or hashlib.sha256(self.content).hexdigest()


class Entry(NamedTuple):
    """What lies at a file's place in the cache; `reason` says what is wrong with it, if something is."""

    dataset: Dataset
    file: File
    path: Path
    state: State
    content: bytes | memoryview
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        verified = self.state is State.VERIFIED
        found = {"bytes": self.file.size if verified else None, "verified": verified, "reason": self.reason or None}
        return {"dataset": self.dataset.name, "file": self.file.name, **found, "path": str(self.path)}


def folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The cache folder: the argument, else the variable MNISTLOSS_CACHE, else the platform's place for caches."""
    if chosen := cache_dir or os.environ.get(FOLDER_VARIABLE):
        return expanded(chosen)
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("mnistloss", appauthor=False))
    except RuntimeError as error:
        raise ArgumentError(f"there is no cache folder ({error}); set {FOLDER_VARIABLE} to one") from error


def embedded_folder(dataset: Dataset) -> Path:
    """Where an embedded dataset lies: inside the installed package, or in data/ of a source checkout."""
    package = Path(__file__).parents[1]
    installed = package / "data" / dataset.name
    return installed if installed.is_dir() else package.parent / "data" / dataset.name


def look(dataset: Dataset, file: File, cache_dir: str | os.PathLike[str] | None = None) -> Entry:
    """What the cache has of a file: one read, bounded by the published size, and the verdict on what was read."""
    path = folder(cache_dir) / dataset.name / file.name
    try:
        with open_regular(path) as stream:
            content, digest = read_hashed(stream, file.size + 1)
        verify(content, file, file.sha256 or _recorded(path), digest)
    except (FileNotFoundError, NotADirectoryError):
        return Entry(dataset, file, path, State.MISSING, b"")
    except (OSError, IntegrityError) as error:
        return Entry(dataset, file, path, State.BROKEN, b"", getattr(error, "strerror", None) or str(error))
    return Entry(dataset, file, path, State.VERIFIED, content)


def obtain(dataset: Dataset, file: File, cache_options: CacheOptions = CACHE_DEFAULTS) -> CachedFile:
    """The verified content of a file: embedded, from the cache, or downloaded into it.

    Raises UnavailableError, with the ways to go on, where it is not to be had, and OutputError where the
    cache cannot be written.
    """
    if dataset.embedded:
        return _read_embedded(dataset, file)
    entry = look(dataset, file, cache_options.cache_dir)
    action = decide(entry.state, download=cache_options.may_download, force=cache_options.force)
    if action is Action.USE:
        return CachedFile(dataset, file, entry.content, action.value, entry.path)
    what = f"{shown(entry.path)} is {entry.state.value}" + (f" ({entry.reason})" if entry.reason else "")
    if action is Action.FAIL:
        off = f"downloading is off (--offline, {OFFLINE_VARIABLE}, or an import by --from)"
        raise UnavailableError(f"{what}, and {off}\n{_ways_on(dataset)}")
    if entry.state is State.BROKEN:
        import logging

        logging.getLogger("mnistloss").warning("%s; fetching it again", what)
    _make_ready(entry.path.parent)
    content = _download(dataset, file, cache_options)
    store(entry.path, file, content)
    return CachedFile(dataset, file, content, action.value, entry.path)


def store(path: Path, file: File, content: bytes) -> None:
    """Put verified content into the cache, whole or not at all."""
    _make_ready(path.parent)
    if file.sha256 is None:
        with replacing(_record(path)) as temporary:
            temporary.write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    with replacing(path) as temporary:
        with temporary.open("xb") as stream:
            stream.write(content)
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name}.folder-{os.urandom(4).hex()}"))


def entries(cache_dir: str | os.PathLike[str] | None = None) -> Iterator[Entry]:
    """What lies at every place of the catalog's files in the cache, each read and verified, without the content.

    A cache that is no folder raises UnavailableError.
    """
    place = folder(cache_dir)
    if place.exists() and not place.is_dir():
        raise UnavailableError(f"{shown(place)} is not a folder, so it is no cache")
    for dataset in DATASETS.values():
        if not dataset.embedded:
            for file in dataset.select():
                yield look(dataset, file, cache_dir)._replace(content=b"")


def clear(datasets: Sequence[str], cache_dir: str | os.PathLike[str] | None = None) -> tuple[list[Path], list[Path]]:
    """Remove the files of these datasets from the cache, and nothing that is not ours.

    Returns what was removed, and what stands in the place of a file of ours and was left alone, such as a folder.
    Raises OutputError where the system refuses.
    """
    removed, left = [], []
    try:
        for dataset in (DATASETS[name] for name in datasets if not DATASETS[name].embedded):
            place = folder(cache_dir) / dataset.name
            for file in dataset.select():
                for path in (place / file.name, _record(place / file.name)):
                    if path.is_file() or path.is_symlink():
                        path.unlink(missing_ok=True)
                        removed.append(path)
                    elif path.exists():
                        left.append(path)
            with contextlib.suppress(OSError):
                sweep(place)
                place.rmdir()
    except OSError as error:
        raise OutputError(f"cannot clear {shown(error.filename)}: {error.strerror}") from error
    return removed, left


def _make_ready(place: Path) -> None:
    """Make a folder of the cache ready to be written to, before any work is done for it; or raise OutputError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        sweep(place)
        probe = place / f".probe.{os.urandom(8).hex()}.tmp"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"the cache cannot be written: {shown(error.filename)}: {error.strerror}\n"
            f"Name another folder with --cache-dir or the variable {FOLDER_VARIABLE}"
        ) from error


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str:
    """The digest recorded beside a file whose content's digest is not published."""
    try:
        with io.BufferedReader(open_regular(_record(path))) as stream:
            return stream.read(64).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError("no digest is recorded beside it") from error


def _read_embedded(dataset: Dataset, file: File) -> CachedFile:
    path = embedded_folder(dataset) / file.archive
    try:
        content = inflate(path.read_bytes(), file.size)
        verify(content, file, file.sha256)
    except (OSError, IntegrityError) as error:
        raise UnavailableError(f"{shown(path)}, a part of mnistloss, is damaged ({error}); install it anew") from error
    return CachedFile(dataset, file, content, "package", path)


def _download(dataset: Dataset, file: File, cache_options: CacheOptions) -> bytes:
    from mnistloss.datasets.download import download

    try:
        return download(file, cache_options.mirrors or dataset.mirrors, cache_options)
    except UnavailableError as error:
        raise UnavailableError(f"{error}\n{_ways_on(dataset)}") from error


def _ways_on(dataset: Dataset) -> str:
    return (
        "To go on:\n"
        f"  mnistloss fetch {dataset.name} --from PATH    imports files that are on this machine\n"
        f"  mnistloss fetch {dataset.name} --mirror URL   takes them from another mirror\n"
        "  --dataset mnist-5k, in other commands, uses 5,000 digits that are always there: another dataset"
    )
