"""The learning curve, against gradient descent in plain loops and against `baseline softmax`."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import Cli
from test_report import printed

from mnistloss import evaluate, explain_learning
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CACHE_DEFAULTS
from mnistloss.errors import ArgumentError
from mnistloss.models.baselines import fit_baseline
from mnistloss.models.learning_curve import Checkpoint, LearningCurve
from mnistloss.models.softmax_regression import TrainingOptions
from mnistloss.report.terminal import render
from mnistloss.sampling.sampling import Words, draw, partition

CURVE = LearningCurve(
    dataset="mnist-5k", examples=6, test_examples=4, options=TrainingOptions(epochs=2, batch_size=4),
    batches=(2.3, 1.5, 1.1, 0.3),
    checkpoints=(
        Checkpoint(0, 2.3, 2.3), Checkpoint(1, 1.4, 1.6), Checkpoint(2, 0.9, 1.2),
        Checkpoint(3, 0.6, 1.0), Checkpoint(4, 0.4, 1.25),
    ),
)  # fmt: skip

GOLDEN = """\
softmax regression, 6 examples of mnist-5k
cross-entropy, nats, log scale
2.3 │⠉⠓⠒⠴⠤⣄⡀⣀⣀
    │      ⠈⠉⠑⠒⠬⠶⣂⣀⠤⠤ ⢀⣀⡀
    │             ⠈⠉⠑⠒⠒⠤⠤⣀⣉⠉ ⠐⠒⠂⡀⠤⠤ ⢀⣀⡀ ⡀         ⢀⣀ ⢀⡠⠄ ⠤⠤
    │                      ⠉⠉⠒⠒⠤⢄⣀⣀     ⠈⠉ ⠈⠉⠁ ⠉⠉ ⠈
    │                              ⠉⠉⠑⠒⠢⠤⠤⣀⣀
    │                                       ⠉⠉⠑⠒⠢⠤⢤⣀⡀
    │                                               ⠈⠉⠉⠒⠒⠤⠤⢄
0.3 │                                         ⡀
    └───────────────────────────────────────────────────────
     0             steps, one mini-batch each              4
⡀⠂⠠⠈ mini-batch   ⠤⠤⠤⠤ train   ⠤⠤ ⠠ test
mean loss

                   step   train    test  test - train
 ────────────────────────────────────────────────────
 start                0  2.3000  2.3000        0.0000
 lowest test loss     3  0.6000  1.0000        0.4000
 end                  4  0.4000  1.2500        0.8500

The loss of a mini-batch of 4 differs from the training loss by 0.1871 (r.m.s.).
Since step 3 the train loss fell by 0.2000 but the test loss rose by 0.2500:
overfitting.
"""


def plain_descent(examples: int, size: int, rate: float, seed: int) -> tuple[list[float], list[tuple[float, float]]]:
    """An epoch in plain loops: each mini-batch's loss before its step, and both losses before and after all steps."""
    train, test = load_split("mnist-5k", "train"), load_split("mnist-5k", "test")
    rows = draw(len(train), examples, replace=False, words=Words(seed))
    xs, ts = (train.images[rows].reshape(examples, 784) / 255).tolist(), train.labels[rows].tolist()
    w, b = [[0.0] * 10 for _ in range(784)], [0.0] * 10

    def probabilities(x: list[float]) -> list[float]:
        on = [i for i, pixel in enumerate(x) if pixel]
        z = [math.fsum(x[i] * w[i][k] for i in on) + b[k] for k in range(10)]
        total = math.fsum(math.exp(score) for score in z)
        return [math.exp(score) / total for score in z]

    def mean_loss(inputs: list[list[float]], labels: list[int]) -> float:
        return math.fsum(-math.log(probabilities(x)[t]) for x, t in zip(inputs, labels, strict=True)) / len(labels)

    def both() -> tuple[float, float]:
        return mean_loss(xs, ts), mean_loss((test.images.reshape(-1, 784) / 255).tolist(), test.labels.tolist())

    batches, start = [], both()
    for batch in partition(examples, size, words=Words(seed)):
        ys = [probabilities(xs[i]) for i in batch]
        batches.append(math.fsum(-math.log(y[ts[i]]) for y, i in zip(ys, batch, strict=True)) / len(batch))
        for y, i in zip(ys, batch, strict=True):
            for k in range(10):
                error = (y[k] - (k == ts[i])) / len(batch)
                b[k] -= rate * error
                for pixel, value in enumerate(xs[i]):
                    w[pixel][k] -= rate * error * value
    return batches, [start, both()]


def test_an_epoch_agrees_with_a_loop() -> None:
    """Each loss agrees with gradient descent in plain loops; the last mini-batch is smaller."""
    curve = explain_learning(examples=7, epochs=1, batch_size=3, learning_rate=0.3, seed=5)
    batches, (start, end) = plain_descent(7, 3, 0.3, 5)
    np.testing.assert_allclose(curve.batches, batches, rtol=1e-5)
    assert [checkpoint.step for checkpoint in curve.checkpoints] == [0, 1, 2, 3]
    assert (curve.checkpoints[0].train, curve.checkpoints[0].test) == pytest.approx(start, rel=1e-12)
    assert (curve.last.train, curve.last.test) == pytest.approx(end, rel=1e-5)


def test_all_examples_give_the_baseline() -> None:
    """With all examples, the epoch losses and the last checkpoint are those of `baseline softmax`."""
    curve = explain_learning(examples=4000, epochs=3)
    baseline = fit_baseline("softmax", TrainingOptions(epochs=3), "mnist-5k", CACHE_DEFAULTS)
    np.testing.assert_allclose(np.reshape(curve.batches, (3, 40)).mean(axis=1), baseline.epoch_losses, rtol=1e-12)
    for split in ("train", "test"):
        nll = evaluate(baseline.predict(split), dataset="mnist-5k", losses=["nll"]).losses["nll"].value
        assert getattr(curve.last, split) == pytest.approx(nll, rel=1e-12)


def test_overfitting() -> None:
    """By default the test loss rises again while the train loss still falls; with few epochs it does not."""
    curve = explain_learning()
    assert len(curve.batches) == curve.last.step == 1000
    assert len(curve.checkpoints) == 101
    best, last = curve.best, curve.last
    assert 100 < best.step < 500
    assert last.train < best.train / 3
    assert last.test > best.test + 0.04
    short = explain_learning(examples=4000, epochs=2)
    assert "no overfitting yet" in printed(render(short.parts()[-1], 200, pictures=False, colour=False), 200)


def test_noise_agrees_with_a_loop() -> None:
    """It is the root mean square of mini-batch loss minus train loss, over the checkpoints that a step follows."""
    differences = [2.3 - 2.3, 1.5 - 1.4, 1.1 - 0.9, 0.3 - 0.6]
    assert CURVE.noise == pytest.approx(math.sqrt(sum(d * d for d in differences) / 4), rel=1e-12)
    assert explain_learning(examples=50, epochs=3, batch_size=50).noise == pytest.approx(0, abs=1e-7)


def test_the_seed_draws_everything() -> None:
    """The same seed gives the same bits, another seed other examples."""
    first, again, other = (explain_learning(examples=20, epochs=1, batch_size=10, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.batches[1] != other.batches[1]


def test_progress() -> None:
    """Progress is called after each epoch with its number and the loss of its last mini-batch."""
    calls: list[tuple[int, float]] = []
    curve = explain_learning(examples=25, epochs=3, batch_size=10, progress=lambda *call: calls.append(call))
    assert calls == [(epoch, curve.batches[3 * epoch - 1]) for epoch in (1, 2, 3)]


def test_table() -> None:
    """The chart, the table and the conclusions in a terminal."""
    assert "".join(printed(render(part, 60, pictures=False, colour=False), 80) for part in CURVE.parts()) == GOLDEN


def test_no_overfitting() -> None:
    """A test loss that is lowest at the end, or rises with the train loss or by chance, is not called overfitting."""
    for end, stderr in (
        (Checkpoint(4, 0.4, 0.9), 0.0),
        (Checkpoint(4, 0.7, 1.1), 0.0),
        (Checkpoint(4, 0.4, 1.25), 0.13),
    ):
        parts = replace(CURVE, checkpoints=(*CURVE.checkpoints[:-1], end), rise_stderr=stderr).parts()
        text = printed(render(parts[-1], 200, pictures=False, colour=False), 200)
        assert f"the test loss is {end.test - end.train:.4f} above the train loss, but it did not rise" in text


def test_json_and_csv(cli: Cli) -> None:
    """JSON has the numbers of the table and the curves, with null between checkpoints; CSV has the curves."""
    arguments = ("explain", "learning", "--examples", "30", "--epochs", "150", "--batch-size", "10")
    learning = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["learning"]
    assert list(learning) == [
        "dataset", "examples", "test_examples", "epochs", "learning_rate", "batch_size", "seed", "steps",
        "noise", "best", "last", "rise_stderr", "overfits", "curve",
    ]  # fmt: skip
    assert (learning["steps"], learning["last"]["step"], learning["test_examples"]) == (450, 450, 1000)
    curve = learning["curve"]
    assert [len(column) for column in curve.values()] == [451] * 4
    assert [step for step in range(451) if curve["train"][step] is not None] == [*range(0, 449, 4), 450]
    rows = list(csv.DictReader(io.StringIO(cli(*arguments, "--format", "csv").stdout)))
    for name, column in curve.items():
        assert [float(row[name]) if row[name] else None for row in rows] == column


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": 0}, "examples is 0"),
        ({"examples": 4001}, "cannot draw 4,001 of 4,000 examples without replacement"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": 1e38}, "training diverged in epoch 1; try a learning_rate below 1e"),
        ({"learning_rate": 1e38, "examples": 100, "epochs": 1}, "training diverged in epoch 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "rng is -1"),
        ({"dataset": "digits"}, "digits"),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str) -> None:
    """Arguments out of range are refused."""
    with pytest.raises(ArgumentError, match=message):
        explain_learning(**options)  # type: ignore[arg-type]  # that is the test


def test_wrong_input(cli: Cli) -> None:
    """The command prints the message and exits with status 2."""
    result = cli("explain", "learning", "--examples", "5000")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: cannot draw 5,000 of 4,000 examples without replacement\n"
