"""Loss and accuracy along a path of the weights, against plain loops."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from test_report import printed

from mnistloss import evaluate, explain_accuracy
from mnistloss.datasets.load import load_split
from mnistloss.document import Chart
from mnistloss.errors import ArgumentError
from mnistloss.models.loss_landscape import AccuracyPath, PathSummary, WeightPath
from mnistloss.models.softmax_regression import SoftmaxRegression
from mnistloss.report.terminal import render
from mnistloss.sampling.sampling import Words, draw

PATH = AccuracyPath(
    dataset="mnist-5k", split="test", n=4, batch_size=4, seed=0, path=WeightPath((350, 3), None, (-1.0, 1.0), 4),
    positions=np.linspace(-1, 1, 5), loss=np.array([1.5, 1.25, 1.1, 1.0, 1.0]),
    accuracy=np.array([0.5, 0.5, 0.5, 0.75, 0.75]), slope=-0.25,
)  # fmt: skip

GOLDEN = """\
loss, mnist-5k test, n = 4
cross-entropy, nats
1.5 │⠉⠒⠤⢄⡀
    │    ⠈⠉⠒⠤⣀⡀
    │         ⠈⠑⠒⢤⣀
    │              ⠉⠒⠢⢄⣀
    │                   ⠉⠉⠒⠒⠤⠤⣀⣀
    │                           ⠉⠉⠒⠒⠤⠤⣀⣀
    │                                   ⠉⠉⠒⠒⠢⠤⠤⢄⣀⣀⡀
1.0 │                                             ⠈⠉⠉⠑⠒⠒⠢⠤⠤⢄⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
    └───────────────────────────────────────────────────────────────────────────
     -1                    change of weight 350,3, no unit                     1
accuracy, mnist-5k test, n = 4
share of correct predictions
0.75 │                                                       ⡏⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
     │                                                       ⡇
     │                                                       ⡇
     │                                                       ⡇
     │                                                       ⡇
     │                                                       ⡇
     │                                                       ⡇
0.50 │⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡇
     └──────────────────────────────────────────────────────────────────────────
      -1                    change of weight 350,3, no unit                    1
4 steps from -1 to 1

           values  steps that change it  unchanged  derivative at the middle
 ───────────────────────────────────────────────────────────────────────────
 loss           4                     3      25.0%                     -0.25
 accuracy       2                     1      75.0%                         0

In the middle, at 0 (the model as it was trained), the loss falls to the right;
the accuracy is flat and gives no direction to go.
The accuracy jumps by multiples of 1/4 where predictions become right or wrong;
elsewhere it is constant.
Both vertical axes are cut: that of the accuracy shows 0.500 to 0.750.
"""


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("weights") / "w.npz"
    np.savez(path, W=rng.normal(size=(784, 10)) / 20, b=rng.normal(size=10))
    return path


def plain(model: SoftmaxRegression, x: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """The mean cross-entropy and the accuracy, in plain loops."""
    losses, right = [], 0
    columns, bias = model.weights.T.tolist(), model.bias.tolist()
    for pixels, label in zip(x.tolist(), t.tolist(), strict=True):
        z = [
            math.fsum(a * w for a, w in zip(pixels, column, strict=True)) + b
            for column, b in zip(columns, bias, strict=True)
        ]
        losses.append(math.log(math.fsum(math.exp(score) for score in z)) - z[label])
        right += z.index(max(z)) == label
    return math.fsum(losses) / len(losses), right / len(losses)


def mini_batch(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    test = load_split("mnist-5k", "test")
    rows = draw(len(test), n, words=Words(seed))
    return test.images[rows].reshape(n, 784) / np.float32(255), test.labels[rows]


def test_one_weight_agrees_with_a_loop(weights: Path) -> None:
    """At each position loss and accuracy are those of a model with that weight changed, computed in plain loops."""
    path = explain_accuracy(weights=weights, weight=(406, 3), range=(-9, 6), steps=5, batch_size=6, seed=4)
    x, t = mini_batch(6, 4)
    assert path.positions.tolist() == [-9, -6, -3, 0, 3, 6]
    for position, loss, accuracy in zip(path.positions, path.loss, path.accuracy, strict=True):
        model = SoftmaxRegression.load(weights, 784, 10)
        model.weights[406, 3] += position
        assert (loss, accuracy) == pytest.approx(plain(model, x, t), rel=1e-12)
    assert path.summary["accuracy"].distinct > 1


@pytest.mark.parametrize(
    "way", [{"weight": (406, 3)}, {"direction": "gradient"}, {"direction": "random"}], ids=["weight", "down", "random"]
)
def test_slope_agrees_with_differences(way: dict[str, object], weights: Path) -> None:
    """The derivative at the middle agrees with the difference of the loss over a small step, in plain loops."""
    path = explain_accuracy(weights=weights, range=(0.0, 0.5), steps=1, batch_size=6, **way)  # type: ignore[arg-type]
    x, t = mini_batch(6, 0)
    model, words = SoftmaxRegression.load(weights, 784, 10), Words(0)
    draw(1000, 6, words=words)
    step = path.path.direction_of(model, x.astype(float), t, words)
    above, below = (plain(model.step_along(step, at), x, t)[0] for at in (0.25 + 1e-4, 0.25 - 1e-4))
    assert path.slope == pytest.approx((above - below) / 2e-4, rel=1e-6)
    assert path.loss[-1] == pytest.approx(plain(model.step_along(step, 0.5), x, t)[0], rel=1e-12)


def test_directions_have_length_one(weights: Path) -> None:
    """Every direction has length 1; the seed draws the random one."""
    model = SoftmaxRegression.load(weights, 784, 10)
    x, t = mini_batch(5, 0)
    steps = [
        WeightPath(weight, direction, (-1.0, 1.0), 1).direction_of(model, x.astype(float), t, Words(seed))
        for weight, direction, seed in (
            ((3, 2), None, 0),
            (None, "gradient", 0),
            (None, "random", 0),
            (None, "random", 1),
        )
    ]
    for step in steps:
        assert (step.weights**2).sum() + (step.bias**2).sum() == pytest.approx(1, rel=1e-12)
    assert set(np.abs(steps[2].weights).round(15).ravel()) == {round(1 / math.sqrt(7850), 15)}
    assert abs(steps[2].weights.mean()) < 1e-3
    assert (steps[2].weights != steps[3].weights).any()


def test_down_the_gradient(weights: Path) -> None:
    """Down the gradient the slope of the loss is minus the length of the gradient."""
    path = explain_accuracy(weights=weights, range=(-1e-7, 1e-7), steps=2)
    test = load_split("mnist-5k", "test")
    _, gradient = SoftmaxRegression.load(weights, 784, 10).gradient(
        test.take(slice(None))[0].astype(float), test.labels
    )
    assert path.slope == pytest.approx(-math.hypot(*gradient.weights.ravel(), *gradient.bias), rel=1e-9)
    assert path.loss[0] > path.loss[1] > path.loss[2]


def test_position_zero_agrees_with_evaluate(weights: Path) -> None:
    """At position 0 loss and accuracy are, to the bit, those of `evaluate` on the scores."""
    path = explain_accuracy(weights=weights, range=(0, 1), steps=1)
    test = load_split("mnist-5k", "test")
    scores = SoftmaxRegression.load(weights, 784, 10).scores(test.take(slice(None))[0].astype(float))
    expected = evaluate(scores, dataset="mnist-5k", input="logits")
    assert (path.loss[0], path.accuracy[0]) == (expected.losses["cee"].value, expected.accuracy.value)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_accuracy_takes_few_values(n: int) -> None:
    """The accuracy of n examples is a multiple of 1/n, and the loss changes on every step."""
    path = explain_accuracy(direction="random", range=(-9, 9), steps=300, batch_size=n, seed=n)
    assert path.summary["accuracy"].distinct <= n + 1
    np.testing.assert_array_equal(path.accuracy * n, np.round(path.accuracy * n))
    assert path.summary["loss"].changes == 300
    assert path.summary["accuracy"].still > 0.9


def test_summary() -> None:
    """Distinct values and changes are counted, also where an earlier value returns."""
    assert PathSummary.of(np.array([1.0, 2.0, 2.0, 1.0, 1.0, 3.0]), 0.5) == PathSummary(3, 3, 0.4, 0.5)
    assert PathSummary.of(np.array([1.0, 1.0]), 0.0) == PathSummary(1, 0, 1.0, 0.0)


def test_a_weight_without_effect() -> None:
    """The weight of a pixel that is always black changes nothing, and the text states it."""
    path = explain_accuracy(weight=(0, 0), steps=10)
    assert path.summary["loss"] == path.summary["accuracy"] == PathSummary(1, 0, 1.0, 0.0)
    text = " ".join(printed(render(path.parts()[-1], 80, pictures=False, colour=False)).split())
    assert "In the middle, at 0 (the model as it was trained), both are flat: neither gives a direction" in text


def test_saved_weights(cli: Cli, tmp_path: Path) -> None:
    """Weights saved by `baseline softmax` give the same bits as training again."""
    cli(
        "baseline", "softmax", "--dataset", "mnist-5k", "--out", tmp_path / "y.npy", "--weights-out", tmp_path / "w.npz"
    )
    saved, trained = (explain_accuracy(weights=w, weight=(350, 3), steps=9) for w in (tmp_path / "w.npz", None))
    np.testing.assert_array_equal(saved.loss, trained.loss)
    expected = evaluate(np.load(tmp_path / "y.npy"), dataset="mnist-5k")
    middle = explain_accuracy(weights=tmp_path / "w.npz", range=(0, 1), steps=1)
    assert middle.loss[0] == pytest.approx(expected.losses["cee"].value, abs=1e-5)
    assert middle.accuracy[0] == expected.accuracy.value


def test_table() -> None:
    """The charts, the table and the conclusions at 80 columns."""
    assert "".join(printed(render(part, 80, pictures=False, colour=False), 80) for part in PATH.parts()) == GOLDEN


def test_json_and_csv(cli: Cli, weights: Path) -> None:
    """JSON has the numbers of the table and the curves; CSV the curves."""
    arguments = ("explain", "accuracy", "--weights", weights, "--weight", "350,3", "--range", "-1", "1", "--steps", "8")
    printed_json = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)
    assert list(printed_json) == ["schema", "accuracy"]
    accuracy = printed_json["accuracy"]
    assert list(accuracy) == [
        "dataset", "split", "n", "batch_size", "seed", "weight", "direction", "range", "steps",
        "loss", "accuracy", "path",
    ]  # fmt: skip
    assert (accuracy["weight"], accuracy["range"], accuracy["steps"], accuracy["n"]) == ([350, 3], [-1.0, 1.0], 8, 1000)
    assert list(accuracy["loss"]) == ["distinct", "changes", "still", "derivative"]
    rows = list(csv.DictReader(io.StringIO(cli(*arguments, "--format", "csv").stdout)))
    assert {name: [float(row[name]) for row in rows] for name in rows[0]} == accuracy["path"]
    assert accuracy["path"]["at"] == [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0]


def test_plot(cli: Cli, weights: Path, tmp_path: Path) -> None:
    """--plot also draws both charts to a file, and notes it on stderr."""
    arguments = ("explain", "accuracy", "--weights", weights, "--steps", "4", "--format", "csv")
    result = cli(*arguments, "--plot", tmp_path / "a.svg")
    assert result.stderr == f"drawn to {tmp_path}/a.svg\n"
    assert result.stdout == cli(*arguments).stdout
    assert "share of correct predictions</text>" in (tmp_path / "a.svg").read_text("utf-8")
    assert len([part for part in PATH.parts() if isinstance(part, Chart)]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": (784, 0)}, r"there is no weight 784,0; expected a pixel 0\.\.783 and a class 0\.\.9"),
        ({"weight": (0, 10)}, "there is no weight 0,10"),
        ({"weight": (-1, 0)}, "a weight's index is -1; expected at least 0"),
        ({"weight": (0.5, 0)}, "a weight's index is 0.5; expected a whole number"),
        ({"weight": (0, 0), "direction": "random"}, "give one of them"),
        ({"direction": "up"}, "no direction is named 'up'; they are gradient and random"),
        ({"range": (1, 1)}, r"range is 1 to 1; expected two numbers from -1e\+06 to 1e\+06, the lower first"),
        ({"range": (math.nan, 1)}, "range is nan to 1"),
        ({"range": (0, 1e300)}, r"range is 0 to 1e\+300"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"split": "all"}, "no split is named 'all'"),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str, weights: Path) -> None:
    """Arguments out of range are refused."""
    with pytest.raises(ArgumentError, match=message):
        explain_accuracy(**{"weights": weights, **options})  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--weight", "350"), 2, "350 is not I,J, a pixel and a class, such as 350,3"),
        (("--weight", "3\x1b,4"), 2, r"3\x1b,4 is not I,J"),
        (("--weight", "350,10"), 2, "there is no weight 350,10"),
        (("--range", "1"), 2, "requires 2 arguments"),
        (("--weights", "none.npz"), 1, "none.npz: No such file"),
        (("--plot", "picture.jpg"), 2, "picture.jpg ends in .jpg; expected .svg or .png"),
    ],
)
def test_wrong_input(arguments: tuple[str, ...], status: int, message: str, cli: Cli) -> None:
    """The command prints the problem, with the exit status of a usage error or of bad input."""
    result = cli("explain", "accuracy", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr
