"""Bring the files of a dataset into the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mnistloss.datasets import cache, catalog
from mnistloss.datasets.access import ACCESS, Access
from mnistloss.datasets.importing import Imported, import_files
from mnistloss.errors import ArgumentError


def fetch(
    dataset: str = "mnist",
    *,
    splits: Sequence[str] = catalog.SPLITS,
    source: str | os.PathLike[str] | None = None,
    access: Access = ACCESS,
) -> Imported:
    """The verified files of a dataset, from the cache, from `source` on this machine, or from a mirror.

    Raises UnavailableError where a file is not to be had; what came before it stays in the cache.
    """
    known = catalog.find(dataset)
    files = known.select(tuple(splits))
    if known.embedded and (source is not None or access.mirrors or access.force):
        raise ArgumentError(f"{known.name} comes with mnistloss; there is nothing to import or download")
    if source is not None:
        return import_files(source, known, files, cache_dir=access.cache_dir)
    return Imported(tuple(cache.obtain(known, file, access) for file in files), ())
