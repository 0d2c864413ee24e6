"""The view `worst`: which examples cost most, and how much of the loss they make."""

from pathlib import Path

import numpy as np
import pytest
from conftest import scores_of

from mnistloss import evaluate
from mnistloss.analysis.worst import worst
from mnistloss.datasets.load import load_split
from mnistloss.document import Lines, Pictures, Table
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def test_worst_is_what_a_loop_finds(probs: np.ndarray) -> None:
    """Order, probabilities, losses and shares are those of a plain loop over all rows."""
    losses = [-np.log(float(row[t]) + 1e-7) for row, t in zip(probs, LABELS, strict=True)]
    found = worst(scores_of(probs, OWN), k=25).cases
    expected = sorted(range(1000), key=lambda i: -losses[i])[:25]
    assert [case.index for case in found] == expected
    running = 0.0
    for case, i in zip(found, expected, strict=True):
        running += losses[i]
        assert (case.label, case.predicted) == (LABELS[i], probs[i].argmax())
        assert case.probability == pytest.approx(float(probs[i, LABELS[i]]), rel=1e-12)
        assert (case.loss, case.share) == pytest.approx((losses[i], losses[i] / sum(losses)), rel=1e-12)
        assert case.cumulative == pytest.approx(running / sum(losses), rel=1e-12)
        assert case.label_known_wrong is None


def test_probabilities_are_not_rounded_to_one() -> None:
    """A probability is shown with four digits."""
    examples = scores_of([[0.9971, 0.0029], [0.99996, 0.00004]], DataOptions(targets=[0, 1]))
    table = worst(examples).parts()[0]
    assert isinstance(table, Table)
    assert [row[3] for row in table.rows] == ["4e-05", "0.9971"]


def test_worst_of_all_is_everything(probs: np.ndarray) -> None:
    """With k beyond N, all examples are there, their shares add up to 1 and the total is that of `eval`."""
    found = worst(scores_of(probs, OWN), k=5000)
    assert len(found.cases) == 1000
    assert sum(case.share or 0 for case in found.cases) == pytest.approx(1, rel=1e-12)
    assert found.cases[-1].cumulative == pytest.approx(1, rel=1e-12)
    assert found.total == evaluate(probs, dataset="mnist-5k", reduction="sum").losses["cee"].value


def test_worst_names_examples_of_the_split(probs: np.ndarray) -> None:
    """With indices, the examples are named by their place in the split, and so are the pictures."""
    indices = np.arange(999, 499, -1)
    found = worst(scores_of(probs[indices], DataOptions(dataset="mnist-5k", split="test", indices=indices)), k=3)
    whole = {case.index: case for case in worst(scores_of(probs, OWN), k=1000).cases}
    for case in found.cases:
        assert case.loss == pytest.approx(whole[case.index].loss, rel=1e-12)
    table, pictures = found.parts()
    assert isinstance(table, Table)
    assert isinstance(pictures, Pictures)
    first = found.cases[0]
    assert pictures.captions[0] == f"{first.index}: {first.label} as {first.predicted}"
    np.testing.assert_array_equal(pictures.images[0], load_split("mnist-5k", "test").images[first.index])


def test_worst_with_an_infinite_loss() -> None:
    """Where a loss is infinite, it stands first, and JSON has null for it, for the total and for shares."""
    found = worst(scores_of([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], DataOptions(targets=[0, 1, 1], delta=0)), k=2)
    document = found.as_dict()
    assert document["total"] is None
    assert [(case["index"], case["loss"]) for case in document["worst"]] == [(1, None), (0, pytest.approx(np.log(2)))]
    assert [case["share"] for case in document["worst"]] == [None, None]
    (table,) = found.parts()
    assert isinstance(table, Table)
    assert table.rows[0] == ("1", "1", "0", "0", "infinite", "-", "-")


def test_worst_without_images() -> None:
    """Where the images are not to be had, a line says so and the table stands; JSON never asks for them."""
    scores = scores_of(np.full((1000, 10), 0.1), DataOptions(dataset="mnist-5k", download=False))
    scores.dataset = "kmnist"
    found = worst(scores)
    assert len(found.as_dict()["worst"]) == 10
    _, line = found.parts()
    assert isinstance(line, Lines)
    assert line.lines[0].startswith("No pictures: ")


def test_worst_refuses_soft_targets_and_classes() -> None:
    """Soft targets have no label and predicted classes no loss: both are InputErrors."""
    with pytest.raises(InputError, match="soft rows; this needs a label"):
        worst(scores_of([[0.5, 0.5]], DataOptions(targets=[[0.5, 0.5]])))
    with pytest.raises(InputError, match="predicted classes"):
        worst(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))


def test_worst_of_the_book_network(real: Path, realdata: Path) -> None:
    """On the book's network the ten costliest have labels that nobody doubts; among the 200 costliest some do not."""
    found = worst(scores_of(realdata / "predictions" / "book-network-probs.npy", DataOptions()), k=200).cases
    assert [case.index for case in found[:10]] == [2293, 6505, 1500, 5642, 6172, 2607, 5734, 9009, 4289, 1247]
    first = found[0]
    assert (first.label, first.predicted, first.label_known_wrong) == (9, 6, False)
    assert (first.probability, first.loss) == pytest.approx((1.1129672202514485e-4, 9.102412656172021), rel=1e-12)
    assert (first.share, found[9].cumulative) == pytest.approx((0.004053738591, 0.033111872378), rel=1e-9)
    assert [case.index for case in found if case.label_known_wrong] == [3520, 6651, 1901, 9729, 9679, 2654]
