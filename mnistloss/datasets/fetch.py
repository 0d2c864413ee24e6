"""Bring the files of a dataset into the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mnistloss.datasets import cache, catalog
from mnistloss.datasets.importing import import_files

if TYPE_CHECKING:  # at run time it would import requests, which an import from disk does not need
    from mnistloss.datasets.download import Progress


def fetch(
    dataset: str = "mnist",
    *,
    splits: Sequence[str] = catalog.SPLITS,
    source: str | os.PathLike[str] | None = None,
    mirrors: Sequence[str] = (),
    force: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[cache.Obtained]:
    """The verified files of a dataset, from the cache, from `source` on this machine, or from a mirror.

    mirrors: addresses to use instead of the catalog's. force: download although the cache has the file.
    Raises UnavailableError where a file is not to be had; what came before it stays in the cache.
    """
    known = catalog.find(dataset)
    files = known.select(tuple(splits))
    if source is not None and not known.embedded:
        return list(import_files(source, known, files, cache_dir=cache_dir).files)
    return [
        cache.obtain(known, file, cache_dir=cache_dir, force=force, mirrors=mirrors, progress=progress)
        for file in files
    ]
