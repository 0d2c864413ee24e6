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
"""A function that is called after each epoch with the number of the epoch, from 1, and a loss."""


def no_progress(epoch: int, loss: float) -> None:
    """Show nothing."""


_MAX_WEIGHT = 1e9


@dataclass(frozen=True)
class TrainingOptions:
    """Number of passes over the examples, step size, size of a mini-batch, and the seed of the order of examples."""

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
        return ArgumentError(f"training diverged in epoch {epoch}; try a learning_rate below {self.learning_rate:g}")


@dataclass(frozen=True)
class SoftmaxRegression:
    """A model with weights W (D, K) and biases b (K,), called with images (N, 28, 28) for probabilities (N, K)."""

    weights: Array = field(repr=False)
    bias: Array = field(repr=False)

    @classmethod
    def zeros(cls, pixels: int, classes: int) -> SoftmaxRegression:
        """Return the model at the start of training: all weights are 0, in float32."""
        return cls(np.zeros((pixels, classes), np.float32), np.zeros(classes, np.float32))

    @classmethod
    def load(cls, path: str | os.PathLike[str], pixels: int, classes: int) -> SoftmaxRegression:
        """Read W (D, K) and b (K,) from a .npz, as float64; another shape or a weight beyond 1e9 raises InputError."""
        arrays = []
        for name, shape in (("W", (pixels, classes)), ("b", (classes,))):
            array, where = npy.load_member(path, name, most=pixels * classes), f"{shown(path)}[{name}]"
            if array is None or array.shape != shape:
                what = "no array" if array is None else f"shape {array.shape}"
                expected = f"W {(pixels, classes)} and b {(classes,)}, as baseline softmax --weights-out saves them"
                raise InputError(f"{where}: {what}; expected {expected}")
            if not (np.abs(array) <= _MAX_WEIGHT).all():
                raise InputError(f"{where}: NaN or a weight beyond {_MAX_WEIGHT:g}; expected finite weights")
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
        """Compute the sum of the cross-entropies, and the gradient of the mean cross-entropy by weights and biases."""
        outputs = Logits(self.scores(x).T.astype(np.float64))
        # the gradient by the scores is (y - t) / N
        by_scores = (outputs.p.T - one_hot(t, len(self.bias))).astype(self.bias.dtype) / len(x)
        total = float(LOSSES["nll"](outputs, t).sum())
        return total, SoftmaxRegression(x.T @ by_scores, by_scores.sum(axis=0))

    def descend(self, x: Array, t: Array, options: TrainingOptions) -> Iterator[tuple[int, float, int]]:
        """Take a step of gradient descent for each mini-batch, in place. An epoch is a shuffled partition of examples.

        After each step, yield the epoch, the sum of the losses of the mini-batch before the step, and its size.
        A loss that is not finite raises ArgumentError.
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
        """Return the model after a move by `distance` times `direction`."""
        return SoftmaxRegression(self.weights + distance * direction.weights, self.bias + distance * direction.bias)

    def to_float64(self) -> SoftmaxRegression:
        return SoftmaxRegression(self.weights.astype(np.float64), self.bias.astype(np.float64))

    def arrays(self) -> dict[str, Array]:
        """Return weights and biases under the names that they have in a .npz."""
        return {"W": self.weights, "b": self.bias}
