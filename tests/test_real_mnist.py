"""On real MNIST, where it is there: the published data, and what the book's network costs and shows on it.

Everything else is proven on the embedded digits, in the other files.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate, load_mnist, verify
from mnistloss.analysis.calibration import calibration
from mnistloss.analysis.delta import delta
from mnistloss.analysis.histogram import histogram
from mnistloss.analysis.label_errors import labels
from mnistloss.analysis.lens import lens
from mnistloss.analysis.other_tools import others
from mnistloss.analysis.power import power
from mnistloss.analysis.worst import worst
from mnistloss.datasets.catalog import MNIST_TEST_ERRORS
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import load_split
from mnistloss.evaluation.scoring import Scores
from mnistloss.evaluation.targets import DataOptions

CEE, MSE, NLL = 0.22454365154002318, 0.049579113009651225, 0.22454422686446782
"""What the book's network costs, computed independently in float64."""


@pytest.fixture
def probs_path(real: Path, realdata: Path) -> Path:
    return realdata / "predictions" / "book-network-probs.npy"


@pytest.fixture
def book(probs_path: Path) -> Scores:
    return scores_of(probs_path, DataOptions())


def test_import_and_arrays(realdata: Path) -> None:
    """The published files are recognised by their content, and have the shapes, labels and pixels of the course."""
    assert [item.origin for item in fetch("mnist", source=realdata / "mnist").files] == ["disk"] * 4
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=True, one_hot_label=True, download=False)
    assert (x_train.shape, t_train.shape) == ((60000, 784), (60000, 10))
    assert (x_test.shape, t_test.shape) == ((10000, 784), (10000, 10))
    assert x_train.dtype == np.float32
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert t_train[:10].argmax(axis=1).tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert t_test.sum(axis=0).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    (x_train, t_train), (x_test, _) = load_mnist(normalize=False, flatten=False, download=False)
    assert (x_train.shape, str(x_train.dtype), str(t_train.dtype)) == ((60000, 1, 28, 28), "uint8", "uint8")
    assert (x_train.sum(dtype=np.int64), x_test.sum(dtype=np.int64)) == (1567298545, 264923200)


def test_embedded_digits_are_the_first_of_mnist(real: Path) -> None:
    """The embedded digits are the first 500 training images of each class, in the published order."""
    full, train, test = load_split("mnist", "train"), load_split("mnist-5k", "train"), load_split("mnist-5k", "test")
    for digit in range(10):
        first = full.images[full.labels == digit][:500]
        np.testing.assert_array_equal(train.images[digit::10], first[:400])
        np.testing.assert_array_equal(test.images[digit::10], first[400:])


def test_label_errors_are_the_published_ones(real: Path, realdata: Path) -> None:
    """The list of label errors equals the published reviews, and its labels are those of the test set."""
    published = json.loads((realdata / "mnist-label-errors.json").read_text())["errors"]
    ours = [(e.index, e.label, e.suggestion, *e.votes) for e in MNIST_TEST_ERRORS]
    assert ours == [(e["index"], e["label"], e["suggested"], *e["votes"].values()) for e in published]
    t = load_split("mnist", "test").labels
    assert [t[error.index] for error in MNIST_TEST_ERRORS] == [error.label for error in MNIST_TEST_ERRORS]


def test_losses_of_the_book_network(probs_path: Path, realdata: Path) -> None:
    """Its losses and its accuracy are the known ones, from probabilities and from raw scores, and it gets no hint."""
    of_probs = evaluate(probs_path, losses=["cee", "mse", "nll"])
    assert (of_probs.n, of_probs.classes, of_probs.dataset, of_probs.split) == (10000, 10, "mnist", "test")
    assert [loss.value for loss in of_probs.losses.values()] == pytest.approx([CEE, MSE, NLL], rel=1e-12)
    logits = realdata / "predictions" / "book-network-logits.npy"
    of_logits = evaluate(logits, input="logits", losses=["cee", "mse"])
    assert [loss.value for loss in of_logits.losses.values()] == pytest.approx([NLL, MSE], rel=1e-7)
    for result in (of_probs, of_logits):
        assert (result.accuracy.value, result.hints) == (0.9352, ())
    signature = of_probs.losses["cee"].signature
    for written, agrees in ((repr(CEE), True), ("0.2245", True), ("0.2246", False)):
        assert verify(signature, probs_path, value=written).verified is agrees


def test_table_of_the_book_network(cli: Cli, probs_path: Path) -> None:
    """The table has the known numbers."""
    table = cli("eval", probs_path).stdout
    for text in ("0.2245437", "delta 1e-7", "0.0495791", "0.9352", "n = 10,000", "mnist test"):
        assert text in table


def test_views_of_the_book_network(book: Scores, realdata: Path) -> None:
    """The views have the known numbers: calibration, deltas, quantiles, batches of 300, other tools, and power."""
    assert calibration(book).ece == pytest.approx(0.025630212, rel=1e-6)
    assert calibration(book).fit.temperature == pytest.approx(0.8585003, rel=1e-6)
    cost = {"in_sample": 0.004989004, "cross_fitted": 0.004967502}
    assert calibration(book).as_dict()["cost"] == pytest.approx(cost, rel=1e-5)
    rows = {row.delta: row.cee for row in delta(book).rows}
    assert (rows[1e-7], rows[0]) == pytest.approx((CEE, NLL), rel=1e-14)
    assert rows[1e-2] == pytest.approx(0.1992633, abs=5e-8)
    bars = histogram(book)
    assert (bars.median, bars.share_of_costliest_twentieth) == pytest.approx((0.025572, 0.597), rel=1e-3)
    batches = lens(book, batch_size=300)
    assert (round(batches.batch_means, 4), batches.batches, batches.last) == (0.2266, 34, 100)
    values = {tool.name: value for tool, value, _ in others(book).rows()}
    assert values["torch CrossEntropyLoss of probabilities"] == pytest.approx(1.5692498, abs=1e-6)
    assert [design.examples_needed for design in power(book).designs] == [284747, 142374, 28475, 2848]


def test_label_errors_of_the_book_network(book: Scores, probs_path: Path) -> None:
    """What label errors cost it; its ten costliest examples are none, and among the 200 costliest are six."""
    assert labels(book).means["cee"] == pytest.approx((CEE, 0.22135911507914, 0.22261602816688), rel=1e-12)
    assert labels(book).means["error"] == pytest.approx((0.0648, 635 / 9985, 0.0639), rel=1e-12)
    costliest = worst(book, k=200).examples
    assert [one.index for one in costliest[:10]] == [2293, 6505, 1500, 5642, 6172, 2607, 5734, 9009, 4289, 1247]
    assert (costliest[0].label, costliest[0].predicted, costliest[0].label_known_wrong) == (9, 6, False)
    assert [one.index for one in costliest if one.label_known_wrong] == [3520, 6651, 1901, 9729, 9679, 2654]
