"""Predictions: what odd rows get, message by message."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from digits import LABELS, on_5k, refused

from mnistloss import cross_entropy_error, evaluate, one_hot
from mnistloss.errors import InputError
from mnistloss.evaluation.predictions import InMemory, PredictionShape
from mnistloss.evaluation.refusals import refuse


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
def test_not_finite(probs: np.ndarray, bad: float, input: str) -> None:
    """NaN or infinity in any row is refused; the message has the first row and how many. As a log, -inf is log 0."""
    y = probs if input == "probs" else np.log(np.maximum(probs, 1e-30))
    y[[17, 900], 4] = bad
    if (input, bad) == ("logprobs", -np.inf):
        assert "the sum is not 1 within 0.001 in 2 rows, first in row 17" in refused(y, input=input)
        return
    assert "NaN or infinity in 2 rows, first in row 17; expected finite numbers" in refused(y, input=input)


def test_infinity_is_refused_with_allow_unnormalized(probs: np.ndarray) -> None:
    """allow_unnormalized=True does not take infinities."""
    y = np.log(np.maximum(probs, 1e-30))
    y[3, 3] = np.inf
    assert "NaN or infinity in row 3" in refused(y, input="logprobs", allow_unnormalized=True)


def test_slightly_outside_is_accepted(probs: np.ndarray) -> None:
    """Rounding of up to 1e-6 outside [0, 1] is taken as it is."""
    y = one_hot(LABELS).astype(np.float64)
    y[0, :2] = 1 + 9e-7, -9e-7
    assert on_5k(y).losses["cee"].infinite == 0
    y[0] = 0
    y[0, :2] = -9e-7, 1 + 9e-7
    for name in ("cee", "nll"):
        assert on_5k(y, losses=[name]).losses[name].infinite == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: np.log(p + 1e-9) * 2 + 3, 'These look like raw scores: score these with input="logits"'),
        (lambda p: np.vstack([p[:-1], p[-1:] - 0.1]), "in row 999. The other rows are as they should be"),
        (
            lambda p: np.log(np.maximum(p, 1e-30)),
            'These look like log-probabilities: score these with input="logprobs"',
        ),
        (
            lambda p: np.rint(p * 255).astype(np.uint8),
            "The rows sum to 255, so that these look like probabilities times 255",
        ),
        (lambda p: np.hstack([p[:, :8], p[:, 8:9] + 2, p[:, 9:] - 2]), "outside [0, 1], in 1,000 rows, first in row 0"),
        (lambda p: p * 100, "look like percentages: save predictions / 100"),
        (lambda p: p * 255, "look like probabilities times 255: save predictions / 255"),
        (lambda p: np.log10(np.maximum(p, 1e-30)), "base-10 logs of probabilities: save predictions * np.log(10) and"),
        (lambda p: np.log2(np.maximum(p, 1e-30)), "base-2 logs of probabilities: save predictions * np.log(2) and"),
    ],
    ids=["logits", "one row", "logprobs", "bytes", "negative", "percent", "floats up to 255", "log10", "log2"],
)
def test_outside_of_zero_to_one(probs: np.ndarray, make: Any, message: str) -> None:
    """Values that are no probabilities are refused, with what they look like."""
    refusal = refused(make(probs))
    assert message in refusal
    assert "outside [0, 1], in" in refusal


def test_negative_probabilities_are_refused_on_their_own(probs: np.ndarray) -> None:
    """A row that sums to 1 with one value below 0 is refused, at 2e-6 already."""
    for low in (-0.4, -2e-6):
        y = probs.astype(np.float64)
        y[4] = 0.1
        y[4, :2] = low, 0.2 - low
        assert "outside [0, 1], in row 4" in refused(y)


def test_logs_of_another_base_as_log_probabilities(probs: np.ndarray) -> None:
    """Logs to the base 10 are told from natural ones; the conversion that the message advises gives the right loss."""
    y = np.log10(np.maximum(probs.astype(np.float64), 1e-300))
    assert "base-10 logs of probabilities: save predictions * np.log(10)" in refused(y, input="logprobs")
    result, expected = on_5k(y * np.log(10), input="logprobs", losses=["nll"]), on_5k(probs, losses=["nll"])
    assert result.losses["nll"].value == pytest.approx(expected.losses["nll"].value)


def test_classes_counted_from_one(probs: np.ndarray) -> None:
    """A column that is never used, and labels from 1 to K, are recognised; the advice in the message works."""
    wide = np.hstack([np.zeros((1000, 1), np.float32), probs])
    assert (
        "olumn 0 is never the largest, so that the classes may be counted from 1: save predictions[:, 1:]"
        in refused(wide)
    )
    assert on_5k(wide[:, 1:]).n == 1000
    assert "counted from 1" not in refused(wide[:, ::-1])
    for refusal in (refused(LABELS + 1, input="labels"), refused(LABELS + 1, losses=["error"])):
        assert "label 10 in row 9 is outside 0..9 (100 in all). They run from 1 to 10: count" in refusal
    with pytest.raises(InputError, match=r"targets: label 10 .* subtract 1"):
        evaluate(probs, targets=LABELS + 1)
    assert "subtract" not in refused(LABELS + 2, input="labels")


def test_positive_log_probabilities(probs: np.ndarray) -> None:
    """Values above 0 are no log-probabilities."""
    refusal = refused(probs, input="logprobs")
    assert "outside what logs of probabilities can be (at most 0)" in refusal
    assert 'These look like probabilities: score these with input="probs"' in refusal
    assert "The rows sum to 11, as probabilities times a number do, or plus a number" in refused(
        probs + 1, input="logprobs"
    )


def test_row_sums(probs: np.ndarray) -> None:
    """Rows that do not sum to 1 within 1e-3 are refused with the worst; allow_unnormalized=True takes them."""
    y = probs.astype(np.float64)
    y[5] *= 0.9
    y[7] *= 0.8
    refusal = refused(y)
    assert "the sum is not 1 within 0.001 in 2 rows, first in row 5; the worst is row 7 with 0.8" in refusal
    assert "The other rows are as they should be: correct these where they are made" in refusal
    assert "allow_unnormalized=True takes the rows as they are" in refused(
        probs * np.linspace(0.97, 1.03, len(probs))[:, np.newaxis]
    )
    result = on_5k(y, allow_unnormalized=True)
    assert result.losses["cee"].value == cross_entropy_error(y, LABELS)
    assert "|input:probs,unnormalized|" in str(result.signature)
    assert "|input:labels|" in str(on_5k(LABELS, allow_unnormalized=True, losses="error").signature)
    y[5:8] = probs[5:8] * 1.0005
    assert on_5k(y).n == 1000


def test_row_sums_of_log_probabilities(probs: np.ndarray) -> None:
    """Scores below 0 given as log-probabilities are refused."""
    assert "the sum is not 1 within 0.001 in 1,000 rows, first in row 0" in refused(-probs - 5, input="logprobs")


def test_float16_may_be_off_by_a_hundredth() -> None:
    """The tolerance on row sums is 1e-2 for float16, because of its rounding, and 1e-3 for float32."""
    y = np.full((1000, 10), 0.1)
    y[:, 0] = 0.105
    assert on_5k(y.astype(np.float16)).n == 1000
    assert "the sum is not 1 within 0.001" in refused(y.astype(np.float32))
    y[:, 0] = 0.12
    assert "the sum is not 1 within 0.01" in refused(y.astype(np.float16))


@pytest.mark.parametrize(
    ("dtype", "value", "within"), [("f2", 0.1051, True), ("f2", 0.115, False), ("f4", 0.1051, False)]
)
def test_commands_agree_on_row_sums(dtype: str, value: float, within: bool, tmp_path: Path, cli: Cli) -> None:
    """A row that sums to 1.00488 is within the tolerance of float16 in every command, with or without the option."""
    y = np.full((1000, 10), 0.1, dtype)
    y[7, 0] = value
    np.save(tmp_path / "y.npy", y)
    files = (tmp_path / "y.npy", "--dataset", "mnist-5k")
    assert cli("eval", *files, "--allow-unnormalized").exit_code == 0
    assert cli("eval", *files).exit_code == (0 if within else 1)
    strict, lenient = (cli("inspect", "calibration", *files, *o) for o in ((), ("--allow-unnormalized",)))
    assert strict.stdout == lenient.stdout.replace(",unnormalized", "")
    assert (strict.exit_code, lenient.exit_code) == ((0, 0) if within else (1, 1))
    assert ("some rows do not sum to 1" in lenient.stderr) != within


def test_big_endian_float16_has_its_tolerance() -> None:
    """The byte order of float16 does not change what is accepted."""
    y = np.full((1000, 10), 0.1)
    y[:, 0] = 0.105
    assert on_5k(y.astype(">f2")).n == 1000


def test_rows_are_counted_over_all_blocks() -> None:
    """The first and the worst row are named by their place in the file, beyond the first block too."""
    y = np.full((10_000, 4), 0.25)
    y[[5000, 9000]] *= [[1.1], [1.2]]
    with pytest.raises(InputError, match=r"2 rows, first in row 5000; the worst is row 9000 with 1\.2"):
        evaluate(y, targets=np.zeros(10_000, int))


def test_number_of_rows(probs: np.ndarray) -> None:
    """N that fits no split is refused with what would fit."""
    assert "999 predictions, but mnist-5k has train 4,000 and test 1,000; 999 would fit indices" in refused(probs[1:])
    assert 'these are of split="test", not of train' in refused(probs, split="train")
    with pytest.raises(InputError, match='1,000 would fit dataset="mnist-5k" with split="test", or indices'):
        evaluate(probs)
    with pytest.raises(InputError, match=r'4,000 predictions, but mnist has .* dataset="mnist-5k" with split="train"'):
        evaluate(np.tile(probs, (4, 1)))


def test_number_of_columns(probs: np.ndarray) -> None:
    """K that is wrong, transposed rows and superfluous axes are refused, each with its own message."""
    assert "shape (1000, 9) of float32; expected (N, 10)" in refused(probs[:, 1:])
    assert "In this order the rows sum to 1: save predictions.T" in refused(probs.T)
    assert "save predictions.reshape(-1, 10)" in refused(probs[:, np.newaxis])
    assert "shape (0, 10) of float32 has no rows" in refused(probs[:0])
    assert "counted from 1" not in refused(np.ones((0, 11)))
    with pytest.raises(InputError, match=r"shape \(10, 1000\) .* for each of 1,000 targets. In .*: save predictions.T"):
        evaluate(probs.T, targets=LABELS)
    with pytest.raises(InputError, match="10 labels for 5 predictions"):
        evaluate(probs[:5], targets=LABELS[:10])
    with pytest.raises(InputError, match=r"expected .* labels"):
        evaluate([1, 2, 3], targets=np.array(3))
    for row in (np.eye(10)[3], np.eye(10, dtype=int)[3]):
        assert evaluate(np.full((1, 10), 0.1), targets=row).n == 1
    assert "shape () of float64" in refused(np.float64(3))


@pytest.mark.parametrize("dtype", ["O", "S3", "U3", "M8[s]", "c16", "f4,i4"])
def test_refused_dtypes(dtype: str) -> None:
    """Dtypes that are not real numbers are refused."""
    assert "expected real numbers" in refused(np.zeros((1000, 10), dtype))


def test_masked_arrays_are_refused(probs: np.ndarray) -> None:
    """Masked arrays are refused."""
    assert "a masked array" in refused(np.ma.masked_less(probs, 0.01))


def test_odd_files(tmp_path: Path) -> None:
    """A gzipped file named .npy is refused; tests of the reader hold the other odd files."""
    path = tmp_path / "y.npy"
    path.write_bytes(gzip.compress(b"x"))
    assert f"{path}: gzip data" in refused(path)


def test_lying_streams_are_not_believed() -> None:
    """A header that claims too many rows or columns is refused before any row of the stream is read."""
    for shape, dtype in (((10**12,), "<i8"), ((10**9, 11), "<f4")):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
        start = stream.tell()
        stream.write(bytes(1000))
        stream.seek(0)
        with pytest.raises(InputError, match=r"1,000 labels for 1,000,000,000,000 predictions|expected \(N, 10\)"):
            evaluate(stream, **({"targets": LABELS} if len(shape) == 1 else {"dataset": "mnist-5k"}))
        assert stream.tell() == start


def test_rows_that_are_fine_at_the_second_reading(probs: np.ndarray) -> None:
    """If the second reading finds nothing wrong, the refusal says that the file was changed while it was read."""
    for kind, sums_within in (("probs", 1e-3), ("probs", None), ("logits", None)):
        error = refuse(InMemory(probs), PredictionShape(1000, 10, kind), sums_within)
        assert "was changed while it was read" in str(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("Can't call numpy() on Tensor that requires grad"), TypeError("cuda:0")]
)
def test_tensors_that_do_not_become_arrays(error: Exception) -> None:
    """They are refused in words, as predictions and as targets, with one traceback."""

    class Tensor:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise error

    for arguments in ((Tensor(), None), (np.full((2, 3), 1 / 3), Tensor())):
        with pytest.raises(InputError, match=r"Tensor does not become an array \(.*detach\(\)\.cpu\(\)") as caught:
            evaluate(arguments[0], targets=arguments[1])
        assert caught.value.__suppress_context__
