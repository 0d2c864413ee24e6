"""The view `histogram`: the per-example losses in bins, and the share of the loss in each."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis.histogram import histogram
from mnistloss.document import Bars
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def test_bins_are_those_of_a_loop(probs: np.ndarray) -> None:
    """Counts and shares of each bin equal those of a plain loop; the shares are of the loss of `evaluate`."""
    losses = [-math.log(float(row[t]) + 1e-7) for row, t in zip(probs, LABELS, strict=True)]
    result = histogram(scores_of(probs, OWN), per_decade=2)
    edges = [result.bins[0].low, *(b.high for b in result.bins)]
    whole_powers = np.array(edges[::2])
    np.testing.assert_allclose(whole_powers, 10.0 ** np.arange(len(whole_powers)) * whole_powers[0], rtol=1e-12)
    assert edges[0] <= min(losses)
    assert max(losses) <= edges[-1]
    total = 1000 * evaluate(probs, dataset="mnist-5k").losses["cee"].value
    for b in result.bins:
        inside = [loss for loss in losses if b.low <= loss < b.high]
        assert b.count == len(inside)
        assert b.share_of_loss == pytest.approx(math.fsum(inside) / total, rel=1e-12)
    assert sum(b.share_of_loss or 0 for b in result.bins) == pytest.approx(1, rel=1e-12)
    ranked = sorted(losses)
    assert result.median == pytest.approx(ranked[499], rel=1e-12)
    assert result.share_of_costliest_twentieth == pytest.approx(sum(ranked[-50:]) / sum(ranked), rel=1e-12)


def test_perfect_rows_are_in_the_first_bin() -> None:
    """A perfect row costs -1e-7, which has no logarithm: it is in the first bin."""
    result = histogram(scores_of(np.eye(10)[LABELS], OWN))
    assert (result.bins[0].low, [b.count for b in result.bins]) == (1e-6, [1000, 0, 0])
    assert result.as_dict()["bins"][0]["low"] is None
    bars = result.parts()[0]
    assert isinstance(bars, Bars)
    assert bars.labels[0] == "below 2.2e-06"


def test_infinite_losses(tmp_path: Path, cli: Cli) -> None:
    """Infinite losses are in no bin, and their number is printed; shares of an infinite loss are null."""
    y = np.full((1000, 10), 0.1)
    y[:20] = np.roll(np.eye(10)[LABELS[:20]], 1, axis=1)
    np.save(tmp_path / "y.npy", y)
    arguments = ("inspect", "histogram", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", 0)
    view = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["views"]["histogram"]
    assert (view["infinite"], view["share_of_costliest_twentieth"]) == (20, None)
    assert sum(b["count"] for b in view["bins"]) == 980
    assert all(b["share_of_loss"] is None for b in view["bins"])
    assert "Infinite losses, in no bin: 20." in cli(*arguments).stdout


def test_everything_infinite() -> None:
    """Without a finite loss all bins are empty."""
    result = histogram(scores_of([[1.0, 0.0]], DataOptions(targets=[1], delta=0)))
    assert (result.infinite, sum(b.count for b in result.bins), result.median) == (1, 0, math.inf)


def test_predicted_classes_are_refused() -> None:
    """Predicted classes have no cee and are an InputError."""
    with pytest.raises(InputError, match=r"predicted classes.*would need a probability"):
        histogram(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))


def test_plot_draws_the_chart(tmp_path: Path, cli: Cli, preds: Path) -> None:
    """`inspect VIEW --plot` draws the chart of the bars, with labelled axes."""
    result = cli("inspect", "histogram", preds, "--dataset", "mnist-5k", "--plot", tmp_path / "h.svg")
    assert result.stderr == f"drawn to {tmp_path / 'h.svg'}\n"
    assert "cee of an example, in nats" in (tmp_path / "h.svg").read_text("utf-8")
