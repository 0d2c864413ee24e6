"""Intervals that keep their promise for skewed losses: formulas against mpmath, and simulations of what users see."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import honest
from scipy import stats as scipy_stats

from benchmarks import coverage
from mnistloss import compare, evaluate, softmax
from mnistloss.evaluation.gates import parse_gates
from mnistloss.stats import Moments, hall_interval, hall_p, t_p, t_quantile

SAMPLES = 1500
COVERAGE = {0.95: (0.92, 0.06), 0.99: (0.97, 0.03)}
DIFFERENCES = {0.95: (0.92, 0.08), 0.99: (0.94, 0.06)}
"""For each confidence level, the least coverage and the largest miss on one side among samples without a note."""

at_all_sizes = pytest.mark.parametrize("n", [300, 1000, 3000])
of_all_populations = pytest.mark.parametrize("name", coverage.POPULATIONS)


def error(share: float, n: int) -> float:
    """Two standard errors of a share that is simulated n times."""
    return 2 * math.sqrt(share * (1 - share) / n)


def check(population: coverage.Losses, n: int, promise: dict[float, tuple[float, float]]) -> None:
    samples, true = coverage.draw(population, n, SAMPLES), float(population.values.mean())
    for confidence, (least, tail) in promise.items():
        kept = [sample for sample in samples if not sample.has_note(confidence)]
        if len(kept) >= SAMPLES / 10:
            below, above = coverage.misses(kept, true, confidence)
            assert 1 - below - above >= least - error(least, len(kept))
            assert max(below, above) <= tail + error(tail, len(kept))


@at_all_sizes
@of_all_populations
def test_coverage(name: str, n: int) -> None:
    """Among samples without a note, the interval covers the mean, and misses it on neither side too often.

    The misses below are the errors of a gate such as `--fail-if 'cee.high>0.03'` at the true loss.
    """
    check(coverage.losses(name), n, COVERAGE)


@at_all_sizes
@pytest.mark.parametrize("temperature", [1.17, 1 / 1.17])
@of_all_populations
def test_differences(name: str, temperature: float, n: int) -> None:
    """A model against itself at another temperature: coverage, and few differences with the wrong sign and p <= 0.05.

    The misses below are the errors of `--no-worse-than` at the true margin.
    """
    population = coverage.differences(name, temperature)
    check(population, n, DIFFERENCES)
    true = population.values.mean()
    samples = [sample.moments for sample in coverage.draw(population, n, SAMPLES) if not sample.has_note(0.95)]
    if len(samples) >= SAMPLES / 10:
        significant = [(hall_p(m.mean, m.stderr, m.skewness_of_mean) or 1) <= 0.05 for m in samples]
        wrong = sum(s and m.mean * true < 0 for s, m in zip(significant, samples, strict=True)) / len(samples)
        assert wrong <= 0.03 + error(0.03, len(samples))


def test_the_normal_interval_breaks_the_promise() -> None:
    """The same simulation goes red with the normal interval: it is too low far too often."""
    name = "the same, logits times 2"
    population = coverage.losses(name)
    kept = [sample for sample in coverage.draw(population, 3000, SAMPLES) if not sample.has_note(0.95)]
    below, _ = coverage.misses(kept, float(population.values.mean()), 0.95, coverage.normal)
    assert below > 0.06 + error(0.06, len(kept))


def test_gates_use_the_interval() -> None:
    """`--no-worse-than` and `cee.high` hold exactly where the simulated interval ends at or below the number."""
    z, t = coverage.predictions("5 epochs, test digits")
    y, other = softmax(z), softmax(z / 1.17)
    losses, differences = coverage.losses("5 epochs, test digits"), coverage.differences("5 epochs, test digits", 1.17)
    rng = np.random.default_rng([2, 300])
    (gate,) = parse_gates([f"cee.high>{float(losses.values.mean())!r}"], ["cee"], (), per_class=False)
    for sample, difference in zip(coverage.draw(losses, 300, 20), coverage.draw(differences, 300, 20), strict=True):
        rows = rng.integers(0, len(t), 300)
        ends = coverage.hall(sample.moments, 0.95), coverage.hall(difference.moments, 0.95)
        assert ends[0] is not None
        assert ends[1] is not None
        crossed = gate.crossed(evaluate(y[rows], targets=t[rows], losses="cee").row())
        assert bool(crossed) == (ends[0][1] > losses.values.mean())
        margin = float(differences.values.mean())
        worse = compare(y[rows], other[rows], targets=t[rows]).worse_than(margin)
        assert bool(worse) == (ends[1][1] > margin)


@pytest.mark.parametrize(("loss", "name"), [("cee", "d2_log_loss_score"), ("brier", "d2_brier_score")])
def test_skill_is_what_scikit_learn_calls_d2(loss: str, name: str) -> None:
    """The skill is scikit-learn's d2_log_loss_score or d2_brier_score where delta is 0."""
    metrics = pytest.importorskip("sklearn.metrics")
    probs, labels, keywords = honest()
    probs = probs / probs.sum(axis=1, keepdims=True)
    result = evaluate(probs, losses=loss, delta=0 if loss == "cee" else None, **keywords)
    if not hasattr(metrics, name):
        pytest.skip(f"this scikit-learn has no {name}")
    assert result.losses[loss].skill == pytest.approx(getattr(metrics, name)(labels, probs), rel=1e-9)


@pytest.mark.parametrize("u", [-0.4, -0.01, 0.0, 0.01, 0.3, 0.47])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_hall_against_fifty_digits(u: float, confidence: float) -> None:
    """The ends are those of Hall's cubic, inverted with fifty digits; u = 0 gives the normal interval."""
    z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(confidence))
    ends = hall_interval(2.0, 0.5, u, confidence)
    assert ends is not None
    for end, q in zip(ends, (z, -z), strict=True):
        t = mpmath.findroot(lambda t, q=q: t + u * t**2 / 3 + mpmath.mpf(u) ** 2 * t**3 / 27 + mpmath.mpf(u) / 6 - q, q)
        assert end == pytest.approx(float(2 - 0.5 * t), rel=1e-12)


@pytest.mark.parametrize("u", [-0.4, 0.0, 0.2])
def test_p_and_interval_agree(u: float) -> None:
    """p is the level whose interval just reaches 0."""
    p = hall_p(1.3, 0.5, u)
    assert p is not None
    ends = hall_interval(1.3, 0.5, u, 1 - p)
    assert ends is not None
    assert min(map(abs, ends)) == pytest.approx(0, abs=1e-9)


def test_no_spread_has_no_p() -> None:
    """Where all differences are equal there is no p, and no interval without a standard error."""
    assert hall_p(1.0, 0.0, 0.0) is None
    assert hall_p(1.0, None, 0.0) is None
    assert hall_interval(1.0, None, 0.0, 0.95) is None


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=60), cut=st.integers(1, 59))
def test_skewness_of_merged_moments(values: list[float], cut: int) -> None:
    """The third moment merges: blocks give the skewness of all values."""
    moments = Moments.merged(Moments.of(np.array(part)) for part in (values[:cut], values[cut:]) if part)
    spread = np.std(values)
    if spread > 1e-3 * (1 + np.abs(values).max()):
        expected = ((np.array(values) - np.mean(values)) ** 3).mean() / spread**3 / math.sqrt(len(values))
        assert moments.skewness_of_mean == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("df", [1, 1.5, 2, 4, 8.37, 30, 1000])
def test_students_t_against_scipy(df: float) -> None:
    """p and quantile of Student's t are those of scipy, for fractions of degrees of freedom too."""
    for t in (0.0, 0.3, 1.0, 2.5, 10.0, 100.0):
        assert t_p(t, df) == pytest.approx(2 * scipy_stats.t.sf(t, df), rel=1e-10, abs=1e-300)
    for confidence in (0.5, 0.9, 0.95, 0.999):
        assert t_quantile(confidence, df) == pytest.approx(scipy_stats.t.ppf(0.5 + confidence / 2, df), rel=1e-9)


def test_a_note_where_the_interval_is_not_reliable() -> None:
    """Few wrong examples give a sentence that says what the interval rests on; it is no hint."""
    probs, labels, _ = honest()
    right = np.flatnonzero(probs.argmax(axis=1) == labels)[:97]
    wrong = np.flatnonzero(probs.argmax(axis=1) != labels)[:3]
    rows = np.concatenate([right, wrong])
    result = evaluate(probs[rows], targets=labels[rows])
    share = result.losses["cee"].reliability
    assert share is not None
    assert share.startswith("3 of 100 examples carry ")
    assert share.endswith(" % of the cee; the interval is likely too low")
    assert result.as_dict()["losses"]["cee"]["reliability"] == share
    assert not result.hints
    assert evaluate(probs, dataset="mnist-5k").losses["cee"].reliability is None
    (ci,) = [evaluate(probs[right], targets=labels[right]).losses["cee"]]
    assert str(ci.reliability).startswith("none of 97 examples is wrong")


def test_ends_stay_within_what_a_loss_can_be() -> None:
    """The lower end is never below the least loss, and sums are bounded by n times that."""
    y = np.tile([1.0, 0.0], (50, 1))
    y[0] = 0.4, 0.6
    for reduction, n in (("mean", 1), ("sum", 50)):
        result = evaluate(y, targets=[0] * 50, losses=["cee", "mse", "brier"], reduction=reduction, confidence=0.999)
        for name, least in (("cee", -math.log(1 + 1e-6 + 1e-7)), ("mse", 0.0), ("brier", 0.0)):
            ci = result.losses[name].ci
            assert ci is not None
            assert n * least <= ci[0] <= result.losses[name].value <= ci[1]


def test_error_and_accuracy_say_the_same() -> None:
    """The loss error has Wilson's interval, mirrored; soft targets have Hall's for both."""
    probs, labels, keywords = honest()
    result = evaluate(probs, losses="error", **keywords)
    ci, accuracy = result.losses["error"].ci, result.accuracy.ci
    assert ci is not None
    assert accuracy is not None
    assert (1 - ci[1], 1 - ci[0]) == pytest.approx(accuracy, abs=1e-15)
    assert (result.losses["error"].interval, result.accuracy.interval) == ("wilson", "wilson")
    soft = np.full((len(labels), 10), 0.01)
    soft[np.arange(len(labels)), labels] = 0.91
    result = evaluate(probs, targets=soft, losses="error")
    ci, accuracy = result.losses["error"].ci, result.accuracy.ci
    assert ci is not None
    assert accuracy is not None
    assert (1 - ci[1], 1 - ci[0]) == pytest.approx(accuracy, abs=1e-12)
    assert result.accuracy.interval == "hall"
