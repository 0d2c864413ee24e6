"""The view `worst`: the costliest examples and their share of the loss."""

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


def test_worst_against_a_loop(probs: np.ndarray) -> None:
    """Order, probabilities, losses and shares equal those of a plain loop over all rows."""
    losses = [-np.log(float(row[t]) + 1e-7) for row, t in zip(probs, LABELS, strict=True)]
    result = worst(scores_of(probs, OWN), k=25).examples
    expected = sorted(range(1000), key=lambda i: -losses[i])[:25]
    assert [example.index for example in result] == expected
    running = 0.0
    for example, i in zip(result, expected, strict=True):
        running += losses[i]
        assert (example.label, example.predicted) == (LABELS[i], probs[i].argmax())
        assert example.probability == pytest.approx(float(probs[i, LABELS[i]]), rel=1e-12)
        assert (example.loss, example.share) == pytest.approx((losses[i], losses[i] / sum(losses)), rel=1e-12)
        assert example.cumulative == pytest.approx(running / sum(losses), rel=1e-12)
        assert example.label_known_wrong is None


def test_probabilities_are_not_rounded_to_one() -> None:
    """A probability is printed with four digits."""
    examples = scores_of([[0.9971, 0.0029], [0.99996, 0.00004]], DataOptions(targets=[0, 1]))
    table = worst(examples).parts()[0]
    assert isinstance(table, Table)
    assert [row[3] for row in table.rows] == ["4e-05", "0.9971"]


def test_worst_of_all_is_everything(probs: np.ndarray) -> None:
    """With k above N, all examples are listed, their shares add up to 1, and the total is that of `evaluate`."""
    result = worst(scores_of(probs, OWN), k=5000)
    assert len(result.examples) == 1000
    assert sum(example.share or 0 for example in result.examples) == pytest.approx(1, rel=1e-12)
    assert result.examples[-1].cumulative == pytest.approx(1, rel=1e-12)
    assert result.total == evaluate(probs, dataset="mnist-5k", reduction="sum").losses["cee"].value


def test_worst_names_examples_of_the_split(probs: np.ndarray) -> None:
    """With indices, examples and pictures are named by their index in the split."""
    indices = np.arange(999, 499, -1)
    result = worst(scores_of(probs[indices], DataOptions(dataset="mnist-5k", split="test", indices=indices)), k=3)
    all_examples = {example.index: example for example in worst(scores_of(probs, OWN), k=1000).examples}
    for example in result.examples:
        assert example.loss == pytest.approx(all_examples[example.index].loss, rel=1e-12)
    table, pictures = result.parts()
    assert isinstance(table, Table)
    assert isinstance(pictures, Pictures)
    first = result.examples[0]
    assert pictures.captions[0] == f"{first.index}: {first.label} as {first.predicted}"
    np.testing.assert_array_equal(pictures.images[0], load_split("mnist-5k", "test").images[first.index])


def test_worst_with_an_infinite_loss() -> None:
    """An infinite loss comes first; JSON has null for it, for the total and for shares."""
    result = worst(scores_of([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], DataOptions(targets=[0, 1, 1], delta=0)), k=2)
    document = result.as_dict()
    assert document["total"] is None
    assert [(row["index"], row["loss"]) for row in document["worst"]] == [(1, None), (0, pytest.approx(np.log(2)))]
    assert [row["share"] for row in document["worst"]] == [None, None]
    (table,) = result.parts()
    assert isinstance(table, Table)
    assert table.rows[0] == ("1", "1", "0", "0", "infinite", "-", "-")


def test_worst_without_images() -> None:
    """If the images are unavailable, a line gives the reason below the table; JSON does not load them."""
    scores = scores_of(np.full((1000, 10), 0.1), DataOptions(dataset="mnist-5k", download=False))
    scores.dataset = "kmnist"
    result = worst(scores)
    assert len(result.as_dict()["worst"]) == 10
    _, line = result.parts()
    assert isinstance(line, Lines)
    assert line.lines[0].startswith("No pictures: ")


def test_worst_refuses_soft_targets_and_classes() -> None:
    """Soft targets have no label and predicted classes no cee: both are InputErrors."""
    with pytest.raises(InputError, match="soft rows; this needs a label"):
        worst(scores_of([[0.5, 0.5]], DataOptions(targets=[[0.5, 0.5]])))
    with pytest.raises(InputError, match="predicted classes"):
        worst(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))
