"""The options of views: the declarations match the functions."""

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from mnistloss.analysis.inspect import VIEWS
from mnistloss.analysis.inspect import inspect as look
from mnistloss.errors import ArgumentError


@pytest.mark.parametrize("name", VIEWS)
def test_options_are_the_arguments(name: str) -> None:
    """The function of each view takes its options after the scores, with the declared defaults."""
    _, *arguments = inspect.signature(VIEWS[name].run).parameters.values()
    assert [(a.name, a.default, type(a.default)) for a in arguments] == [
        (option.name, option.default, type(option.default)) for option in VIEWS[name].options
    ]
    assert all(option.least <= option.default for option in VIEWS[name].options)
    assert all(option.default <= option.most for option in VIEWS[name].options)


@pytest.mark.parametrize(
    ("view", "options", "message"),
    [
        ("power", {"difference": math.nan}, "difference is nan; expected 1e-09 to 1,000,000,000"),
        ("power", {"difference": math.inf}, "difference is inf"),
        ("power", {"difference": "a"}, "difference is 'a'"),
        ("calibration", {"bins": 10**12}, "bins is 1000000000000; expected 1 to 10,000"),
        ("calibration", {"bins": 0}, "bins is 0; expected at least 1"),
        ("lens", {"batch_size": 10**13}, "batch_size is 10000000000000; expected 1 to 1,000,000"),
        ("lens", {"draws": 2.5}, "draws is 2.5; expected a whole number"),
        ("lens", {"seed": -1}, "seed is -1; expected at least 0"),
        ("worst", {"k": 0}, "k is 0; expected at least 1"),
    ],
)
def test_options_out_of_range(
    view: str, options: dict[str, Any], message: str, cli: Cli, preds: Path, probs: np.ndarray
) -> None:
    """A value out of range is refused with the range, in the library and on the command line."""
    with pytest.raises(ArgumentError, match=message):
        look(probs, view, options=options, dataset="mnist-5k")
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    result = cli("inspect", view, preds, "--dataset", "mnist-5k", *words)
    assert (result.exit_code, result.stdout) == (2, "")
