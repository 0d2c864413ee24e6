"""The verified file of a split, and its labels as an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.access import ACCESS, Access
from mnistloss.errors import ArgumentError


def check_split(split: str) -> str:
    """The name of a split; another name raises ArgumentError."""
    if split not in catalog.SPLITS:
        raise ArgumentError(f"no split is named {split!r}; the splits are {' and '.join(catalog.SPLITS)}")
    return split


def obtain(dataset: str, split: str, kind: catalog.Kind, access: Access = ACCESS) -> cache.Obtained:
    """The verified file of the images or labels of a split; an unknown dataset or split raises ArgumentError."""
    known = catalog.find(dataset)
    return cache.obtain(known, known.files[check_split(split)][kind], access)


def decode_labels(content: bytes | memoryview) -> NDArray[np.uint8]:
    """Labels (N,) from a label file; where it has several columns (QMNIST), the first is the class."""
    array = idx.decode(content)
    return array if array.ndim == 1 else array[:, 0].astype(np.uint8)
