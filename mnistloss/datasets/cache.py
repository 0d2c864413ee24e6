"""Keep dataset files in a cache: read or download a file, list the files, and remove them.

The cache holds decompressed IDX files, `<cache>/<dataset>/<file>`. Each use of a file reads it once, verifies the bytes
and parses these bytes. A file is written under a temporary name and renamed, so that no process ever sees a part of it.
Where only the digest of a .gz file is published, the digest of the content is stored in `<file>.sha256`.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mnistloss.arrays.files import expand_user, open_regular, remove_stale, replacing
from mnistloss.datasets.catalog import DATASETS, Dataset, File
from mnistloss.datasets.settings import CACHE_DEFAULTS, OFFLINE_VARIABLE, CacheOptions
from mnistloss.datasets.verify import inflate, read_and_hash, verify
from mnistloss.errors import ArgumentError, IntegrityError, OutputError, UnavailableError
from mnistloss.formatting import shown

if TYPE_CHECKING:  # imported where it is used, so that no evaluation waits for it
    from pathlib import Path

FOLDER_VARIABLE = "MNISTLOSS_CACHE"
_ADVICE = """\
What you can do:
  mnistloss fetch {0} --from PATH    imports files from this machine
  mnistloss fetch {0} --mirror URL   downloads from another mirror
  dataset="mnist-5k", in other commands, uses another dataset: 5,000 digits that come with mnistloss"""


class State(enum.Enum):
    """The state of a file in the cache."""

    VERIFIED = "verified"
    MISSING = "missing"
    BROKEN = "broken"


class Action(enum.Enum):
    """The action for a file; the value names the place that the file then comes from."""

    USE = "cache"
    DOWNLOAD = "mirror"
    FAIL = "nowhere"


def decide(state: State, *, download: bool, force: bool = False) -> Action:
    """Return the action for a file. download: downloading is allowed; force: download a verified file again."""
    if state is State.VERIFIED and not force:
        return Action.USE
    return Action.DOWNLOAD if download else Action.FAIL


class CachedFile(NamedTuple):
    """The verified content of a file. origin: "mirror", "cache", "disk", or "package" for embedded datasets."""

    dataset: Dataset
    file: File
    content: bytes | memoryview
    origin: str
    location: str

    @property
    def path(self) -> Path:
        return _as_path(self.location)

    @property
    def sha256(self) -> str:
        return self.file.sha256 or hashlib.sha256(self.content).hexdigest()


class Entry(NamedTuple):
    """The state of one file in the cache. content: empty unless verified; reason: what is wrong with a broken file."""

    dataset: Dataset
    file: File
    location: str
    state: State
    content: bytes | memoryview
    reason: str = ""

    @property
    def path(self) -> Path:
        return _as_path(self.location)

    def as_dict(self) -> dict[str, Any]:
        verified = self.state is State.VERIFIED
        return {
            "dataset": self.dataset.name,
            "file": self.file.name,
            "bytes": self.file.size if verified else None,
            "verified": verified,
            "reason": self.reason or None,
            "path": self.location,
        }


def folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache folder: the argument, or the variable MNISTLOSS_CACHE, or the platform's folder for caches."""
    return _as_path(_folder(cache_dir))


def _folder(cache_dir: str | os.PathLike[str] | None) -> str:
    if location := cache_dir or os.environ.get(FOLDER_VARIABLE):
        location = os.fspath(location)
        return str(expand_user(location)) if location.startswith("~") else location
    import platformdirs

    try:
        return platformdirs.user_cache_dir("mnistloss", appauthor=False)
    except RuntimeError as error:
        raise ArgumentError(f"this system names no cache folder ({error}); set {FOLDER_VARIABLE} to one") from error


def _as_path(location: str) -> Path:
    from pathlib import Path

    return Path(location)


def embedded_folder(dataset: Dataset) -> Path:
    """Return the folder of an embedded dataset: in the installed package, or in data/ of a source checkout."""
    package = _as_path(__file__).parents[1]
    installed = package / "data" / dataset.name
    return installed if installed.is_dir() else package.parent / "data" / dataset.name


def read_entry(dataset: Dataset, file: File, cache_dir: str | os.PathLike[str] | None = None) -> Entry:
    """Read a file of the cache once, no further than its published size, and verify the bytes."""
    path = os.path.join(_folder(cache_dir), dataset.name, file.name)
    try:
        with open_regular(path) as stream:
            content, digest = read_and_hash(stream, file.size + 1)
        verify(content, file, file.sha256 or _read_digest(_as_path(path)), digest)
    except (FileNotFoundError, NotADirectoryError):
        return Entry(dataset, file, path, State.MISSING, b"")
    except (OSError, IntegrityError) as error:
        return Entry(dataset, file, path, State.BROKEN, b"", getattr(error, "strerror", None) or str(error))
    return Entry(dataset, file, path, State.VERIFIED, content)


def fetch_file(dataset: Dataset, file: File, cache_options: CacheOptions = CACHE_DEFAULTS) -> CachedFile:
    """Return a verified file: embedded, from the cache, or downloaded into the cache.

    Raises UnavailableError, with advice, if the file is not cached and cannot be downloaded, and OutputError if the
    cache cannot be written.
    """
    if dataset.embedded:
        return _read_embedded(dataset, file)
    entry = read_entry(dataset, file, cache_options.cache_dir)
    action = decide(entry.state, download=cache_options.may_download, force=cache_options.force)
    if action is Action.USE:
        return CachedFile(dataset, file, entry.content, action.value, entry.location)
    problem = f"{shown(entry.location)} is {entry.state.value}" + (f" ({entry.reason})" if entry.reason else "")
    if action is Action.FAIL:
        offline = f"downloading is off (--offline, {OFFLINE_VARIABLE}, or an import by --from)"
        raise UnavailableError(f"{problem}, and {offline}\n{_ADVICE.format(dataset.name)}")
    if entry.state is State.BROKEN:
        import logging

        logging.getLogger("mnistloss").warning("%s; downloading it again", problem)
    _prepare_folder(entry.path.parent)
    from mnistloss.datasets.download import download

    try:
        content = download(file, cache_options.mirrors or dataset.mirrors, cache_options)
    except UnavailableError as error:
        raise UnavailableError(f"{error}\n{_ADVICE.format(dataset.name)}") from error
    store(entry.path, file, content)
    return CachedFile(dataset, file, content, action.value, entry.location)


def _read_embedded(dataset: Dataset, file: File) -> CachedFile:
    """Read a file that comes with mnistloss; raises UnavailableError if it is damaged."""
    path = embedded_folder(dataset) / file.archive
    try:
        content = inflate(path.read_bytes(), file.size)
        verify(content, file, file.sha256)
    except (OSError, IntegrityError) as error:
        damage = f"{shown(path)}, a part of mnistloss, is damaged ({error}); install mnistloss again"
        raise UnavailableError(damage) from error
    return CachedFile(dataset, file, content, "package", str(path))


def store(path: Path, file: File, content: bytes) -> None:
    """Write verified content into the cache, completely or not at all."""
    _prepare_folder(path.parent)
    if file.sha256 is None:
        with replacing(_digest_path(path)) as temporary:
            temporary.write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n", "utf-8")
    with replacing(path) as temporary:
        with temporary.open("xb") as stream:
            stream.write(content)
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name}.folder-{os.urandom(4).hex()}"))


def _prepare_folder(path: Path) -> None:
    """Create a folder of the cache and check that it can be written; if not, raise OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        remove_stale(path)
        probe = path / f".probe.{os.urandom(8).hex()}.tmp"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"the cache cannot be written: {shown(error.filename)}: {error.strerror}\n"
            f"Name another folder with cache_dir=FOLDER or the variable {FOLDER_VARIABLE}"
        ) from error


def _digest_path(path: Path) -> Path:
    """Return the path of the digest that is stored beside a cached file."""
    return path.with_name(f"{path.name}.sha256")


def _read_digest(path: Path) -> str:
    """Return the digest that is stored beside a cached file."""
    try:
        with open_regular(_digest_path(path)) as stream:
            return stream.read(64).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError("no digest is recorded beside it") from error


def entries(cache_dir: str | os.PathLike[str] | None = None) -> Iterator[Entry]:
    """Yield the state of each file of the catalog, read and verified; the content is left out to save memory.

    Raises UnavailableError if the cache is not a folder.
    """
    root = folder(cache_dir)
    if root.exists() and not root.is_dir():
        raise UnavailableError(f"{shown(root)} is not a folder, so it cannot be a cache")
    for dataset in DATASETS.values():
        if not dataset.embedded:
            for file in dataset.select():
                yield read_entry(dataset, file, cache_dir)._replace(content=b"")


def clear(datasets: Sequence[str], cache_dir: str | os.PathLike[str] | None = None) -> tuple[list[Path], list[Path]]:
    """Remove the files of these datasets from the cache, and nothing else.

    Returns the removed paths, and the paths that were kept because they are not files, such as folders.
    Raises OutputError if a file cannot be removed.
    """
    removed_paths, other_paths = [], []
    try:
        for dataset in (DATASETS[name] for name in datasets if not DATASETS[name].embedded):
            dataset_folder = folder(cache_dir) / dataset.name
            files = [dataset_folder / file.name for file in dataset.select()]
            for path in (path for file in files for path in (file, _digest_path(file))):
                if path.is_dir() and not path.is_symlink():
                    other_paths.append(path)
                    continue
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()
                    removed_paths.append(path)
            with contextlib.suppress(OSError):
                remove_stale(dataset_folder)
                dataset_folder.rmdir()
    except OSError as error:
        raise OutputError(f"cannot clear {shown(error.filename)}: {error.strerror}") from error
    return removed_paths, other_paths
