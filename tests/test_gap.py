"""The generalisation gap: numbers compared with scipy, and refusals."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnistloss import gap, load_mnist, one_hot
from mnistloss.document import Lines
from mnistloss.errors import InputError

Split = dict[str, np.ndarray]


@pytest.fixture
def model() -> Split:
    """Predictions for both splits of mnist-5k, those of the training split nearer to the labels."""
    (_, t_train), (_, t_test) = load_mnist(dataset="mnist-5k")
    rng = np.random.default_rng(6)
    return {
        split: nearer * one_hot(t) + (1 - nearer) * rng.dirichlet(np.full(10, 0.4), len(t))
        for split, t, nearer in (("train", t_train, 0.3), ("test", t_test, 0.2))
    }


def losses(model: Split, split: str) -> np.ndarray:
    (_, t_train), (_, t_test) = load_mnist(dataset="mnist-5k")
    t = t_train if split == "train" else t_test
    values: np.ndarray = -np.log(model[split][np.arange(len(t)), t] + 1e-7)
    return values


def test_gap_is_test_less_train(model: Split) -> None:
    """The gap is the test's mean less the training's; its standard error is Welch's, its interval Zhou and Dinh's."""
    stats = pytest.importorskip("scipy.stats")
    found = gap(model["train"], model["test"], dataset="mnist-5k")
    cee = found.losses["cee"]
    train, test = losses(model, "train"), losses(model, "test")
    assert (cee.train, cee.test) == pytest.approx((train.mean(), test.mean()), rel=1e-12)
    assert cee.gap == pytest.approx(test.mean() - train.mean(), rel=1e-9)
    assert cee.gap > 0
    welch = stats.ttest_ind(test, train, equal_var=False)
    assert cee.stderr == pytest.approx(cee.gap / welch.statistic, rel=1e-9)
    assert cee.stderr is not None
    assert cee.ci is not None
    third = stats.moment(test, 3) / len(test) ** 2 - stats.moment(train, 3) / len(train) ** 2
    u = third / cee.stderr**3
    for end, z in zip(cee.ci, (1.959964, -1.959964), strict=True):
        t = (cee.gap - end) / cee.stderr
        assert t + u * t**2 / 3 + u**2 * t**3 / 27 + u / 6 == pytest.approx(z, rel=1e-6)


def test_verdict(model: Split) -> None:
    """A sentence says by how much the model overfits, or that these examples show no overfitting."""
    found = gap(model["train"], model["test"], dataset="mnist-5k")
    lines = found.parts()[-1]
    assert isinstance(lines, Lines)
    cee = found.losses["cee"]
    assert lines.lines[0].startswith(f"The test cee differs from the train cee by +{cee.gap:.3f} (")
    assert lines.lines[0].endswith("): the model overfits by this much.")
    nothing = gap(np.full((4000, 10), 0.1), np.full((1000, 10), 0.1), dataset="mnist-5k").parts()[-1]
    assert isinstance(nothing, Lines)
    assert nothing.lines[0].endswith(": these examples show no overfitting.")


def test_accuracy(model: Split) -> None:
    """The gap of the accuracy is minus the gap of the error, with the same standard error."""
    found = gap(model["train"], model["test"], dataset="mnist-5k", losses=["error"], confidence=0.5)
    error, accuracy = found.losses["error"], found.accuracy
    assert accuracy.train == 1 - error.train
    assert (accuracy.test, accuracy.gap) == pytest.approx((1 - error.test, accuracy.test - accuracy.train))
    assert accuracy.stderr == error.stderr
    assert error.ci is not None
    assert accuracy.ci == (-error.ci[1], -error.ci[0])
    assert accuracy.ci[0] < accuracy.gap < accuracy.ci[1]
    assert accuracy.ci[1] - accuracy.ci[0] == pytest.approx(2 * 0.6744898 * (error.stderr or 0), rel=1e-3)


def test_predicted_classes(model: Split) -> None:
    """Predicted classes have the gap of the error only."""
    train, test = (model[split].argmax(axis=1) for split in ("train", "test"))
    found = gap(train, test, dataset="mnist-5k", input="labels")
    assert list(found.losses) == ["error"]
    assert (
        found.losses["error"]
        == gap(model["train"], model["test"], dataset="mnist-5k", losses=["error"]).losses["error"]
    )


def test_refusals(model: Split) -> None:
    """Exchanged splits and infinite losses are refused with what was found."""
    with pytest.raises(InputError, match=r"1,000 predictions, but mnist-5k has train 4,000.*split=.test"):
        gap(model["test"], model["train"], dataset="mnist-5k")
    hard = one_hot((model["test"].argmax(axis=1) + 1) % 10)
    with pytest.raises(InputError, match=r"the nll of [\d,]+ examples is infinite.*use loss=\"cee\""):
        gap(model["train"], hard, dataset="mnist-5k", losses=["cee", "nll"])


def test_gap_command(cli: Cli, model: Split, tmp_path: Path) -> None:
    """`gap` prints a row for each loss; the signatures in JSON name the splits."""
    paths = [tmp_path / f"{split}.npy" for split in model]
    for path, y in zip(paths, model.values(), strict=True):
        np.save(path, y)
    result = cli("gap", *paths, "--dataset", "mnist-5k", "--loss", "brier", "--loss", "cee")
    assert [line.split()[0] for line in result.stdout.splitlines()[4:7]] == ["brier", "cee", "accuracy"]
    text = cli("gap", *paths, "--dataset", "mnist-5k", "--format", "json").stdout
    found = json.loads(text, parse_constant=pytest.fail)["gap"]
    expected = gap(model["train"], model["test"], dataset="mnist-5k")
    assert found["losses"]["mse"]["gap"] == expected.losses["mse"].gap
    assert "|mnist-5k:train@" in found["splits"]["train"]["signature"]
    lines = result.stdout.splitlines()
    assert [line.split("|")[1][:14] for line in lines if line.startswith("brier+cee")] == [
        "mnist-5k:train",
        "mnist-5k:test@",
    ]
    np.save(paths[1], model["test"][::-1])
    text = cli("gap", *paths, "--dataset", "mnist-5k", "--format", "json").stdout
    hints = [split["hints"] for split in json.loads(text)["gap"]["splits"].values()]
    assert (hints[0], bool(hints[1])) == ([], True)
    said = f"Hint: {paths[1]}: {hints[1][0]['evidence']}; {hints[1][0]['advice']}"
    assert said in cli("gap", *paths, "--dataset", "mnist-5k").stdout
    assert cli("gap", "-", "-", "--dataset", "mnist-5k").exit_code == 2


def test_rows_and_repr() -> None:
    """A flat row for each measure; the repr is the differences."""
    y = np.full((4000, 10), 0.1)
    result = gap(y, y[:1000], dataset="mnist-5k", losses=["mse"])
    assert [row["measure"] for row in result.rows()] == ["mse", "accuracy"]
    assert set(result.rows()[0]) == {"measure", "train", "test", "gap", "stderr", "low", "high"}
    assert re.fullmatch(r"Gap\(mse=\S+, accuracy=0\)", repr(result))
