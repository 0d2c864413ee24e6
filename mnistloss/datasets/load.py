"""Load datasets as arrays: normalised, flattened, one-hot."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, as_targets, normalized, one_hot
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import IdxError, InputError
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
        self.dataset, self.name, self.images, self.labels = dataset, name, images, labels

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
        return as_targets(labels, len(labels), file.dataset.classes, shown(file.path))
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
