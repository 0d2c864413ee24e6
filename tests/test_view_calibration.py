"""The view `calibration`: bins, Brier decomposition and temperature, against loops, scikit-learn and scipy."""

import math

import numpy as np
import pytest
from conftest import scores_of

from mnistloss import softmax
from mnistloss.analysis.calibration import MAX_TEMPERATURE, best_temperature, calibration
from mnistloss.document import Lines, charts
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def noisy(temperature: float = 1.0) -> np.ndarray:
    """Return predictions that are often right, over-confident by a temperature below 1."""
    logits = np.random.default_rng(1).normal(size=(1000, 10))
    logits[np.arange(1000), LABELS] += 2
    return softmax(logits / temperature)


def nll_at(y: np.ndarray, temperature: float) -> float:
    """Return the mean nll of softmax(log(y) / T), by a plain loop."""
    costs = []
    for row, t in zip(y.astype(np.float64), LABELS, strict=True):
        powers = [p ** (1 / temperature) for p in row]
        costs.append(-math.log(powers[t] / math.fsum(powers)))
    return math.fsum(costs) / len(costs)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_bins_are_those_of_a_loop(bins: int, probs: np.ndarray) -> None:
    """Counts, accuracies, confidences and both errors equal those of a loop over bins (low, high]."""
    result = calibration(scores_of(probs, OWN), bins)
    y = probs.astype(np.float64)
    gaps = []
    for b, bin_ in enumerate(result.bins):
        rows = [i for i in range(1000) if b / bins < y[i].max() <= (b + 1) / bins]
        assert bin_.count == len(rows)
        if rows:
            accuracy = sum(y[i].argmax() == LABELS[i] for i in rows) / len(rows)
            confidence = math.fsum(y[i].max() for i in rows) / len(rows)
            assert (bin_.accuracy, bin_.confidence) == pytest.approx((accuracy, confidence), rel=1e-12)
            gaps.append((len(rows), abs(accuracy - confidence)))
    assert sum(b.count for b in result.bins) == 1000
    assert result.ece == pytest.approx(sum(n * gap for n, gap in gaps) / 1000, rel=1e-12)
    assert result.mce == pytest.approx(max(gap for _, gap in gaps), rel=1e-12)


def test_edges_belong_to_the_lower_bin() -> None:
    """A confidence on an edge is in the bin below it; 1 is in the last bin."""
    y = [[0.5, 0.25, 0.25], [1, 0, 0], [0.75, 0.25, 0.0]]
    result = calibration(scores_of(np.array(y), DataOptions(targets=[0, 0, 1])), bins=4)
    assert [b.count for b in result.bins] == [0, 1, 1, 1]
    assert (result.bins[0].accuracy, result.bins[2].accuracy) == (None, 0.0)


@pytest.mark.parametrize("bins", [1, 3, 15, 1000])
def test_brier_decomposition_adds_up(bins: int, probs: np.ndarray) -> None:
    """reliability - resolution + uncertainty + within_bins is the score, for any number of bins."""
    brier = calibration(scores_of(probs, OWN), bins).brier
    total = brier.reliability - brier.resolution + brier.uncertainty + brier.within_bins
    assert total == pytest.approx(brier.score, abs=1e-15)
    assert min(brier.reliability, brier.resolution, brier.uncertainty) >= 0


def test_score_and_bins_of_scikit_learn(probs: np.ndarray) -> None:
    """The score is scikit-learn's binary Brier score of the top label; the bins are its calibration_curve."""
    metrics, curves = pytest.importorskip("sklearn.metrics"), pytest.importorskip("sklearn.calibration")
    y = probs.astype(np.float64)
    correct, confidence = y.argmax(axis=1) == LABELS, y.max(axis=1)
    result = calibration(scores_of(probs, OWN))
    assert result.brier.score == pytest.approx(metrics.brier_score_loss(correct, confidence), rel=1e-12)
    accuracies, confidences = curves.calibration_curve(correct, confidence, n_bins=15)
    filled = [b for b in result.bins if b.count]
    np.testing.assert_allclose([b.accuracy or 0.0 for b in filled], accuracies, rtol=1e-12)
    np.testing.assert_allclose([b.confidence or 0.0 for b in filled], confidences, rtol=1e-12)


@pytest.mark.parametrize("made_with", [0.3, 1.0, 2.5])
def test_temperature_is_the_minimum_that_scipy_finds(made_with: float) -> None:
    """The best temperature and its nll equal those of a bounded search over a plain loop."""
    optimize = pytest.importorskip("scipy.optimize")
    y = noisy(made_with)
    result = calibration(scores_of(y, OWN)).fit
    best = optimize.minimize_scalar(lambda t: nll_at(y, t), bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9})
    assert result.temperature == pytest.approx(best.x, rel=1e-6)
    assert result.in_sample == pytest.approx(best.fun, rel=1e-10)


def test_cross_fitted_halves(probs: np.ndarray) -> None:
    """Each half of the rows is scored at the temperature of the other half, which raises the nll."""
    y = noisy(0.4)
    result = calibration(scores_of(y, OWN)).fit
    even, odd = (
        calibration(scores_of(y[start::2], DataOptions(targets=LABELS[start::2]))).fit.temperature for start in (0, 1)
    )
    assert result.halves == pytest.approx((even, odd), rel=1e-9)
    costs = [-math.log(softmax(np.log(y[i]) / (even if i % 2 else odd))[LABELS[i]]) for i in range(1000)]
    assert result.cross_fitted == pytest.approx(math.fsum(costs) / 1000, rel=1e-12)
    assert result.cross_fitted is not None
    assert result.in_sample < result.cross_fitted < nll_at(y, 1)


def test_temperature_undoes_a_temperature() -> None:
    """Logits divided by c have a best temperature c times smaller, and the same nll at it."""
    warm, cold = (calibration(scores_of(noisy(c), OWN)).fit for c in (1.0, 0.25))
    assert cold.temperature == pytest.approx(4 * warm.temperature, rel=1e-9)
    assert cold.in_sample == pytest.approx(warm.in_sample, rel=1e-10)


def test_temperatures_without_a_minimum() -> None:
    """Uniform rows have temperature 1; rows that are always right or always wrong reach an end of the range."""
    t = np.array([0, 1, 1])
    assert best_temperature(np.log(np.full((2, 3), 0.5)), t) == 1.0
    assert best_temperature(np.log([[0.6, 0.4, 0.4], [0.4, 0.6, 0.6]]), t) == 1 / MAX_TEMPERATURE
    assert best_temperature(np.log([[0.4, 0.6, 0.6], [0.6, 0.4, 0.4]]), t) == MAX_TEMPERATURE


def test_hard_predictions() -> None:
    """For 0/1 rows the cost is infinite, null in JSON; the temperature follows from the error rate and the floor."""
    y = np.eye(10)[LABELS]
    y[:100] = np.roll(y[:100], 1, axis=1)
    result = calibration(scores_of(y, OWN))
    sentences = result.parts()[-1]
    assert isinstance(sentences, Lines)
    assert sum("miscalibration costs infinite" in line for line in sentences.lines) == 2
    document = result.as_dict()
    assert document["nll"]["as_given"] is None
    assert document["cost"] == {"in_sample": None, "cross_fitted": None}
    wrong = 0.9 * 9 / 0.1
    assert document["temperature"]["best"] == pytest.approx(-math.log(1e-300) / math.log(wrong), rel=1e-9)
    assert document["nll"]["in_sample"] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1 / 9), rel=1e-9)


def test_one_example_and_soft_targets() -> None:
    """A single example has no halves; soft targets are an InputError."""
    result = calibration(scores_of([[0.25, 0.75]], DataOptions(targets=[0])))
    assert (result.fit.halves, result.fit.cross_fitted) == (None, None)
    (chart,) = charts(result.parts())
    assert [(curve.x, curve.y) for curve in chart.curves] == [((0.75,), (0.0,)), ((0.0, 1.0), (0.0, 1.0))]
    assert result.as_dict()["cost"]["cross_fitted"] is None
    assert len(result.parts()) == 3
    with pytest.raises(InputError, match="soft rows"):
        calibration(scores_of([[0.5, 0.5]], DataOptions(targets=[[0.5, 0.5]])))


def test_one_bin_and_rows_that_do_not_sum_to_one(probs: np.ndarray) -> None:
    """One bin is printed in the singular; rows that do not sum to 1 are refused, even when allowed for scoring."""
    sentences = calibration(scores_of(probs, DataOptions(dataset="mnist-5k")), bins=1).parts()[-1]
    assert isinstance(sentences, Lines)
    assert ": 1 bin of equal width" in sentences.lines[0]
    options = DataOptions(dataset="mnist-5k", allow_unnormalized=True)
    assert calibration(scores_of(probs, options)).ece > 0
    with pytest.raises(InputError, match="predictions: some rows do not sum to 1; calibration needs"):
        calibration(scores_of(0.9 * probs, options))
