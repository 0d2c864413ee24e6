"""Files that are already on this machine -> the cache. The content decides what a file is, not its name.

Only verified content is written, under the catalog's own name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnistloss.arrays.files import expanded
from mnistloss.datasets import cache, catalog
from mnistloss.datasets.catalog import DATASETS, Dataset, File
from mnistloss.datasets.local_files import LocalFile, UnusableFile, is_folder, search
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import ArgumentError, UnavailableError
from mnistloss.formatting import shown

_NAMED = 10


@dataclass(frozen=True)
class FetchResult:
    """What an import put into the cache, and what it could not use."""

    files: tuple[cache.CachedFile, ...]
    refused: tuple[UnusableFile, ...]


def import_files(
    source: str | os.PathLike[str],
    dataset: Dataset,
    files: Iterable[File],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
) -> FetchResult:
    """Put the wanted files of a dataset that `source` holds into the cache.

    Of a folder or a container all wanted files must come, of a single IDX file that one.
    Raises UnavailableError that names what is missing and what else was found.
    """
    source = expanded(source)
    wanted = list(files)
    limit = max(file.size for file in wanted)
    done: dict[File, cache.CachedFile] = {}
    refused = []
    folder = is_folder(source)
    alone = not folder
    for item in search(source, limit):
        if folder and len(done) == len(wanted):
            break
        alone = alone and item.where == shown(source)
        if isinstance(item, UnusableFile):
            refused.append(item)
        elif (file := _match(item, wanted)) is None:
            refused.append(UnusableFile(item.where, _recognised(item, wanted)))
        elif file not in done:
            path = cache.folder(cache_dir) / dataset.name / file.name
            cache.store(path, file, item.content)
            done[file] = cache.CachedFile(dataset, file, item.content, "disk", path)
    missing = [file.name for file in wanted if file not in done]
    if missing and not (alone and done):
        raise UnavailableError(_complaint(source, dataset, missing, refused, found=len(done)))
    return FetchResult(tuple(done.values()), tuple(refused))


def _match(item: LocalFile, wanted: list[File]) -> File | None:
    """The wanted file that this is, by the digest of its content or, where only that is published, of its .gz."""
    digest = hashlib.sha256(item.content).hexdigest()
    for file in wanted:
        if file.sha256 == digest or (file.sha256 is None and file.archive_sha256 == item.archive_sha256):
            return file
    return None


def _recognised(item: LocalFile, wanted: list[File]) -> str:
    """What content is that was not wanted."""
    digest = hashlib.sha256(item.content).hexdigest()
    for dataset in DATASETS.values():
        for file in dataset.select():
            if file.sha256 == digest:
                return f"{file.name} of {dataset.name}"
    if any(file.sha256 is None for file in wanted):
        return f"not the published .gz file (its SHA-256 is {item.archive_sha256})"
    return f"not a published file (SHA-256 of its content: {digest})"


def _complaint(source: Path, dataset: Dataset, missing: list[str], refused: list[UnusableFile], *, found: int) -> str:
    lines = [f"{shown(source)} does not hold {', '.join(missing)} of {dataset.name}"]
    lines += [f"  {item.where}: {item.reason}" for item in refused[:_NAMED]]
    lines += [f"  and {len(refused) - _NAMED:,} more that could not be used"] if len(refused) > _NAMED else []
    if not refused and not found:
        lines.append("  nothing there has a name like train-images-idx3-ubyte.gz; point --from at a file to try it")
    return "\n".join(lines)


def fetch(
    dataset: str = "mnist",
    *,
    splits: Sequence[str] = catalog.SPLITS,
    source: str | os.PathLike[str] | None = None,
    cache_options: CacheOptions = CACHE_DEFAULTS,
) -> FetchResult:
    """The verified files of a dataset, from the cache, from `source` on this machine, or from a mirror.

    Raises UnavailableError where a file is not to be had; what came before it stays in the cache.
    """
    known = catalog.find(dataset)
    files = known.select(tuple(splits))
    if known.embedded and (source is not None or cache_options.mirrors or cache_options.force):
        raise ArgumentError(f"{known.name} comes with mnistloss; there is nothing to import or download")
    if source is not None:
        return import_files(source, known, files, cache_dir=cache_options.cache_dir)
    return FetchResult(tuple(cache.obtain(known, file, cache_options) for file in files), ())
