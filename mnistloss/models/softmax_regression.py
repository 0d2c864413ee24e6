"""Softmax regression: the scores of an image are x W + b, learnt by gradient descent on the cross-entropy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays import npy
from mnistloss.arrays.checks import Array, Floats, one_hot, whole
from mnistloss.datasets.load import FORM
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import shown
from mnistloss.losses.losses import LOSSES, softmax
from mnistloss.losses.outputs import Logits
from mnistloss.sampling.sampling import Words, partition

_LARGEST = 1e9


@dataclass(frozen=True)
class Learning:
    """How a softmax regression is learnt; `progress` is called after each epoch with its number and its loss.

    The loss is the mean cross-entropy of the epoch's mini-batches, each before the step that it causes.
    """

    epochs: int = 10
    learning_rate: float = 0.5
    batch_size: int = 100
    seed: int = 0
    progress: Callable[[int, float], None] | None = None

    def __post_init__(self) -> None:
        whole(self.epochs, "epochs")
        whole(self.batch_size, "batch_size")
        if not 0 < self.learning_rate < np.inf:
            raise ArgumentError(f"learning_rate is {self.learning_rate}; expected a positive number")

    def diverged(self, epoch: int) -> ArgumentError:
        """The error for a loss that is not finite."""
        advice = f"try a learning_rate below {self.learning_rate:g}"
        return ArgumentError(f"learning diverged in epoch {epoch}; {advice}")


@dataclass(frozen=True)
class Regression:
    """Weights W (D, K) and biases b (K,), changed in place by `descend`; called with images, it gives probabilities."""

    weights: Array = field(repr=False)
    bias: Array = field(repr=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str], pixels: int, classes: int) -> Regression:
        """Weights in float64 from a .npz with W (D, K) and b (K,), within 1e9; anything else raises InputError."""
        found = []
        for name, shape in (("W", (pixels, classes)), ("b", (classes,))):
            array = npy.load_member(path, name, most=pixels * classes)
            if array is None or array.shape != shape:
                what = "no array" if array is None else f"shape {array.shape}"
                raise InputError(
                    f"{shown(path)}[{name}]: {what}; expected W {(pixels, classes)} and b {(classes,)},"
                    " as baseline softmax --weights-out saves them"
                )
            if not (np.abs(array) <= _LARGEST).all():
                raise InputError(f"{shown(path)}[{name}]: NaN or a weight beyond {_LARGEST:g}; expected finite weights")
            found.append(array.astype(np.float64))
        return cls(*found)

    @classmethod
    def zeros(cls, pixels: int, classes: int) -> Regression:
        """The model that every learning starts from, in float32."""
        return cls(np.zeros((pixels, classes), np.float32), np.zeros(classes, np.float32))

    def __call__(self, images: NDArray[np.uint8]) -> Floats:
        return softmax(self.scores(FORM.images(images)))

    def scores(self, x: Array) -> Array:
        """x W + b (N, K) of images (N, D) in [0, 1]."""
        return x @ self.weights + self.bias

    def losses(self, x: Array, t: Array) -> Floats:
        """The cross-entropy (N,) of each example, from the scores."""
        return LOSSES["nll"](Logits(self.scores(x).T.astype(np.float64)), t)

    def gradient(self, x: Array, t: Array) -> tuple[float, Regression]:
        """The sum of the cross-entropies of N examples, and the gradient of their mean: by the scores (y - t) / N."""
        outputs = Logits(self.scores(x).T.astype(np.float64))
        by_scores = (outputs.p.T - one_hot(t, len(self.bias))).astype(self.bias.dtype) / len(x)
        total = float(LOSSES["nll"](outputs, t).sum())
        return total, Regression(x.T @ by_scores, by_scores.sum(axis=0))

    def descend(self, x: Array, t: Array, learning: Learning) -> Iterator[tuple[int, float, int]]:
        """Learn step by step; after each, the epoch, and the sum and the number of its mini-batch's losses before it.

        Each epoch is a shuffled partition of the examples. A loss that is not finite raises ArgumentError.
        """
        words = Words(learning.seed)
        for epoch in range(1, learning.epochs + 1):
            for batch in partition(len(x), learning.batch_size, words=words):
                with np.errstate(over="ignore", invalid="ignore"):
                    total, gradient = self.gradient(x[batch], t[batch])
                    self.weights[...] -= learning.learning_rate * gradient.weights
                    self.bias[...] -= learning.learning_rate * gradient.bias
                if not np.isfinite(total):
                    raise learning.diverged(epoch)
                yield epoch, total, len(batch)

    def moved(self, step: Regression, distance: float) -> Regression:
        """The model that is so many steps away."""
        return Regression(self.weights + distance * step.weights, self.bias + distance * step.bias)

    def double(self) -> Regression:
        """The same model in float64."""
        return Regression(self.weights.astype(np.float64), self.bias.astype(np.float64))

    def arrays(self) -> dict[str, Array]:
        """The weights as a .npz holds them."""
        return {"W": self.weights, "b": self.bias}
