"""Signatures: printing and parsing."""

import numpy as np
import pytest
from conftest import Cli
from hypothesis import given
from hypothesis import strategies as st

from mnistloss import LOSSES, Signature, evaluate
from mnistloss.errors import ArgumentError
from mnistloss.version import __version__

hashes = st.text("0123456789abcdef", min_size=8, max_size=8)
signatures = st.builds(
    Signature,
    loss=st.sampled_from([*LOSSES, "cee+mse", "accuracy", "top-5", "cee+top-10"]),
    targets=st.builds("{}@{}".format, st.sampled_from(["mnist:test", "mnist-5k:train", "targets"]), hashes),
    n=st.integers(1, 10**9),
    predictions=hashes,
    input=st.sampled_from(["probs", "logits", "logprobs", "labels"]),
    delta=st.none() | st.floats(0, 1),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    version=st.sampled_from(["0.1.0", "1.0rc1"]),
    indices=st.none() | hashes,
    unnormalized=st.booleans(),
)


@given(signatures)
def test_round_trip(signature: Signature) -> None:
    """What is printed parses back to the same object."""
    assert Signature.parse(str(signature)) == signature


def test_format(probs: np.ndarray) -> None:
    """The signature of an evaluation, field by field."""
    result = evaluate(probs, dataset="mnist-5k", losses=["cee", "mse"])
    y = result.signature.predictions
    end = f"|mean|mnistloss:{__version__}"
    start = f"|mnist-5k:test@66e4c6de|n:1000|y:{y}|input:probs"
    assert str(result.losses["cee"].signature) == f"cee{start}|delta:1e-07{end}"
    assert str(result.losses["mse"].signature) == f"mse{start}{end}"
    assert str(result.signature) == f"cee+mse{start}|delta:1e-07{end}"
    result = evaluate(probs, dataset="mnist-5k", reduction="sum", top=[5])
    assert str(result.accuracy.signature) == f"accuracy{start}{end}"
    assert str(result.top[5].signature) == f"top-5{start}{end}"


@pytest.mark.parametrize(
    "text", ["", "cee", "cee|mnist:test@ff7bcfd4|n:ten|y:3fa1c0de|input:probs|mean|mnistloss:0.1.0"]
)
def test_not_a_signature(text: str) -> None:
    """A text that is not a signature is refused."""
    with pytest.raises(ArgumentError, match="is not a signature such as"):
        Signature.parse(text)


@given(signatures, st.data())
def test_white_space(signature: Signature, data: st.DataObject) -> None:
    """White space, such as the line breaks of a mail, does not matter."""
    text = str(signature)
    place = data.draw(st.integers(0, len(text)))
    assert Signature.parse(f" {text[:place]}\r\n  {text[place:]}\n") == signature


@pytest.mark.parametrize(
    "text",
    [
        f"cee|mnist:test@ff7bcfd4|n:{'9' * 5000}|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0",
        f"top-{'9' * 5000}|mnist:test@ff7bcfd4|n:10|y:3fa1c0de|input:probs|mean|mnistloss:0.1.0",
        f"cee|mnist:test@ff7bcfd4|n:10|y:3fa1c0de|input:probs|delta:0.{'0' * 5000}1|mean|mnistloss:0.1.0",
    ],
)
def test_thousands_of_digits(text: str, cli: Cli) -> None:
    """Numbers with thousands of digits are refused with a short message, by the command as well."""
    with pytest.raises(
        ArgumentError, match=r"9{20}.*\.\.\. is not a signature|0{20}.*\.\.\. is not a signature"
    ) as info:
        Signature.parse(text)
    assert len(str(info.value)) < 400
    result = cli("verify", text, "y.npy")
    assert (result.exit_code, result.stderr) == (2, f"Error: {info.value}\n")


def test_delta_must_be_a_number() -> None:
    """A field that does not parse is refused as a whole."""
    with pytest.raises(ArgumentError, match="is not a signature"):
        Signature.parse("cee|mnist:test@ff7bcfd4|n:10|y:3fa1c0de|input:probs|delta:x|mean|mnistloss:0.1.0")
