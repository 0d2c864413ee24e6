"""The targets of predictions: labels of a split, of some of its examples, or targets of the user's own."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

import numpy as np

from mnistloss.arrays import npy
from mnistloss.arrays.checks import Array, Floats, as_targets, block_slices, row_sum_tolerance
from mnistloss.arrays.npy import Given, Source, given
from mnistloss.datasets import catalog, idx
from mnistloss.datasets.catalog import check_split
from mnistloss.datasets.load import Labels, fetch_split_file
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.hints import Place
from mnistloss.evaluation.predictions import PredictionShape, Rows
from mnistloss.formatting import shown
from mnistloss.losses.losses import Loss
from mnistloss.losses.outputs import Probabilities


class ReadKeywords(TypedDict, total=False):
    """The keywords of functions that read predictions of a whole split; `evaluate` describes each."""

    dataset: str
    input: str
    delta: float | None
    allow_unnormalized: bool
    cache_dir: str | os.PathLike[str] | None
    download: bool
    array: str | None


class DataKeywords(ReadKeywords, total=False):
    """The keywords of functions that score predictions; `evaluate` describes each."""

    targets: Source | None
    indices: Source | None
    split: str


@dataclass(eq=False, repr=False)
class DataOptions:
    """What predictions are of and how they are read: the values of `DataKeywords`, checked against each other."""

    targets: Source | Given | None = None
    indices: Source | SavedIndices | None = None
    dataset: str = "mnist"
    split: str = "auto"
    input: str = "probs"
    delta: float | None = None
    allow_unnormalized: bool = False
    cache_dir: str | os.PathLike[str] | None = None
    download: bool = True
    array: str | None = None

    def __post_init__(self) -> None:
        if self.targets is not None and self.indices is not None:
            raise ArgumentError("targets are the user's own, indices name examples of a split; give one of them")
        if self.targets is not None and self.split != "auto":
            raise ArgumentError("targets are the user's own, they have no split; leave out one of them")
        if self.allow_unnormalized and self.input in ("logits", "labels"):
            raise ArgumentError(f"{self.input} have no sums; leave allow_unnormalized out")

    @property
    def cache_options(self) -> CacheOptions:
        """Where datasets are cached, and whether they may be downloaded."""
        return CacheOptions(self.cache_dir, self.download)


def data_options(function: str, kind: type, keywords: Mapping[str, Any]) -> DataOptions:
    """Turn the keywords of a function into DataOptions. A keyword that `kind`, a TypedDict, lacks raises TypeError."""
    for name in keywords:
        if name not in kind.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return DataOptions(**keywords)


class Targets:
    """Targets of n examples, labels (n,) or soft rows (n, K), and what names them in a signature.

    indices: of these examples in their split; None for all of them in order, and for own targets.
    """

    def __init__(
        self,
        t: Array,
        classes: int,
        dataset: str | None,
        split: str | None,
        digest: str,
        indices: Array | None = None,
    ) -> None:
        self.t = t
        self.classes = classes
        self.dataset = dataset
        self.split = split
        self.digest = digest
        self.indices = indices

    @cached_property
    def counts(self) -> Array:
        """How many examples each class has (K,), of labels."""
        blocks = (np.bincount(self.t[rows], minlength=self.classes) for rows in block_slices(len(self.t)))
        return np.add.reduce(list(blocks))

    def references(self, loss: Loss, delta: float) -> dict[str, float]:
        """Return the cost of the uniform guess and of the class prior, by formula.

        Empty for soft targets and for more than 1,000 classes.
        """
        if self.t.ndim == 2 or self.classes > _MAX_REFERENCE_CLASSES:
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
    def indices_digest(self) -> str | None:
        """8 hex digits of the SHA-256 of the indices; None without indices."""
        return None if self.indices is None else _digest(self.indices)[:8]

    @property
    def name(self) -> str:
        """The targets in a signature: dataset:split, or `targets` for own ones, and 8 hex digits of their digest."""
        where = f"{self.dataset}:{self.split}" if self.dataset else "targets"
        return f"{where}@{self.digest[:8]}"


def _constant(loss: Loss, p: Floats, share: Floats, delta: float) -> float:
    """Return the mean loss of predicting p for every example where the classes have these shares."""
    costs = loss(Probabilities(np.tile(p[:, np.newaxis], len(p))), np.arange(len(p)), delta)
    return math.fsum(float(c) * float(s) for c, s in zip(costs, share, strict=True) if s)


_MAX_CLASSES = 1 << 16
_MAX_REFERENCE_CLASSES = 1000
_MOST_ELEMENTS = 10**6
"""Elements that targets or indices may have, whatever the predictions: a wrong number of them is refused by name."""


def own_targets(source: Source | Given, shape: PredictionShape, predictions: Rows) -> Targets:
    """Load targets of the user's own from an array or a .npy file, for predictions of this shape."""
    width = max(predictions.shape[-1], shape.classes or _MAX_REFERENCE_CLASSES)
    array, what = given(source, "targets", most=max(_MOST_ELEMENTS, shape.n * width))
    one_row = len(predictions.shape) == 1 and shape.input != "labels"
    classes_of_labels, sizes = _guess(array)
    is_narrow = array.ndim == 1 and shape.classes == 2 < (classes_of_labels or 0)  # an index and a class, perhaps
    if (
        is_narrow
        or _transposed(array, predictions.shape)
        or (one_row and array.size > 1 and abs(array.sum() - 1) > 1e-2)
    ):
        expected = f"expected (N, {classes_of_labels or 'K'}), a row for each of {len(array):,} targets"
        from mnistloss.evaluation.refusals import shape_error

        raise shape_error(predictions, shape.input, classes_of_labels, sizes, expected)
    if array.ndim and len(array) != shape.n > 1 and array.size not in (shape.n, shape.n * (shape.classes or 1)):
        found = f"{what}: {len(array):,} labels for {shape.n:,} predictions"
        labels = array if array.ndim == 1 and array.dtype.kind in "iu" else None
        from mnistloss.evaluation.row_counts import Part, count_error

        raise count_error(found, predictions, shape.n, (Part(None, len(array), labels),))
    classes = _own_classes(array, shape, predictions, what)
    t = as_targets(array, shape.n, classes, what)
    if t.ndim == 2:
        sums = t.sum(axis=1)
        off = (t < 0).any(axis=1) | (np.abs(sums - 1) > row_sum_tolerance(array.dtype))
        if off.any():
            row = int(off.argmax())
            found = f"row {row} has values from {t[row].min():g} to {t[row].max():g} and sums to {sums[row]:.9g}"
            raise InputError(f"{what}: {found}; soft targets are probabilities that sum to 1")
    return Targets(t, classes, None, None, _digest(t, "u1" if classes <= 256 else "<i8"))


def _transposed(t: Array, shape: tuple[int, ...]) -> bool:
    """Whether these labels fit predictions that have a column for each example and a row for each class."""
    labels = t.ndim == 1 and t.dtype.kind in "iu"
    return labels and t.shape == shape[1:] and 1 < shape[0] != len(t) and int(t.max(initial=0)) < shape[0]


def _guess(targets: Array) -> tuple[int | None, Collection[int]]:
    """Return K, or None if these are neither labels nor rows, and the number of targets."""
    if targets.ndim == 2:
        return targets.shape[1], (len(targets),)
    labels = targets.ndim == 1 and targets.dtype.kind in "iu" and targets.size
    return (max(2, int(targets.max()) + 1), (len(targets),)) if labels else (None, ())


def _own_classes(array: Array, shape: PredictionShape, predictions: Rows, what: str) -> int:
    """Return K: the columns of the predictions or of the targets or, where both are classes, the largest plus one."""
    if shape.classes:
        return shape.classes
    if array.ndim == 2:
        return max(2, array.shape[1])
    if array.dtype.kind not in "iu" or array.size != shape.n:  # which is refused, whatever K
        return 2
    largest = max(int(array.max(initial=1)), int(predictions.rows(slice(0, shape.n)).max(initial=1)))
    if largest >= _MAX_CLASSES:
        raise InputError(f"{what}: class {largest}; expected classes below {_MAX_CLASSES:,}")
    return largest + 1


class TargetLoader:
    """Loads the targets of predictions, and the images of a split: each once, for however many predictions."""

    def __init__(self, data: DataOptions, labels: Labels | None = None) -> None:
        self._data = data
        self._labels = labels or Labels(data.cache_options)
        self.classes: int | None = catalog.find(data.dataset).classes if data.targets is None else None
        self._targets: dict[PredictionShape, Targets] = {}
        self._images: dict[tuple[str, str], Array] = {}
        self._elsewhere: dict[tuple[str, str, int | None], tuple[Place, ...]] = {}

    @property
    def has_labels(self) -> bool:
        """Whether the labels of some split of the dataset are on this machine."""
        return any(self._labels.at_hand(self._data.dataset, split) is not None for split in catalog.SPLITS)

    def load(self, shape: PredictionShape, predictions: Rows) -> Targets:
        """Return the targets of predictions of this shape; raises as `evaluate` does."""
        if predictions.indices is not None:
            return _indexed_targets(shape, predictions, predictions.indices, self._data, self._labels)
        if shape in self._targets:
            return self._targets[shape]
        if self._data.targets is None:
            self._targets[shape] = split_targets(shape, predictions, self._data, self._labels)
            return self._targets[shape]
        targets = own_targets(self._data.targets, shape, predictions)
        if shape.input != "labels":  # where both are classes, K is the largest class in either
            self._targets[shape] = targets
        return targets

    def guess(self) -> tuple[int | None, Collection[int]]:
        """Return K and the numbers of examples that would fit, as far as the targets tell."""
        if self._data.targets is not None:
            with contextlib.suppress(InputError):
                return _guess(given(self._data.targets, "targets", most=_MOST_ELEMENTS)[0])
            return None, ()
        dataset = catalog.find(self._data.dataset)
        sizes = [dataset.examples(split) for split in catalog.SPLITS] if self._data.indices is None else []
        return dataset.classes, sizes

    def images(self, dataset: str, split: str) -> Array:
        """Return the images of a split (N, 28, 28); raises UnavailableError without the data."""
        if (dataset, split) not in self._images:
            file = fetch_split_file(dataset, split, "images", self._data.cache_options)
            self._images[dataset, split] = idx.decode(file.content)
        return self._images[dataset, split]

    def labels_elsewhere(self, targets: Targets) -> tuple[Place, ...]:
        """Return labels at hand with which the predictions of these targets may have been confused."""
        if targets.split is None or targets.dataset is None:
            return ()
        key = targets.dataset, targets.split, len(targets.t) if targets.indices is None else None
        if key not in self._elsewhere:
            self._elsewhere[key] = tuple(
                Place(name, split, labels.astype(np.intp)) for name, split, labels in self._labels.elsewhere(*key)
            )
        return self._elsewhere[key]


def _indexed_targets(
    shape: PredictionShape, predictions: Rows, indices: Array, data: DataOptions, labels: Labels
) -> Targets:
    """Load the labels of the examples that the first column of the predictions names."""
    column = f"{predictions.name}: the first column is an index, not 0 to N-1 in order"
    if data.targets is not None:
        raise InputError(f"{column}; for targets=FILE sort the rows by it and save them without it")
    if data.indices is not None:
        raise ArgumentError(f"{column}; leave indices=FILE out, or save the predictions without this column")
    if data.split == "auto":
        raise InputError(f'{column}, and does not say of which split; add split="train" or split="test"')
    batch = SavedIndices(f"{predictions.name}: the first column", indices)
    return split_targets(shape, predictions, data, labels, batch)


def split_targets(
    shape: PredictionShape, predictions: Rows, data: DataOptions, source: Labels, batch: SavedIndices | None = None
) -> Targets:
    """Load the labels of a split, which "auto" chooses by N, or of the examples of it that the indices name."""
    dataset = catalog.find(data.dataset)
    if data.indices is not None:
        batch = load_indices(data.indices, shape.n)
    if batch is None:
        split = _fitting_split(dataset, data, shape, predictions, source)
        sha256, labels = source.load(dataset.name, split)
        return Targets(labels, dataset.classes, dataset.name, split, sha256)
    split = split_of(batch, dataset.name, data.split)
    if len(batch.indices) != shape.n:
        counts = f"{shape.n:,} predictions, but {len(batch.indices):,} indices"
        raise InputError(f"{predictions.name}: {counts} in {batch.name}; expected one for each")
    sha256, labels = source.load(dataset.name, split)
    outside = (batch.indices < 0) | (batch.indices >= len(labels))
    if outside.any():
        row = int(outside.argmax())
        index = f"index {batch.indices[row]} in row {row}"
        from_one = batch.indices.min() > 0 and batch.indices.max() == len(labels)
        advice = ". They are counted from 1: save indices - 1" if from_one else ""
        raise InputError(f"{batch.name}: {index} is outside 0..{len(labels) - 1}, {split} of {dataset.name}{advice}")
    indices = batch.indices.astype(np.intp)
    return Targets(labels[indices], dataset.classes, dataset.name, split, sha256, indices)


def _digest(array: Array, integers: str = "<i8") -> str:
    """Return the SHA-256 of labels as bytes, of indices and of many classes as int64, of soft rows as float64."""
    content = np.ascontiguousarray(array, "<f8" if array.dtype.kind == "f" else integers)
    return hashlib.sha256(content.view(np.uint8).data).hexdigest()


def _fitting_split(
    dataset: catalog.Dataset, data: DataOptions, shape: PredictionShape, predictions: Rows, labels: Labels
) -> str:
    """Return the split that has as many examples as there are predictions; none, or another one, raises InputError."""
    n, split = shape.n, data.split
    fitting = [candidate for candidate in catalog.SPLITS if dataset.examples(candidate) == n]
    if split == "auto" and len(fitting) == 1:
        return fitting[0]
    if split != "auto" and check_split(split) in fitting:
        return split
    sizes = " and ".join(f"{candidate} {dataset.examples(candidate):,}" for candidate in catalog.SPLITS)
    counts = f"{predictions.name}: {n:,} prediction{'s' if n > 1 else ''}, but {dataset.name} has {sizes}"
    if fitting and split == "auto":
        raise InputError(f"{counts}; for these add " + " or ".join(f'split="{name}"' for name in fitting))
    if fitting:
        raise InputError(f'{counts}; these are of split="{fitting[0]}", not of {split}')
    others = [
        f'dataset="{other.name}" with split="{candidate}"'
        for other in catalog.DATASETS.values()
        for candidate in catalog.SPLITS
        if other.examples(candidate) == n
    ]
    options = [*others, "indices=FILE for a batch that was drawn", "targets=FILE for targets of your own"]
    found = f"{counts}; {n:,} would fit {', or '.join(options)}"
    from mnistloss.evaluation.row_counts import Part, count_error

    splits = catalog.SPLITS if split == "auto" else (split,)
    parts = tuple(Part(name, dataset.examples(name), labels.at_hand(dataset.name, name)) for name in splits)
    raise count_error(found, predictions, n, parts)


class SavedIndices(NamedTuple):
    """Indices of examples and the name of their file; a batch that `sample` saved also names its dataset and split."""

    name: str
    indices: Array
    dataset: str | None = None
    split: str | None = None


def load_indices(source: Source | SavedIndices, n: int = 0) -> SavedIndices:
    """Load the indices of n examples from an array, a .npy file, or the .npz of a batch that `sample` saved."""
    if isinstance(source, SavedIndices):
        return source
    dataset = split = None
    if isinstance(source, (str, os.PathLike)) and npy.is_zip(source):
        saved = npy.load_member(source, "indices", most=max(_MOST_ELEMENTS, n))
        if saved is None:
            raise InputError(f"{shown(source)} holds no array named indices; expected a batch of `mnistloss sample`")
        array, what = saved, shown(source)
        dataset, split = (_text(npy.load_member(source, name, "U", most=1), what) for name in ("dataset", "split"))
    else:
        array, what = npy.given(source, "indices", most=max(_MOST_ELEMENTS, n))
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{what}: shape {array.shape} of {array.dtype}"
        raise InputError(f"{found}; expected indices, integers of shape (N,){_index_advice(array)}")
    return SavedIndices(what, array, dataset, split)


def _index_advice(array: Array) -> str:
    """Return how to save a mask, or whole numbers of another dtype or shape, as indices of examples."""
    if array.dtype.kind == "b" and array.ndim == 1:
        return ". A mask is turned into indices: save np.flatnonzero(indices)"
    if array.size and max(array.shape, default=0) == array.size and (array == np.rint(array)).all():
        return f". Save {'indices.ravel()' if array.ndim > 1 else 'indices'}.astype(np.int64)"
    return ""


def _text(array: Array | None, what: str) -> str | None:
    """Return the string in a saved array, made safe to print."""
    if array is None:
        return None
    codes = array.reshape(-1).view(np.uint32)
    if (codes > sys.maxunicode).any():
        raise InputError(f"{what}: a name in it is not text")
    return shown("".join(map(chr, codes)).rstrip("\0"))


def split_of(batch: SavedIndices, dataset: str, split: str) -> str:
    """Return the split of a batch; raises where it is not the one asked for, or where nothing says which it is."""
    if batch.dataset not in (None, dataset):
        drawn = f"{batch.name}: the batch was drawn from {batch.dataset}"
        raise InputError(f'{drawn}, not {dataset}; add dataset="{batch.dataset}"')
    if split == "auto":
        if batch.split is None:
            raise ArgumentError('indices alone do not say of which split; add split="train" or split="test"')
        return check_split(batch.split)
    if batch.split not in (None, split):
        drawn = f"{batch.name}: the batch was drawn from {batch.split}"
        raise InputError(f'{drawn}, not {split}; add split="{batch.split}"')
    return check_split(split)
