"""Load datasets as arrays: normalised, flattened, one-hot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, as_targets, normalized, one_hot
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import DataError, IdxError, InputError, UnavailableError
from mnistloss.formatting import shown

Pair = tuple[Array, Array]


class Form(NamedTuple):
    """How examples become arrays (normalised, flattened, one-hot); `load_mnist` describes the three choices."""

    normalize: bool = True
    flatten: bool = True
    one_hot_label: bool = False

    def images(self, pixels: NDArray[np.uint8]) -> Array:
        """Convert images (N, 28, 28) of bytes to this form; the result is writable."""
        x = pixels.reshape(len(pixels), -1) if self.flatten else pixels[:, np.newaxis]
        return normalized(x) if self.normalize else np.require(x, requirements="W")

    def labels(self, labels: NDArray[np.uint8], classes: int) -> Array:
        """Convert labels (N,) to this form; the result is writable."""
        return one_hot(labels, classes) if self.one_hot_label else np.require(labels, requirements="W")


FORM = Form()
"""The default form of `load_mnist`."""


class Split:
    """One split: images (N, 28, 28) and labels (N,), both uint8, in the published order."""

    def __init__(
        self, dataset: catalog.Dataset, name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> None:
        self.dataset = dataset
        self.name = name
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp] | slice, form: Form = FORM) -> Pair:
        """Return (x, t) of the examples at these indices, in the given form."""
        return form.images(self.images[indices]), form.labels(self.labels[indices], self.dataset.classes)


def fetch_split_file(
    dataset: str, split: str, kind: catalog.Kind, cache_options: CacheOptions = CACHE_DEFAULTS
) -> cache.CachedFile:
    """Return the verified file of the images or labels of a split; an unknown name raises ArgumentError."""
    info = catalog.find(dataset)
    return cache.fetch_file(info, info.files[catalog.check_split(split)][kind], cache_options)


def decode_labels(file: cache.CachedFile | cache.Entry) -> NDArray[np.uint8]:
    """Return the labels (N,) of a label file. Where the file has several columns (QMNIST), the first is the class.

    A label outside 0..K-1 raises IdxError.
    """
    array = idx.decode(file.content)
    labels = array if array.ndim == 1 else array[:, 0]
    try:
        return as_targets(labels, len(labels), file.dataset.classes, shown(file.location))
    except InputError as error:
        raise IdxError(f"{error}; `mnistloss fetch {file.dataset.name} --force` downloads it again") from error


def load_split(dataset: str, split: str, cache_options: CacheOptions = CACHE_DEFAULTS) -> Split:
    """Return one split of a dataset; raises UnavailableError if a file is not cached and cannot be downloaded."""
    images, labels = (fetch_split_file(dataset, split, kind, cache_options) for kind in catalog.KINDS)
    return Split(images.dataset, split, idx.decode(images.content), decode_labels(labels))


def load_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    *,
    dataset: str = "mnist",
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> tuple[Pair, Pair]:
    """Return MNIST as the course loads it: (x_train, t_train), (x_test, t_test), arrays that may be changed.

    normalize: pixels as float32 in [0, 1] (the byte divided by 255) instead of uint8 in 0..255.
    flatten: images as (N, 784) instead of (N, 1, 28, 28).
    one_hot_label: targets as rows (N, 10) of float32 instead of labels (N,) of uint8.
    dataset: "mnist", "fashion-mnist", "kmnist", "qmnist" or the embedded "mnist-5k".
    cache_dir: default MNISTLOSS_CACHE or the platform's cache folder. download: False opens no socket.

    Each file is read from the cache and verified. A file that is missing is downloaded into the cache first.
    Raises UnavailableError if a file cannot be downloaded, and IdxError for labels outside 0..9.

    >>> (x_train, t_train), (x_test, t_test) = load_mnist(one_hot_label=True, dataset="mnist-5k")
    >>> x_train.shape, t_train.shape
    ((4000, 784), (4000, 10))
    """
    form = Form(normalize, flatten, one_hot_label)
    cache_options = CacheOptions(cache_dir, download)
    train, test = (load_split(dataset, split, cache_options).take(slice(None), form) for split in catalog.SPLITS)
    return train, test


LAYOUTS = {"plain": ("x_{}", "t_{}"), "book": ("{}_img", "{}_label")}
"""Names of the arrays of a split in an export; "book" gives the names that the book's dataset/mnist.py reads."""


Packed = Mapping[tuple[str, str], tuple[str, bytes]]
"""The SHA-256 and the bytes of labels, by dataset and split."""


class SplitLabels(NamedTuple):
    """The labels (N,) of a split, uint8, and the SHA-256 of their file."""

    sha256: str
    labels: NDArray[np.uint8]


class Labels:
    """Loads the labels of splits, each once.

    packed: what `pack` returned elsewhere; then nothing else is loaded, and no cache is looked into.
    """

    def __init__(self, options: CacheOptions, packed: Packed | None = None) -> None:
        self._options, self._is_packed = options, packed is not None
        self._missing: dict[tuple[str, str], UnavailableError] = {}
        self._loaded = {
            place: SplitLabels(sha256, np.frombuffer(content, np.uint8))
            for place, (sha256, content) in (packed or {}).items()
        }

    def load(self, dataset: str, split: str) -> SplitLabels:
        """Return the labels of a split; raises UnavailableError if they are neither cached nor downloadable."""
        if (dataset, split) in self._missing:
            raise self._missing[dataset, split]
        try:
            return self._load(dataset, split, self._options)
        except UnavailableError as error:
            self._missing[dataset, split] = error
            raise

    def at_hand(self, dataset: str, split: str) -> NDArray[np.uint8] | None:
        """Return the labels of a split, or None if they would have to be downloaded or are damaged."""
        with contextlib.suppress(DataError):
            return self._load(dataset, split, CacheOptions(self._options.cache_dir, download=False)).labels
        return None

    def _load(self, dataset: str, split: str, options: CacheOptions) -> SplitLabels:
        if (dataset, split) not in self._loaded:
            if self._is_packed:
                missing = f"the labels of {dataset} {split} are not cached where this command was started"
                raise UnavailableError(f"{missing}; run `mnistloss fetch {dataset}` there first")
            file = fetch_split_file(dataset, split, "labels", options)
            self._loaded[dataset, split] = SplitLabels(file.sha256, decode_labels(file))
        return self._loaded[dataset, split]

    def elsewhere(self, dataset: str, split: str, n: int | None) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
        """Yield dataset, split and labels at hand with which predictions of a split may have been confused.

        These are the labels of the other split and, if indices name the examples, of the same split. Without indices,
        n is the number of examples, and other datasets whose split has as many are yielded too.
        """
        own = catalog.find(dataset)
        places = [(dataset, name) for name in catalog.SPLITS if name != split or n is None]
        others = (other for other in catalog.DATASETS.values() if other is not own and not other.embedded)
        places += [(other.name, split) for other in others if other.examples(split) == n]
        for place in places:
            if (labels := self.at_hand(*place)) is not None:
                yield *place, labels

    def pack(self, dataset: str, split: str) -> Packed:
        """Return all labels that predictions of a dataset may need, as plain bytes.

        A split that is named is loaded. For "auto", the splits at hand are enough; if there are none, test is loaded.
        """
        own = catalog.find(dataset)
        if split != "auto" or all(self.at_hand(dataset, name) is None for name in catalog.SPLITS):
            self.load(dataset, "test" if split == "auto" else split)
        for name in catalog.SPLITS:
            self.at_hand(dataset, name)
            list(self.elsewhere(dataset, name, own.examples(name)))
        return {place: (sha256, labels.tobytes()) for place, (sha256, labels) in self._loaded.items()}
