"""Baselines: predictions to compare with, from a uniform guess to a softmax regression.

A baseline learns from the training split. It maps images to probabilities. A pixel is a byte divided by 255.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Floats
from mnistloss.datasets.catalog import check_split
from mnistloss.datasets.load import Split, load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.evaluate import evaluate
from mnistloss.evaluation.results import Evaluation
from mnistloss.losses.losses import softmax
from mnistloss.models.softmax_regression import Progress, SoftmaxRegression, TrainingOptions, no_progress

Model = Callable[[NDArray[np.uint8]], Floats]
"""A function that maps images (N, 28, 28) of bytes to probabilities (N, K)."""

_BISECTIONS = 40


def baseline(
    name: str,
    *,
    dataset: str = "mnist",
    split: str = "test",
    epochs: int = 10,
    learning_rate: float = 0.5,
    batch_size: int = 100,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Floats:
    """Fit a baseline on the training split and return its predictions (N, K) for a split.

    name: "uniform", "prior", "centroid" or "softmax". Only "softmax" uses epochs, learning_rate, batch_size and seed.
    Raises ArgumentError for an unknown name or an argument out of range, UnavailableError without the data.

    >>> baseline("prior", dataset="mnist-5k")[0].tolist()
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    """
    check_split(split)
    options = TrainingOptions(epochs, learning_rate, batch_size, seed)
    return fit_baseline(name, options, dataset, CacheOptions(cache_dir, download)).predict(split)


def fit_baseline(
    name: str, options: TrainingOptions, dataset: str, cache_options: CacheOptions, progress: Progress = no_progress
) -> Baseline:
    """Fit a baseline on the training split; raise as `baseline` does.

    progress: called after each epoch of "softmax" with the mean loss of the mini-batches of this epoch.
    """
    if name not in tuple(BASELINES):
        raise ArgumentError(f"no baseline is named {name!r}; the baselines are {', '.join(BASELINES)}")
    epoch_losses: list[float] = []

    def record(epoch: int, loss: float) -> None:
        epoch_losses.append(loss)
        progress(epoch, loss)

    model = BASELINES[name](load_split(dataset, "train", cache_options), options, record)
    return Baseline(name, dataset, tuple(epoch_losses), model, cache_options)


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline. epoch_losses: the mean loss of each epoch for "softmax", else empty."""

    name: str
    dataset: str
    epoch_losses: tuple[float, ...]
    model: Model = field(repr=False)
    cache_options: CacheOptions = field(repr=False)

    def predict(self, split: str) -> Floats:
        """Compute the probabilities (N, K) for a split."""
        return self.model(load_split(self.dataset, split, self.cache_options).images)

    def evaluate(self, split: str) -> Evaluation:
        cache = self.cache_options
        return evaluate(
            self.predict(split), dataset=self.dataset, split=split, cache_dir=cache.cache_dir, download=cache.download
        )


def fit_uniform(train: Split, options: TrainingOptions, progress: Progress) -> Model:
    """Predict the same probability for every class."""
    k = train.dataset.classes
    return lambda images: np.full((len(images), k), 1 / k)


def fit_prior(train: Split, options: TrainingOptions, progress: Progress) -> Model:
    """Predict the share of each class in the training split, whatever the image."""
    share = np.bincount(train.labels, minlength=train.dataset.classes) / len(train)
    return lambda images: np.tile(share, (len(images), 1))


def fit_centroid(train: Split, options: TrainingOptions, progress: Progress) -> Model:
    """Predict the class whose mean image is nearest, in Euclidean distance.

    The probabilities are softmax(-s d), where d are the squared distances. The scale s is the one with the lowest
    cross-entropy on the training split.
    """
    x = _pixels(train.images)
    centroids = np.stack([x[train.labels == c].mean(axis=0) for c in range(train.dataset.classes)])

    def distances(pixels: Floats) -> Floats:
        square = (pixels**2).sum(axis=1, keepdims=True) + (centroids**2).sum(axis=1)
        return square - 2 * pixels @ centroids.T

    scale = _best_scale(-distances(x), train.labels.astype(np.intp))
    return lambda images: softmax(-scale * distances(_pixels(images)))


def _pixels(images: NDArray[np.uint8]) -> Floats:
    """Return images as rows (N, 784) of pixels from 0 to 1."""
    return images.reshape(len(images), -1) / 255.0


def _best_scale(scores: Floats, labels: NDArray[np.intp]) -> float:
    """Find by bisection the s in (0, 1) with the lowest cross-entropy of softmax(s * scores), which is convex in s."""
    low, high = 0.0, 1.0

    def slope(s: float) -> float:
        p = softmax(s * scores)
        return float(((p * scores).sum(axis=1) - scores[np.arange(len(labels)), labels]).mean())

    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return (low + high) / 2


def fit_softmax(train: Split, options: TrainingOptions, progress: Progress) -> SoftmaxRegression:
    """Train a softmax regression by gradient descent on the cross-entropy of mini-batches.

    Weights start at zero; each epoch is a shuffled partition of the training split into batches.
    """
    x, t = train.take(slice(None))
    model = SoftmaxRegression.zeros(x.shape[1], train.dataset.classes)
    for epoch, steps in groupby(model.descend(x, t, options), key=itemgetter(0)):
        progress(epoch, sum(loss for _, loss, _ in steps) / len(x))
    return model


BASELINES: dict[str, Callable[[Split, TrainingOptions, Progress], Model]] = {
    "uniform": fit_uniform,
    "prior": fit_prior,
    "centroid": fit_centroid,
    "softmax": fit_softmax,
}
