"""Targets: labels of a split, of some of its examples, or of the user's own, hard and soft."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import LABELS, on_5k, refused

from mnistloss import cross_entropy_error, evaluate, explain_example, gap, one_hot
from mnistloss.analysis.inspect import inspect
from mnistloss.analysis.overview import build_report
from mnistloss.errors import ArgumentError, InputError, UnavailableError
from mnistloss.evaluation.targets import DataKeywords, ReadKeywords

PREDICTIONS = [[0.1] * 10] * 1000


def test_soft_targets_are_used_as_given() -> None:
    """Soft rows are not turned into labels; the error is the probability that the target gives to other classes."""
    y, t = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([[0.9, 0.1], [0.5, 0.5]])
    result = evaluate(y, targets=t, losses=["cee", "mse", "error"])
    assert result.losses["mse"].value == pytest.approx((0.04 + 0.01) / 2)
    assert result.losses["error"].value == pytest.approx((0.1 + 0.5) / 2)
    assert result.losses["cee"].value == pytest.approx(-np.sum(t * np.log(y + 1e-7)) / 2)
    error = result.losses["error"]
    assert result.accuracy.interval == "hall"
    assert error.ci is not None
    assert result.accuracy.ci == pytest.approx((max(0, 1 - error.ci[1]), min(1, 1 - error.ci[0])))
    assert evaluate(y[:1], targets=t[:1]).accuracy.ci is None


def test_soft_targets_that_sum_to_a_little_more() -> None:
    """The accuracy stays a share where soft rows sum to 1.0005; beyond 1e-3, and below 0, rows are refused."""
    y = np.full((10_000, 2), [1.0, 0.0])
    assert evaluate(y, targets=y * 1.0005).accuracy.value == 1
    for row in ([1.005, 0.0], [1.5, -0.5]):
        with pytest.raises(InputError, match="soft targets are probabilities"):
            evaluate(y[:1], targets=[row])


def test_single_example() -> None:
    """A single row needs its target or its index."""
    y = np.full(10, 0.1)
    assert evaluate(y, targets=[3]).n == 1
    assert evaluate(y, targets=np.float64(one_hot([3])[0])).losses["cee"].stderr is None
    assert on_5k(y, indices=[7], split="test").losses["cee"].value == cross_entropy_error(y, 7)
    assert "1 prediction, but mnist-5k has" in refused(y)
    assert "indices=FILE" in refused(y)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.full(1000, 10), r"label 10 in row 0 is outside 0..9 \(1,000 in all\)"),
        (np.full(1000, -1), "label -1 in row 0"),
        (LABELS[1:], "999 labels for 1,000 predictions"),
        (LABELS.astype(float), "labels are integers"),
        (one_hot(LABELS)[:, 1:], r"shape \(1000, 9\); expected"),
        (one_hot(LABELS) * 0.5, "row 0 has values from 0 to 0.5 and sums to 0.5; soft targets"),
        (np.array(["7"] * 1000), "holds strings"),
    ],
)
def test_bad_targets(probs: np.ndarray, tmp_path: Path, targets: np.ndarray, message: str) -> None:
    """Targets that do not fit are refused, never wrapped, from an array and from a file."""
    np.save(tmp_path / "t.npy", targets)
    for source in (targets, tmp_path / "t.npy"):
        with pytest.raises(InputError, match=message):
            evaluate(probs, targets=source)


def test_labels_of_bools_are_refused() -> None:
    """Bool arrays are refused as labels."""
    with pytest.raises(InputError, match="labels are integers"):
        evaluate([[0.5, 0.5]] * 3, targets=np.array([True, False, True]))


def test_fortran_targets_of_three_axes_are_refused(probs: np.ndarray, tmp_path: Path) -> None:
    """Superfluous axes are refused in either memory order."""
    np.save(tmp_path / "t.npy", np.asfortranarray(one_hot(LABELS).reshape(1000, 2, 5)))
    with pytest.raises(InputError, match=r"shape \(1000, 2, 5\)"):
        evaluate(probs, targets=tmp_path / "t.npy")


def test_predicted_classes_with_own_targets() -> None:
    """A class that only the predictions have is a wrong one, not a refusal; absurd classes are refused."""
    result = evaluate([0, 1, 9], targets=[0, 1, 2], losses=["error"])
    assert result.losses["error"].value == pytest.approx(1 / 3)
    assert result.classes == 10
    for targets, message in (([0, 1, 2**62], "expected classes below 65,536"), ([0.0, math.nan, 1.0], "integers")):
        with pytest.raises(InputError, match=message):
            evaluate([0, 1, 9], targets=targets, losses=["error"])


def test_labels_that_are_not_there(probs: np.ndarray) -> None:
    """Without the labels and without download the error says how to go on; nothing else is scored instead."""
    with pytest.raises(
        UnavailableError, match=r"(?s)t10k-labels-idx1-ubyte is missing, and downloading is off.*mnist-5k"
    ):
        evaluate(np.tile(probs, (10, 1)), download=False)


def test_indices(probs: np.ndarray, tmp_path: Path) -> None:
    """Predictions of some examples are scored against the labels of these, in the order of the indices."""
    indices = np.array([5, 999, 5, 0])
    result = on_5k(probs[:4], indices=indices, split="test")
    assert result.losses["cee"].value == cross_entropy_error(probs[:4], LABELS[indices])
    assert "|indices:" in str(result.signature)
    assert result.signature != on_5k(probs[:4], indices=indices[::-1], split="test").signature
    assert "4 predictions, but 3 indices" in refused(probs[:4], indices=indices[1:], split="test")
    assert "index 1000 in row 1 is outside 0..999" in refused(probs[:2], indices=[0, 1000], split="test")
    assert "index -1 in row 0" in refused(probs[:1], indices=[-1], split="test")
    assert "expected indices, integers" in refused(probs[:1], indices=[0.0], split="test")
    with pytest.raises(ArgumentError, match="indices alone do not say of which split"):
        on_5k(probs[:4], indices=indices)


def test_more_indices_than_predictions(probs: np.ndarray) -> None:
    """Each prediction needs exactly one index."""
    assert "4 predictions, but 5 indices" in refused(probs[:4], indices=np.arange(5), split="test")


def test_indices_of_a_saved_batch(probs: np.ndarray, tmp_path: Path) -> None:
    """A saved batch names its dataset and split; options that contradict it are refused."""
    path = tmp_path / "batch.npz"
    np.savez(path, indices=np.arange(4), dataset=np.array("mnist-5k"), split=np.array("train"))
    assert on_5k(probs[:4], indices=path).split == "train"
    assert 'drawn from train, not test; add split="train"' in refused(probs[:4], indices=path, split="test")
    with pytest.raises(InputError, match='drawn from mnist-5k, not mnist; add dataset="mnist-5k"'):
        evaluate(probs[:4], indices=path)
    np.savez(path, x=np.arange(4))
    assert "holds no array named indices" in refused(probs[:4], indices=path)


def test_hostile_batches(probs: np.ndarray, tmp_path: Path) -> None:
    """A pipe, a bomb, and names that are no text or would move the cursor are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(probs[:4], indices=tmp_path / "pipe", split="test")
    path = tmp_path / "batch.npz"
    np.savez_compressed(path, indices=np.zeros(10**7, np.int64))
    assert "10,000,000 elements; expected 1,000,000 at the most" in refused(probs[:4], indices=path, split="test")
    np.savez(path, indices=np.arange(4), dataset=np.array("\x1b[31mred"), split=np.array("train"))
    assert "\x1b" not in refused(probs[:4], indices=path)
    np.savez(path, indices=np.arange(4), dataset=np.frombuffer(b"\xff" * 4, "<U1"), split=np.array("train"))
    assert "is not text" in refused(probs[:4], indices=path)


@pytest.mark.parametrize(
    ("function", "arguments", "wrong"),
    [
        (gap, (PREDICTIONS, PREDICTIONS), {"indices": [0]}),
        (gap, (PREDICTIONS, PREDICTIONS), {"targets": [0]}),
        (gap, (PREDICTIONS, PREDICTIONS), {"split": "test"}),
        (explain_example, (PREDICTIONS, 0), {"foo": 1}),
        (inspect, (PREDICTIONS,), {"bins": 3}),
        (build_report, ([PREDICTIONS],), {"losses": "cee"}),
    ],
)
def test_wrong_keywords(function: Callable[..., Any], arguments: tuple[Any, ...], wrong: dict[str, Any]) -> None:
    """A keyword that a function does not take is refused under the name of that function, as Python does."""
    message = rf"^{function.__name__}\(\) got an unexpected keyword argument '{next(iter(wrong))}'$"
    with pytest.raises(TypeError, match=message):
        function(*arguments, dataset="mnist-5k", **wrong)


@pytest.mark.parametrize(("function", "kind"), [(gap, ReadKeywords), (explain_example, DataKeywords)])
def test_help_names_the_keywords(function: Callable[..., Any], kind: type) -> None:
    """The help of a public function names each keyword that `**data` takes, and no name that cannot be imported."""
    text = function.__doc__ or ""
    assert [name for name in kind.__annotations__ if f"`{name}`" not in text] == []
    assert "Keywords" not in text
