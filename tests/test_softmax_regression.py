"""Softmax regression: the gradient against differences in plain loops, and weights in files."""

import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnistloss import baseline
from mnistloss.errors import InputError
from mnistloss.models.softmax_regression import SoftmaxRegression, TrainingOptions

X = np.random.default_rng(1).random((7, 4))
T = np.array([0, 1, 2, 2, 1, 0, 1])


def model() -> SoftmaxRegression:
    rng = np.random.default_rng(2)
    return SoftmaxRegression(rng.normal(size=(4, 3)), rng.normal(size=3))


def plain_loss(regression: SoftmaxRegression) -> float:
    """The mean cross-entropy in plain loops."""
    losses = []
    for x, t in zip(X.tolist(), T.tolist(), strict=True):
        z = [math.fsum(a * w for a, w in zip(x, column, strict=True)) for column in regression.weights.T.tolist()]
        z = [score + b for score, b in zip(z, regression.bias.tolist(), strict=True)]
        losses.append(math.log(math.fsum(math.exp(score) for score in z)) - z[t])
    return math.fsum(losses) / len(losses)


def test_gradient_agrees_with_differences() -> None:
    """Each derivative agrees with the difference of the mean loss over a small step; the total is the sum of losses."""
    total, gradient = model().gradient(X, T)
    assert total / len(X) == pytest.approx(plain_loss(model()), rel=1e-14)
    assert model().losses(X, T).sum() == pytest.approx(total, rel=1e-14)
    for name in ("weights", "bias"):
        for place in np.ndindex(getattr(gradient, name).shape):
            above, below = model(), model()
            getattr(above, name)[place] += 1e-5
            getattr(below, name)[place] -= 1e-5
            slope = (plain_loss(above) - plain_loss(below)) / 2e-5
            assert getattr(gradient, name)[place] == pytest.approx(slope, abs=1e-9)


def test_descent_goes_down_the_gradient() -> None:
    """A step over all examples moves the weights by the rate times the gradient, and yields the loss before it."""
    trained, start = model(), model()
    steps = list(trained.descend(X, T, TrainingOptions(epochs=1, learning_rate=0.25, batch_size=7)))
    total, gradient = start.gradient(X, T)
    np.testing.assert_allclose(trained.weights, start.weights - 0.25 * gradient.weights, rtol=1e-12)
    np.testing.assert_allclose(trained.bias, start.bias - 0.25 * gradient.bias, rtol=1e-12)
    ((epoch, loss, examples),) = steps
    assert (epoch, examples) == (1, 7)
    assert loss == pytest.approx(total, rel=1e-14)


def test_saved_weights_give_the_predictions(cli: Cli, tmp_path: Path) -> None:
    """--weights-out saves the weights of the model whose predictions are written."""
    files = ("--out", tmp_path / "y.npy", "--weights-out", tmp_path / "w.npz")
    cli("baseline", "softmax", "--dataset", "mnist-5k", "--epochs", "1", *files)
    with np.load(tmp_path / "w.npz") as saved:
        assert {name: (a.shape, a.dtype) for name, a in saved.items()} == {
            "W": ((784, 10), np.float32),
            "b": ((10,), np.float32),
        }
    loaded = SoftmaxRegression.load(tmp_path / "w.npz", 784, 10)
    assert loaded.bias.dtype == np.float64
    x = np.arange(784.0)[np.newaxis] / 784
    with np.load(tmp_path / "w.npz") as saved:
        np.testing.assert_array_equal(loaded.scores(x), x @ saved["W"].astype(float) + saved["b"].astype(float))
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), baseline("softmax", dataset="mnist-5k", epochs=1))


def test_only_softmax_has_weights(cli: Cli, tmp_path: Path) -> None:
    """--weights-out with another baseline is a usage error, raised before any work."""
    result = cli("baseline", "prior", "--out", tmp_path / "y.npy", "--weights-out", tmp_path / "w.npz")
    assert result.exit_code == 2
    assert "prior has no weights; --weights-out goes with softmax" in result.stderr
    assert not list(tmp_path.glob("*.np*"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"W": np.zeros((4, 3))}, r"w\.npz\[b\]: no array; expected W \(4, 3\) and b \(3,\), as baseline softmax"),
        ({"w": np.zeros((4, 3)), "b": np.zeros(3)}, r"w\.npz\[W\]: no array"),
        ({"W": np.zeros((3, 4)), "b": np.zeros(3)}, r"w\.npz\[W\]: shape \(3, 4\); expected W \(4, 3\)"),
        ({"W": np.zeros((4, 3)), "b": np.zeros((1, 3))}, r"w\.npz\[b\]: shape \(1, 3\)"),
        ({"W": np.zeros((40, 3)), "b": np.zeros(3)}, r"w\.npz\[W\]: 120 elements; expected 12 at the most"),
        (
            {"W": np.full((4, 3), np.nan), "b": np.zeros(3)},
            r"w\.npz\[W\]: NaN or a weight beyond 1e\+09",
        ),
        ({"W": np.full((4, 3), "x"), "b": np.zeros(3)}, r"w\.npz\[W\]: dtype <U1 holds strings"),
    ],
)
def test_bad_weights(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    """Missing arrays, other shapes and values that are no finite numbers are refused with what was expected."""
    np.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]  # its stub takes the names for options
    with pytest.raises(InputError, match=message):
        SoftmaxRegression.load(tmp_path / "w.npz", 4, 3)


def test_no_archive(tmp_path: Path) -> None:
    """A .npy file, a text and no file at all are refused."""
    np.save(tmp_path / "w.npy", np.zeros((4, 3)))
    (tmp_path / "text").write_text("W b", "utf-8")
    for name, message in (("w.npy", "not a readable"), ("text", "not a readable"), ("none", "No such file")):
        with pytest.raises(InputError, match=message):
            SoftmaxRegression.load(tmp_path / name, 4, 3)
