"""Simulate how often the intervals of skewed losses hold the true mean, and write the table of docs/explanation.md.

A population is the losses of a model on the embedded digits. Samples are drawn from the population with replacement.
"""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistloss import baseline, softmax
from mnistloss.arrays.checks import Floats
from mnistloss.datasets.load import load_split
from mnistloss.evaluation.scoring import MIN_WRONG
from mnistloss.models.softmax_regression import SoftmaxRegression, TrainingOptions
from mnistloss.stats import Interval, Moments, hall_interval, is_too_skewed

POPULATIONS = {
    "100 epochs, digits it learnt from": 1.0,
    "the same, logits times 2": 2.0,
    "the same, logits times 4": 4.0,
    "logits times 4, mixed with 0.1 % uniform": 4.0,
    "5 epochs, test digits": 1.0,
    "nearest centroid, test digits": 1.0,
}
"""The populations by name, each with the factor by which the logits of the model are multiplied."""

SIZES = (100, 300, 1000, 3000)


class Losses(NamedTuple):
    """A population: its losses or paired differences (N,), and which of the examples are wrong (N,)."""

    values: Floats
    wrong: NDArray[np.bool_]


class Sample(NamedTuple):
    """The moments of a sample from a population, and its number of wrong examples."""

    moments: Moments
    wrong: int

    def has_note(self, confidence: float) -> bool:
        """Whether an interval of this sample is printed with a note that it is not reliable."""
        return self.wrong < MIN_WRONG or is_too_skewed(self.moments.skewness_of_mean, confidence)


def hall(moments: Moments, confidence: float) -> Interval | None:
    """Return the interval that mnistloss prints."""
    return hall_interval(moments.mean, moments.stderr, moments.skewness_of_mean, confidence)


def normal(moments: Moments, confidence: float) -> Interval | None:
    """Return the normal interval."""
    return hall_interval(moments.mean, moments.stderr, 0.0, confidence)


@functools.cache
def predictions(name: str) -> tuple[Floats, NDArray[np.integer]]:
    """Return the logits (N, K) of the model of a population, and the labels (N,)."""
    train, test = (load_split("mnist-5k", split) for split in ("train", "test"))
    if "centroid" in name:
        return np.log(baseline("centroid", dataset="mnist-5k")), test.labels
    learnt = "5 epochs, test" not in name
    y = _trained(100 if learnt else 5)((train if learnt else test).images)
    return POPULATIONS[name] * np.log(np.maximum(y, 1e-300)), (train if learnt else test).labels


@functools.cache
def _trained(epochs: int) -> SoftmaxRegression:
    x, t = load_split("mnist-5k", "train").take(slice(None))
    model = SoftmaxRegression.zeros(x.shape[1], 10)
    for _ in model.descend(x, t, TrainingOptions(epochs=epochs)):
        pass
    return model


def losses(name: str, temperature: float = 1.0) -> Losses:
    """Return the losses of a population after its logits are divided by a temperature."""
    z, t = predictions(name)
    y = softmax(z / temperature)
    if "mixed" in name:
        y = 0.999 * y + 0.0001
    return Losses(-np.log(y[np.arange(len(t)), t] + 1e-7), y.argmax(axis=1) != t)


def differences(name: str, temperature: float) -> Losses:
    """Return the losses of a population at a temperature minus those at temperature 1."""
    values, wrong = losses(name)
    other = losses(name, temperature)
    return Losses(other.values - values, wrong | other.wrong)


def draw(population: Losses, n: int, count: int) -> list[Sample]:
    """Return `count` samples of n examples, the same in every call."""
    rng = np.random.default_rng([2, n])
    rows = (rng.integers(0, len(population.values), n) for _ in range(count))
    return [Sample(Moments.of(population.values[r]), int(np.count_nonzero(population.wrong[r]))) for r in rows]


def misses(
    samples: Sequence[Sample],
    true: float,
    confidence: float,
    interval: Callable[[Moments, float], Interval | None] = hall,
) -> tuple[float, float]:
    """Return the share of samples whose interval lies below the true mean, and the share above."""
    ends = [interval(sample.moments, confidence) or (true, true) for sample in samples]
    n = max(1, len(samples))
    return sum(high < true for _, high in ends) / n, sum(low > true for low, _ in ends) / n


def table(count: int = 4000) -> str:
    """Return the table of all populations, between the markers of the page."""
    columns = ("losses of", "n", "normal: holds", "too low", "too high", "Hall: holds", "too low", "too high", "note")
    lines = [f"| {' | '.join((*columns, 'without a note: holds'))} |", "|---|" + "---:|" * len(columns)]
    for name in POPULATIONS:
        population = losses(name)
        true = float(population.values.mean())
        for n in SIZES:
            samples = draw(population, n, count)
            kept = [sample for sample in samples if not sample.has_note(0.95)]
            cells = [name, f"{n:,}"]
            for some in (misses(samples, true, 0.95, normal), misses(samples, true, 0.95)):
                cells += [f"{1 - sum(some):.3f}", *(f"{share:.3f}" for share in some)]
            few = len(kept) < count / 10
            cells += [f"{1 - len(kept) / count:.2f}", "-" if few else f"{1 - sum(misses(kept, true, 0.95)):.3f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(["<!-- coverage -->", *lines, "<!-- /coverage -->"])


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "explanation.md"
    text = table()
    print(text)
    page.write_text(re.sub("<!-- coverage -->.*<!-- /coverage -->", lambda _: text, page.read_text(), flags=re.DOTALL))
