"""The view `power`: the examples needed to detect a difference, against scipy and a simulation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss.analysis.power import power
from mnistloss.evaluation.scoring import Scores
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10


@pytest.fixture
def examples(probs: np.ndarray) -> Scores:
    return scores_of(probs, DataOptions(dataset="mnist-5k"))


@pytest.mark.parametrize("difference", [0.001, 0.05, 0.3])
def test_numbers_are_those_of_scipy(difference: float, examples: Scores) -> None:
    """s is the standard deviation of the losses; the examples needed follow from scipy's normal quantiles."""
    stats = pytest.importorskip("scipy.stats")
    s = examples.losses("cee").std(ddof=1)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    result = power(examples, difference)
    assert result.s == pytest.approx(s, rel=1e-12)
    for design, variance in zip(result.designs, (2, 2 * 0.5, 2 * 0.1, 2 * 0.01), strict=True):
        assert design.examples_needed == math.ceil((z * s / difference) ** 2 * variance)
        assert design.detectable_difference == pytest.approx(z * s * math.sqrt(variance / 1000), rel=1e-9)


def test_needed_and_detectable_are_inverse(examples: Scores) -> None:
    """To detect what n examples detect, n are needed; a correlation reduces the number."""
    for i, design in enumerate(power(examples).designs):
        assert design.detectable_difference is not None
        assert power(examples, design.detectable_difference * (1 + 1e-9)).designs[i].examples_needed == 1000
    needed = [design.examples_needed or 0 for design in power(examples).designs]
    assert needed == sorted(needed, reverse=True)
    assert [design.correlation for design in power(examples).designs] == [None, 0.5, 0.9, 0.99]


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_power_by_simulation(correlation: float, examples: Scores) -> None:
    """Of simulated pairs of models with the detectable difference, 80 % are significantly different."""
    result = power(examples)
    (design,) = (d for d in result.designs if (d.correlation or 0.0) == correlation)
    assert result.s is not None
    assert design.detectable_difference is not None
    rng, s, n, significant = np.random.default_rng(2), result.s, 200, 0
    size = design.detectable_difference * math.sqrt(1000 / n)
    for _ in range(2000):
        common, a, b = rng.normal(size=(3, n))
        shared, own = math.sqrt(correlation), math.sqrt(1 - correlation)
        differences = s * (shared * common + own * a) - s * (shared * common + own * b) + size
        significant += abs(differences.mean()) > 1.959964 * s * math.sqrt(2 * (1 - correlation) / n)
    assert significant / 2000 == pytest.approx(0.8, abs=0.03)


def test_no_finite_standard_deviation(cli: Cli, tmp_path: Path) -> None:
    """With an infinite loss or a single example, numbers are null in JSON, and a sentence gives the reason."""
    np.save(tmp_path / "y.npy", np.eye(10)[np.roll(LABELS, 1)])
    arguments = ("inspect", "power", tmp_path / "y.npy", "--dataset", "mnist-5k", "--delta", "0")
    view = json.loads(cli(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)["views"]["power"]
    assert view["s"] is None
    assert {(d["examples_needed"], d["detectable_difference"]) for d in view["designs"]} == {(None, None)}
    assert "no finite standard deviation" in cli(*arguments).stdout
    assert power(scores_of([[0.5, 0.5]], DataOptions(targets=[0]))).s is None


def test_predicted_classes() -> None:
    """For predicted classes the loss is the error; if all are right, one example is enough."""
    result = power(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))
    assert (result.loss, result.s, result.designs[0].examples_needed) == ("error", 0.0, 1)
