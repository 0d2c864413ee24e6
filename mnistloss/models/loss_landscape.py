"""Loss and accuracy while the weights move along a path: why the loss is optimised and not the accuracy."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array, Floats, whole
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table, rows_of
from mnistloss.errors import ArgumentError
from mnistloss.formatting import Printable, counted
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import Logits
from mnistloss.models.baselines import fit_softmax
from mnistloss.models.softmax_regression import SoftmaxRegression, TrainingOptions, no_progress
from mnistloss.sampling.sampling import Words, draw
from mnistloss.stats import Moments

DIRECTIONS = ("gradient", "random")
_MAX_STEPS = 100_000
_MAX_DISTANCE = 1e6


def explain_accuracy(
    *,
    weights: str | os.PathLike[str] | None = None,
    weight: tuple[int, int] | None = None,
    direction: str | None = None,
    range: tuple[float, float] | None = None,
    steps: int = 200,
    batch_size: int | None = None,
    seed: int = 0,
    dataset: str = "mnist-5k",
    split: str = "test",
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> AccuracyPath:
    """Move one weight or all weights of a softmax regression in equal steps, and measure loss and accuracy.

    weights: a .npz with W (784, 10) and b (10,), as `baseline softmax --weights-out` saves them. If None, a model is
        trained as by `baseline("softmax")`.
    weight, direction, range, steps: see `WeightPath`. By default, all weights move down the gradient. The default range
        is -1 to 1 for one weight and -0.1 to 0.1 for all.
    batch_size: the number of examples to draw, with replacement. If None, the whole split is used.
    seed: the seed of the draw and of a random direction.
    Raises ArgumentError for an argument out of range, InputError for other weights, UnavailableError without data.

    >>> path = explain_accuracy(weight=(350, 3))
    >>> path.summary["loss"].distinct, path.summary["accuracy"].distinct, round(path.summary["accuracy"].still, 12)
    (201, 4, 0.96)
    """
    if weight is None:
        direction = direction or "gradient"
    path = WeightPath(weight, direction, range or ((-0.1, 0.1) if weight is None else (-1.0, 1.0)), steps)
    cache_options = CacheOptions(cache_dir, download)
    data = load_split(dataset, split, cache_options)
    words = Words(seed)
    x, t = data.take(slice(None) if batch_size is None else draw(len(data), batch_size, words=words))
    x, t = x.astype(np.float64), t.astype(np.intp)
    if weights is None:
        train = load_split(dataset, "train", cache_options)
        model = fit_softmax(train, TrainingOptions(), no_progress).to_float64()
    else:
        model = SoftmaxRegression.load(weights, x.shape[1], data.dataset.classes)
    unit = path.direction_of(model, x, t, words)
    positions = np.linspace(*path.range, path.steps + 1)
    loss, accuracy = np.empty(len(positions)), np.empty(len(positions))
    start, step = np.ascontiguousarray(model.scores(x).T), np.ascontiguousarray(unit.scores(x).T)
    for i, position in enumerate(positions):
        outputs = Logits(start + position * step)  # scores are linear in the weights
        loss[i] = Moments.over(LOSSES["nll"](outputs, t)).mean
        accuracy[i] = np.count_nonzero(outputs.predicted == t) / len(t)
    _, gradient = model.step_along(unit, sum(path.range) / 2).gradient(x, t)
    slope = float((gradient.weights * unit.weights).sum() + gradient.bias @ unit.bias)
    return AccuracyPath(dataset, split, len(t), batch_size, seed, path, positions, loss, accuracy, slope)


@dataclass(frozen=True)
class WeightPath:
    """A path of `steps` equal steps, along which one weight moves, or all weights and biases.

    weight: the pixel i and class j of the weight W[i, j] that moves; None if all move.
    direction: where all move: "gradient" is down the gradient of the loss, "random" a random direction of length 1.
    range: the first and the last position; at position 0 the model is unchanged.
    """

    weight: tuple[int, int] | None
    direction: str | None
    range: tuple[float, float]
    steps: int

    def __post_init__(self) -> None:
        if whole(self.steps, "steps") > _MAX_STEPS:
            raise ArgumentError(f"steps is {self.steps:,}; expected at most {_MAX_STEPS:,}")
        if (self.weight is None) == (self.direction is None):
            raise ArgumentError("weight moves one weight, direction moves all; give one of them")
        if self.direction not in (None, *DIRECTIONS):
            raise ArgumentError(f"no direction is named {self.direction!r}; they are {' and '.join(DIRECTIONS)}")
        low, high = self.range
        if not -_MAX_DISTANCE <= low < high <= _MAX_DISTANCE:
            expected = f"two numbers from {-_MAX_DISTANCE:g} to {_MAX_DISTANCE:g}"
            raise ArgumentError(f"range is {low:g} to {high:g}; expected {expected}, the lower first")

    def direction_of(self, model: SoftmaxRegression, x: Array, t: Array, words: Words) -> SoftmaxRegression:
        """Return the change of weights and biases per unit of the path, of length 1, or 0 if the gradient is 0."""
        weights, bias = np.zeros_like(model.weights), np.zeros_like(model.bias)
        if self.weight is not None:
            i, j = (whole(index, "a weight's index", least=0) for index in self.weight)
            pixels, classes = model.weights.shape
            if i >= pixels or j >= classes:
                expected = f"a pixel 0..{pixels - 1} and a class 0..{classes - 1}"
                raise ArgumentError(f"there is no weight {i},{j}; expected {expected}")
            weights[i, j] = 1.0
        elif self.direction == "random":
            signs = 2.0 * words.below(2, model.weights.size + model.bias.size) - 1.0
            weights, bias = np.split(signs, [model.weights.size])
            weights = weights.reshape(model.weights.shape)
        else:
            _, gradient = model.gradient(x, t)
            weights, bias = -gradient.weights, -gradient.bias
        length = np.hypot(np.linalg.norm(weights), np.linalg.norm(bias)) or 1.0
        return SoftmaxRegression(weights / length, bias / length)

    def __str__(self) -> str:
        if self.weight is not None:
            return "change of weight {},{}".format(*self.weight)
        return f"distance {'in a random direction' if self.direction == 'random' else 'down the gradient'}"


@dataclass(frozen=True)
class PathSummary:
    """How a measure, loss or accuracy, changes along a path.

    distinct: the number of distinct values. changes: the number of steps that change the measure. still: the share of
    steps that do not. derivative: the derivative at the middle of the path.
    """

    distinct: int
    changes: int
    still: float
    derivative: float

    @classmethod
    def of(cls, values: Floats, derivative: float) -> PathSummary:
        changes = int(np.count_nonzero(np.diff(values)))
        return cls(len(np.unique(values)), changes, 1 - changes / (len(values) - 1), derivative)


@dataclass(frozen=True, repr=False)
class AccuracyPath(Printable):
    """Mean loss and accuracy of n examples at each position (steps + 1,) of a path.

    slope: the derivative of the loss at the middle. batch_size: None if the n examples are the whole split.
    """

    dataset: str
    split: str
    n: int
    batch_size: int | None
    seed: int
    path: WeightPath
    positions: Floats = field(repr=False)
    loss: Floats = field(repr=False)
    accuracy: Floats = field(repr=False)
    slope: float

    @property
    def summary(self) -> dict[str, PathSummary]:
        """Summaries of loss and accuracy. The accuracy is a step function: where it has a derivative, this is 0."""
        return {"loss": PathSummary.of(self.loss, self.slope), "accuracy": PathSummary.of(self.accuracy, 0.0)}

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of a table with a row for each position."""
        return {"at": self.positions.tolist(), "loss": self.loss.tolist(), "accuracy": self.accuracy.tolist()}

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the columns."""
        return rows_of(self.columns())

    def as_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in ("dataset", "split", "n", "batch_size", "seed")},
            **asdict(self.path),
            **{name: asdict(summary) for name, summary in self.summary.items()},
            "path": self.columns(),
        }

    def parts(self) -> list[Part]:
        low, high = self.path.range
        places = max(1, math.ceil(math.log10(self.path.steps)) - 2)  # one step changes the last digit of the share
        rows = tuple(
            (name, f"{s.distinct:,}", f"{s.changes:,}", f"{s.still:.{places}%}", f"{s.derivative:z.3g}")
            for name, s in self.summary.items()
        )
        columns = ("", ">values", ">steps that change it", ">unchanged", ">derivative at the middle")
        return [
            self._chart("loss", "cross-entropy, nats", self.loss, "line"),
            self._chart("accuracy", "share of correct predictions", self.accuracy, "steps"),
            Table(f"{counted(self.path.steps, 'step', 'steps')} from {low:g} to {high:g}", columns, rows),
            Lines(self._sentences()),
        ]

    def _chart(self, name: str, unit: str, values: Floats, style: str) -> Chart:
        title = f"{name}, {self.dataset} {self.split}, n = {self.n:,}"
        curve = Curve(name, tuple(self.positions.tolist()), tuple(values.tolist()), style)
        return Chart(title, Axis(f"{self.path}, no unit"), Axis(unit), (curve,))

    def _sentences(self) -> tuple[str, ...]:
        at = sum(self.path.range) / 2
        middle = f"In the middle, at {at:g}{'' if at else ' (the model as it was trained)'},"
        if self.slope:
            side = "left" if self.slope > 0 else "right"
            advice = f"{middle} the loss falls to the {side}; the accuracy is flat and gives no direction to go."
        else:
            advice = f"{middle} both are flat: neither gives a direction to go."
        jumps = f"The accuracy jumps by multiples of 1/{self.n:,} where predictions become right or wrong"
        ends = f"{self.accuracy.min():.3f} to {self.accuracy.max():.3f}"
        cut = f"Both vertical axes are cut: that of the accuracy shows {ends}."
        return advice, f"{jumps}; elsewhere it is constant.", cut
