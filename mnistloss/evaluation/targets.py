"""What predictions are held against: the labels of a split, of some of its examples, or targets of the user's own."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mnistloss.arrays import npy
from mnistloss.arrays.checks import Array, Floats, as_targets, block_slices
from mnistloss.arrays.npy import Source, given
from mnistloss.datasets import cache, catalog
from mnistloss.datasets.cache import State
from mnistloss.datasets.catalog import check_split
from mnistloss.datasets.load import decode_labels, obtain
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.predictions import PredictionShape, Rows
from mnistloss.formatting import shown
from mnistloss.losses.losses import Loss
from mnistloss.losses.outputs import Probabilities


@dataclass(frozen=True)
class Targets:
    """Targets of n examples, labels (n,) or soft rows (n, K), and what names them in a signature.

    chosen: the indices of these examples in their split, None for all of them and for own targets.
    """

    t: Array
    classes: int
    dataset: str | None
    split: str | None
    digest: str
    chosen: Array | None = None

    @cached_property
    def counts(self) -> Array:
        """How many examples each class has (K,), of labels."""
        blocks = (np.bincount(self.t[rows], minlength=self.classes) for rows in block_slices(len(self.t)))
        return np.add.reduce(list(blocks))

    def references(self, loss: Loss, delta: float) -> dict[str, float]:
        """What the uniform guess and the class prior cost, by formula; none for soft targets or very many classes."""
        if self.t.ndim == 2 or self.classes > _MOST_PRICED:
            return {}
        if (loss.name, delta) not in self._references:
            share, k = self.counts / len(self.t), self.classes
            constants = {"uniform": np.full(k, 1 / k), "prior": share}
            costs = {name: _constant(loss, p, share, delta) for name, p in constants.items()}
            self._references[loss.name, delta] = costs
        return self._references[loss.name, delta]

    @cached_property
    def _references(self) -> dict[tuple[str, float], dict[str, float]]:
        return {}

    @property
    def indices(self) -> str | None:
        """8 hex digits of the SHA-256 of the indices, if some were chosen."""
        return None if self.chosen is None else _digest(self.chosen)[:8]

    @property
    def name(self) -> str:
        """As a signature says it: dataset:split, or `targets` for own ones, and the content's digest."""
        where = f"{self.dataset}:{self.split}" if self.dataset else "targets"
        return f"{where}@{self.digest[:8]}"


def _constant(loss: Loss, p: Floats, share: Floats, delta: float) -> float:
    """The mean loss of predicting p for every example, of classes that have these shares."""
    costs = loss(Probabilities(np.tile(p[:, np.newaxis], len(p))), np.arange(len(p)), delta)
    return math.fsum(float(c) * float(s) for c, s in zip(costs, share, strict=True) if s)


_SUMS_WITHIN = 1e-3
_MOST_CLASSES = 1 << 16
_MOST_PRICED = 1000


def own_targets(source: Source, layout: PredictionShape, predictions: Rows) -> Targets:
    """Targets from an array or a .npy file, for predictions of this layout."""
    array, what = given(source, "targets")
    if _transposed(array, predictions.shape):
        found = f"shape {predictions.shape} for {len(array):,} targets"
        raise InputError(f"{predictions.name}: {found}; it is transposed: save predictions.T")
    classes = _own_classes(array, layout, predictions, what)
    t = as_targets(array, layout.n, classes, what)
    if t.ndim == 2:
        sums = t.sum(axis=1)
        off = (t < 0).any(axis=1) | (np.abs(sums - 1) > _SUMS_WITHIN)
        if off.any():
            row = int(off.argmax())
            found = f"row {row} has values from {t[row].min():g} to {t[row].max():g} and sums to {sums[row]:.9g}"
            raise InputError(f"{what}: {found}; soft targets are probabilities that sum to 1")
    return Targets(t, classes, None, None, _digest(t, "u1" if classes <= 256 else "<i8"))


def _transposed(t: Array, shape: tuple[int, ...]) -> bool:
    """Whether labels fit predictions with a column for each example and a row for each class."""
    labels = t.ndim == 1 and t.dtype.kind in "iu"
    return labels and t.shape == shape[1:] and 1 < shape[0] != len(t) and int(t.max(initial=0)) < shape[0]


def _own_classes(array: Array, layout: PredictionShape, predictions: Rows, what: str) -> int:
    """K, from the predictions' columns, the targets' columns or, where both are classes, the largest of these."""
    if layout.classes:
        return layout.classes
    if array.ndim == 2:
        return max(2, array.shape[1])
    if array.dtype.kind not in "iu" or array.size != layout.n:  # which is refused, whatever K
        return 2
    largest = max(int(array.max(initial=1)), int(predictions.rows(slice(0, layout.n)).max(initial=1)))
    if largest >= _MOST_CLASSES:
        raise InputError(f"{what}: class {largest}; expected classes below {_MOST_CLASSES:,}")
    return largest + 1


class TargetLoader:
    """Finds the targets of predictions: those of one split once, for however many predictions."""

    def __init__(
        self, own: Source | None, dataset: str, split: str, indices: Source | None, cache_options: CacheOptions
    ) -> None:
        self._own, self._where = own, (dataset, split, indices, cache_options)
        self.classes = catalog.find(dataset).classes if own is None else None
        self._found: dict[PredictionShape, Targets] = {}

    def find(self, layout: PredictionShape, predictions: Rows) -> Targets:
        """The targets of predictions of this layout; raises as `evaluate` does."""
        if layout in self._found:
            return self._found[layout]
        if self._own is None:
            self._found[layout] = split_targets(layout, predictions.name, *self._where)
            return self._found[layout]
        found = own_targets(self._own, layout, predictions)
        if layout.input != "labels":  # where both are classes, K is the largest class in either
            self._found[layout] = found
        return found


def split_targets(
    layout: PredictionShape, name: str, dataset: str, split: str, indices: Source | None, cache_options: CacheOptions
) -> Targets:
    """Labels of a split, chosen by N for "auto"; or of those of its examples that `indices` names."""
    known = catalog.find(dataset)
    if indices is None:
        split = _fitting_split(known, split, layout, name)
        file = obtain(dataset, split, "labels", cache_options)
        return Targets(decode_labels(file.content).astype(np.uint8), known.classes, dataset, split, file.sha256)
    batch = load_indices(indices, layout.n)
    split = split_of(batch, dataset, split)
    if len(batch.indices) != layout.n:
        found = f"{layout.n:,} predictions, but {len(batch.indices):,} indices"
        raise InputError(f"{name}: {found} in {batch.name}; expected one for each")
    file = obtain(dataset, split, "labels", cache_options)
    labels = decode_labels(file.content)
    outside = (batch.indices < 0) | (batch.indices >= len(labels))
    if outside.any():
        at = int(outside.argmax())
        found = f"index {batch.indices[at]} in row {at}"
        raise InputError(f"{batch.name}: {found} is outside 0..{len(labels) - 1}, {split} of {dataset}")
    chosen = batch.indices.astype(np.intp)
    t = labels[chosen].astype(np.uint8)
    return Targets(t, known.classes, dataset, split, file.sha256, chosen)


def labels_elsewhere(targets: Targets, cache_options: CacheOptions) -> dict[str, Array]:
    """The labels of the same split of other datasets, as far as these are cached and have as many examples."""
    found = {}
    for other in catalog.DATASETS.values():
        split = targets.split
        if split is None or targets.chosen is not None or other.name == targets.dataset or other.embedded:
            continue
        entry = cache.look(other, other.files[split]["labels"], cache_options.cache_dir)
        if entry.state is State.VERIFIED and other.examples(split) == len(targets.t):
            found[other.name] = decode_labels(entry.content).astype(np.intp)
    return found


def _digest(array: Array, integers: str = "<i8") -> str:
    """SHA-256 of labels as bytes, of indices and of many classes as little-endian int64, of soft rows as float64."""
    held = np.ascontiguousarray(array, "<f8" if array.dtype.kind == "f" else integers)
    return hashlib.sha256(held.view(np.uint8).data).hexdigest()


def _fitting_split(dataset: catalog.Dataset, split: str, layout: PredictionShape, name: str) -> str:
    n = layout.n
    fitting = [known for known in catalog.SPLITS if dataset.examples(known) == n]
    if split == "auto" and len(fitting) == 1:
        return fitting[0]
    if split != "auto" and check_split(split) in fitting:
        return split
    sizes = " and ".join(f"{known} {dataset.examples(known):,}" for known in catalog.SPLITS)
    found = f"{name}: {n:,} prediction{'s' if n > 1 else ''}, but {dataset.name} has {sizes}"
    if fitting and split == "auto":
        raise InputError(f"{found}; for these add --split {' or --split '.join(fitting)}")
    if fitting:
        raise InputError(f"{found}; these are of --split {fitting[0]}, not of {split}")
    others = [
        f"--dataset {other.name} --split {known}"
        for other in catalog.DATASETS.values()
        for known in catalog.SPLITS
        if other.examples(known) == n
    ]
    ways = [*others, "--indices FILE for a batch that was drawn", "--targets FILE for targets of your own"]
    raise InputError(f"{found}; {n:,} would fit {', or '.join(ways)}")


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
        saved = npy.load_member(source, "indices", most=n)
        if saved is None:
            raise InputError(f"{shown(source)} holds no array named indices; expected a batch of `mnistloss sample`")
        array, what = saved, shown(source)
        dataset, split = (_text(npy.load_member(source, name, "U", most=1), what) for name in ("dataset", "split"))
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
