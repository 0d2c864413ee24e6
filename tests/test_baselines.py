"""Baselines: their losses by formula, nearest centroids in a plain loop, and training that lowers the loss."""

import math
from typing import Any

import numpy as np
import pytest
from mirror import Mirror
from small_datasets import SMALL, put_up

from mnistloss import baseline, evaluate, one_hot
from mnistloss.datasets import catalog
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CACHE_DEFAULTS
from mnistloss.errors import ArgumentError
from mnistloss.models.baselines import Baseline, fit_baseline
from mnistloss.models.softmax_regression import Progress, TrainingOptions, no_progress


def fit(name: str, options: TrainingOptions | None = None, progress: Progress = no_progress) -> Baseline:
    return fit_baseline(name, options or TrainingOptions(), "mnist-5k", CACHE_DEFAULTS, progress)


def test_uniform_and_prior() -> None:
    """On balanced classes both are the uniform guess, with the losses that the formula gives."""
    for name in ("uniform", "prior"):
        y = baseline(name, dataset="mnist-5k")
        result = evaluate(y, dataset="mnist-5k", losses=["nll", "mse"])
        assert result.losses["nll"].value == pytest.approx(math.log(10), rel=1e-14)
        assert result.losses["mse"].value == pytest.approx(0.45, rel=1e-14)


def test_prior_is_the_share_of_each_class(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prior is that of the training split, also for the test split."""
    put_up(mirror)
    monkeypatch.setitem(catalog.DATASETS, "small", SMALL._replace(mirrors=(mirror.url,)))
    np.testing.assert_array_equal(baseline("prior", dataset="small", split="test"), [[0.25, 0.25, 0.25, 0.25, 0]] * 4)


def test_centroid_predicts_the_nearest_mean() -> None:
    """The most probable class is that of the nearest class mean, computed by a plain loop."""
    train, test = load_split("mnist-5k", "train"), load_split("mnist-5k", "test")
    y = fit("centroid").predict("test")
    for image, row in zip(test.images[:50] / 255.0, y, strict=False):
        distances = [((train.images[train.labels == c].mean(axis=0) / 255 - image) ** 2).sum() for c in range(10)]
        assert row.argmax() == int(np.argmin(distances))
    np.testing.assert_allclose(y.sum(axis=1), 1)


def test_centroid_is_scaled_to_the_least_training_loss() -> None:
    """Flattening or sharpening its probabilities makes the training loss worse."""
    y = baseline("centroid", dataset="mnist-5k", split="train")
    losses = []
    for power in (0.97, 1.0, 1.03):
        changed = y**power / (y**power).sum(axis=1, keepdims=True)
        losses.append(evaluate(changed, dataset="mnist-5k", losses=["nll"]).losses["nll"].value)
    assert losses[1] < min(losses[0], losses[2])


def test_softmax_learns_and_overfits() -> None:
    """The loss falls with the epochs, beats the centroid, and is lower on train than on test."""
    calls: list[tuple[int, float]] = []
    fitted = fit("softmax", progress=lambda epoch, loss: calls.append((epoch, loss)))
    losses = fitted.epoch_losses
    assert calls == list(enumerate(losses, 1))
    assert len(losses) == 10
    assert losses[-1] < losses[1] < losses[0] < math.log(10)
    train, test = fitted.evaluate("train"), fitted.evaluate("test")
    assert train.losses["cee"].value < test.losses["cee"].value < 0.45
    centroid = fit("centroid").evaluate("test")
    assert test.losses["cee"].value < centroid.losses["cee"].value
    assert test.accuracy.value > 0.88


def test_softmax_gradient_is_that_of_the_loss() -> None:
    """One step from zero weights moves them against the numerical gradient of the cross-entropy."""
    train = load_split("mnist-5k", "train")
    options = TrainingOptions(epochs=1, learning_rate=1e-3, batch_size=len(train))
    fitted = fit("softmax", options)
    x, t = train.take(slice(None))
    by_hand = x.T @ (np.full((len(x), 10), 0.1) - one_hot(t)) / len(x)
    z = np.log(fitted.model(train.images[:20]))
    expected = -1e-3 * x[:20] @ by_hand
    np.testing.assert_allclose(
        z - z.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True), atol=2e-6
    )


def test_softmax_is_reproducible() -> None:
    """The same seed gives the same predictions, another seed others."""
    first, again, other = (baseline("softmax", dataset="mnist-5k", epochs=1, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "forest"}, "no baseline is named 'forest'; the baselines are uniform, prior, centroid, softmax"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"split": "all"}, "no split is named 'all'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    """Arguments out of range are refused."""
    with pytest.raises(ArgumentError, match=message):
        baseline(**{"name": "softmax", "dataset": "mnist-5k", **options})


def test_epoch_losses_are_means() -> None:
    """With one batch per epoch the first loss is that of the uniform guess; divergence raises an error."""
    fitted = fit("softmax", TrainingOptions(epochs=1, batch_size=4000))
    assert fitted.epoch_losses[0] == pytest.approx(math.log(10), rel=1e-6)
    with pytest.raises(ArgumentError, match="training diverged in epoch"):
        baseline("softmax", dataset="mnist-5k", learning_rate=1e38)
