"""Fetch the files of a dataset, or import them from this machine into the cache.

The digest of the content, not the name, decides which file of the catalog an imported file is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mnistloss.arrays.files import expand_user
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.catalog import DATASETS, Dataset, File
from mnistloss.datasets.local_files import LocalFile, UnusableFile, is_folder, search
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import ArgumentError, IdxError, UnavailableError
from mnistloss.formatting import shown

_MAX_LISTED = 10


@dataclass(frozen=True)
class FetchResult:
    """The files of a dataset that are now in the cache or embedded, and the files that an import could not use."""

    files: tuple[cache.CachedFile, ...]
    unusable: tuple[UnusableFile, ...] = ()


def fetch(
    dataset: str = "mnist",
    *,
    splits: Sequence[str] = catalog.SPLITS,
    source: str | os.PathLike[str] | None = None,
    cache_options: CacheOptions = CACHE_DEFAULTS,
) -> FetchResult:
    """Return the verified files of a dataset: from the cache, from `source` on this machine, or from a mirror.

    Raises UnavailableError if a file cannot be fetched; files fetched before it stay in the cache.
    """
    info = catalog.find(dataset)
    files = info.select(tuple(splits))
    if info.embedded and (source is not None or cache_options.mirrors or cache_options.force):
        raise ArgumentError(f"{dataset} comes with mnistloss; there is nothing to import or download")
    if source is not None:
        return import_files(source, info, files, cache_options.cache_dir)
    return FetchResult(tuple(cache.fetch_file(info, file, cache_options) for file in files))


def import_files(
    source: str | os.PathLike[str], dataset: Dataset, files: list[File], cache_dir: str | os.PathLike[str] | None
) -> FetchResult:
    """Copy files of a dataset from `source` into the cache.

    A folder or an archive must hold all of `files`; a single IDX file must be one of them.
    Otherwise raises UnavailableError, which lists what is missing and what could not be used.
    """
    source = expand_user(source)
    in_folder = is_folder(source)
    single_file = not in_folder
    imported: dict[File, cache.CachedFile] = {}
    unusable = []
    for item in search(source, limit=max(file.size for file in dataset.select())):
        if in_folder and len(imported) == len(files):
            break
        single_file = single_file and item.location == shown(source)
        if isinstance(item, UnusableFile):
            unusable.append(item)
            continue
        digest = hashlib.sha256(item.content).hexdigest()
        file = next((f for f in files if digest == f.sha256 or item.archive_sha256 == f.archive_sha256), None)
        if file is None:
            unusable.append(UnusableFile(item.location, _identify(item, digest, dataset, files)))
        elif file not in imported:
            path = cache.folder(cache_dir) / dataset.name / file.name
            cache.store(path, file, item.content)
            imported[file] = cache.CachedFile(dataset, file, item.content, "disk", str(path))
    missing = [file.name for file in files if file not in imported]
    if missing and not (single_file and imported):
        raise UnavailableError("\n".join(_describe_missing(shown(source), dataset, missing, imported, unusable)))
    return FetchResult(tuple(imported.values()), tuple(unusable))


def _describe_missing(
    source: str, dataset: Dataset, missing: list[str], imported: Collection[File], unusable: list[UnusableFile]
) -> Iterator[str]:
    """Yield the lines of the error about files that `source` does not hold; locations are relative to it."""
    yield f"{source} does not hold {', '.join(missing)} of {dataset.name}"
    for item in unusable[:_MAX_LISTED]:
        location = item.location.removeprefix(source).lstrip(os.sep)
        yield f"  {location}: {item.reason}" if location else f"  {item.reason}"
    if len(unusable) > _MAX_LISTED:
        yield f"  and {len(unusable) - _MAX_LISTED:,} more that could not be used"
    if not unusable and not imported:
        yield "  no file in it has a name like train-images-idx3-ubyte.gz; to try any file, give its path"
    for split in catalog.SPLITS:
        if all(file in imported for file in dataset.select((split,))):
            yield f'  the {split} split is there and was imported: for it alone add split="{split}"'


def _identify(item: LocalFile, digest: str, dataset: Dataset, files: list[File]) -> str:
    """Say what a file is that is none of `files`."""
    for other in DATASETS.values():
        for file in other.select():
            if file.sha256 == digest:
                return f"{file.name} of {other.name}"
    with contextlib.suppress(IdxError):
        array, sizes = idx.decode(item.content), [dataset.examples(split) for split in catalog.SPLITS]
        if array.ndim and len(array) not in sizes:
            kaggle = "train.csv[" in item.location
            order = "; Kaggle's train.csv holds 42,000 of the 70,000 in another order" if kaggle else ""
            return f"{len(array):,} examples, where a split has {' or '.join(f'{n:,}' for n in sizes)}{order}"
    if any(file.sha256 is None for file in files):
        return f"not the published .gz file (its SHA-256 is {item.archive_sha256})"
    return f"not a published file (SHA-256 of its content: {digest})"
