"""The view `others`: our formula for each tool against the tool itself, where it is installed."""

import importlib
import math
from typing import Any

import numpy as np
import pytest
from conftest import scores_of

from mnistloss import evaluate, softmax
from mnistloss.analysis.other_tools import TOOLS, others
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def hard() -> np.ndarray:
    y = np.eye(10, dtype=np.float32)[LABELS]
    y[:70] = np.roll(y[:70], 3, axis=1)
    return y


@pytest.fixture(params=["spread", "hard", "off by a little"])
def y(request: pytest.FixtureRequest, probs: np.ndarray) -> np.ndarray:
    """Return predictions in float32: of every size, of 0 and 1, and with rows that sum to 1.0005."""
    return {"spread": probs, "hard": hard(), "off by a little": probs * np.float32(1.0005)}[request.param]


def value(y: np.ndarray, name: str) -> float:
    (mean,) = (v for tool, v, _ in others(scores_of(y, OWN)).rows() if tool.name == name)
    return mean


def test_the_course(y: np.ndarray) -> None:
    """Both functions equal the course's code in float64."""
    p, t = y.astype(np.float64), np.eye(10)[LABELS]
    with_delta = -np.sum(t * np.log(p + 1e-7)) / 1000
    assert value(y, "course, with delta") == pytest.approx(with_delta, rel=1e-12)
    with np.errstate(divide="ignore"):
        without = -np.sum(np.log(p[np.arange(1000), LABELS])) / 1000
    assert value(y, "course, batch version without delta") == pytest.approx(without, rel=1e-12)


@pytest.mark.filterwarnings("ignore:The y_pr.* values do not sum to one")
def test_scikit_learn(y: np.ndarray) -> None:
    """log_loss clips by the epsilon of the dtype and does not normalise rows."""
    metrics = pytest.importorskip("sklearn.metrics")
    y = np.minimum(y, 1)
    double, single = (metrics.log_loss(LABELS, y.astype(dtype), labels=range(10)) for dtype in (float, np.float32))
    assert value(y, "scikit-learn 1.9.1 log_loss, float64") == pytest.approx(double, rel=1e-12)
    assert value(y, "scikit-learn 1.9.1 log_loss, float32") == pytest.approx(single, rel=1e-6)


def test_mean_squared_error_of_scikit_learn(y: np.ndarray) -> None:
    """mean_squared_error averages over the classes too: 2 / K of ours."""
    metrics = pytest.importorskip("sklearn.metrics")
    expected = metrics.mean_squared_error(np.eye(10)[LABELS], y.astype(np.float64))
    assert value(y, "MSE of Keras, scikit-learn, torch") == pytest.approx(expected, rel=1e-12)
    ours = evaluate(y, dataset="mnist-5k", losses=["mse"]).losses["mse"].value
    assert expected == pytest.approx(ours * 2 / 10, rel=1e-12)


def keras() -> Any:
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        pytest.skip(f"Keras or its backend is not installed: {error}")


def test_keras(y: np.ndarray) -> None:
    """categorical_crossentropy divides rows by their sum, clips to [1e-7, 1 - 1e-7] and computes in float32."""
    losses, t = keras().losses, np.eye(10, dtype=np.float32)[LABELS]
    expected = float(losses.CategoricalCrossentropy()(t, y))
    assert value(y, "Keras categorical_crossentropy") == pytest.approx(expected, rel=1e-6)
    assert value(y, "MSE of Keras, scikit-learn, torch") == pytest.approx(
        float(losses.MeanSquaredError()(t, y)), rel=1e-6
    )


def test_torch(y: np.ndarray) -> None:
    """CrossEntropyLoss is a float32 log-softmax of any input; MSELoss averages over the classes."""
    torch = pytest.importorskip("torch")
    p, t = torch.from_numpy(y), torch.from_numpy(LABELS)
    entropy = torch.nn.CrossEntropyLoss()
    cases = {
        "torch CrossEntropyLoss of logits": entropy(torch.log(p), t),
        "torch CrossEntropyLoss of probabilities": entropy(p, t),
        "torch NLLLoss of log p": torch.nn.NLLLoss()(torch.log(p), t),
        "MSE of Keras, scikit-learn, torch": torch.nn.MSELoss()(p, torch.eye(10)[t]),
    }
    for name, expected in cases.items():
        assert value(y, name) == pytest.approx(float(expected), rel=1e-6), name


def test_formulas_against_plain_loops(y: np.ndarray) -> None:
    """The formulas of Keras and torch agree with loops in float64 to the digits of float32."""
    keras_costs, torch_costs = [], []
    for row, t in zip(y.astype(np.float64), LABELS, strict=True):
        keras_costs.append(-math.log(min(max(row[t] / math.fsum(row), 1e-7), 1 - 1e-7)))
        torch_costs.append(-math.log(math.exp(row[t]) / math.fsum(map(math.exp, row))))
    assert value(y, "Keras categorical_crossentropy") == pytest.approx(math.fsum(keras_costs) / 1000, rel=1e-6)
    assert value(y, "torch CrossEntropyLoss of probabilities") == pytest.approx(math.fsum(torch_costs) / 1000, rel=1e-6)


def test_hard_predictions_show_the_epsilons() -> None:
    """If every prediction is 0 or 1, each value depends on the tool's epsilon, or is infinite, null in JSON."""
    result = {tool.name: v for tool, v, _ in others(scores_of(hard(), OWN)).rows()}
    assert result["course, with delta"] == pytest.approx(0.07 * -math.log(1e-7), rel=1e-6)
    assert result["scikit-learn 1.9.1 log_loss, float64"] == pytest.approx(0.07 * 52 * math.log(2), rel=1e-12)
    assert result["scikit-learn 1.9.1 log_loss, float32"] == pytest.approx(0.07 * 23 * math.log(2), rel=1e-6)
    assert result["Keras categorical_crossentropy"] == pytest.approx(0.07 * -math.log(1e-7), rel=1e-6)
    assert result["course, batch version without delta"] == math.inf
    rows = {row["name"]: row for row in others(scores_of(hard(), OWN)).as_dict()["others"]}
    assert rows["course, batch version without delta"]["value"] is None
    assert rows["course, with delta"]["difference"] is None


def test_differences_are_to_ours(probs: np.ndarray) -> None:
    """Each difference is from the nll or mse of `evaluate`; JSON has an entry for each tool."""
    result = others(scores_of(probs, OWN))
    losses = evaluate(probs, dataset="mnist-5k", losses=["nll", "mse"]).losses
    assert result.ours == {name: losses[name].value for name in ("nll", "mse")}
    for tool, v, difference in result.rows():
        assert difference == v - result.ours[tool.ours]
    assert len({tool.name for tool in TOOLS}) == len(result.as_dict()["others"]) == len(TOOLS)


def test_logits(probs: np.ndarray) -> None:
    """Logits give the values of their softmax."""
    z = np.log(probs) + 3
    from_logits = others(scores_of(z, DataOptions(dataset="mnist-5k", input="logits"))).values
    assert from_logits == pytest.approx(others(scores_of(softmax(z), OWN)).values, rel=1e-6)


def test_refusals() -> None:
    """Soft targets and predicted classes are InputErrors."""
    with pytest.raises(InputError, match="soft rows"):
        others(scores_of([[0.5, 0.5]], DataOptions(targets=[[0.5, 0.5]])))
    with pytest.raises(InputError, match="predicted classes"):
        others(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))
