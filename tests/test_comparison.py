"""Predictions against predictions: paired differences and their tests, against scipy and by their definition."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnistloss import compare, one_hot
from mnistloss.errors import InputError

LABELS = np.arange(1000) % 10
ON_5K = ("--dataset", "mnist-5k")


def cee(y: np.ndarray) -> np.ndarray:
    values: np.ndarray = -np.log(y.astype(np.float64)[np.arange(1000), LABELS] + 1e-7)
    return values


@pytest.fixture
def better(probs: np.ndarray) -> np.ndarray:
    """A little more right than `probs` on every fifth example, and a little less on others."""
    weight = np.where(np.arange(1000) % 5 == 0, 0.1, -0.0)[:, np.newaxis]
    noise = np.random.default_rng(1).dirichlet(np.ones(10), 1000)
    return (1 - weight) * probs * 0.99 + weight * 0.99 * one_hot(LABELS) + 0.01 * noise


def test_differences_are_paired(probs: np.ndarray, better: np.ndarray) -> None:
    """Mean, standard error and interval are those of the differences of the per-example losses."""
    stats = pytest.importorskip("scipy.stats")
    (found,) = compare(probs, better, dataset="mnist-5k", flips=999).differences
    differences = cee(better) - cee(probs)
    assert found.mean == pytest.approx(differences.mean(), rel=1e-9)
    assert found.stderr == pytest.approx(stats.sem(differences), rel=1e-9)
    assert found.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1), rel=1e-9)
    assert found.ci is not None
    assert found.stderr is not None
    assert found.ci == pytest.approx((found.mean - 1.959964 * found.stderr, found.mean + 1.959964 * found.stderr))


def test_identical_files(probs: np.ndarray) -> None:
    """The same predictions differ by nothing, and no test finds otherwise."""
    (found,) = compare(probs, probs.copy(), dataset="mnist-5k").differences
    assert found.mcnemar is not None
    assert (found.mean, found.p, found.mcnemar.p) == (0, 1, 1)


def test_p_values_are_reproducible_and_adjusted(probs: np.ndarray, better: np.ndarray) -> None:
    """The same seed gives the same p; of several, Holm's are no smaller than their own."""
    first, again = (compare(probs, better, better[::-1], dataset="mnist-5k", flips=500, seed=3) for _ in range(2))
    assert first.as_dict() == again.as_dict()
    assert all(difference.p_holm >= difference.p for difference in first.differences)


def test_sign_flips_agree_with_scipy(probs: np.ndarray, better: np.ndarray) -> None:
    """The p-value is that of scipy's paired permutation test, within the error of both."""
    stats = pytest.importorskip("scipy.stats")
    y = probs + (better - probs) * 0.05
    (found,) = compare(probs, y, dataset="mnist-5k", flips=4000).differences
    differences = cee(y) - cee(probs)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=4000, rng=np.random.default_rng(1)
    ).pvalue
    assert found.p == pytest.approx(expected, abs=5 * math.sqrt(0.25 / 4000) * math.sqrt(2))


def test_infinite_losses_are_refused(probs: np.ndarray) -> None:
    """A difference of infinities is no number."""
    hard = one_hot((LABELS + 1) % 10).astype(np.float64)
    with pytest.raises(InputError, match="infinit"):
        compare(probs, hard, dataset="mnist-5k", loss="nll")


def test_compare_command(cli: Cli, preds: Path, better: np.ndarray, tmp_path: Path) -> None:
    """`compare` prints and has JSON; the gate exits with 3 and says which file crossed it."""
    other = tmp_path / "other.npy"
    np.save(other, better)
    common = ("compare", preds, other, *ON_5K, "--flips", 200, "--bootstrap", 200)
    assert "other.npy" in cli(*common).stdout
    document = json.loads(cli(*common, "--format", "json").stdout, parse_constant=pytest.fail)
    (found,) = document["comparison"]["differences"]
    upper = found["ci"][1]
    assert cli(*common, "--no-worse-than", upper + 1e-6).exit_code == 0
    result = cli(*common, "--no-worse-than", upper - 1e-6)
    assert (result.exit_code, f"{other}: the difference may be" in result.stderr) == (3, True)
    assert cli("compare", preds, *ON_5K).exit_code == 2
