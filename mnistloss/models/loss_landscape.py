"""Why the loss is optimised and not the accuracy: both along a path of the weights, in fine steps."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array, Floats, whole
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table
from mnistloss.errors import ArgumentError
from mnistloss.formatting import counted, examples
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import Logits
from mnistloss.models.baselines import fit_softmax
from mnistloss.models.softmax_regression import Learning, Regression
from mnistloss.sampling.sampling import Words, draw
from mnistloss.stats import Moments

DIRECTIONS = ("gradient", "random")
_MOST_STEPS = 100_000
_FARTHEST = 1e6


@dataclass(frozen=True)
class WeightPath:
    """How weights move: one of them, W[i, j], or all of them and the biases, along a direction of length 1.

    direction: "gradient", down that of the loss, or "random". range: from where to where, 0 being the weights as
    they are, in so many equal steps.
    """

    weight: tuple[int, int] | None
    direction: str | None
    range: tuple[float, float]
    steps: int

    @classmethod
    def of(
        cls, weight: tuple[int, int] | None, direction: str | None, range: tuple[float, float] | None, steps: int
    ) -> WeightPath:
        """With what is left open: down the gradient, -1 to 1 for one weight, -0.1 to 0.1 for all."""
        if weight is None:
            return cls(None, direction or "gradient", range or (-0.1, 0.1), steps)
        return cls(weight, direction, range or (-1.0, 1.0), steps)

    def __post_init__(self) -> None:
        if whole(self.steps, "steps") > _MOST_STEPS:
            raise ArgumentError(f"steps is {self.steps:,}; expected at most {_MOST_STEPS:,}")
        if (self.weight is None) == (self.direction is None):
            raise ArgumentError("weight moves one weight, direction moves all; give one of them")
        if self.direction not in (None, *DIRECTIONS):
            raise ArgumentError(f"no direction is named {self.direction!r}; they are {' and '.join(DIRECTIONS)}")
        low, high = self.range
        if not -_FARTHEST <= low < high <= _FARTHEST:
            within = f"two numbers from {-_FARTHEST:g} to {_FARTHEST:g}"
            raise ArgumentError(f"range is {low:g} to {high:g}; expected {within}, the lower first")

    @property
    def middle(self) -> float:
        """Half-way."""
        return sum(self.range) / 2

    def along(self, model: Regression, x: Array, t: Array, words: Words) -> Regression:
        """What is added to the weights and biases for each unit of the path."""
        if self.weight is not None:
            step = Regression(np.zeros_like(model.weights), np.zeros_like(model.bias))
            step.weights[self._checked(self.weight, model.weights.shape)] = 1.0
            return step
        if self.direction == "random":
            signs = 2.0 * words.below(2, model.weights.size + model.bias.size) - 1.0
            weights, bias = np.split(signs, [model.weights.size])
            return _unit(Regression(weights.reshape(model.weights.shape), bias))
        _, gradient = model.gradient(x, t)
        return _unit(Regression(-gradient.weights, -gradient.bias))

    def __str__(self) -> str:
        if self.weight is not None:
            return "change of weight {},{}".format(*self.weight)
        return f"way of all weights {'in a random direction' if self.direction == 'random' else 'down the gradient'}"

    @staticmethod
    def _checked(weight: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
        i, j = (whole(index, "a weight's index", least=0) for index in weight)
        if i >= shape[0] or j >= shape[1]:
            raise ArgumentError(
                f"there is no weight {i},{j}; expected a pixel 0..{shape[0] - 1} and a class 0..{shape[1] - 1}"
            )
        return i, j


@dataclass(frozen=True)
class PathSummary:
    """What a path shows of a measure: how many values it takes, how many steps change it, its derivative midway."""

    distinct: int
    changes: int
    still: float
    derivative: float

    @classmethod
    def of(cls, values: Floats, derivative: float) -> PathSummary:
        changes = int(np.count_nonzero(np.diff(values)))
        return cls(len(np.unique(values)), changes, 1 - changes / (len(values) - 1), derivative)

    def cells(self, steps: int) -> tuple[str, ...]:
        """As a row of a table about so many steps."""
        places = max(1, math.ceil(math.log10(steps)) - 2)  # which one step can move
        return f"{self.distinct:,}", f"{self.changes:,}", f"{self.still:.{places}%}", f"{self.derivative:z.3g}"


@dataclass(frozen=True)
class AccuracyPath:
    """Loss and accuracy of n examples at each place (steps + 1,) of the path.

    slope: the derivative of the loss midway. batch_size: None where n is the whole split.
    """

    dataset: str
    split: str
    n: int
    batch_size: int | None
    seed: int
    move: WeightPath
    at: Floats = field(repr=False)
    loss: Floats = field(repr=False)
    accuracy: Floats = field(repr=False)
    slope: float

    @property
    def seen(self) -> dict[str, PathSummary]:
        """Of the loss and of the accuracy, whose derivative is 0 wherever it has one."""
        return {"loss": PathSummary.of(self.loss, self.slope), "accuracy": PathSummary.of(self.accuracy, 0.0)}

    def columns(self) -> dict[str, list[Any]]:
        """The curves, a number for each place."""
        return {"at": self.at.tolist(), "loss": self.loss.tolist(), "accuracy": self.accuracy.tolist()}

    def as_dict(self) -> dict[str, Any]:
        data = {"dataset": self.dataset, "split": self.split, "n": self.n, "batch_size": self.batch_size}
        seen = {name: asdict(seen) for name, seen in self.seen.items()}
        return {**data, "seed": self.seed, **asdict(self.move), **seen, "path": self.columns()}

    def parts(self) -> list[Part]:
        """Both curves, and the answer in numbers and in words."""
        low, high = self.move.range
        return [
            self._chart("loss", "cross-entropy, nats", self.loss, "line"),
            self._chart("accuracy", "share that is right", self.accuracy, "steps"),
            Table(
                f"{counted(self.move.steps, 'step', 'steps')} from {low:g} to {high:g}",
                ("", ">values", ">steps that change it", ">stands still", ">derivative midway"),
                tuple((name, *seen.cells(self.move.steps)) for name, seen in self.seen.items()),
            ),
            Lines(self._sentences()),
        ]

    def _chart(self, name: str, unit: str, values: Floats, drawn: str) -> Chart:
        title = f"{name}, {self.dataset} {self.split}, {examples(self.n)}"
        curve = Curve(name, tuple(self.at.tolist()), tuple(values.tolist()), drawn)
        return Chart(title, Axis(f"{self.move}, no unit"), Axis(unit), (curve,))

    def _sentences(self) -> tuple[str, ...]:
        way = "left" if self.slope > 0 else "right"
        return (
            f"Midway the loss tells gradient descent to go to the {way}; the accuracy, to stay where it is."
            if self.slope
            else "Neither tells gradient descent anything midway: both derivatives are 0.",
            f"The accuracy jumps by multiples of 1/{self.n:,}, where examples change sides; elsewhere it is constant.",
        )


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
    """Loss and accuracy of a softmax regression while one weight, or all along a direction, move in fine steps.

    weights: a .npz with W (784, 10) and b (10,), as `baseline softmax --weights-out` saves it; None learns as
        `baseline("softmax")` does. weight, direction, range, steps: see `WeightPath`.
    batch_size: so many examples drawn with replacement by the seed; None takes all of the split.
    Raises ArgumentError for an argument out of range, InputError for other weights, UnavailableError without data.

    >>> found = explain_accuracy(weight=(350, 3))
    >>> found.seen["loss"].distinct, found.seen["accuracy"].distinct, round(found.seen["accuracy"].still, 12)
    (201, 4, 0.96)
    """
    move = WeightPath.of(weight, direction, range, steps)
    cache_options = CacheOptions(cache_dir, download)
    on = load_split(dataset, split, cache_options)
    words = Words(seed)
    chosen = slice(None) if batch_size is None else draw(len(on), batch_size, words=words)
    x, t = on.take(chosen)
    x, t = x.astype(np.float64), t.astype(np.intp)
    if weights is None:
        model = fit_softmax(load_split(dataset, "train", cache_options), Learning()).double()
    else:
        model = Regression.load(weights, x.shape[1], on.dataset.classes)
    step = move.along(model, x, t, words)
    at = np.linspace(*move.range, move.steps + 1)
    loss, accuracy = _measured(model.scores(x), step.scores(x), t, at)
    _, gradient = model.moved(step, move.middle).gradient(x, t)
    slope = float((gradient.weights * step.weights).sum() + gradient.bias @ step.bias)
    return AccuracyPath(dataset, split, len(t), batch_size, seed, move, at, loss, accuracy, slope)


def _measured(scores: Floats, change: Floats, t: Array, at: Floats) -> tuple[Floats, Floats]:
    """The means of the loss and of what is right at each place: the scores are linear in the weights."""
    loss, accuracy = np.empty(len(at)), np.empty(len(at))
    start, step = np.ascontiguousarray(scores.T), np.ascontiguousarray(change.T)
    for place, distance in enumerate(at):
        outputs = Logits(start + distance * step)
        loss[place] = Moments.over(LOSSES["nll"](outputs, t)).mean
        accuracy[place] = np.count_nonzero(outputs.predicted == t) / len(t)
    return loss, accuracy


def _unit(step: Regression) -> Regression:
    """The same direction with length 1; one without a length stays as it is."""
    length = np.hypot(np.linalg.norm(step.weights), np.linalg.norm(step.bias)) or 1.0
    return Regression(step.weights / length, step.bias / length)
