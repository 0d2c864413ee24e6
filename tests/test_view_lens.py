"""The view `lens`: the means of random mini-batches, compared with the mean of all examples."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate, stats
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
    """Each mean is over the examples that the seed draws, one mini-batch after another."""
    result = lens(examples, batch_size=7, draws=50, seed=3)
    words = Words(3)
    batches = [words.below(1000, 7) for _ in range(50)]
    costs = [-math.log(float(y[t]) + 1e-7) for y, t in zip(probs, LABELS, strict=True)]
    means = sorted(math.fsum(costs[i] for i in batch) / 7 for batch in batches)
    np.testing.assert_allclose(result.means, means, rtol=1e-12)
    assert result.full == evaluate(probs, dataset="mnist-5k").losses["cee"].value
    assert list(result.quantiles.values()) == pytest.approx([means[i] for i in (1, 12, 24, 37, 48)], rel=1e-12)


def test_blocks_do_not_change_the_draws(examples: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed gives the same draws for any block size; another seed gives others."""
    expected = lens(examples, batch_size=30, draws=100)
    monkeypatch.setattr(stats, "_BLOCK_CELLS", 70)
    np.testing.assert_array_equal(lens(examples, batch_size=30, draws=100).means, expected.means)
    assert lens(examples, batch_size=30, draws=100, seed=1).full == expected.full
    assert (lens(examples, batch_size=30, draws=100, seed=1).means != expected.means).any()


@pytest.mark.parametrize("batch_size", [1, 10, 100, 2000])
def test_spread_is_as_predicted(batch_size: int, examples: Scores) -> None:
    """The standard deviation of the means is near s / sqrt(B), s by `numpy.std`, also for batches larger than N."""
    result = lens(examples, batch_size, draws=4000)
    s = examples.losses("cee").std()
    assert result.predicted == pytest.approx(s / math.sqrt(batch_size), rel=1e-12)
    assert result.sd == pytest.approx(result.means.std(), rel=1e-12)
    assert result.sd == pytest.approx(result.predicted, rel=0.05)
    assert abs(result.means.mean() - result.full) < 4 * s / math.sqrt(batch_size * 4000)


@pytest.mark.parametrize(
    ("batch_size", "batches", "last"), [(100, 10, 100), (300, 4, 100), (999, 2, 1), (5000, 1, 1000)]
)
def test_mean_of_batch_means(batch_size: int, batches: int, last: int, examples: Scores) -> None:
    """The mean of batch means equals that of a loop, and the mean of all examples if batches are equally large."""
    result = lens(examples, batch_size, draws=1)
    losses = examples.losses("cee")
    means = [float(np.mean(losses[start : start + batch_size])) for start in range(0, 1000, batch_size)]
    assert (result.batches, result.last) == (batches, last)
    assert result.batch_means == pytest.approx(sum(means) / len(means), rel=1e-12)
    even = last == 1000 / batches
    sentence = result.parts()[-1]
    assert isinstance(sentence, Lines)
    assert sentence.lines[0].startswith("All batches have the same size" if even else "Do not report")
    assert ("means of 1 batch in row order" in sentence.lines[0]) is (batches == 1)
    assert ("only 1 example but" in sentence.lines[0]) is (last == 1)
    assert (result.batch_means == pytest.approx(result.full, rel=1e-12)) is even


def test_histogram_holds_every_draw(examples: Scores) -> None:
    """The twenty bars add up to the draws and equal the JSON; the chart has the normal curve of s / sqrt(B) too."""
    result = lens(examples, draws=500)
    (bars,) = (part for part in result.parts() if isinstance(part, Bars))
    assert len(bars.values) == 20
    assert sum(bars.values) == 500
    histogram = result.as_dict()["histogram"]
    edges = np.array(histogram["edges"])
    assert histogram["counts"] == [
        sum(low <= m < high or m == high == edges[-1] for m in result.means) for low, high in pairwise(edges)
    ]
    assert bars.chart
    steps, normal, full = bars.chart.curves
    assert (steps.x, steps.y) == ((edges[0], *edges), (0.0, *bars.values, 0.0))
    assert sum(normal.y[:-1]) * (normal.x[1] - normal.x[0]) == pytest.approx(500 * (edges[1] - edges[0]), rel=0.02)
    assert full.x == (result.full, result.full)


def test_infinite_losses(cli: Cli, tmp_path: Path) -> None:
    """With an infinite loss, standard deviations and infinite values are null in JSON; the table has a note."""
    y = np.full((1000, 10), 0.1)
    y[:20] = np.roll(np.eye(10)[LABELS[:20]], 1, axis=1)
    np.save(tmp_path / "y.npy", y)
    arguments = ("inspect", "lens", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", "0", "--batch-size", "10")
    view = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["views"]["lens"]
    assert (view["full"], view["sd"], view["predicted_sd"]) == (None, None, None)
    assert view["quantiles"]["50 %"] == pytest.approx(math.log(10), rel=1e-12)
    assert view["quantiles"]["97.5 %"] is None
    assert view["histogram"]["infinite"] + sum(view["histogram"]["counts"]) == 10_000
    assert f"Infinite means, in no bin: {view['histogram']['infinite']:,}." in cli(*arguments).stdout


def test_predicted_classes_and_bad_options(examples: Scores) -> None:
    """For predicted classes the loss is the error; a batch size of 0 or a negative seed is an ArgumentError."""
    result = lens(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")), draws=10)
    assert (result.loss, result.full, result.sd) == ("error", 0.0, 0.0)
    assert len(result.parts()) == 3
    with pytest.raises(ArgumentError, match="batch_size is 0"):
        lens(examples, batch_size=0)
    with pytest.raises(ArgumentError, match="rng is -1"):
        lens(examples, seed=-1)


def test_bins_of_error_rates(probs: np.ndarray) -> None:
    """The number of errors in a mini-batch is whole, and every bin spans equally many such counts."""
    classes = np.where(np.arange(1000) % 7 == 0, (LABELS + 1) % 10, LABELS)
    for size, counts in ((50, 1), (1000, 4)):
        options = DataOptions(dataset="mnist-5k", input="labels")
        result = lens(scores_of(classes, options), batch_size=size, draws=2000)
        np.testing.assert_allclose(np.diff(result.edges) * size, counts)
        assert result.counts.sum() == 2000
        assert len(result.counts) <= 20


def test_equal_losses() -> None:
    """Equal means share one bin around them; their spread is mere rounding, so there is no normal curve."""
    result = lens(scores_of(np.full((1000, 10), 0.1), DataOptions(dataset="mnist-5k")), draws=100)
    assert result.counts.tolist() == [100]
    (chart,) = charts(result.parts())
    assert [curve.name for curve in chart.curves] == ["mini-batches", "all examples"]
