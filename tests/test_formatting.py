"""Numbers as text."""

import pytest

from mnistloss import formatting


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.loss(0.22454365154), "0.2245437"),
        (formatting.loss(-1e-9), "-1.000000e-09"),
        (formatting.loss(-0.0), "0.0000000"),
        (formatting.loss(float("nan")), "-"),
        (formatting.loss(float("inf")), "infinite"),
        (formatting.share(0.9352, 10000), "0.9352"),
        (formatting.share(0.93006667, 60000), "0.93007"),
        (formatting.share(1.0, 1), "1.00"),
        (formatting.share(0.25, 4), "0.25"),
        (formatting.share(0.9, 1000, 10000), "0.9000"),
        (formatting.share(0.12345, 100), "0.1234500"),
        (formatting.stderr(0.0067341), "0.0067"),
        (formatting.stderr(12.3), "12"),
        (formatting.stderr(0.0), "0"),
        (formatting.stderr(3e-17), "0"),
        (formatting.stderr(3e-9), "0.0000000030"),
        (formatting.interval((0.0029393, 0.0029393), 0.0), "0.0029393 to 0.0029393"),
        (formatting.interval((2.302585092994, 2.302585092995), 3e-17), "2.3025851 to 2.3025851"),
        (formatting.level(0.95), "95 %"),
        (formatting.level(0.07), "7 %"),
        (formatting.level(0.9999999), "99.99999 %"),
        (formatting.stderr(None), "-"),
        (formatting.interval((0.2113450, 0.2377422), 0.0067341), "0.2113 to 0.2377"),
        (formatting.interval((-1e-9, 0.5), 0.1), "0.00 to 0.50"),
        (formatting.interval(None), "-"),
        (formatting.delta(1e-7), "1e-7"),
        (formatting.delta(0.0), "0"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    """Numbers have the digits that the data support."""
    assert text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('These look like raw scores: input="logits"', "These look like raw scores: --input logits"),
        ('losses="error", or split="train".', "--loss error, or --split train."),
        ("indices=FILE; targets=t-1.npy", "--indices FILE; targets=t-1.npy"),
        ("(allow_unnormalized=True) delta=1e-7:", "(--allow-unnormalized) --delta 1e-7:"),
        ('array="it\'s x" dataset="fashion-mnist"', "--array 'it'\"'\"'s x' --dataset fashion-mnist"),
        ("delta=1e-7.npy runs/split=test/y.npy x,delta=1e-7", "delta=1e-7.npy runs/split=test/y.npy x,delta=1e-7"),
        ("delta = 1e-7 and input=logits", "delta = 1e-7 and input=logits"),
    ],
)
def test_options(text: str, expected: str) -> None:
    """Keywords of the library become options, names of files that look alike stay."""
    assert formatting.as_options(text) == expected
