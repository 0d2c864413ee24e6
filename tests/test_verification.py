"""Signatures held against files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnistloss import evaluate, verify
from mnistloss.errors import ArgumentError

LABELS = np.arange(1000) % 10


def test_the_file_gives_the_number(preds: Path) -> None:
    """The signature of every kind of evaluation is verified by the same file, and its number to its digits."""
    for options in ({}, {"losses": ["mse"]}, {"delta": 1e-3}, {"reduction": "sum"}, {"allow_unnormalized": True}):
        result = evaluate(preds, dataset="mnist-5k", **options)
        value = next(iter(result.losses.values())).value
        for written in (f"{value:.4f}", f"{value:.3e}", repr(value)):
            assert verify(str(result.signature), preds, value=written).verified
        assert not verify(result.signature, preds, value=f"{value + 1e-4:.4f}").verified


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


def test_verify_command(cli: Cli, preds: Path) -> None:
    """`verify` exits with 0 or 1, says what differs, and has JSON."""
    signature = str(evaluate(preds, dataset="mnist-5k").signature)
    result = cli("verify", signature, preds)
    assert (result.exit_code, "this file gives this number" in result.stdout) == (0, True)
    wrong = re.sub(r"y:[0-9a-f]{8}", "y:00000000", signature)
    result = cli("verify", wrong, preds)
    assert (result.exit_code, "this file does not give this number" in result.stdout) == (1, True)
    assert "predictions  00000000" in result.stdout
    document = json.loads(cli("verify", wrong, preds, "--format", "json").stdout)
    assert (document["schema"], document["verification"]["verified"]) == (1, False)
    assert cli("verify", "nonsense", preds).exit_code == 2
