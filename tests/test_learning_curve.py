"""`explain learning`: the loss step by step, against plain loops and what `baseline softmax` learns."""

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
softmax regression trained on 6 examples of mnist-5k
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
    chosen = draw(len(train), examples, replace=False, words=Words(seed))
    xs, ts = (train.images[chosen].reshape(examples, 784) / 255).tolist(), train.labels[chosen].tolist()
    w, b = [[0.0] * 10 for _ in range(784)], [0.0] * 10

    def probabilities(x: list[float]) -> list[float]:
        on = [i for i, pixel in enumerate(x) if pixel]
        z = [math.fsum(x[i] * w[i][k] for i in on) + b[k] for k in range(10)]
        total = math.fsum(math.exp(score) for score in z)
        return [math.exp(score) / total for score in z]

    def mean_loss(inputs: list[list[float]], labels: list[int]) -> float:
        return math.fsum(-math.log(probabilities(x)[t]) for x, t in zip(inputs, labels, strict=True)) / len(labels)

    def look() -> tuple[float, float]:
        return mean_loss(xs, ts), mean_loss((test.images.reshape(-1, 784) / 255).tolist(), test.labels.tolist())

    batches, looks = [], [look()]
    for batch in partition(examples, size, words=Words(seed)):
        ys = [probabilities(xs[i]) for i in batch]
        batches.append(math.fsum(-math.log(y[ts[i]]) for y, i in zip(ys, batch, strict=True)) / len(batch))
        for y, i in zip(ys, batch, strict=True):
            for k in range(10):
                error = (y[k] - (k == ts[i])) / len(batch)
                b[k] -= rate * error
                for pixel, value in enumerate(xs[i]):
                    w[pixel][k] -= rate * error * value
    return batches, [*looks, look()]


def test_an_epoch_is_that_of_a_loop() -> None:
    """Each loss is that of gradient descent written out in plain loops; the last mini-batch is smaller."""
    found = explain_learning(examples=7, epochs=1, batch_size=3, learning_rate=0.3, seed=5)
    batches, (start, end) = plain_descent(7, 3, 0.3, 5)
    np.testing.assert_allclose(found.batches, batches, rtol=1e-5)
    assert [look.step for look in found.checkpoints] == [0, 1, 2, 3]
    assert (found.checkpoints[0].train, found.checkpoints[0].test) == pytest.approx(start, rel=1e-12)
    assert (found.last.train, found.last.test) == pytest.approx(end, rel=1e-5)


def test_all_examples_are_what_the_baseline_learns() -> None:
    """With every example, the mini-batches and the end are those of `baseline softmax`."""
    found = explain_learning(examples=4000, epochs=3)
    baseline = fit_baseline("softmax", TrainingOptions(epochs=3), dataset="mnist-5k")
    np.testing.assert_allclose(np.reshape(found.batches, (3, 40)).mean(axis=1), baseline.epoch_losses, rtol=1e-12)
    for split in ("train", "test"):
        nll = evaluate(baseline.predict(split), dataset="mnist-5k", losses=["nll"]).losses["nll"].value
        assert getattr(found.last, split) == pytest.approx(nll, rel=1e-12)


def test_the_splits_part() -> None:
    """By default the test loss turns while the train loss falls on; with few epochs it does not."""
    found = explain_learning()
    assert len(found.batches) == found.last.step == 1000
    assert len(found.checkpoints) == 101
    best, last = found.best, found.last
    assert 100 < best.step < 500
    assert last.train < best.train / 3
    assert last.test > best.test + 0.04
    short = explain_learning(examples=4000, epochs=2)
    assert "no overfitting yet" in printed(render(short.parts()[-1], 200, pictures=False, colour=False), 200)


def test_noise_is_that_of_a_loop() -> None:
    """It is the root mean square of mini-batch loss less train loss, over the looks before a step."""
    strays = [2.3 - 2.3, 1.5 - 1.4, 1.1 - 0.9, 0.3 - 0.6]
    assert CURVE.noise == pytest.approx(math.sqrt(sum(s * s for s in strays) / 4), rel=1e-12)
    assert explain_learning(examples=50, epochs=3, batch_size=50).noise == pytest.approx(0, abs=1e-7)


def test_the_seed_draws_everything() -> None:
    """The same seed gives the same bits, another one other examples."""
    first, again, other = (explain_learning(examples=20, epochs=1, batch_size=10, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.batches[1] != other.batches[1]


def test_progress_is_told_of_each_epoch() -> None:
    """After each epoch, its number and the loss of its last mini-batch."""
    calls: list[tuple[int, float]] = []
    found = explain_learning(examples=25, epochs=3, batch_size=10, progress=lambda *call: calls.append(call))
    assert calls == [(epoch, found.batches[3 * epoch - 1]) for epoch in (1, 2, 3)]


def test_table() -> None:
    """The chart and what it says as people see it."""
    assert "".join(printed(render(part, 60, pictures=False, colour=False), 80) for part in CURVE.parts()) == GOLDEN


def test_no_overfitting_is_said() -> None:
    """Where the test loss is lowest at the end, only strays, or rose by chance, nothing is called overfitting."""
    for end, stderr in (
        (Checkpoint(4, 0.4, 0.9), 0.0),
        (Checkpoint(4, 0.7, 1.1), 0.0),
        (Checkpoint(4, 0.4, 1.25), 0.13),
    ):
        parts = replace(CURVE, checkpoints=(*CURVE.checkpoints[:-1], end), rise_stderr=stderr).parts()
        said = printed(render(parts[-1], 200, pictures=False, colour=False), 200)
        assert f"the test loss is {end.test - end.train:.4f} above the train loss, but it did not rise" in said


def test_json_and_csv(cli: Cli) -> None:
    """JSON has what the table says and the curves, with null where there was no look; CSV has the curves."""
    arguments = ("explain", "learning", "--examples", "30", "--epochs", "150", "--batch-size", "10")
    said = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["learning"]
    assert list(said) == [
        "dataset", "examples", "test_examples", "epochs", "learning_rate", "batch_size", "seed", "steps",
        "noise", "best", "last", "rise_stderr", "overfits", "curve",
    ]  # fmt: skip
    assert (said["steps"], said["last"]["step"], said["test_examples"]) == (450, 450, 1000)
    curve = said["curve"]
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
        ({"learning_rate": 1e38}, "learning diverged in epoch 1; try a learning_rate below 1e"),
        ({"learning_rate": 1e38, "examples": 100, "epochs": 1}, "learning diverged in epoch 1"),
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
    """The command says so too, with status 2."""
    done = cli("explain", "learning", "--examples", "5000")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: cannot draw 5,000 of 4,000 examples without replacement\n"
