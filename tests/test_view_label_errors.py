"""The view `labels`: the loss as labelled, without label errors, and with suggested labels."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis import label_errors
from mnistloss.analysis import worst as worst_module
from mnistloss.analysis.label_errors import Labels, labels
from mnistloss.analysis.worst import worst
from mnistloss.datasets.catalog import MNIST_TEST_ERRORS, LabelError, known_errors
from mnistloss.document import Lines
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")
ERRORS = {
    error.index: error
    for error in (LabelError(47, 7, 9, (0, 5, 0)), LabelError(320, 0, 6, (2, 3, 0)), LabelError(729, 9, 4, (1, 1, 3)))
}
"""Label errors of the embedded digits, as if reviewers had found them."""


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(*split: str | None) -> dict[int, LabelError]:
        return ERRORS if split == ("mnist-5k", "test") else {}

    for module in (label_errors, worst_module):
        monkeypatch.setattr(module, "known_errors", known)


def test_table_keeps_its_rule() -> None:
    """Each label has fewer than 3 of 5 votes, no index occurs twice, and each suggestion is another label."""
    assert len({error.index for error in MNIST_TEST_ERRORS}) == len(MNIST_TEST_ERRORS) == 15
    assert all(error.votes[0] < 3 and sum(error.votes) == 5 for error in MNIST_TEST_ERRORS)
    assert all(error.label != error.suggestion for error in MNIST_TEST_ERRORS)
    assert [*known_errors("mnist", "test")] == [error.index for error in MNIST_TEST_ERRORS]
    assert not known_errors("mnist", "train")


@pytest.mark.usefixtures("errors")
def test_means_and_share(probs: np.ndarray) -> None:
    """The three means equal `evaluate` with those labels; the share equals that of a plain loop."""
    result = labels(scores_of(probs, OWN))
    others = [i for i in range(1000) if i not in ERRORS]
    suggested = LABELS.copy()
    for i, error in ERRORS.items():
        suggested[i] = error.suggestion
    for name in ("cee", "error"):
        expected = [
            evaluate(rows, targets=targets, losses=[name]).losses[name].value
            for rows, targets in ((probs, LABELS), (probs[others], LABELS[others]), (probs, suggested))
        ]
        np.testing.assert_allclose(np.array(result.means[name], float), expected, rtol=1e-12)
    costs = {i: -math.log(float(probs[i, LABELS[i]]) + 1e-7) for i in range(1000)}
    assert result.share == pytest.approx(math.fsum(costs[i] for i in ERRORS) / math.fsum(costs.values()), rel=1e-12)
    assert [e.as_labelled for e in result.errors] == pytest.approx([costs[i] for i in ERRORS], rel=1e-12)
    corrected = [-math.log(float(probs[i, error.suggestion]) + 1e-7) for i, error in ERRORS.items()]
    assert [e.as_suggested for e in result.errors] == pytest.approx(corrected, rel=1e-12)


@pytest.mark.usefixtures("errors")
def test_costliest_examples_that_are_label_errors(probs: np.ndarray) -> None:
    """The view `worst` marks the known label errors, and no other examples."""
    costliest = worst(scores_of(probs, OWN), k=1000).examples
    assert {example.index for example in costliest if example.label_known_wrong} == ERRORS.keys()
    assert sum(example.label_known_wrong is False for example in costliest) == 997


@pytest.mark.usefixtures("errors")
def test_examples_by_indices(probs: np.ndarray) -> None:
    """With indices, each occurrence of an error counts; if all are errors, no example is left without them."""

    def of(*indices: int) -> Labels:
        rows = np.array(indices)
        return labels(scores_of(probs[rows], replace(OWN, split="test", indices=rows)))

    result = of(47, 3, 47, 729)
    assert [e.error.index for e in result.errors] == [47, 47, 729]
    assert result.means["error"][1] == float(probs[3].argmax() != 3)
    only = of(47)
    assert only.share == pytest.approx(1)
    assert only.as_dict()["means"]["cee"]["without_these"] is None
    assert of(3).parts() == [Lines(("None of the 3 known label errors is among these examples (n = 1).",))]


@pytest.mark.usefixtures("errors")
def test_predicted_classes() -> None:
    """Predicted classes have the error rate only, no cee."""
    result = labels(scores_of(LABELS, replace(OWN, input="labels")))
    assert result.means == {"error": (0, 0, 3 / 1000)}


@pytest.mark.parametrize("other", [DataOptions(dataset="mnist-5k"), DataOptions(targets=np.arange(1000) % 10)])
def test_other_data_has_no_such_list(other: DataOptions, probs: np.ndarray) -> None:
    """For other data the view prints that no label errors are known; this is no error."""
    result = labels(scores_of(probs, other))
    assert result.as_dict()["known"] == 0
    assert result.as_dict()["errors"] == []
    (lines,) = result.parts()
    assert isinstance(lines, Lines)
    assert lines.lines[0] == "No label errors are known for these labels."


@pytest.mark.usefixtures("errors")
def test_json_of_an_infinite_loss(cli: Cli, tmp_path: Path) -> None:
    """One-hot predictions of the given labels without delta cost infinity as suggested, null in JSON."""
    np.save(tmp_path / "y.npy", np.eye(10)[LABELS])
    result = cli("inspect", "labels", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", "0", "--format", "json")
    view = json.loads(result.stdout, parse_constant=pytest.fail)["views"]["labels"]
    assert view["means"]["cee"] == {"as_labelled": 0.0, "without_these": 0.0, "as_suggested": None}
    assert (view["share_of_loss"], view["errors"][0]["as_suggested"]) == (None, None)
