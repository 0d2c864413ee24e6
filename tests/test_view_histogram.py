"""The view `histogram`: how the losses of single examples are spread, and which of them make the loss."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis.histogram import histogram
from mnistloss.document import Bars, Lines
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def test_bins_are_those_of_a_loop(probs: np.ndarray) -> None:
    """Each loss counts, with its cost, to the bin of a plain loop; shares add up to 1, costs to the loss of eval."""
    losses = [-math.log(float(row[t]) + 1e-7) for row, t in zip(probs, LABELS, strict=True)]
    found = histogram(scores_of(probs, OWN), per_decade=2)
    np.testing.assert_allclose(found.edges[::2], 10.0 ** np.arange(len(found.edges[::2])) * found.edges[0], rtol=1e-12)
    assert found.edges[0] <= min(losses)
    assert max(losses) <= found.edges[-1]
    for place, (low, high) in enumerate(zip(found.edges[:-1], found.edges[1:], strict=True)):
        inside = [loss for loss in losses if low <= loss < high]
        assert found.counts[place] == len(inside)
        assert found.sums[place] == pytest.approx(math.fsum(inside), rel=1e-12)
    assert sum(share or 0 for share in found.shares) == pytest.approx(1, rel=1e-12)
    assert found.sums.sum() / 1000 == pytest.approx(evaluate(probs, dataset="mnist-5k").losses["cee"].value, rel=1e-12)
    ranked = sorted(losses)
    assert found.median == pytest.approx(ranked[499], rel=1e-12)
    assert found.costly == pytest.approx(sum(ranked[-50:]) / sum(ranked), rel=1e-12)


def test_perfect_rows_are_in_the_first_bin() -> None:
    """A row that is certain and right costs -1e-7, which no logarithmic axis has: it counts to the first bin."""
    found = histogram(scores_of(np.eye(10)[LABELS], OWN))
    assert (found.edges[0], len(found.edges), found.counts.tolist()) == (1e-6, 4, [1000, 0, 0])
    assert found.as_dict()["bins"][0]["low"] is None
    bars = found.parts()[0]
    assert isinstance(bars, Bars)
    assert bars.labels[0] == "below 2.2e-06"


def test_infinite_losses(tmp_path: Path, cli: Cli) -> None:
    """What is infinite is in no bin and is said; shares of an infinite loss are null."""
    y = np.full((1000, 10), 0.1)
    y[:20] = np.roll(np.eye(10)[LABELS[:20]], 1, axis=1)
    np.save(tmp_path / "y.npy", y)
    arguments = ("inspect", "histogram", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", 0)
    view = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["views"]["histogram"]
    assert (view["infinite"], view["share_of_costliest_twentieth"]) == (20, None)
    assert sum(b["count"] for b in view["bins"]) == 980
    assert all(b["share_of_loss"] is None for b in view["bins"])
    assert "20 losses are infinite, and in no bin." in cli(*arguments).stdout


def test_everything_infinite() -> None:
    """With no finite loss at all there are empty bins."""
    found = histogram(scores_of([[1.0, 0.0]], DataOptions(targets=[1], delta=0)))
    assert (found.infinite, found.counts.sum(), found.median) == (1, 0, math.inf)


def test_predicted_classes_are_refused() -> None:
    """Predicted classes have no cee."""
    with pytest.raises(InputError, match=r"predicted classes.*would need a probability"):
        histogram(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))


def test_plot_draws_what_the_bars_say(tmp_path: Path, cli: Cli, preds: Path) -> None:
    """`inspect VIEW --plot` draws the chart behind the bars, with its axes named."""
    result = cli("inspect", "histogram", preds, "--dataset", "mnist-5k", "--plot", tmp_path / "h.svg")
    assert result.stderr == f"drawn to {tmp_path / 'h.svg'}\n"
    assert "cee of an example, in nats" in (tmp_path / "h.svg").read_text()


def test_book_network(real: Path, realdata: Path) -> None:
    """On the book's network half of the digits cost 0.0256 or less, and the costliest 500 make 59.7 % of the loss."""
    found = histogram(scores_of(realdata / "predictions" / "book-network-probs.npy", DataOptions()))
    assert (found.median, found.costly) == pytest.approx((0.025572, 0.597), rel=1e-3)
    lines = found.parts()[-1]
    assert isinstance(lines, Lines)
    assert lines.lines == (
        "Half of the examples cost 0.025572 or less.",
        "The 500 costliest of them, 5.0%, make 59.7% of the loss.",
    )
