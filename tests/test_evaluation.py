"""Evaluation: the main job, the policy for odd input row by row, and that no bit depends on how a file is read."""

import gzip
import io
import json
import math
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from hypothesis import given
from hypothesis import strategies as st

import mnistloss
from mnistloss import cross_entropy_error, evaluate, mean_squared_error, one_hot, softmax
from mnistloss.errors import ArgumentError, InputError, UnavailableError
from mnistloss.evaluation.predictions import InMemory, PredictionShape, refuse

LABELS = np.arange(1000) % 10
seeds = st.integers(0, 2**32 - 1)


def on_5k(predictions: Any, **options: Any) -> mnistloss.Evaluation:
    return evaluate(predictions, dataset="mnist-5k", **options)


def refused(predictions: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        on_5k(predictions, **options)
    return str(caught.value)


def test_book_network(real: Path, realdata: Path) -> None:
    """The published network scores what was computed independently in float64."""
    result = evaluate(realdata / "predictions" / "book-network-probs.npy", losses=["cee", "mse", "nll"])
    assert (result.n, result.classes, result.dataset, result.split) == (10000, 10, "mnist", "test")
    assert result.losses["cee"].value == pytest.approx(0.22454365154002318, rel=1e-12)
    assert result.losses["nll"].value == pytest.approx(0.22454422686446782, rel=1e-12)
    assert result.losses["mse"].value == pytest.approx(0.049579113009651225, rel=1e-12)
    assert result.accuracy.value == 0.9352
    assert result.hints == ()


def test_book_network_from_logits(real: Path, realdata: Path) -> None:
    """Its raw scores give the same losses up to the rounding of the file, and exactly the same accuracy."""
    result = evaluate(realdata / "predictions" / "book-network-logits.npy", input="logits", losses=["cee", "mse"])
    assert result.losses["cee"].value == pytest.approx(0.22454422686446782, rel=1e-7)
    assert result.losses["mse"].value == pytest.approx(0.049579113009651225, rel=1e-7)
    assert result.accuracy.value == 0.9352
    assert result.losses["cee"].signature.delta == 0


def test_evaluate_agrees_with_the_loss_functions(probs: np.ndarray, preds: Path) -> None:
    """The policy around them changes no bit of what the formulas give."""
    result = on_5k(preds)
    assert result.losses["cee"].value == cross_entropy_error(probs, LABELS)
    assert result.losses["mse"].value == mean_squared_error(probs, LABELS)


@pytest.mark.parametrize("name", mnistloss.LOSSES)
def test_ways_of_reading_change_no_bit(name: str, tmp_path: Path) -> None:
    """Memory order, byte order, a wider dtype, a file or a stream: the same bits, over several blocks."""
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
        found = evaluate(variant, targets=t, losses=[name]).losses[name]
        assert (found.value, found.stderr, found.ci) == (expected.value, expected.stderr, expected.ci)


def test_signature_hash_is_of_the_rows(tmp_path: Path) -> None:
    """The same rows in the same dtype have the same hash, whatever the order in memory or in the file."""
    y = np.full((1000, 10), 0.1, np.float32)
    y[3, 2:4] = 0.05, 0.15
    np.save(tmp_path / "f.npy", np.asfortranarray(y))
    found = {on_5k(p).signature.predictions for p in (y, np.asfortranarray(y), tmp_path / "f.npy")}
    assert len(found) == 1
    assert on_5k(y[::-1]).signature.predictions not in found


@given(seed=seeds, n=st.integers(1, 300), batch=st.integers(1, 320))
def test_batches_and_their_weighted_mean(seed: int, n: int, batch: int) -> None:
    """The mean of the batches' losses, weighted by size, is the loss; the plain mean of means need not be."""
    rng = np.random.default_rng(seed)
    y, t = rng.dirichlet(np.ones(10), n), rng.integers(0, 10, n)
    result = evaluate(y, targets=t, batch_size=batch)
    found = result.batches or ()
    assert [b.start for b in found] == list(range(0, n, batch))
    assert sum(b.n for b in found) == n
    weighted = math.fsum(b.n * b.losses["cee"] for b in found) / n
    np.testing.assert_allclose(weighted, result.losses["cee"].value, rtol=1e-12)
    np.testing.assert_allclose(found[0].losses["mse"], mean_squared_error(y[:batch], t[:batch]), rtol=1e-12)


def test_reductions(probs: np.ndarray) -> None:
    """The sum is N times the mean, its standard error too; none keeps a loss for each example."""
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
    """delta goes inside the log of cee, and nowhere else."""
    assert on_5k(probs, delta=1e-3).losses["cee"].value == cross_entropy_error(probs, LABELS, delta=1e-3)
    assert on_5k(probs, delta=1e-3).losses["mse"] == on_5k(probs).losses["mse"]
    z = np.log(np.maximum(probs, 1e-30))
    np.testing.assert_allclose(
        on_5k(z, input="logits", delta=1e-3).losses["cee"].value,
        cross_entropy_error(softmax(z), LABELS, delta=1e-3),
        rtol=1e-12,
    )


def test_log_probabilities(probs: np.ndarray) -> None:
    """Log-probabilities score as their exponentials do."""
    log_p = np.log(np.maximum(probs.astype(np.float64), 1e-300))
    found = on_5k(log_p, input="logprobs", losses=["nll", "brier", "error"], allow_unnormalized=True)
    expected = on_5k(np.exp(log_p), losses=["nll", "brier", "error"])
    for name, loss in found.losses.items():
        assert loss.value == pytest.approx(expected.losses[name].value, rel=1e-12)


def test_infinite_losses_are_counted() -> None:
    """Where a true class has probability 0, nll is infinite: null in JSON, with the count."""
    y = one_hot(LABELS).astype(np.float64)
    y[:3] = one_hot((LABELS[:3] + 1) % 10)
    result = on_5k(y, losses=["nll", "cee"])
    assert (result.losses["nll"].value, result.losses["nll"].infinite) == (math.inf, 3)
    assert (result.losses["nll"].stderr, result.losses["nll"].ci) == (None, None)
    assert result.losses["cee"].infinite == 0
    document = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert document["losses"]["nll"]["value"] is None
    assert document["losses"]["nll"]["infinite"] == 3


def test_soft_targets_are_used_as_given() -> None:
    """Soft rows are not turned into labels; the error is the probability that the target gives to other classes."""
    y, t = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([[0.9, 0.1], [0.5, 0.5]])
    result = evaluate(y, targets=t, losses=["cee", "mse", "error"])
    assert result.losses["mse"].value == pytest.approx((0.04 + 0.01) / 2)
    assert result.losses["error"].value == pytest.approx((0.1 + 0.5) / 2)
    assert result.losses["cee"].value == pytest.approx(-np.sum(t * np.log(y + 1e-7)) / 2)
    error = result.losses["error"]
    assert result.accuracy.interval == "normal"
    assert error.ci is not None
    assert result.accuracy.ci == pytest.approx((max(0, 1 - error.ci[1]), min(1, 1 - error.ci[0])))
    assert evaluate(y[:1], targets=t[:1]).accuracy.ci is None


# What odd input gets: the policy of the design, row by row.


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
def test_not_finite(probs: np.ndarray, bad: float, input: str) -> None:
    """NaN or infinity anywhere is refused, with the first row and how many."""
    y = probs if input == "probs" else np.log(np.maximum(probs, 1e-30))
    y[[17, 900], 4] = bad
    assert "NaN or infinity in 2 rows, first in row 17; expected finite numbers" in refused(y, input=input)


def test_slightly_outside_is_accepted(probs: np.ndarray) -> None:
    """Rounding of up to 1e-6 outside [0, 1] is taken as it is."""
    y = one_hot(LABELS).astype(np.float64)
    y[0, :2] = 1 + 9e-7, -9e-7
    assert on_5k(y).losses["cee"].infinite == 0
    y[0] = 0
    y[0, :2] = -9e-7, 1 + 9e-7
    assert on_5k(y).losses["cee"].infinite == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: np.log(p + 1e-9) * 2 + 3, "These look like raw scores: --input logits"),
        (lambda p: np.vstack([p[:-1], p[-1:] - 0.1]), "in row 999. The others are as they should be"),
        (lambda p: np.log(np.maximum(p, 1e-30)), "These look like log-probabilities: --input logprobs"),
        (lambda p: np.rint(p * 255).astype(np.uint8), "integers 0..255"),
        (lambda p: np.hstack([p[:, :8], p[:, 8:9] + 2, p[:, 9:] - 2]), "The rows sum to 1, yet a probability"),
        (lambda p: p * 100, "The rows sum to 100: these are probabilities times 100, so divide them by 100"),
        (lambda p: p * 255, "The rows sum to 255: these are probabilities times 255, so divide them by 255"),
        (lambda p: np.log10(np.maximum(p, 1e-30)), "base-10 logs of probabilities: save predictions * np.log(10), wh"),
        (lambda p: np.log2(np.maximum(p, 1e-30)), "base-2 logs of probabilities: save predictions * np.log(2), which"),
    ],
    ids=["logits", "one row", "logprobs", "bytes", "negative", "percent", "floats up to 255", "log10", "log2"],
)
def test_outside_of_zero_to_one(probs: np.ndarray, make: Any, message: str) -> None:
    """Values that are no probabilities are refused, and what they look like is said."""
    found = refused(make(probs))
    assert message in found
    assert "outside [0, 1], in" in found


def test_logs_of_another_base_as_log_probabilities(probs: np.ndarray) -> None:
    """Logs to the base 10 are told from natural ones; what is advised is accepted and scores the same."""
    y = np.log10(np.maximum(probs.astype(np.float64), 1e-300))
    assert refused(y, input="logprobs").endswith("logs of probabilities: save predictions * np.log(10)")
    found, expected = on_5k(y * np.log(10), input="logprobs", losses=["nll"]), on_5k(probs, losses=["nll"])
    assert found.losses["nll"].value == pytest.approx(expected.losses["nll"].value)


def test_classes_counted_from_one(probs: np.ndarray) -> None:
    """A column that is never used, and labels from 1 to K, are recognised; what is advised is accepted."""
    wide = np.hstack([np.zeros((1000, 1), np.float32), probs])
    assert "Column 0 is never the largest, so the classes are counted from 1: save predictions[:, 1:]" in refused(wide)
    assert on_5k(wide[:, 1:]).n == 1000
    assert "counted from 1" not in refused(wide[:, ::-1])
    for found in (refused(LABELS + 1, input="labels"), refused(LABELS + 1, losses=["error"])):
        assert "label 10 in row 9 is outside 0..9 (100 in all). They run from 1 to 10: count" in found
    with pytest.raises(InputError, match=r"targets: label 10 .* subtract 1"):
        evaluate(probs, targets=LABELS + 1)
    assert "subtract" not in refused(LABELS + 2, input="labels")


def test_positive_log_probabilities(probs: np.ndarray) -> None:
    """Values above 0 are no log-probabilities."""
    found = refused(probs, input="logprobs")
    assert "outside what logs of probabilities can be (at most 0)" in found
    assert "These look like probabilities: --input probs" in found
    assert "These look like raw scores: --input logits" in refused(probs + 1, input="logprobs")


def test_row_sums(probs: np.ndarray) -> None:
    """Rows that do not sum to 1 within 1e-3 are refused with the worst; --allow-unnormalized takes them."""
    y = probs.astype(np.float64)
    y[5] *= 0.9
    y[7] *= 0.8
    found = refused(y)
    assert "the sum is not 1 within 0.001 in 2 rows, first in row 5; the worst is row 7 with 0.8" in found
    assert "--allow-unnormalized" in found
    result = on_5k(y, allow_unnormalized=True)
    assert result.losses["cee"].value == cross_entropy_error(y, LABELS)
    assert "|input:probs,unnormalized|" in str(result.signature)
    y[5:8] = probs[5:8] * 1.0005
    assert on_5k(y).n == 1000


def test_row_sums_of_log_probabilities(probs: np.ndarray) -> None:
    """Scores below 0 given as log-probabilities are refused."""
    assert "the sum is not 1 within 0.001 in 1,000 rows, first in row 0" in refused(-probs - 5, input="logprobs")


def test_float16_may_be_off_by_a_hundredth() -> None:
    """float16 rows are given the tolerance that their rounding needs."""
    y = np.full((1000, 10), 0.1)
    y[:, 0] = 0.105
    assert on_5k(y.astype(np.float16)).n == 1000
    assert "the sum is not 1 within 0.001" in refused(y.astype(np.float32))
    y[:, 0] = 0.12
    assert "the sum is not 1 within 0.01" in refused(y.astype(np.float16))


def test_number_of_rows(probs: np.ndarray) -> None:
    """N that fits no split is refused with what would fit."""
    assert "999 predictions, but mnist-5k has train 4,000 and test 1,000; 999 would fit --indices" in refused(probs[1:])
    assert "these are of --split test, not of train" in refused(probs, split="train")
    with pytest.raises(InputError, match="1,000 would fit --dataset mnist-5k --split test, or --indices"):
        evaluate(probs)
    with pytest.raises(InputError, match=r"4,000 predictions, but mnist has .* --dataset mnist-5k --split train"):
        evaluate(np.tile(probs, (4, 1)))


def test_number_of_columns(probs: np.ndarray) -> None:
    """K that is wrong, transposed rows and superfluous axes are refused, each in its own words."""
    assert "shape (1000, 9) of float32; expected (N, 10)" in refused(probs[:, 1:])
    assert "it is transposed: save predictions.T" in refused(probs.T)
    assert "save predictions.reshape(-1, 10)" in refused(probs[:, np.newaxis])
    assert "shape (0, 10) of float32 has no rows" in refused(probs[:0])
    assert "counted from 1" not in refused(np.ones((0, 11)))
    with pytest.raises(InputError, match=r"shape \(10, 1000\) for 1,000 targets; it is transposed: save predictions.T"):
        evaluate(probs.T, targets=LABELS)
    with pytest.raises(InputError, match="10 labels for 5 predictions"):
        evaluate(probs[:5], targets=LABELS[:10])
    with pytest.raises(InputError, match=r"expected .* labels"):
        evaluate([1, 2, 3], targets=np.array(3))
    for row in (np.eye(10)[3], np.eye(10, dtype=int)[3]):
        assert evaluate(np.full((1, 10), 0.1), targets=row).n == 1
    assert "shape () of float64" in refused(np.float64(3))


def test_predicted_classes() -> None:
    """For predicted classes only the error is defined, and asking for more says why."""
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


def test_single_example() -> None:
    """A single row needs to be told of which example it is."""
    y = np.full(10, 0.1)
    assert evaluate(y, targets=[3]).n == 1
    assert evaluate(y, targets=np.float64(one_hot([3])[0])).losses["cee"].stderr is None
    assert on_5k(y, indices=[7], split="test").losses["cee"].value == cross_entropy_error(y, 7)
    assert "1 prediction, but mnist-5k has" in refused(y)
    assert "--indices" in refused(y)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.full(1000, 10), r"label 10 in row 0 is outside 0..9 \(1,000 in all\)"),
        (np.full(1000, -1), "label -1 in row 0"),
        (LABELS[1:], "999 labels for 1,000 predictions"),
        (LABELS.astype(float), "labels are integers"),
        (one_hot(LABELS)[:, 1:], r"shape \(1000, 9\); expected"),
        (one_hot(LABELS) * 0.5, "row 0 has values from 0 to 0.5 and sums to 0.5; soft targets"),
        (np.array(["7"] * 1000), "holds strings"),
    ],
)
def test_bad_targets(probs: np.ndarray, tmp_path: Path, targets: np.ndarray, message: str) -> None:
    """Targets that do not fit are refused, never wrapped, from an array and from a file."""
    np.save(tmp_path / "t.npy", targets)
    for source in (targets, tmp_path / "t.npy"):
        with pytest.raises(InputError, match=message):
            evaluate(probs, targets=source)


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


@pytest.mark.parametrize("dtype", ["O", "S3", "U3", "M8[s]", "c16", "f4,i4"])
def test_refused_dtypes(dtype: str) -> None:
    """Dtypes that are not real numbers are refused."""
    assert "expected real numbers" in refused(np.zeros((1000, 10), dtype))


def test_odd_files(tmp_path: Path) -> None:
    """A gzipped file named .npy is refused; tests of the reader hold the other odd files."""
    path = tmp_path / "y.npy"
    path.write_bytes(gzip.compress(b"x"))
    assert f"{path}: it starts with" in refused(path)


def test_indices(probs: np.ndarray, tmp_path: Path) -> None:
    """Predictions of some examples are scored against the labels of these, in the order of the indices."""
    indices = np.array([5, 999, 5, 0])
    result = on_5k(probs[:4], indices=indices, split="test")
    assert result.losses["cee"].value == cross_entropy_error(probs[:4], LABELS[indices])
    assert "|indices:" in str(result.signature)
    assert result.signature != on_5k(probs[:4], indices=indices[::-1], split="test").signature
    assert "4 predictions, but 3 indices" in refused(probs[:4], indices=indices[1:], split="test")
    assert "index 1000 in row 1 is outside 0..999" in refused(probs[:2], indices=[0, 1000], split="test")
    assert "index -1 in row 0" in refused(probs[:1], indices=[-1], split="test")
    assert "expected indices, integers" in refused(probs[:1], indices=[0.0], split="test")
    with pytest.raises(ArgumentError, match="indices alone do not say of which split"):
        on_5k(probs[:4], indices=indices)


def test_indices_of_a_saved_batch(probs: np.ndarray, tmp_path: Path) -> None:
    """A saved batch says of which dataset and split it is, and another one is refused."""
    path = tmp_path / "batch.npz"
    np.savez(path, indices=np.arange(4), dataset=np.array("mnist-5k"), split=np.array("train"))
    assert on_5k(probs[:4], indices=path).split == "train"
    assert "drawn from train, not test; add --split train" in refused(probs[:4], indices=path, split="test")
    with pytest.raises(InputError, match="drawn from mnist-5k, not mnist; add --dataset mnist-5k"):
        evaluate(probs[:4], indices=path)
    np.savez(path, x=np.arange(4))
    assert "holds no array named indices" in refused(probs[:4], indices=path)


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
        ({"batch_size": 5, "reduction": "none"}, "reduction none gives no losses of batches"),
        ({"confidence": 1.0}, "confidence is 1.0; expected a number between 0 and 1"),
        ({"delta": -1.0}, "delta is -1.0"),
        ({"top": 5}, "top is 5; expected a list, even of one"),
        ({"top": (k for k in [1, 2])}, "top is <generator .*; expected a list, even of one"),
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
    """Arguments out of range are refused with what is possible."""
    with pytest.raises(ArgumentError, match=message):
        evaluate(probs, **{"dataset": "mnist-5k", **options})


def test_labels_that_are_not_there(probs: np.ndarray) -> None:
    """Without the labels and without download the error says how to go on; nothing else is scored instead."""
    with pytest.raises(
        UnavailableError, match=r"(?s)t10k-labels-idx1-ubyte is missing, and downloading is off.*mnist-5k"
    ):
        evaluate(np.tile(probs, (10, 1)), download=False)


def test_predictions_are_not_changed(probs: np.ndarray) -> None:
    """What is handed in stays as it was."""
    before = probs.astype(np.float64)
    y = np.asfortranarray(before)
    on_5k(y, losses=list(mnistloss.LOSSES))
    np.testing.assert_array_equal(y, before)


def test_top_k(probs: np.ndarray) -> None:
    """The top-k accuracy is that of a plain loop over sorted rows, ties going to the lowest class."""
    y = np.round(probs.astype(np.float64), 1)
    result = on_5k(y, top=[1, 3, 10], allow_unnormalized=True)
    for k in (1, 3, 10):
        ranked = [sorted(range(10), key=lambda c: (-row[c], c))[:k] for row in y]
        assert result.top[k].value == np.mean([t in top for t, top in zip(LABELS, ranked, strict=True)])
    assert result.top[1].value == result.accuracy.value
    assert "these are predicted classes" in refused(LABELS, input="labels", top=[2])
    assert "need a label for each example" in refused(y, targets=np.full((1000, 10), 0.1), per_class=True)


def test_per_class(probs: np.ndarray) -> None:
    """Losses by class are those of the class alone; weighted by size they are the whole, shares add up to 1."""
    result = on_5k(probs, per_class=True)
    rows = result.per_class or ()
    for row in rows:
        alone = evaluate(probs[row.label :: 10], targets=np.full(100, row.label))
        assert row.losses["cee"] == pytest.approx(alone.losses["cee"].value, rel=1e-12)
        assert row.accuracy == pytest.approx(alone.accuracy.value)
    assert sum(row.shares["mse"] for row in rows) == pytest.approx(1)
    assert sum(row.n * row.losses["cee"] for row in rows) / 1000 == pytest.approx(result.losses["cee"].value)


def test_references(probs: np.ndarray) -> None:
    """What the uniform guess and the prior cost by formula is what files of them score; skill is against the prior."""
    t = np.random.default_rng(1).choice(10, 1000, p=np.arange(1, 11) / 55)
    prior = np.bincount(t, minlength=10) / 1000
    result = evaluate(probs, targets=t, losses=list(mnistloss.LOSSES))
    for name, p in (("uniform", np.full(10, 0.1)), ("prior", prior)):
        scored = evaluate(np.tile(p, (1000, 1)), targets=t, losses=list(mnistloss.LOSSES))
        for loss, found in result.losses.items():
            assert found.references[name] == pytest.approx(scored.losses[loss].value, rel=1e-12)
    cee = result.losses["cee"]
    assert cee.skill == pytest.approx(1 - cee.value / cee.references["prior"])
    assert evaluate(np.tile(prior, (1000, 1)), targets=t).losses["cee"].skill == pytest.approx(0, abs=1e-12)
    assert on_5k(LABELS, input="labels").losses["error"].references == {}


def test_one_example_has_no_interval() -> None:
    """Neither by the normal approximation nor by resampling what is always the same."""
    found = evaluate(np.full(10, 0.1), targets=[3], bootstrap=100).losses["cee"]
    assert (found.stderr, found.ci, found.draws) == (None, None, None)


def test_bootstrap(probs: np.ndarray) -> None:
    """Bootstrap intervals are reproducible by their seed, near the normal ones, and scaled like the value."""
    normal, one, again, other = (
        on_5k(probs, bootstrap=b, seed=s).losses["cee"].ci for b, s in ((0, 0), (2000, 1), (2000, 1), (2000, 2))
    )
    assert normal is not None
    assert one is not None
    assert one == again != other
    np.testing.assert_allclose(one, normal, atol=0.1 * (normal[1] - normal[0]))
    result = on_5k(probs, bootstrap=2000, seed=1, reduction="sum")
    said = result.losses["cee"].as_dict()
    assert (said["interval"], said["draws"], said["seed"]) == ("bootstrap", 2000, 1)
    assert (on_5k(probs).losses["cee"].as_dict()["interval"], result.accuracy.interval) == ("normal", "wilson")
    total = result.losses["cee"].ci
    assert total == pytest.approx((1000 * one[0], 1000 * one[1]), rel=1e-12)


# What a reviewer broke, or what a changed line did not turn red.


def test_fortran_targets_of_three_axes_are_refused(probs: np.ndarray, tmp_path: Path) -> None:
    """Superfluous axes are refused in either memory order."""
    np.save(tmp_path / "t.npy", np.asfortranarray(one_hot(LABELS).reshape(1000, 2, 5)))
    with pytest.raises(InputError, match=r"shape \(1000, 2, 5\)"):
        evaluate(probs, targets=tmp_path / "t.npy")


def test_big_endian_float16_has_its_tolerance() -> None:
    """The byte order of float16 does not change what is accepted."""
    y = np.full((1000, 10), 0.1)
    y[:, 0] = 0.105
    assert on_5k(y.astype(">f2")).n == 1000


def test_predicted_classes_with_own_targets() -> None:
    """A class that only the predictions have is a wrong one, not a refusal; absurd classes are refused."""
    result = evaluate([0, 1, 9], targets=[0, 1, 2], losses=["error"])
    assert result.losses["error"].value == pytest.approx(1 / 3)
    assert result.classes == 10
    for targets, message in (([0, 1, 2**62], "expected classes below 65,536"), ([0.0, math.nan, 1.0], "integers")):
        with pytest.raises(InputError, match=message):
            evaluate([0, 1, 9], targets=targets, losses=["error"])


def test_soft_targets_that_sum_to_a_little_more() -> None:
    """The accuracy stays a share where soft rows sum to 1.0005; beyond 1e-3, and below 0, rows are refused."""
    y = np.full((10_000, 2), [1.0, 0.0])
    assert evaluate(y, targets=y * 1.0005).accuracy.value == 1
    for row in ([1.005, 0.0], [1.5, -0.5]):
        with pytest.raises(InputError, match="soft targets are probabilities"):
            evaluate(y[:1], targets=[row])


def test_masked_arrays_are_refused(probs: np.ndarray) -> None:
    """A mask is not ignored."""
    assert "a masked array" in refused(np.ma.masked_less(probs, 0.01))


@pytest.mark.filterwarnings("error")
def test_huge_logits_are_no_warning() -> None:
    """Scores whose difference overflows give an infinite loss that is counted, and no warning."""
    z = np.full((4, 2), [1e308, -1e308])
    result = evaluate(z, targets=[0, 1, 0, 0], input="logits")
    assert result.losses["cee"].infinite == 1
    with pytest.raises(InputError, match="finite"):
        softmax([math.inf, 1.0])


def test_negative_probabilities_are_refused_on_their_own(probs: np.ndarray) -> None:
    """A row that sums to 1 with one value below 0 is refused, at 2e-6 already."""
    for low in (-0.4, -2e-6):
        y = probs.astype(np.float64)
        y[4] = 0.1
        y[4, :2] = low, 0.2 - low
        assert "outside [0, 1], in row 4" in refused(y)


def test_rows_are_counted_over_all_blocks() -> None:
    """The first and the worst row are named by their place in the file, beyond the first block too."""
    y = np.full((10_000, 4), 0.25)
    y[[5000, 9000]] *= [[1.1], [1.2]]
    with pytest.raises(InputError, match=r"2 rows, first in row 5000; the worst is row 9000 with 1\.2"):
        evaluate(y, targets=np.zeros(10_000, int))


def test_minus_infinity_is_refused_though_sums_are_not_looked_at(probs: np.ndarray) -> None:
    """--allow-unnormalized does not let infinities through."""
    y = np.log(np.maximum(probs, 1e-30))
    y[3, 3] = -np.inf
    assert "NaN or infinity in row 3" in refused(y, input="logprobs", allow_unnormalized=True)


def test_more_indices_than_predictions(probs: np.ndarray) -> None:
    """Each prediction needs exactly one index."""
    assert "4 predictions, but 5 indices" in refused(probs[:4], indices=np.arange(5), split="test")


def test_default_delta_of_log_probabilities(probs: np.ndarray) -> None:
    """From log-probabilities nothing is added inside the log by default."""
    y = np.log(np.maximum(probs.astype(np.float64), 1e-300))
    y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    result = on_5k(y, input="logprobs", losses=["cee", "nll"])
    assert result.losses["cee"].value == result.losses["nll"].value
    assert result.losses["cee"].signature.delta == 0


def test_accuracy_looks_at_the_raw_scores() -> None:
    """Scores that differ by less than the softmax can tell are still told apart."""
    z = np.array([[0.0, 1e-17, -1.0]])
    assert evaluate(z, targets=[1], input="logits").accuracy.value == 1


def test_sums_are_exact_over_fixed_blocks() -> None:
    """Blocks have 4096 rows and their sums are joined without rounding: these bits are part of the arithmetic."""
    rng = np.random.default_rng(4)
    y = rng.dirichlet(np.full(10, 0.1), 50_000)
    t = rng.integers(0, 10, len(y))
    values = evaluate(y, targets=t, reduction="none").losses["cee"].values
    assert values is not None
    expected = math.fsum(float(values[start : start + 4096].sum()) for start in range(0, len(y), 4096)) / len(y)
    assert evaluate(y, targets=t).losses["cee"].value == expected
    assert evaluate(y, targets=t, losses=["cee", "cee"]).signature.loss == "cee"


def test_labels_of_bools_are_refused() -> None:
    """Truth values are no classes."""
    with pytest.raises(InputError, match="labels are integers"):
        evaluate([[0.5, 0.5]] * 3, targets=np.array([True, False, True]))


def test_one_hot_targets_give_the_same_bits_from_logits() -> None:
    """Labels and one-hot rows agree to the last bit where the residual is computed from logs, too."""
    z = np.random.default_rng(3).normal(size=(200, 10)) * 9
    t = np.arange(200) % 10
    first, second = (evaluate(z, targets=x, input="logits", losses=["mse"]).losses["mse"] for x in (t, one_hot(t)))
    assert first.value == second.value


def test_results_can_be_pickled(probs: np.ndarray) -> None:
    """An evaluation can be sent to another process."""
    result = on_5k(probs, per_class=True, batch_size=300, top=[2])
    assert pickle.loads(pickle.dumps(result)) == result


def test_hostile_batches(probs: np.ndarray, tmp_path: Path) -> None:
    """A pipe, a bomb, and names that are no text or would move the cursor are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(probs[:4], indices=tmp_path / "pipe", split="test")
    path = tmp_path / "batch.npz"
    np.savez_compressed(path, indices=np.zeros(10**7, np.int64))
    assert "10,000,000 elements; expected 4 at the most" in refused(probs[:4], indices=path, split="test")
    np.savez(path, indices=np.arange(4), dataset=np.array("\x1b[31mred"), split=np.array("train"))
    assert "\x1b" not in refused(probs[:4], indices=path)
    np.savez(path, indices=np.arange(4), dataset=np.frombuffer(b"\xff" * 4, "<U1"), split=np.array("train"))
    assert "is not text" in refused(probs[:4], indices=path)


def test_sums_by_class_and_batch(probs: np.ndarray, tmp_path: Path, cli: Cli) -> None:
    """With --reduction sum the losses of classes and of batches are sums too, and say so."""
    found = on_5k(probs, reduction="sum", per_class=True, batch_size=300)
    for parts in (found.per_class, found.batches):
        assert math.fsum(part.losses["cee"] for part in parts or ()) == pytest.approx(found.losses["cee"].value)
    np.save(tmp_path / "y.npy", probs)
    options = "--dataset mnist-5k --reduction sum --per-class --batch-size 300"
    asked = ("eval", tmp_path / "y.npy", *options.split())
    printed = cli(*asked).stdout
    assert "by class, sums" in printed
    assert "4 batches in row order; their sum is the value above" in printed
    assert cli(*asked, "--format", "csv").stdout.count(",sum,") == 2 * (1 + 10 + 4)


def test_lying_streams_are_not_believed() -> None:
    """Of a stream whose header claims too much no row is taken before the claim is held against the targets."""
    for shape, dtype in (((10**12,), "<i8"), ((10**9, 11), "<f4")):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
        start = stream.tell()
        stream.write(bytes(1000))
        stream.seek(0)
        with pytest.raises(InputError, match=r"1,000 labels for 1,000,000,000,000 predictions|expected \(N, 10\)"):
            evaluate(stream, **({"targets": LABELS} if len(shape) == 1 else {"dataset": "mnist-5k"}))
        assert stream.tell() == start


def test_rows_that_are_fine_at_the_second_look(probs: np.ndarray) -> None:
    """A refusal that finds nothing wrong says that the file was changed meanwhile, whatever the input."""
    for kind, sums_within in (("probs", 1e-3), ("probs", None), ("logits", None)):
        error = refuse(InMemory(probs), PredictionShape(1000, 10, kind), sums_within)
        assert "was changed while it was read" in str(error)


def test_very_many_classes_take_little_memory() -> None:
    """Ten thousand classes of a few rows are scored without a table of classes by classes; references are left out."""
    y = np.full((20, 10_000), 1e-4)
    tracemalloc.start()
    try:
        found = evaluate(y, targets=np.arange(20), losses=["nll"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.losses["nll"].value == pytest.approx(np.log(1e4))
    assert found.losses["nll"].references == {}
    assert peak < 60e6
