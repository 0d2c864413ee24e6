"""Signatures held against files."""

import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnistloss import evaluate, verify
from mnistloss.document import Lines
from mnistloss.errors import ArgumentError, InputError

LABELS = np.arange(1000) % 10


def test_the_file_gives_the_number(preds: Path) -> None:
    """The signature of every kind of evaluation is verified by the same file, and its number to its digits."""
    for options in ({}, {"losses": ["mse"]}, {"delta": 1e-3}, {"reduction": "sum"}, {"allow_unnormalized": True}):
        result = evaluate(preds, dataset="mnist-5k", **options)
        value = next(iter(result.losses.values())).value
        for written in (f"{value:.4f}", f"+{value:.4f}", f"{value:.3e}", f"{value:.5E}", f"{1000 * value:.1f}e-3"):
            assert verify(str(result.signature), preds, value=written).verified
        assert verify(result.signature, preds, value=repr(value)).verified
        assert verify(result.signature, preds, value=repr(math.nextafter(value, 0))).verified
        for wrong in (f"{value + 2e-4:.4f}", repr(value * (1 + 1e-14)), "1e999999999", "1e-999999999", "inf"):
            assert not verify(result.signature, preds, value=wrong).verified


def test_files_that_cannot_be_scored_like_that(tmp_path: Path, preds: Path, probs: np.ndarray, cli: Cli) -> None:
    """Other numbers of rows or columns, and other input, are differences: no, and why, in JSON too; no file is none."""
    signature = str(evaluate(preds, dataset="mnist-5k").signature)
    for name, other in (("n", probs[:-1]), ("k", probs[:, :9]), ("z", np.log(probs) - 1), ("classes", LABELS)):
        np.save(tmp_path / f"{name}.npy", other)
        found = verify(signature, tmp_path / f"{name}.npy", value="0.5")
        assert (found.verified, found.found, found.differences[0][:2]) == (
            False,
            None,
            ("predictions", "probs, n = 1,000"),
        )
        result = cli("verify", signature, tmp_path / f"{name}.npy")
        assert result.exit_code == 1
        assert f"{name}.npy does not give this number: it cannot be scored as the signature says" in result.stdout
        told = json.loads(cli("verify", signature, tmp_path / f"{name}.npy", "--format", "json").stdout)["verification"]
        assert (told["verified"], told["evaluation"]) == (False, None)
    with pytest.raises(InputError, match="No such file"):
        verify(signature, tmp_path / "missing.npy")
    with pytest.raises(ArgumentError, match="'abc' is no number"):
        verify(signature, tmp_path / "z.npy", value="abc")
    own = str(evaluate(preds, targets=LABELS).signature)
    with pytest.raises(InputError, match=r"targets: 999 labels"):
        verify(own, preds, targets=LABELS[1:])
    assert verify(signature, np.log(probs) - 1).predictions == "predictions"
    assert verify(signature, io.BytesIO((tmp_path / "z.npy").read_bytes())).predictions == "stream"


def test_any_loss_of_a_joint_signature(preds: Path) -> None:
    """The number claimed may be any of those that the signature is of, which is named."""
    result = evaluate(preds, dataset="mnist-5k", losses=["cee", "mse"])
    found = verify(result.signature, preds, value=f"{result.losses['mse'].value:.5f}")
    assert (found.verified, found.agreeing) == (True, ("mse",))


def test_accuracy_and_top_k(preds: Path) -> None:
    """Their signatures are verified like those of losses."""
    result = evaluate(preds, dataset="mnist-5k", losses=["mse"], top=[3], reduction="sum")
    for share in (result.accuracy, result.top[3]):
        assert verify(str(share.signature), preds, value=repr(share.value)).verified
        assert not verify(str(share.signature), preds, value=f"{share.value + 0.001:.4f}").verified
    both = replace(result.signature, loss="mse+top-3+accuracy")
    assert verify(str(both), preds, value=repr(result.top[3].value)).agreeing == ("top-3",)
    with pytest.raises(ArgumentError, match="no loss is named 'xyz'"):
        verify(replace(result.signature, loss="xyz"), preds)


def test_the_sentence_says_what_was_checked(preds: Path) -> None:
    """Without a number the signature is said to be of the file, and which number it is of; never more than that."""
    result = evaluate(preds, dataset="mnist-5k", losses=["cee"])
    text, value = str(result.losses["cee"].signature), result.losses["cee"].value
    other = evaluate(preds, dataset="mnist-5k", losses=["cee"], delta=1e-6).losses["cee"].value
    for signature, claimed, sentence in (
        (text, None, f"matches this signature; the number is cee {value:.12g}"),
        (text.replace("1e-07", "1e-06"), None, f"matches this signature; the number is cee {other:.12g}"),
        (text.replace("|mean|", "|none|"), None, "matches this signature; it is of every example's loss"),
        (text, f"{value:.4f}", f"gives this number, {value:.4f}: cee {value:.12g}"),
        (text, "7.5", f"does not give this number, 7.5, but cee {value:.12g}"),
        (
            re.sub(r"y:\w+", "y:00000000", text),
            f"{value:.4f}",
            "does not give this number: the signature is of something else",
        ),
    ):
        assert verify(signature, preds, value=claimed).parts()[0] == Lines((f"{preds} {sentence}",))
    with pytest.raises(ArgumentError, match="there is no number to compare"):
        verify(text.replace("|mean|", "|none|"), preds, value="1")


@pytest.mark.parametrize("field", ["n", "targets", "predictions"])
def test_no_other_difference_is_forgiven(field: str, preds: Path) -> None:
    """A signature of other rows, labels or predictions is not this file's, even where the number is the same."""
    result = evaluate(preds, dataset="mnist-5k", losses=["cee"])
    text = str(result.signature)
    changed = {"n": ("n:1000", "n:999"), "targets": ("@66e4c6de", "@00000000")}
    old, new = changed.get(field, (f"y:{result.signature.predictions}", "y:00000000"))
    found = verify(text.replace(old, new), preds, value=f"{result.losses['cee'].value:.6f}")
    assert (found.verified, [row[0] for row in found.differences]) == (False, [field])


def test_another_file_does_not(preds: Path, probs: np.ndarray) -> None:
    """One changed value is told by the hash of the predictions."""
    signature = evaluate(preds, dataset="mnist-5k").signature
    changed = probs.copy()
    changed[0, :2] = changed[0, 1::-1]
    found = verify(signature, changed)
    assert not found.verified
    assert [row[0] for row in found.differences] == ["predictions"]


def test_another_version_is_said_and_forgiven(preds: Path) -> None:
    """A signature of another release is verified, and the difference named."""
    text = str(evaluate(preds, dataset="mnist-5k").signature).replace("mnistloss:0", "mnistloss:9")
    found = verify(text, preds)
    assert found.verified
    assert [row[0] for row in found.differences] == ["version"]


def test_the_accuracy_with_the_signature_of_losses(preds: Path) -> None:
    """It is told apart from a wrong number: the signature beside it in the table is that of the losses."""
    result = evaluate(preds, dataset="mnist-5k")
    answer = verify(result.signature, preds, value=f"{result.accuracy.value:.4f}")
    assert (answer.verified, answer.conventions[0]) == (False, "the accuracy")
    assert verify(result.accuracy.signature, preds, value=f"{result.accuracy.value:.4f}").verified


def test_own_targets_and_indices(preds: Path, probs: np.ndarray) -> None:
    """Targets and indices must be named where the signature is of such, and only there."""
    own = evaluate(preds, targets=LABELS).signature
    assert verify(own, preds, targets=LABELS).verified
    assert [row[0] for row in verify(own, preds, targets=9 - LABELS).differences] == ["targets"]
    some = evaluate(probs[:3], dataset="mnist-5k", split="test", indices=[1, 2, 3]).signature
    assert verify(some, probs[:3], indices=[1, 2, 3]).verified
    assert [row[0] for row in verify(some, probs[:3], indices=[1, 2, 4]).differences] == ["indices"]
    for signature, targets in ((own, None), (some, None), (some, LABELS[:3])):
        with pytest.raises(ArgumentError, match="the signature is of"):
            verify(signature, preds, targets=targets)
    with pytest.raises(ArgumentError, match="'x' is no number"):
        verify(own, preds, targets=LABELS, value="x")
    with pytest.raises(ArgumentError, match="'nan' is no number"):
        verify(own, preds, targets=LABELS, value="nan")


def test_verify_command(cli: Cli, preds: Path) -> None:
    """`verify` exits with 0 or 1, says what differs, and has JSON."""
    signature = str(evaluate(preds, dataset="mnist-5k").signature)
    result = cli("verify", signature, preds)
    assert (result.exit_code, "matches this signature; the number" in result.stdout) == (0, True)
    wrong = re.sub(r"y:[0-9a-f]{8}", "y:00000000", signature)
    result = cli("verify", wrong, preds)
    assert (result.exit_code, "does not give this number" in result.stdout) == (1, True)
    assert "predictions  00000000" in result.stdout
    document = json.loads(cli("verify", wrong, preds, "--format", "json").stdout)
    assert (document["schema"], document["verification"]["verified"]) == (1, False)
    assert cli("verify", "nonsense", preds).exit_code == 2


def test_numbers_in_other_conventions(preds: Path, probs: np.ndarray) -> None:
    """A number of another convention does not verify; the verdict names the convention, by loops over the examples."""
    p = probs[np.arange(1000), LABELS].astype(np.float64)
    squares = ((probs - np.eye(10)[LABELS]) ** 2).sum(axis=1)
    cee = -np.log(p + 1e-7)
    means = [cee[start : start + 64].mean() for start in range(0, 1000, 64)]
    eps = np.finfo(np.float32).eps
    for loss, number, name in (
        ("cee", sum(means) / len(means), "the mean of batch means (batches of 64)"),
        ("cee", sum(means) / 1000, "the sum of batch means divided by N (batches of 64)"),
        ("cee", cee.mean() / math.log(2), "cee in bits instead of nats"),
        ("cee", cee.sum(), "cee, the sum over the examples"),
        ("cee", -np.log(p + 1e-12).mean(), "cee with delta=1e-12"),
        ("nll", -np.log(np.clip(p, eps, 1 - eps)).mean(), "clipped to the eps of float32"),
        ("mse", squares.mean() / 10, "2/K of mse"),
        ("brier", squares.mean() / 10, "1/K of brier"),
    ):
        signature = evaluate(preds, dataset="mnist-5k", losses=[loss]).losses[loss].signature
        result = verify(signature, preds, value=f"{number:.12g}")
        assert (result.verified, result.agreeing) == (False, ())
        assert any(name in convention for convention in result.conventions)
        (verdict,) = (part for part in result.parts() if isinstance(part, Lines))
        assert name in str(verdict)
        assert result.as_dict()["conventions"] == list(result.conventions)
    assert verify(signature, preds, value="0.999").conventions == ()
