"""How a softmax regression learns, step by step: the noisy loss of each mini-batch, and the loss on both splits."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Floats, whole
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table
from mnistloss.formatting import counted, nats
from mnistloss.models.softmax_regression import Learning, Regression
from mnistloss.sampling.sampling import Words, draw
from mnistloss.stats import Moments

_LOOKS = 100


@dataclass(frozen=True)
class Checkpoint:
    """The model after `step` steps: its mean loss on the examples that it learns from, and on the test split."""

    step: int
    train: float
    test: float


@dataclass(frozen=True)
class LearningCurve:
    """The loss of each step's mini-batch before the step (steps,), and some hundred looks at the whole.

    examples: how many of the training split are learnt from. rise_stderr: the standard error of how far the test loss
    rose from where it was lowest to the end, example by example.
    """

    dataset: str
    examples: int
    test_examples: int
    learning: Learning
    batches: tuple[float, ...] = field(repr=False)
    looks: tuple[Checkpoint, ...] = field(repr=False)
    rise_stderr: float = 0.0

    @property
    def overfits(self) -> bool:
        """Whether the test loss rose since it was lowest, by two standard errors or more, while the train loss fell."""
        best, last = self.best, self.looks[-1]
        return last.train < best.train and last.test - best.test > 2 * self.rise_stderr

    @property
    def best(self) -> Checkpoint:
        """The look at which the test loss is lowest, the first of them."""
        return min(self.looks, key=lambda look: look.test)

    @property
    def noise(self) -> float:
        """How far the losses of mini-batches stray from the training loss of the same model: root mean square."""
        strays = [self.batches[look.step] - look.train for look in self.looks if look.step < len(self.batches)]
        return float(np.sqrt(np.mean(np.square(strays))))

    def columns(self) -> dict[str, list[Any]]:
        """A row for each step, with None where there was no look, or no further mini-batch."""
        looks = {look.step: look for look in self.looks}
        steps = range(len(self.batches) + 1)
        return {
            "step": list(steps),
            "mini_batch": [*self.batches, None],
            "train": [looks[step].train if step in looks else None for step in steps],
            "test": [looks[step].test if step in looks else None for step in steps],
        }

    def as_dict(self) -> dict[str, Any]:
        how = {key: getattr(self.learning, key) for key in ("epochs", "learning_rate", "batch_size", "seed")}
        found = {"noise": self.noise, "best": asdict(self.best), "last": asdict(self.looks[-1])}
        found |= {"rise_stderr": self.rise_stderr, "overfits": self.overfits}
        data = {"dataset": self.dataset, "examples": self.examples, "test_examples": self.test_examples}
        return {**data, **how, "steps": len(self.batches), **found, "curve": self.columns()}

    def parts(self) -> list[Part]:
        """The curves, the looks that matter, and what they say."""
        steps = tuple(float(look.step) for look in self.looks)
        chart = Chart(
            f"softmax regression on {counted(self.examples, 'example', 'examples')} of {self.dataset}",
            Axis("steps, a mini-batch each"),
            Axis("cross-entropy, nats", log=True),
            (
                Curve("mini-batch", tuple(map(float, range(len(self.batches)))), self.batches, "points"),
                Curve("train", steps, tuple(look.train for look in self.looks)),
                Curve("test", steps, tuple(look.test for look in self.looks)),
            ),
        )
        told = {"start": self.looks[0], "test loss lowest": self.best, "end": self.looks[-1]}
        table = Table(
            "the mean loss",
            ("", ">step", ">train", ">test", ">test - train"),
            tuple(
                (name, f"{look.step:,}", nats(look.train), nats(look.test), nats(look.test - look.train))
                for name, look in told.items()
            ),
        )
        return [chart, table, Lines(self._sentences())]

    def _sentences(self) -> tuple[str, ...]:
        best, last = self.best, self.looks[-1]
        size = min(self.learning.batch_size, self.examples)
        return (
            f"The loss of a mini-batch of {size:,} strays from that of the model by {nats(self.noise)} (r.m.s.).",
            f"Since step {best.step:,} the train loss fell by {nats(best.train - last.train)}"
            f" and the test loss rose by {nats(last.test - best.test)}: overfitting."
            if self.overfits
            else f"At the end the test loss is {nats(last.test - last.train)} above the train loss, yet it did not rise"
            " by more than chance allows: no overfitting yet. Fewer --examples or more --epochs make room for it.",
        )


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
) -> LearningCurve:
    """Learn a softmax regression as `baseline("softmax")` does, and look at its loss on the way.

    examples: how many of the training split to learn from, drawn without replacement; all are taken in order.
    epochs, learning_rate, batch_size, seed: as for `baseline`; the seed also draws the examples.
    Raises ArgumentError for an argument out of range, UnavailableError without the data.

    >>> found = explain_learning()
    >>> round(found.best.test, 2), round(found.looks[-1].test, 2), round(found.looks[-1].train, 2)
    (0.43, 0.48, 0.03)
    """
    return run(examples, Learning(epochs, learning_rate, batch_size, seed), dataset, CacheOptions(cache_dir, download))


def run(examples: int, learning: Learning, dataset: str, cache_options: CacheOptions) -> LearningCurve:
    """As `explain_learning`; the progress of `learning` is called after each epoch, with its last mini-batch's loss."""
    train, test = (load_split(dataset, split, cache_options) for split in ("train", "test"))
    everything = whole(examples, "examples") == len(train)
    chosen = slice(None) if everything else draw(len(train), examples, replace=False, words=Words(learning.seed))
    x, t = train.take(chosen)
    sides = (x, t.astype(np.intp)), (test.take(slice(None))[0], test.labels.astype(np.intp))
    model = Regression.zeros(x.shape[1], train.dataset.classes)

    def look(step: int, epoch: int) -> Checkpoint:
        with np.errstate(over="ignore", invalid="ignore"):
            on_train, on_test = (model.losses(*side) for side in sides)
        if not (np.isfinite(on_train).all() and np.isfinite(on_test).all()):
            raise learning.diverged(epoch)
        found = Checkpoint(step, Moments.over(on_train).mean, Moments.over(on_test).mean)
        if not seen or found.test < seen[0][0].test:
            seen[:] = [(found, on_test)]
        seen[1:] = [(found, on_test)]
        return found

    seen: list[tuple[Checkpoint, Floats]] = []  # the best and the last
    in_epoch = -(-len(x) // learning.batch_size)
    total = learning.epochs * in_epoch
    batches, looks = [], [look(0, 0)]
    for step, (epoch, losses, size) in enumerate(model.descend(x, t, learning), 1):
        batches.append(losses / size)
        if step % max(1, total // _LOOKS) == 0 or step == total:
            looks.append(look(step, epoch))
        if learning.progress is not None and step % in_epoch == 0:
            learning.progress(epoch, batches[-1])
    rise = Moments.over(seen[-1][1] - seen[0][1]).stderr or 0.0
    return LearningCurve(dataset, len(x), len(test), learning, tuple(batches), tuple(looks), rise)
