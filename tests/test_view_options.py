"""The options of views: what is declared is what the functions take."""

import inspect

import pytest

from mnistloss.views import VIEWS


@pytest.mark.parametrize("name", VIEWS)
def test_options_are_the_arguments(name: str) -> None:
    """Each view's function takes its options after the examples, with the defaults that they declare."""
    _, *arguments = inspect.signature(VIEWS[name].run).parameters.values()
    assert [(a.name, a.default, type(a.default)) for a in arguments] == [
        (option.name, option.default, type(option.default)) for option in VIEWS[name].options
    ]
    assert all(option.least <= option.default for option in VIEWS[name].options)
