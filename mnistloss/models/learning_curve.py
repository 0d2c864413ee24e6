"""The learning curve of a softmax regression: the loss of each mini-batch, the train loss and the test loss."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Floats, whole
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table, rows_of
from mnistloss.formatting import Printable, counted, nats
from mnistloss.models.softmax_regression import Progress, SoftmaxRegression, TrainingOptions, no_progress
from mnistloss.sampling.sampling import Words, draw
from mnistloss.stats import Moments

_CHECKPOINTS = 100


def explain_learning(
    *,
    examples: int = 1000,
    epochs: int = 100,
    learning_rate: float = 0.5,
    batch_size: int = 100,
    seed: int = 0,
    dataset: str = "mnist-5k",
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress = no_progress,
) -> LearningCurve:
    """Train a softmax regression as `baseline("softmax")` does, and measure train and test loss during the training.

    examples: the number of training examples, drawn without replacement. If it is the whole split, nothing is drawn.
    epochs, learning_rate, batch_size, seed: as for `baseline`. The seed also draws the examples.
    progress: called after each epoch with the number of the epoch and the loss of the last mini-batch.
    Raises ArgumentError for an argument out of range, UnavailableError without the data.

    >>> curve = explain_learning()
    >>> round(curve.best.test, 2), round(curve.last.test, 2), round(curve.last.train, 2)
    (0.43, 0.48, 0.03)
    """
    options = TrainingOptions(epochs, learning_rate, batch_size, seed)
    train, test = (load_split(dataset, split, CacheOptions(cache_dir, download)) for split in ("train", "test"))
    all_rows = whole(examples, "examples") == len(train)
    x, t = train.take(slice(None) if all_rows else draw(len(train), examples, replace=False, words=Words(seed)))
    sides = (x, t.astype(np.intp)), (test.take(slice(None))[0], test.labels.astype(np.intp))
    model = SoftmaxRegression.zeros(x.shape[1], train.dataset.classes)
    checkpoints: list[Checkpoint] = []
    test_losses: list[Floats] = []

    def measure(step: int, epoch: int) -> None:
        """Record the losses on all examples."""
        with np.errstate(over="ignore", invalid="ignore"):
            on_train, on_test = (model.losses(*side) for side in sides)
        if not (np.isfinite(on_train).all() and np.isfinite(on_test).all()):
            raise options.diverged(epoch)
        checkpoints.append(Checkpoint(step, Moments.over(on_train).mean, Moments.over(on_test).mean))
        test_losses.append(on_test)

    measure(0, 0)
    steps_per_epoch = -(-len(x) // batch_size)
    steps = epochs * steps_per_epoch
    batch_losses: list[float] = []
    for step, (epoch, total, size) in enumerate(model.descend(x, t, options), 1):
        batch_losses.append(total / size)
        if step % max(1, steps // _CHECKPOINTS) == 0 or step == steps:
            measure(step, epoch)
        if step % steps_per_epoch == 0:
            progress(epoch, batch_losses[-1])
    best = min(range(len(checkpoints)), key=lambda i: checkpoints[i].test)
    rise_stderr = Moments.over(test_losses[-1] - test_losses[best]).stderr or 0.0
    return LearningCurve(dataset, len(x), len(test), options, tuple(batch_losses), tuple(checkpoints), rise_stderr)


@dataclass(frozen=True)
class Checkpoint:
    """The mean losses on the training examples and on the test split after `step` steps."""

    step: int
    train: float
    test: float


@dataclass(frozen=True, repr=False)
class LearningCurve(Printable):
    """The loss of each mini-batch (steps,), measured before the step, and about a hundred checkpoints.

    examples: the number of training examples.
    rise_stderr: the standard error of the rise of the test loss, from the best checkpoint to the last.
    """

    dataset: str
    examples: int
    test_examples: int
    options: TrainingOptions
    batches: tuple[float, ...] = field(repr=False)
    checkpoints: tuple[Checkpoint, ...] = field(repr=False)
    rise_stderr: float = 0.0

    @property
    def best(self) -> Checkpoint:
        """The first checkpoint with the lowest test loss."""
        return min(self.checkpoints, key=lambda checkpoint: checkpoint.test)

    @property
    def last(self) -> Checkpoint:
        return self.checkpoints[-1]

    @property
    def overfits(self) -> bool:
        """Whether the test loss rose by two standard errors after the best checkpoint, while the train loss fell."""
        return self.last.train < self.best.train and self.last.test - self.best.test > 2 * self.rise_stderr

    @property
    def noise(self) -> float:
        """The root mean square of mini-batch loss minus train loss, over all checkpoints but the last."""
        differences = [self.batches[c.step] - c.train for c in self.checkpoints if c.step < len(self.batches)]
        return float(np.sqrt(np.mean(np.square(differences))))

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of a table with a row for each step; a loss that was not measured is None."""
        train, test = ({c.step: getattr(c, split) for c in self.checkpoints} for split in ("train", "test"))
        steps = range(len(self.batches) + 1)
        columns: dict[str, list[Any]] = {"step": list(steps), "mini_batch": [*self.batches, None]}
        return columns | {"train": [*map(train.get, steps)], "test": [*map(test.get, steps)]}

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the columns."""
        return rows_of(self.columns())

    def as_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "examples": self.examples,
            "test_examples": self.test_examples,
            **asdict(self.options),
            "steps": len(self.batches),
            "noise": self.noise,
            "best": asdict(self.best),
            "last": asdict(self.last),
            "rise_stderr": self.rise_stderr,
            "overfits": self.overfits,
            "curve": self.columns(),
        }

    def parts(self) -> list[Part]:
        steps = tuple(float(c.step) for c in self.checkpoints)
        curves = (
            Curve("mini-batch", tuple(map(float, range(len(self.batches)))), self.batches, "points"),
            Curve("train", steps, tuple(c.train for c in self.checkpoints)),
            Curve("test", steps, tuple(c.test for c in self.checkpoints)),
        )
        title = f"softmax regression, {counted(self.examples, 'example', 'examples')} of {self.dataset}"
        chart = Chart(title, Axis("steps, one mini-batch each"), Axis("cross-entropy, nats", log=True), curves)
        rows = {"start": self.checkpoints[0], "lowest test loss": self.best, "end": self.last}
        cells = [(name, f"{c.step:,}", *map(nats, (c.train, c.test, c.test - c.train))) for name, c in rows.items()]
        table = Table("mean loss", ("", ">step", ">train", ">test", ">test - train"), tuple(cells))
        return [chart, table, Lines(self._sentences())]

    def _sentences(self) -> tuple[str, str]:
        best, last = self.best, self.last
        size = min(self.options.batch_size, self.examples)
        noise = f"The loss of a mini-batch of {size:,} differs from the training loss by {nats(self.noise)} (r.m.s.)."
        if self.overfits:
            fall, rise = nats(best.train - last.train), nats(last.test - best.test)
            step = f"Since step {best.step:,}"
            trend = f"{step} the train loss fell by {fall} but the test loss rose by {rise}: overfitting."
        else:
            trend = (
                f"At the end the test loss is {nats(last.test - last.train)} above the train loss, but it did not rise"
                " by more than chance allows: no overfitting yet. Use fewer examples or more epochs to see it."
            )
        return noise, trend
