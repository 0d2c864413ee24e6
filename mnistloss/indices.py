"""Which examples of a split predictions are of: indices as such, or a batch that `mnistloss sample` saved."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import numpy as np

from mnistloss import npy
from mnistloss.arrays import Array
from mnistloss.datasets.catalog import check_split
from mnistloss.errors import ArgumentError, InputError, shown
from mnistloss.npy import Source


class SavedIndices(NamedTuple):
    """Which examples were drawn, and where that is said; a batch that `sample` saved also says of what."""

    name: str
    indices: Array
    dataset: str | None = None
    split: str | None = None


def load_indices(source: Source, n: int) -> SavedIndices:
    """Indices of n examples, from an array, a .npy file, or the .npz of a batch that `mnistloss sample` saved."""
    dataset = split = None
    if isinstance(source, (str, os.PathLike)) and npy.is_zip(source):
        from mnistloss import npz

        saved = npz.load_member(source, "indices", most=n)
        if saved is None:
            raise InputError(f"{shown(source)} holds no array named indices; expected a batch of `mnistloss sample`")
        array, what = saved, shown(source)
        dataset, split = (_text(npz.load_member(source, name, "U", most=1), what) for name in ("dataset", "split"))
    else:
        array, what = npy.given(source, "indices")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{what}: shape {array.shape} of {array.dtype}; expected indices, integers of shape (N,)")
    return SavedIndices(what, array, dataset, split)


def _text(array: Array | None, what: str) -> str | None:
    """The string that a saved array holds, made safe to print."""
    if array is None:
        return None
    codes = array.reshape(-1).view(np.uint32)
    if (codes > sys.maxunicode).any():
        raise InputError(f"{what}: a name in it is not text")
    return shown("".join(map(chr, codes)).rstrip("\0"))


def split_of(batch: SavedIndices, dataset: str, split: str) -> str:
    """The split of a batch, which "auto" leaves open; raises where the batch is of another, or nothing says which."""
    if batch.dataset not in (None, dataset):
        drawn = f"{batch.name}: the batch was drawn from {batch.dataset}"
        raise InputError(f"{drawn}, not {dataset}; add --dataset {batch.dataset}")
    if split == "auto":
        if batch.split is None:
            raise ArgumentError("indices alone do not say of which split; add --split train or --split test")
        return check_split(batch.split)
    if batch.split not in (None, split):
        drawn = f"{batch.name}: the batch was drawn from {batch.split}"
        raise InputError(f"{drawn}, not {split}; add --split {batch.split}")
    return check_split(split)
