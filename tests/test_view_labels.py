"""The view `labels`: the loss as labelled, without label errors, and with suggested labels."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis.label_errors import labels
from mnistloss.datasets.catalog import MNIST_TEST_ERRORS, known_errors
from mnistloss.datasets.load import load_split
from mnistloss.document import Lines
from mnistloss.evaluation.targets import DataOptions

BOOK = "predictions/book-network-probs.npy"


def test_table_is_the_published_one(realdata: Path) -> None:
    """The list of errors equals the published reviews, field by field."""
    published = json.loads((realdata / "mnist-label-errors.json").read_text("utf-8"))["errors"]
    ours = [(e.index, e.label, e.suggestion, *e.votes) for e in MNIST_TEST_ERRORS]
    assert ours == [(e["index"], e["label"], e["suggested"], *e["votes"].values()) for e in published]


def test_table_keeps_its_rule() -> None:
    """Each label has fewer than 3 of 5 votes, no index occurs twice, and each suggestion is another label."""
    assert len({error.index for error in MNIST_TEST_ERRORS}) == len(MNIST_TEST_ERRORS) == 15
    assert all(error.votes[0] < 3 and sum(error.votes) == 5 for error in MNIST_TEST_ERRORS)
    assert all(error.label != error.suggestion for error in MNIST_TEST_ERRORS)


def test_labels_are_those_of_the_test_set(real: Path) -> None:
    """Each listed label is the one in the published file."""
    published = load_split("mnist", "test").labels
    assert [published[error.index] for error in MNIST_TEST_ERRORS] == [error.label for error in MNIST_TEST_ERRORS]


def test_book_network(real: Path, realdata: Path) -> None:
    """The three means equal `evaluate` with those labels; the share equals that of a plain loop."""
    y = np.load(realdata / BOOK)
    result = labels(scores_of(y, DataOptions()))
    t = load_split("mnist", "test").labels.copy()
    errors = known_errors("mnist", "test")
    others = [i for i in range(10000) if i not in errors]
    suggested = t.copy()
    for i, error in errors.items():
        suggested[i] = error.suggestion
    assert result.means["cee"] == pytest.approx((0.22454365154002, 0.22135911507914, 0.22261602816688), rel=1e-12)
    for name in ("cee", "error"):
        expected = [
            evaluate(rows, targets=targets, losses=[name]).losses[name].value
            for rows, targets in ((y, t), (y[others], t[others]), (y, suggested))
        ]
        np.testing.assert_allclose(np.array(result.means[name], float), expected, rtol=1e-12)
    costs = {i: -math.log(float(y[i, t[i]]) + 1e-7) for i in range(10000)}
    assert result.share == pytest.approx(math.fsum(costs[i] for i in errors) / math.fsum(costs.values()), rel=1e-12)
    assert [e.as_labelled for e in result.errors] == pytest.approx([costs[i] for i in errors], rel=1e-12)
    corrected = [-math.log(float(y[i, error.suggestion]) + 1e-7) for i, error in errors.items()]
    assert [e.as_suggested for e in result.errors] == pytest.approx(corrected, rel=1e-12)


def test_examples_by_indices(real: Path, realdata: Path) -> None:
    """With indices, each occurrence of an error counts; if all are errors, no example is left without them."""
    y = np.load(realdata / BOOK)
    indices = np.array([947, 3, 947, 9729])
    result = labels(scores_of(y[indices], DataOptions(split="test", indices=indices)))
    assert [e.error.index for e in result.errors] == [947, 947, 9729]
    assert result.means["error"][1] in (0.0, 1.0)
    only = labels(scores_of(y[[947]], DataOptions(split="test", indices=np.array([947]))))
    assert only.share == pytest.approx(1)
    assert only.as_dict()["means"]["cee"]["without_these"] is None
    (line,) = labels(scores_of(y[[3]], DataOptions(split="test", indices=np.array([3])))).parts()
    assert line == Lines(("None of the 15 known label errors is among these examples (n = 1).",))


def test_predicted_classes(real: Path, realdata: Path) -> None:
    """Predicted classes have the error rate only, no cee."""
    classes = np.load(realdata / BOOK).argmax(axis=1)
    result = labels(scores_of(classes, DataOptions(input="labels")))
    assert list(result.means) == ["error"]
    assert result.means["error"] == pytest.approx((0.0648, 635 / 9985, 0.0639), rel=1e-12)


@pytest.mark.parametrize("other", [DataOptions(dataset="mnist-5k"), DataOptions(targets=np.arange(1000) % 10)])
def test_other_data_has_no_such_list(other: DataOptions, probs: np.ndarray) -> None:
    """For other data the view prints that no label errors are known; this is no error."""
    result = labels(scores_of(probs, other))
    assert result.as_dict()["known"] == 0
    assert result.as_dict()["errors"] == []
    (lines,) = result.parts()
    assert isinstance(lines, Lines)
    assert lines.lines[0] == "No label errors are known for these labels."


def test_json_of_an_infinite_loss(cli: Cli, real: Path, tmp_path: Path) -> None:
    """One-hot predictions of the given labels without delta cost infinity as suggested, null in JSON."""
    np.save(tmp_path / "y.npy", np.eye(10)[load_split("mnist", "test").labels])
    result = cli("inspect", "labels", tmp_path / "y.npy", "--delta", "0", "--format", "json")
    view = json.loads(result.stdout, parse_constant=pytest.fail)["views"]["labels"]
    assert view["means"]["cee"] == {"as_labelled": 0.0, "without_these": 0.0, "as_suggested": None}
    assert (view["share_of_loss"], view["errors"][0]["as_suggested"]) == (None, None)
