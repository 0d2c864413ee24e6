"""What is measured on: the real MNIST in a cache, files of predictions, arrays; each made once in one folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.datasets import cache
from mnistloss.datasets.catalog import MNIST
from mnistloss.datasets.fetch import import_files
from mnistloss.datasets.load import Split, load_split
from mnistloss.datasets.settings import CacheOptions

REALDATA_VARIABLE = "MNISTLOSS_REALDATA"


@dataclass(frozen=True)
class Material:
    """The folder that everything is made in."""

    folder: Path

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file or folder of this name, made where it is not there."""
        path = self.folder / name
        if not path.exists():
            make(path)
        return path

    def cache(self) -> Path:
        """A cache that holds the real MNIST: made of the files in MNISTLOSS_REALDATA/mnist, or else the user's own."""
        if real := os.environ.get(REALDATA_VARIABLE):
            source = Path(real, "mnist")
            return self.once("cache", lambda path: import_files(source, MNIST, MNIST.select(), cache_dir=path))
        if any(cache.read_entry(MNIST, file).state is not cache.State.VERIFIED for file in MNIST.select()):
            raise SystemExit(f"MNIST is not in the cache: run mnistloss fetch, or set {REALDATA_VARIABLE}")
        return cache.folder()

    def split(self, name: str) -> Split:
        """A split of the real MNIST."""
        return load_split("mnist", name, CacheOptions(self.cache(), download=False))

    def labels(self) -> Path:
        """The labels of the MNIST test split."""
        return self.once("labels.npy", lambda path: np.save(path, self.split("test").labels))

    def predictions(self, number: int = 0) -> Path:
        """Probabilities for the MNIST test split; each number has others."""
        labels = self.labels()
        return self.once(f"{number}.npy", lambda path: np.save(path, softmax(logits(np.load(labels), number))))

    def logits(self) -> Path:
        """Raw scores for the MNIST test split."""
        labels = self.labels()
        return self.once("logits.npy", lambda path: np.save(path, logits(np.load(labels))))

    def zeros(self, n: int) -> Path:
        """Logits of n rows, all zero: a sparse file, which takes no room on the disk."""
        return self.once(
            f"zeros-{n}.npy", lambda path: np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(n, 10))
        )


def some_labels(n: int) -> Array:
    """Labels of n examples, a multiple of ten, in bytes."""
    return np.tile(np.arange(10, dtype=np.uint8), n // 10)


def logits(labels: Array, seed: int = 0) -> Array:
    """Random logits (N, 10) in float32 of a model that is mostly right."""
    z = np.random.default_rng(seed).standard_normal((len(labels), 10), np.float32)
    z[np.arange(len(z)), labels] += 4
    return z


def softmax(z: Array) -> Array:
    """Their probabilities, in float32."""
    y = np.exp(z)
    y /= y.sum(axis=1, keepdims=True)
    return y
