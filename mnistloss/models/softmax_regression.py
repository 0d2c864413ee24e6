"""Softmax regression: softmax(x W + b), trained by mini-batch gradient descent on the cross-entropy."""

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

Progress = Callable[[int, float], None]
"""Called after each epoch with its number, from 1, and a loss."""

_MAX_WEIGHT = 1e9


@dataclass(frozen=True)
class TrainingOptions:
    """Passes over the examples, step size, examples in a mini-batch, and the seed of their order."""

    epochs: int = 10
    learning_rate: float = 0.5
    batch_size: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        whole(self.epochs, "epochs")
        whole(self.batch_size, "batch_size")
        if not 0 < self.learning_rate < np.inf:
            raise ArgumentError(f"learning_rate is {self.learning_rate}; expected a positive number")

    def diverged(self, epoch: int) -> ArgumentError:
        """Return the error for a loss that is not finite."""
        advice = f"try a learning_rate below {self.learning_rate:g}"
        return ArgumentError(f"training diverged in epoch {epoch}; {advice}")


TRAINING_DEFAULTS = TrainingOptions()


@dataclass(frozen=True)
class SoftmaxRegression:
    """Weights W (D, K) and biases b (K,), which `descend` changes in place; a call maps images to probabilities."""

    weights: Array = field(repr=False)
    bias: Array = field(repr=False)

    @classmethod
    def zeros(cls, pixels: int, classes: int) -> SoftmaxRegression:
        """Return the model that training starts from, in float32."""
        return cls(np.zeros((pixels, classes), np.float32), np.zeros(classes, np.float32))

    @classmethod
    def load(cls, path: str | os.PathLike[str], pixels: int, classes: int) -> SoftmaxRegression:
        """Read W (D, K) and b (K,) from a .npz, as float64; other shapes or weights beyond 1e9 raise InputError."""
        arrays = []
        for name, shape in (("W", (pixels, classes)), ("b", (classes,))):
            array = npy.load_member(path, name, most=pixels * classes)
            if array is None or array.shape != shape:
                what = "no array" if array is None else f"shape {array.shape}"
                raise InputError(
                    f"{shown(path)}[{name}]: {what}; expected W {(pixels, classes)} and b {(classes,)},"
                    " as baseline softmax --weights-out saves them"
                )
            if not (np.abs(array) <= _MAX_WEIGHT).all():
                raise InputError(
                    f"{shown(path)}[{name}]: NaN or a weight beyond {_MAX_WEIGHT:g}; expected finite weights"
                )
            arrays.append(array.astype(np.float64))
        return cls(*arrays)

    def __call__(self, images: NDArray[np.uint8]) -> Floats:
        return softmax(self.scores(FORM.images(images)))

    def scores(self, x: Array) -> Array:
        """Compute x W + b (N, K) of images x (N, D) in [0, 1]."""
        return x @ self.weights + self.bias

    def losses(self, x: Array, t: Array) -> Floats:
        """Compute the cross-entropy (N,) of each example."""
        return LOSSES["nll"](Logits(self.scores(x).T.astype(np.float64)), t)

    def gradient(self, x: Array, t: Array) -> tuple[float, SoftmaxRegression]:
        """Compute the sum of the cross-entropies, and the gradient of their mean; by the scores it is (y - t) / N."""
        outputs = Logits(self.scores(x).T.astype(np.float64))
        by_scores = (outputs.p.T - one_hot(t, len(self.bias))).astype(self.bias.dtype) / len(x)
        total = float(LOSSES["nll"](outputs, t).sum())
        return total, SoftmaxRegression(x.T @ by_scores, by_scores.sum(axis=0))

    def descend(self, x: Array, t: Array, options: TrainingOptions) -> Iterator[tuple[int, float, int]]:
        """Take a step for each mini-batch; yield the epoch, and the sum and number of the batch's losses before it.

        Each epoch is a shuffled partition of the examples. A loss that is not finite raises ArgumentError.
        """
        words = Words(options.seed)
        for epoch in range(1, options.epochs + 1):
            for batch in partition(len(x), options.batch_size, words=words):
                with np.errstate(over="ignore", invalid="ignore"):
                    total, gradient = self.gradient(x[batch], t[batch])
                    self.weights[...] -= options.learning_rate * gradient.weights
                    self.bias[...] -= options.learning_rate * gradient.bias
                if not np.isfinite(total):
                    raise options.diverged(epoch)
                yield epoch, total, len(batch)

    def step_along(self, direction: SoftmaxRegression, distance: float) -> SoftmaxRegression:
        """Return the model at this distance along a direction."""
        return SoftmaxRegression(self.weights + distance * direction.weights, self.bias + distance * direction.bias)

    def to_float64(self) -> SoftmaxRegression:
        """Return the same model in float64."""
        return SoftmaxRegression(self.weights.astype(np.float64), self.bias.astype(np.float64))

    def arrays(self) -> dict[str, Array]:
        """Return the weights under their names in a .npz."""
        return {"W": self.weights, "b": self.bias}
