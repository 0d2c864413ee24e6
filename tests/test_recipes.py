"""The recipes in docs/how-to.md, each with a real framework: `make recipes`, where all of them are installed.

Each trains a small model on the embedded digits, saves its predictions by the line that the document has, and agrees
with the framework's own loss to the precision of the framework.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mnistloss import evaluate, load_mnist

HOW_TO = (Path(__file__).parents[1] / "docs" / "how-to.md").read_text("utf-8")
MISSING = "frameworks are not installed: make recipes"
LINES = dict(re.findall(r'```python title="(\w+)"\n(.*?)\n```', HOW_TO))


class Trained(NamedTuple):
    """What the line of the document needs, the framework's own loss, and the largest relative difference from it."""

    names: dict[str, Any]
    own_loss: float
    tolerance: float
    input: str = "probs"


def train_torch(x: Any, t: Any, x_test: Any, t_test: Any) -> Trained:
    torch = pytest.importorskip("torch", reason=MISSING)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-3), torch.nn.CrossEntropyLoss()
    x, t, x_test = torch.tensor(x), torch.tensor(t), torch.tensor(x_test)
    for batch in torch.arange(len(x)).split(100) * 5:
        optimizer.zero_grad()
        loss(model(x[batch]), t[batch]).backward()
        optimizer.step()
    own = loss(model(x_test), torch.tensor(t_test)).item()
    return Trained({"model": model, "x_test": x_test}, own, 1e-6, "logits")


def train_keras(x: Any, t: Any, x_test: Any, t_test: Any) -> Trained:
    pytest.importorskip("torch", reason=MISSING)
    keras = pytest.importorskip("keras", reason=MISSING)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(50, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(x, t, batch_size=100, epochs=5, verbose=0)
    return Trained({"model": model, "x_test": x_test}, model.evaluate(x_test, t_test, verbose=0), 1e-6)


def train_jax(x: Any, t: Any, x_test: Any, t_test: Any) -> Trained:
    jax = pytest.importorskip("jax", reason=MISSING)

    def model(params: Any, x: Any) -> Any:
        return x @ params["w"] + params["b"]

    def loss(params: Any, x: Any, t: Any) -> Any:
        return -jax.nn.log_softmax(model(params, x))[jax.numpy.arange(len(t)), t].mean()

    params = {"w": jax.numpy.zeros((784, 10)), "b": jax.numpy.zeros(10)}
    gradient = jax.jit(jax.grad(loss))
    for batch in np.arange(len(x)).reshape(-1, 100).tolist() * 5:
        slopes = gradient(params, x[np.array(batch)], t[np.array(batch)])
        params = jax.tree.map(lambda value, slope: value - 0.5 * slope, params, slopes)
    return Trained({"jax": jax, "model": model, "params": params, "x_test": x_test}, loss(params, x_test, t_test), 1e-6)


def train_sklearn(x: Any, t: Any, x_test: Any, t_test: Any) -> Trained:
    linear_model = pytest.importorskip("sklearn.linear_model", reason=MISSING)
    from sklearn.metrics import log_loss

    model = linear_model.LogisticRegression(max_iter=1000, C=0.1).fit(x.astype(float), t)
    x_test = x_test.astype(float)
    return Trained({"model": model, "x_test": x_test}, log_loss(t_test, model.predict_proba(x_test)), 1e-12)


def train_xgboost(x: Any, t: Any, x_test: Any, t_test: Any) -> Trained:
    xgboost = pytest.importorskip("xgboost", reason=MISSING)
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=4, eval_metric="mlogloss")
    model.fit(x, t, eval_set=[(x_test, t_test)], verbose=False)
    own = model.evals_result()["validation_0"]["mlogloss"][-1]
    return Trained({"model": model, "x_test": x_test}, own, 1e-6)


TRAIN: dict[str, Callable[..., Trained]] = {
    "torch": train_torch,
    "keras": train_keras,
    "jax": train_jax,
    "sklearn": train_sklearn,
    "xgboost": train_xgboost,
}


def test_every_recipe_is_run() -> None:
    """The document has a line for each framework here, and no other."""
    assert LINES.keys() == TRAIN.keys()


@pytest.mark.filterwarnings("default")  # frameworks warn of each other
@pytest.mark.parametrize("name", TRAIN)
def test_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The saved file has the loss that the framework computes, and a model that has learnt."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.chdir(tmp_path)
    (x, t), (x_test, t_test) = load_mnist(dataset="mnist-5k")
    trained = TRAIN[name](x, t.astype(np.int64), x_test, t_test.astype(np.int64))
    exec(LINES[name], {"np": np, **trained.names})
    result = evaluate("preds.npy", dataset="mnist-5k", input=trained.input, losses="nll")
    ours, own = result.losses["nll"].value, float(trained.own_loss)
    print(f"\n{name}: mnistloss {ours:.9f}, {name} itself {own:.9f}, relative difference {abs(ours / own - 1):.0e}")
    assert ours == pytest.approx(own, rel=trained.tolerance)
    assert result.accuracy.value > 0.85
    assert not result.hints
