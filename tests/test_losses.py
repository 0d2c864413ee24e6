"""The losses: values of the course, plain loops, and arithmetic with fifty digits."""

import math
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnistloss import LOSSES, cross_entropy_error, evaluate, mean_squared_error, one_hot, softmax
from mnistloss.errors import ArgumentError, InputError

GOOD = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
BAD = [0.1, 0.05, 0.1, 0.0, 0.05, 0.1, 0.0, 0.6, 0.0, 0.0]

seeds = st.integers(0, 2**32 - 1)


def random_case(seed: int, n: int = 50, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities from near certainty to near chance, some exactly 0, and labels."""
    rng = np.random.default_rng(seed)
    y = softmax(rng.normal(size=(n, k)) * 10 ** rng.uniform(-2, 1.7, size=(n, 1)))
    y[rng.random(y.shape) < 0.05] = 0.0
    return y, rng.integers(0, k, n)


@pytest.mark.parametrize(
    ("y", "mse", "cee"), [(GOOD, 0.0975, 0.510825457099338), (BAD, 0.5975, 2.302584092994546)], ids=["good", "bad"]
)
@pytest.mark.parametrize("t", [2, [2], np.uint8(2), one_hot([2])[0], one_hot([2])], ids=str)
def test_course_values(y: list[float], t: Any, mse: float, cee: float) -> None:
    """The two examples of the course have the losses of the course, for every kind of target."""
    np.testing.assert_allclose(mean_squared_error(y, t), mse, rtol=1e-14)
    np.testing.assert_allclose(cross_entropy_error(y, t), cee, rtol=1e-14)


def test_uniform_rows_cost_log_ten() -> None:
    """The uniform guess has cross-entropy ln 10 without delta, and mse 0.45."""
    y, t = np.full((7, 10), 0.1), np.arange(7)
    assert cross_entropy_error(y, t, delta=0) == pytest.approx(2.302585092994046, rel=1e-15)
    assert mean_squared_error(y, t) == pytest.approx(0.45, rel=1e-15)


def test_perfect_row_costs_minus_delta() -> None:
    """A perfect row costs -log(1 + 1e-7), and exactly 0 without delta."""
    assert cross_entropy_error([0.0, 1.0], 1) == pytest.approx(-math.log1p(1e-7), rel=1e-15)
    assert str(cross_entropy_error([0.0, 1.0], 1, delta=0)) == "0.0"


def test_true_class_without_probability() -> None:
    """delta keeps the log of 0 finite; without it the loss is infinite."""
    assert cross_entropy_error([1.0, 0.0], 1) == pytest.approx(-math.log(1e-7), rel=1e-15)
    assert cross_entropy_error([1.0, 0.0], 1, delta=0) == math.inf
    assert cross_entropy_error([1.0, 0.0], [1.0, 0.0], delta=0) == 0


def test_note_one_hot() -> None:
    """The loss of one example is the note's `-np.sum(t * np.log(y + delta))`."""
    y, t = np.array(GOOD), one_hot([2])[0].astype(np.float64)
    np.testing.assert_allclose(cross_entropy_error(y, t), -np.sum(t * np.log(y + 1e-7)), rtol=1e-13)


def test_note_batch() -> None:
    """The loss of a batch is that of the note's two functions, for one-hot rows and for labels."""
    y, t = random_case(1)
    y = y + 1e-9
    by_label = -np.sum(np.log(y[np.arange(len(y)), t])) / len(y)
    by_row = -np.sum(one_hot(t) * np.log(y)) / len(y)
    np.testing.assert_allclose(cross_entropy_error(y, t, delta=0), by_label, rtol=1e-13)
    np.testing.assert_allclose(cross_entropy_error(y, one_hot(t), delta=0), by_row, rtol=1e-13)


def test_a_loss_without_an_oracle_fails() -> None:
    """For a loss without an oracle, the error names the place to add one."""
    for score in (oracle.plain, oracle.exact):
        with pytest.raises(LookupError, match=r"the loss unheard-of has no oracle: .* tests/oracle\.py"):
            score("unheard-of", [0.5, 0.5], [1.0, 0.0], 1e-7)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=seeds, k=st.integers(2, 12), soft=st.booleans())
def test_plain_loops(name: str, seed: int, k: int, soft: bool) -> None:
    """Every loss equals plain loops over its formula, for labels and for soft rows."""
    y, labels = random_case(seed, n=7, k=k)
    rng = np.random.default_rng(seed)
    t = rng.dirichlet(np.ones(k), 7) if soft else one_hot(labels, k).astype(np.float64)
    expected = math.fsum(oracle.plain(name, list(a), list(b), 1e-7) for a, b in zip(y, t, strict=True)) / 7
    result = evaluate(y, targets=t if soft else labels, losses=[name], allow_unnormalized=True)
    np.testing.assert_allclose(result.losses[name].value, expected, rtol=1e-11)


@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
@pytest.mark.parametrize("name", LOSSES)
def test_fifty_digits(name: str, input: str) -> None:
    """Every per-example loss agrees with fifty digits to 1e-13, near certainty and near zero too."""
    rng = np.random.default_rng(11)
    scale = 10 ** rng.uniform(-3, 2, size=(150, 1))
    z = rng.normal(size=(150, 10)) * scale
    z = np.vstack([z, 30 * one_hot(np.arange(10)), [[-700.0] + [0.0] * 9]])
    labels = rng.integers(0, 10, len(z))
    labels[-11:-1] = np.arange(10)
    labels[-1] = 0
    log_p = z - z.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    y = {"probs": np.exp(log_p), "logits": z, "logprobs": np.minimum(log_p, 0)}[input]
    delta = 1e-7
    result = evaluate(y, targets=labels, losses=[name], input=input, delta=delta, reduction="none")
    expected = [oracle.exact(name, row, t, delta, input) for row, t in zip(y, one_hot(labels), strict=True)]
    values = result.losses[name].values
    assert values is not None
    errors = [abs(a - b) / abs(b) if b else abs(a) for a, b in zip(map(float, values), expected, strict=True)]
    assert max(errors) <= 1e-13


@pytest.mark.parametrize("delta", [1e-15, 1e-7, 0.3, 0.5, 0.5000001, 0.9, 2.0])
def test_fifty_digits_where_the_sum_is_near_one(delta: float) -> None:
    """log(p + delta) keeps its digits for any delta, also where the sum is near 1 and the log near 0."""
    near = [1 - delta + offset for offset in (-0.2, -1e-3, -1e-8, -1e-12, -1e-15, 0.0, 1e-9)]
    for p in [*(p for p in near if 0 < p <= 1), 1e-300, 1e-9, 0.49999999, 0.5, 0.7, 1 - 1e-16]:
        row = [p, 1 - p]
        expected = oracle.exact("cee", row, [1.0, 0.0], delta)
        assert abs(cross_entropy_error(row, 0, delta=delta) - expected) <= 1e-13 * abs(expected), p


@pytest.mark.parametrize("input", ["logits", "logprobs"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("delta", [1e-7, 0.3, 0.5, 0.9])
def test_fifty_digits_of_log_outputs_where_the_sum_is_near_one(input: str, soft: bool, delta: float) -> None:
    """log(p + delta) keeps its digits from logits and log-probabilities too, where p is beside 1 - delta."""
    for offset in (0.0, 1e-15, -1e-12, 1e-8, -1e-4, 1e-3, -0.1):
        log_p = math.log(1 - delta) + offset * delta
        rest = -math.expm1(log_p)
        row = [log_p, math.log(0.7 * rest), math.log(0.3 * rest)]
        expected = oracle.exact("cee", row, [1.0, 0.0, 0.0], delta, input)
        targets = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]]) if soft else np.array([0, 1])
        result = evaluate([row, row], targets=targets, losses="cee", input=input, delta=delta, reduction="none")
        assert result.losses["cee"].values is not None
        assert abs(result.losses["cee"].values[0] - expected) <= 1e-13 * abs(expected), offset


@pytest.mark.parametrize("input", ["logits", "logprobs"])
@pytest.mark.parametrize("name", ["mse", "brier"])
def test_fifty_digits_of_a_one_hot_row_among_soft_ones(name: str, input: str) -> None:
    """A one-hot row among soft targets has the loss of its label to 1e-13, also near certainty."""
    targets = np.array([[1.0, 0.0, 0.0], [0.4, 0.3, 0.3]])
    for score in (1.0, 5.0, 10.0, 20.0, 30.0):
        z = np.array([score, 0.5, -0.5])
        row = z if input == "logits" else z - math.log1p(math.exp(0.5 - score) + math.exp(-0.5 - score)) - score
        result = evaluate([row, row], targets=targets, losses=name, input=input, reduction="none")
        expected = oracle.exact(name, row.tolist(), [1.0, 0.0, 0.0], 0.0, input)
        values = result.losses[name].values
        assert values is not None
        assert abs(values[0] - expected) <= 1e-13 * abs(expected), score


@pytest.mark.parametrize("name", LOSSES)
def test_fifty_digits_of_a_mean(name: str) -> None:
    """The mean over several blocks agrees with fifty digits to 1e-13, for soft targets too."""
    rng = np.random.default_rng(12)
    y = rng.dirichlet(np.full(3, 0.4), 5000) + 1e-300
    t = rng.dirichlet(np.ones(3), 5000)
    expected = sum(oracle.exact(name, a, b, 1e-7) for a, b in zip(y, t, strict=True)) / 5000
    value = evaluate(y, targets=t, losses=[name]).losses[name].value
    assert abs(value - expected) <= 1e-13 * abs(expected)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
def test_one_hot_rows_among_soft_rows(name: str, input: str) -> None:
    """A row whose target is one class costs the same among soft rows as among labels."""
    y, t = random_case(4, n=20)
    y = softmax(np.log(y + 1e-3))
    targets = np.vstack([one_hot(t), softmax(np.log(y))[::-1]])
    rows = y if input == "probs" else np.log(y)
    among = evaluate(np.vstack([rows, rows]), targets=targets, losses=[name], input=input, reduction="none")
    alone = evaluate(rows, targets=t, losses=[name], input=input, reduction="none")
    costs, expected = np.array(among.losses[name].values), np.array(alone.losses[name].values)
    np.testing.assert_allclose(costs[:20], expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=seeds)
def test_integer_targets_equal_one_hot(name: str, seed: int) -> None:
    """Labels and their one-hot rows give the same bits."""
    y, t = random_case(seed)
    first, second = (
        evaluate(y, targets=targets, losses=[name], allow_unnormalized=True) for targets in (t, one_hot(t))
    )
    assert first.losses[name].value == second.losses[name].value


@given(seed=seeds)
def test_order_of_rows_does_not_matter(seed: int) -> None:
    """A permutation of the rows changes the losses by rounding only."""
    y, t = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    np.testing.assert_allclose(cross_entropy_error(y, t), cross_entropy_error(y[order], t[order]), rtol=1e-13)
    np.testing.assert_allclose(mean_squared_error(y, t), mean_squared_error(y[order], t[order]), rtol=1e-13)


@given(hnp.arrays(np.float64, (4, 5), elements=st.floats(-50, 50)), st.floats(-1000, 1000))
def test_softmax_ignores_a_shift(z: np.ndarray, shift: float) -> None:
    """Adding a constant to all scores changes no probability; rows sum to 1."""
    np.testing.assert_allclose(softmax(z + shift), softmax(z), rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(softmax(z).sum(axis=1), 1, rtol=1e-14)


def test_softmax_of_large_scores() -> None:
    """Scores whose exponentials overflow give correct probabilities."""
    np.testing.assert_allclose(softmax([1010.0, 1000.0, 990.0]), softmax([20.0, 10.0, 0.0]), rtol=1e-14)
    assert softmax([1e4, -1e4]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("k", [255, 256, 300])
def test_predicted_class_of_many(k: int) -> None:
    """The predicted class has the largest output; of equal outputs, the lowest class."""
    y = np.eye(k)[::-1]
    result = evaluate(np.maximum(y, np.roll(y, 1, axis=1)), targets=np.arange(k)[::-1], input="logits", losses="error")
    assert result.accuracy.value == (k - 1) / k


def test_ties_go_to_the_lowest_class() -> None:
    """If two classes share the largest probability, the lower one is predicted."""
    y = [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]
    result = evaluate(y, targets=[1, 1], losses=["error"], reduction="none")
    np.testing.assert_array_equal(result.losses["error"].values, [1.0, 0.0])


@pytest.mark.parametrize(
    ("y", "t", "message"),
    [
        (np.ones((10, 10)) / 10, np.zeros(9, int), "9 labels for 10 predictions"),
        (np.ones((3, 10)) / 10, [0, 10, -1], r"label 10 in row 1 is outside 0\.\.9 \(2 in all\)"),
        (np.ones((3, 10)) / 10, [0, -1, 0], "label -1 in row 1"),
        (np.ones((3, 10)) / 10, [0.0, 1.0, 2.0], "labels are integers"),
        (np.ones((10, 10)) / 10, np.zeros((10, 1), int), r"shape \(10, 1\); expected \(10,\) labels"),
        (np.ones((3, 10)) / 10, np.full((3, 10), np.nan), "NaN or infinity in row 0"),
        (np.ones((3, 1)), [0, 0, 0], r"shape \(3, 1\); expected \(N, K\)"),
        (np.ones((0, 10)), [], r"shape \(0, 10\)"),
        (np.ones((2, 2, 2)), [0, 0], r"shape \(2, 2, 2\)"),
        ([[1, 2], [3]], [0, 0], "not a rectangular array"),
        (np.array([["a", "b"]]), [0], "holds strings"),
        (np.array([[1j, 0]]), [0], "holds complex numbers"),
        (np.array([[None, 0]]), [0], "holds Python objects"),
    ],
)
@pytest.mark.parametrize("loss", [mean_squared_error, cross_entropy_error])
def test_bad_arguments(loss: object, y: object, t: object, message: str) -> None:
    """Shapes, dtypes and labels that do not fit are refused, never broadcast, wrapped or cast."""
    with pytest.raises(InputError, match=message) as error:
        loss(y, t)  # type: ignore[operator]  # both are functions
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("delta", [-1e-7, math.nan, math.inf, "1e-7", None])
def test_bad_delta(delta: object) -> None:
    """A delta that is not a finite number of 0 or more is refused."""
    with pytest.raises(ArgumentError, match="expected a number of 0 or more"):
        cross_entropy_error([0.5, 0.5], 0, delta=delta)  # type: ignore[arg-type]  # a bad type is the test


def test_formulas_take_rows_as_given() -> None:
    """The loss functions accept rows that do not sum to 1, and any K of at least 2."""
    assert mean_squared_error([[3.0, 4.0]], [0]) == pytest.approx(10.0)


def test_one_hot() -> None:
    """one_hot returns rows with a single 1 and refuses labels outside the classes."""
    np.testing.assert_array_equal(one_hot([1, 0], classes=2), [[0, 1], [1, 0]])
    with pytest.raises(InputError, match=r"label 2 in row 0 is outside 0\.\.1"):
        one_hot([2], classes=2)
    with pytest.raises(ArgumentError, match="classes is 1"):
        one_hot([0], classes=1)
    with pytest.raises(InputError, match=r"expected \(N,\)"):
        one_hot([[0]])
