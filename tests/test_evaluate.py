"""`evaluate`: numbers, arguments, and the same bits for every way of reading predictions."""

import io
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import LABELS, on_5k, refused
from oracle import plain
from planted import honest

import mnistloss
from mnistloss import cross_entropy_error, evaluate, mean_squared_error, one_hot, softmax
from mnistloss.errors import ArgumentError, InputError


@pytest.mark.parametrize("k", [2, 3, 10])
def test_honest_predictions(k: int) -> None:
    """For honest predictions, probabilities or logits, losses equal those of plain loops, and there is no hint."""
    y, labels, data = honest(k)
    y = y.astype(np.float64)
    scores = np.log(y) + np.random.default_rng(k).normal(size=(len(y), 1))
    for rows, kind, delta in ((y, "probs", 1e-7), (scores, "logits", 0.0)):
        result = evaluate(rows, input=kind, losses=["cee", "nll", "mse"], **data)
        for name, loss in result.losses.items():
            costs = (plain(name, *row, delta) for row in zip(y, np.eye(k)[labels], strict=True))
            assert loss.value == pytest.approx(math.fsum(costs) / len(y), rel=1e-12)
        assert result.accuracy.value == np.mean(y.argmax(axis=1) == labels)
        assert (result.losses["cee"].signature.delta, result.losses["mse"].signature.delta) == (delta, None)
        assert result.hints == ()


def test_evaluate_agrees_with_the_loss_functions(probs: np.ndarray, preds: Path) -> None:
    """`evaluate` gives the same bits as the loss functions."""
    result = on_5k(preds)
    assert result.losses["cee"].value == cross_entropy_error(probs, LABELS)
    assert result.losses["mse"].value == mean_squared_error(probs, LABELS)


@pytest.mark.parametrize("name", mnistloss.LOSSES)
def test_ways_of_reading_change_no_bit(name: str, tmp_path: Path) -> None:
    """Memory order, byte order, a wider dtype, a file and a stream give the same bits, over several blocks."""
    rng = np.random.default_rng(2)
    y = rng.dirichlet(np.full(10, 0.3), 10_001).astype(np.float32)
    t = rng.integers(0, 10, len(y))
    expected = evaluate(y, targets=t, losses=[name]).losses[name]
    variants: list[Any] = [np.asfortranarray(y), y.astype(">f4"), y.astype(np.float64), y.astype(np.longdouble)]
    variants += [np.repeat(y, 2, axis=0)[::2], y.tolist()]
    for number, array in enumerate([y, *variants[:4]]):
        path = tmp_path / f"{number}.npy"
        np.save(path, array)
        variants += [path, io.BytesIO(path.read_bytes())]
    for variant in variants:
        loss = evaluate(variant, targets=t, losses=[name]).losses[name]
        assert (loss.value, loss.stderr, loss.ci) == (expected.value, expected.stderr, expected.ci)


def test_sums_are_exact_over_fixed_blocks() -> None:
    """Blocks have 10,000 rows, and the sums of blocks are added without rounding, which fixes the bits."""
    rng = np.random.default_rng(8)  # with this seed, blocks of 4,096, 5,000 or 50,000 rows give other bits
    y = rng.dirichlet(np.full(10, 0.1), 50_000)
    t = rng.integers(0, 10, len(y))
    values = evaluate(y, targets=t, reduction="none").losses["cee"].values
    assert values is not None
    expected = math.fsum(float(values[start : start + 10_000].sum()) for start in range(0, len(y), 10_000)) / len(y)
    assert evaluate(y, targets=t).losses["cee"].value == expected
    assert evaluate(y, targets=t, losses=["cee", "cee"]).signature.loss == "cee"


def test_one_hot_targets_give_the_same_bits_from_logits() -> None:
    """For logits, labels and one-hot rows give the same bits."""
    z = np.random.default_rng(3).normal(size=(200, 10)) * 9
    t = np.arange(200) % 10
    first, second = (evaluate(z, targets=x, input="logits", losses=["mse"]).losses["mse"] for x in (t, one_hot(t)))
    assert first.value == second.value


@pytest.mark.parametrize(
    "y",
    [
        one_hot(LABELS).astype(bool),
        one_hot(LABELS).astype(np.int64),
        one_hot(LABELS).astype(">u2"),
        np.asfortranarray(one_hot(LABELS).astype(np.float16)),
        one_hot(LABELS).astype(np.longdouble),
    ],
    ids=lambda y: str(y.dtype),
)
def test_accepted_dtypes(y: np.ndarray, tmp_path: Path) -> None:
    """One-hot predictions of every real dtype are accepted and computed in float64."""
    np.save(tmp_path / "y.npy", y)
    for source in (y, tmp_path / "y.npy"):
        result = on_5k(source)
        assert result.losses["cee"].value == pytest.approx(-math.log1p(1e-7), rel=1e-12)
        assert result.losses["mse"].value == 0


def test_predictions_are_not_changed(probs: np.ndarray) -> None:
    """Evaluating does not change the caller's array."""
    before = probs.astype(np.float64)
    y = np.asfortranarray(before)
    on_5k(y, losses=list(mnistloss.LOSSES))
    np.testing.assert_array_equal(y, before)


def test_reductions(probs: np.ndarray) -> None:
    """The sum and its standard error are N times those of the mean; "none" keeps the loss of each example."""
    mean, total, none = (on_5k(probs, reduction=r).losses["cee"] for r in ("mean", "sum", "none"))
    assert mean.stderr is not None
    assert total.stderr == pytest.approx(1000 * mean.stderr)
    assert total.value == pytest.approx(1000 * mean.value)
    assert math.isnan(none.value)
    assert none.infinite == 0
    assert none.values is not None
    np.testing.assert_allclose(none.values.mean(), mean.value, rtol=1e-13)
    assert none.values[7] == cross_entropy_error(probs[7], 7)
    assert mean.stderr == pytest.approx(none.values.std(ddof=1) / math.sqrt(1000), rel=1e-12)


def test_delta(probs: np.ndarray) -> None:
    """Only cee uses delta, inside its log."""
    assert on_5k(probs, delta=1e-3).losses["cee"].value == cross_entropy_error(probs, LABELS, delta=1e-3)
    assert on_5k(probs, delta=1e-3).losses["mse"] == on_5k(probs).losses["mse"]
    z = np.log(np.maximum(probs, 1e-30))
    np.testing.assert_allclose(
        on_5k(z, input="logits", delta=1e-3).losses["cee"].value,
        cross_entropy_error(softmax(z), LABELS, delta=1e-3),
        rtol=1e-12,
    )


def test_log_probabilities(probs: np.ndarray) -> None:
    """Log-probabilities and their exponentials have the same losses."""
    log_p = np.log(np.maximum(probs.astype(np.float64), 1e-300))
    result = on_5k(log_p, input="logprobs", losses=["nll", "brier", "error"], allow_unnormalized=True)
    expected = on_5k(np.exp(log_p), losses=["nll", "brier", "error"])
    for name, loss in result.losses.items():
        assert loss.value == pytest.approx(expected.losses[name].value, rel=1e-12)


def test_default_delta_of_log_probabilities(probs: np.ndarray) -> None:
    """For log-probabilities, the default of delta is 0."""
    y = np.log(np.maximum(probs.astype(np.float64), 1e-300))
    y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    result = on_5k(y, input="logprobs", losses=["cee", "nll"])
    assert result.losses["cee"].value == result.losses["nll"].value
    assert result.losses["cee"].signature.delta == 0


def test_infinite_losses_are_counted() -> None:
    """If a true class has probability 0, nll is infinite, null in JSON; infinite losses are counted."""
    y = one_hot(LABELS).astype(np.float64)
    y[:3] = one_hot((LABELS[:3] + 1) % 10)
    result = on_5k(y, losses=["nll", "cee"])
    assert (result.losses["nll"].value, result.losses["nll"].infinite) == (math.inf, 3)
    assert (result.losses["nll"].stderr, result.losses["nll"].ci) == (None, None)
    assert result.losses["cee"].infinite == 0
    document = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert document["losses"]["nll"]["value"] is None
    assert document["losses"]["nll"]["infinite"] == 3


@pytest.mark.filterwarnings("error")
def test_huge_logits_are_no_warning() -> None:
    """If the difference of two scores overflows, the loss is infinite and counted, without a warning."""
    z = np.full((4, 2), [1e308, -1e308])
    result = evaluate(z, targets=[0, 1, 0, 0], input="logits")
    assert result.losses["cee"].infinite == 1
    with pytest.raises(InputError, match="finite"):
        softmax([math.inf, 1.0])


def test_accuracy_looks_at_the_raw_scores() -> None:
    """The accuracy tells scores apart whose softmax is equal after rounding."""
    z = np.array([[0.0, 1e-17, -1.0]])
    assert evaluate(z, targets=[1], input="logits").accuracy.value == 1


def test_predicted_classes() -> None:
    """Predicted classes have the error only; other losses are refused with the reason."""
    classes = LABELS.copy()
    classes[:30] = (classes[:30] + 1) % 10
    for options in ({"losses": ["error"]}, {"input": "labels"}, {"input": "labels", "losses": ["error"]}):
        result = on_5k(classes, **options)
        assert (result.input, list(result.losses), result.losses["error"].value) == ("labels", ["error"], 0.03)
        assert result.accuracy.value == 0.97
    assert "cee would need a probability for every class" in refused(classes, losses=["cee"])
    assert "cee and mse would need a probability for every class" in refused(classes)
    assert "classes have the loss error only" in refused(classes, input="labels", losses=["nll"])
    assert "label 10 in row 999 is outside 0..9" in refused(np.append(classes[:-1], 10), input="labels")
    assert "expected predicted classes" in refused(np.ones((1000, 10)) / 10, input="labels")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": ["mae"]}, f"no loss is named 'mae'; the losses are {', '.join(mnistloss.LOSSES)}"),
        ({"losses": []}, "no loss is named"),
        ({"input": "scores"}, "no input is named 'scores'"),
        ({"reduction": "median"}, "no reduction is named 'median'"),
        ({"dataset": "cifar"}, "no dataset is named 'cifar'"),
        ({"split": "all"}, "no split is named 'all'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 5, "reduction": "none"}, 'batch_size needs reduction="mean" or'),
        ({"confidence": 1.0}, "confidence is 1.0; expected a number between 0 and 1"),
        ({"delta": -1.0}, "delta is -1.0"),
        ({"top": 5}, "top is 5; expected a list of numbers"),
        ({"top": (k for k in [1, 2])}, "top is <generator .*; expected a list of numbers"),
        ({"top": [11]}, "top is 11; there are 10 classes"),
        ({"top": [0.5]}, "top is 0.5; expected a whole number"),
        ({"losses": 5}, "losses is 5; expected the name of a loss"),
        ({"losses": [["cee"]]}, r"no loss is named \['cee'\]"),
        ({"seed": -1, "bootstrap": 5}, "seed is -1; expected at least 0"),
        ({"seed": 1.5, "bootstrap": 5}, "seed is 1.5; expected a whole number"),
        ({"targets": LABELS, "indices": LABELS}, "give one of them"),
    ],
)
def test_bad_arguments(probs: np.ndarray, options: dict[str, Any], message: str) -> None:
    """Bad arguments are refused, with what is possible."""
    with pytest.raises(ArgumentError, match=message):
        evaluate(probs, **{"dataset": "mnist-5k", **options})


def test_very_many_classes_take_little_memory() -> None:
    """Few rows of 10,000 classes need no table of classes by classes; references are left out."""
    y = np.full((20, 10_000), 1e-4)
    tracemalloc.start()
    try:
        result = evaluate(y, targets=np.arange(20), losses=["nll"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.losses["nll"].value == pytest.approx(np.log(1e4))
    assert result.losses["nll"].references == {}
    assert peak < 60e6


@pytest.mark.filterwarnings("error")
def test_huge_losses_are_infinite_everywhere(tmp_path: Path) -> None:
    """A loss of 1e140 or more counts as infinite in totals, classes, batches and single examples."""
    z = np.zeros((6, 2))
    z[1], z[4] = [1e200, 0], [0, 1e139]
    options: dict[str, Any] = {"targets": [0, 1, 0, 1, 0, 1], "input": "logits", "losses": "nll"}
    result = evaluate(z, **options, per_class=True, batch_size=2)
    assert (result.losses["nll"].value, result.losses["nll"].infinite) == (math.inf, 1)
    assert [row.losses["nll"] for row in result.per_class or ()] == [pytest.approx(1e139 / 3), math.inf]
    assert [batch.losses["nll"] for batch in result.batches or ()] == [math.inf, math.log(2), pytest.approx(1e139 / 2)]
    values = evaluate(z, **options, reduction="none").losses["nll"].values
    assert values is not None
    assert [values[1], values[4]] == [math.inf, 1e139]
