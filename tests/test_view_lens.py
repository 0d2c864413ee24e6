"""The view `lens`: the means of random mini-batches against the full value."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis import lens as lens_module
from mnistloss.analysis.lens import lens
from mnistloss.document import Bars, Lines, charts
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.scoring import Scores
from mnistloss.evaluation.targets import DataOptions
from mnistloss.sampling.sampling import Words

LABELS = np.arange(1000) % 10


@pytest.fixture
def examples(probs: np.ndarray) -> Scores:
    return scores_of(probs, DataOptions(dataset="mnist-5k"))


def test_means_are_those_of_a_loop(examples: Scores, probs: np.ndarray) -> None:
    """Each mean is that of the examples which the seed draws, one mini-batch after another."""
    found = lens(examples, batch_size=7, draws=50, seed=3)
    words = Words(3)
    batches = [words.below(1000, 7) for _ in range(50)]
    costs = [-math.log(float(y[t]) + 1e-7) for y, t in zip(probs, LABELS, strict=True)]
    means = sorted(math.fsum(costs[i] for i in batch) / 7 for batch in batches)
    np.testing.assert_allclose(found.means, means, rtol=1e-12)
    assert found.full == evaluate(probs, dataset="mnist-5k").losses["cee"].value
    assert list(found.quantiles.values()) == pytest.approx([means[i] for i in (1, 12, 24, 37, 48)], rel=1e-12)


def test_blocks_do_not_change_the_draws(examples: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed draws the same, however many are held at once; another seed draws others."""
    whole = lens(examples, batch_size=30, draws=100)
    monkeypatch.setattr(lens_module, "_AT_ONCE", 70)
    np.testing.assert_array_equal(lens(examples, batch_size=30, draws=100).means, whole.means)
    assert lens(examples, batch_size=30, draws=100, seed=1).full == whole.full
    assert (lens(examples, batch_size=30, draws=100, seed=1).means != whole.means).any()


@pytest.mark.parametrize("batch_size", [1, 10, 100, 2000])
def test_spread_is_as_predicted(batch_size: int, examples: Scores) -> None:
    """The standard deviation found is s / sqrt(B) with the N of `numpy.std`, also for batches beyond N."""
    found = lens(examples, batch_size, draws=4000)
    s = examples.losses("cee").std()
    assert found.predicted == pytest.approx(s / math.sqrt(batch_size), rel=1e-12)
    assert found.sd == pytest.approx(found.means.std(), rel=1e-12)
    assert found.sd == pytest.approx(found.predicted, rel=0.05)
    assert abs(found.means.mean() - found.full) < 4 * s / math.sqrt(batch_size * 4000)


@pytest.mark.parametrize(
    ("batch_size", "batches", "last"), [(100, 10, 100), (300, 4, 100), (999, 2, 1), (5000, 1, 1000)]
)
def test_mean_of_batch_means(batch_size: int, batches: int, last: int, examples: Scores) -> None:
    """It is that of a loop over slices, and the full value only where all batches are as large."""
    found = lens(examples, batch_size, draws=1)
    losses = examples.losses("cee")
    means = [float(np.mean(losses[start : start + batch_size])) for start in range(0, 1000, batch_size)]
    assert (found.batches, found.last) == (batches, last)
    assert found.batch_means == pytest.approx(sum(means) / len(means), rel=1e-12)
    even = last == 1000 / batches
    sentence = found.parts()[-1]
    assert isinstance(sentence, Lines)
    assert sentence.lines[0].startswith("All batches are as large" if even else "Not to be reported")
    assert ("means of 1 batch in order" in sentence.lines[0]) is (batches == 1)
    assert ("only 1 example and counts" in sentence.lines[0]) is (last == 1)
    assert (found.batch_means == pytest.approx(found.full, rel=1e-12)) is even


def test_histogram_holds_every_draw(examples: Scores) -> None:
    """Its twenty bars add up to the draws, are what JSON has, and stand beside the normal of s / sqrt(B)."""
    found = lens(examples, draws=500)
    (bars,) = (part for part in found.parts() if isinstance(part, Bars))
    assert len(bars.values) == 20
    assert sum(bars.values) == 500
    histogram = found.as_dict()["histogram"]
    edges = np.array(histogram["edges"])
    assert histogram["counts"] == [
        sum(low <= m < high or m == high == edges[-1] for m in found.means) for low, high in pairwise(edges)
    ]
    assert bars.chart
    steps, normal, full = bars.chart.curves
    assert (steps.x, steps.y) == ((edges[0], *edges), (0.0, *bars.values, 0.0))
    assert sum(normal.y[:-1]) * (normal.x[1] - normal.x[0]) == pytest.approx(500 * (edges[1] - edges[0]), rel=0.02)
    assert full.x == (found.full, found.full)


def test_infinite_losses(cli: Cli, tmp_path: Path) -> None:
    """With an infinite loss there is no spread; JSON has null for what is infinite, and the table stands."""
    y = np.full((1000, 10), 0.1)
    y[:20] = np.roll(np.eye(10)[LABELS[:20]], 1, axis=1)
    np.save(tmp_path / "y.npy", y)
    arguments = ("inspect", "lens", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", "0", "--batch-size", "10")
    view = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["views"]["lens"]
    assert (view["full"], view["sd"], view["predicted_sd"]) == (None, None, None)
    assert view["quantiles"]["50 %"] == pytest.approx(math.log(10), rel=1e-12)
    assert view["quantiles"]["97.5 %"] is None
    assert view["histogram"]["infinite"] + sum(view["histogram"]["counts"]) == 10_000
    assert f"{view['histogram']['infinite']:,} of the means are infinite, and in no bin." in cli(*arguments).stdout


def test_predicted_classes_and_bad_options(examples: Scores) -> None:
    """Of predicted classes it is the error; a batch size of 0 or a seed below 0 is an ArgumentError."""
    found = lens(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")), draws=10)
    assert (found.loss, found.full, found.sd) == ("error", 0.0, 0.0)
    assert len(found.parts()) == 3
    with pytest.raises(ArgumentError, match="batch_size is 0"):
        lens(examples, batch_size=0)
    with pytest.raises(ArgumentError, match="rng is -1"):
        lens(examples, seed=-1)


def test_bins_of_hits(probs: np.ndarray) -> None:
    """Where the means are of hits, of which a mini-batch has whole numbers, every bin is of equally many of these."""
    classes = np.where(np.arange(1000) % 7 == 0, (LABELS + 1) % 10, LABELS)
    for size, hits in ((50, 1), (1000, 4)):
        given = DataOptions(dataset="mnist-5k", input="labels")
        found = lens(scores_of(classes, given), batch_size=size, draws=2000)
        np.testing.assert_allclose(np.diff(found.edges) * size, hits)
        assert found.counts.sum() == 2000
        assert len(found.counts) <= 20


def test_equal_losses() -> None:
    """Means that are all the same are one bin around them, and no normal curve as high as rounding makes it."""
    found = lens(scores_of(np.full((1000, 10), 0.1), DataOptions(dataset="mnist-5k")), draws=100)
    assert found.counts.tolist() == [100]
    (chart,) = charts(found.parts())
    assert [curve.name for curve in chart.curves] == ["mini-batches", "all examples"]


def test_book_network(real: Path, realdata: Path) -> None:
    """On the book's network at 300, the mean of batch means is 0.2266 where the mean is 0.2245."""
    found = lens(scores_of(realdata / "predictions" / "book-network-probs.npy", DataOptions()), batch_size=300)
    assert (round(found.batch_means, 4), round(found.full, 4)) == (0.2266, 0.2245)
    assert (found.batches, found.last) == (34, 100)
