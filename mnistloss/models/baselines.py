"""Baselines: predictions to compare with, from no learning at all to a softmax regression.

A baseline is fitted on the training split and gives probabilities for any images. Pixels are bytes divided
by 255; every fit is reproducible by its seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Floats
from mnistloss.datasets.catalog import SPLITS, check_split
from mnistloss.datasets.load import Split, load_split
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.evaluate import evaluate
from mnistloss.evaluation.results import Evaluation
from mnistloss.losses.losses import softmax
from mnistloss.models.softmax_regression import Learning, Regression

Model = Callable[[NDArray[np.uint8]], Floats]
"""Images (N, 28, 28) of bytes -> probabilities (N, K)."""

_HALVINGS = 40


def fit_uniform(train: Split, learning: Learning) -> Model:
    """The same probability for every class: what knowing nothing costs."""
    k = train.dataset.classes
    return lambda images: np.full((len(images), k), 1 / k)


def fit_prior(train: Split, learning: Learning) -> Model:
    """The share of each class in the training split, whatever the image."""
    share = np.bincount(train.labels, minlength=train.dataset.classes) / len(train)
    return lambda images: np.tile(share, (len(images), 1))


def fit_centroid(train: Split, learning: Learning) -> Model:
    """The class whose mean image is nearest, in Euclidean distance.

    Its probabilities are the softmax of minus s times the squared distance, with the s of the least
    cross-entropy on the training split.
    """
    x = _pixels(train.images)
    k = train.dataset.classes
    centroids = np.stack([x[train.labels == c].mean(axis=0) for c in range(k)])

    def distances(pixels: Floats) -> Floats:
        square = (pixels**2).sum(axis=1, keepdims=True) + (centroids**2).sum(axis=1)
        return square - 2 * pixels @ centroids.T

    scale = _best_scale(-distances(x), train.labels.astype(np.intp))
    return lambda images: softmax(-scale * distances(_pixels(images)))


def fit_softmax(train: Split, learning: Learning) -> Regression:
    """Softmax regression: weights found by gradient descent on the cross-entropy of mini-batches.

    Weights start at zero; each epoch is a shuffled partition of the training split into batches.
    """
    x, t = train.take(slice(None))
    model = Regression.zeros(x.shape[1], train.dataset.classes)
    for epoch, steps in groupby(model.descend(x, t, learning), key=itemgetter(0)):
        total = sum(loss for _, loss, _ in steps)
        if learning.progress is not None:
            learning.progress(epoch, total / len(x))
    return model


BASELINES: dict[str, Callable[[Split, Learning], Model]] = {
    "uniform": fit_uniform,
    "prior": fit_prior,
    "centroid": fit_centroid,
    "softmax": fit_softmax,
}


def _pixels(images: NDArray[np.uint8]) -> Floats:
    return images.reshape(len(images), -1) / 255.0


def _best_scale(scores: Floats, labels: NDArray[np.intp]) -> float:
    """The s > 0 that minimises the cross-entropy of softmax(s * scores): it is convex in s, so halve on its slope."""
    low, high = 0.0, 1.0

    def slope(s: float) -> float:
        p = softmax(s * scores)
        return float(((p * scores).sum(axis=1) - scores[np.arange(len(labels)), labels]).mean())

    while slope(high) < 0 and high < 2.0**_HALVINGS:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return (low + high) / 2


def fit(name: str, train: Split, learning: Learning | None = None) -> Model:
    """Fit the baseline of that name; an unknown name raises ArgumentError."""
    if name not in tuple(BASELINES):
        raise ArgumentError(f"no baseline is named {name!r}; the baselines are {', '.join(BASELINES)}")
    return BASELINES[name](train, learning or Learning())


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline: the model, its predictions for both splits and what they score.

    epochs: the loss of each epoch of learning, empty where there is none; see `Learning`.
    """

    name: str
    model: Model = field(repr=False)
    predictions: Mapping[str, Floats] = field(repr=False)
    train: Evaluation
    test: Evaluation
    epochs: tuple[float, ...]


def run(
    name: str, dataset: str, learning: Learning | None = None, cache_options: CacheOptions = CACHE_DEFAULTS
) -> Baseline:
    """Fit a baseline on the training split, predict both splits and score them."""
    learning = learning or Learning()
    fallen: list[float] = []

    def follow(epoch: int, loss: float) -> None:
        fallen.append(loss)
        if learning.progress is not None:
            learning.progress(epoch, loss)

    splits = {split: load_split(dataset, split, cache_options) for split in SPLITS}
    model = fit(name, splits["train"], replace(learning, progress=follow))
    predictions = {split: model(examples.images) for split, examples in splits.items()}
    train, test = (
        evaluate(y, dataset=dataset, split=split, cache_dir=cache_options.cache_dir, download=cache_options.download)
        for split, y in predictions.items()
    )
    return Baseline(name, model, predictions, train, test, tuple(fallen))


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
    """Predictions (N, K) of a baseline for a split: "uniform", "prior", "centroid" or "softmax".

    It is fitted on the training split. epochs, learning_rate, batch_size and seed are those of "softmax".
    Raises ArgumentError for an unknown name or an argument out of range, UnavailableError without the data.

    >>> baseline("prior", dataset="mnist-5k")[0].tolist()
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    """
    check_split(split)
    learning = Learning(epochs, learning_rate, batch_size, seed)
    cache_options = CacheOptions(cache_dir, download)
    model = fit(name, load_split(dataset, "train", cache_options), learning)
    return model(load_split(dataset, split, cache_options).images)
