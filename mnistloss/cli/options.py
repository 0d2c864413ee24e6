"""Options that several commands share, and the parameter types behind them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from mnistloss.errors import check_installed
from mnistloss.formatting import shown

F = TypeVar("F", bound=Callable[..., Any])


class OneOf(click.Choice):  # type: ignore[type-arg]  # before click 8.2 it takes none
    """A choice of the names in a registry of the library, which is imported only when they are needed."""

    def __init__(self, module: str, registry: str) -> None:
        self._module, self._registry = module, registry
        self.case_sensitive = True

    @property
    def choices(self) -> Sequence[str]:  # type: ignore[override]  # click assigns it; here it is looked up
        return tuple(getattr(importlib.import_module(self._module), self._registry))


class _File(click.Path):
    """A path; an empty one, such as an unset shell variable gives, is refused instead of meaning this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class Destination(click.Path):
    """A file to write; a missing folder or a wrong suffix is refused before any work is done."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(path_type=Path)
        self._suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check the name and its folder."""
        path = Path(value)
        if not path.name:
            self.fail(f"{shown(value) or 'an empty name'} names no file", param, ctx)
        if path.suffix not in self._suffixes:
            expected = " or ".join(suffix or "no suffix, for a folder" for suffix in self._suffixes)
            self.fail(f"{shown(path)} ends in {path.suffix or 'no suffix'}; expected {expected}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"the folder {shown(path.parent)} does not exist", param, ctx)
        return path


class Drawing(Destination):
    """A picture to write; a missing drawing package is refused before any work is done."""

    def __init__(self, package: str, *suffixes: str) -> None:
        super().__init__(*suffixes)
        self._package = package

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check the name, its folder and the package."""
        check_installed("drawing", self._package)
        return super().convert(value, param, ctx)


DATASET = OneOf("mnistloss.datasets.catalog", "DATASETS")
LOSS = OneOf("mnistloss.losses.losses", "LOSSES")
INPUT = OneOf("mnistloss.evaluation.predictions", "INPUTS")
FILE = _File(path_type=Path)
SPLIT = click.Choice(["train", "test"])
FROM_ZERO, FROM_ONE = click.IntRange(min=0), click.IntRange(min=1)
POSITIVE = click.FloatRange(min=0, min_open=True)

dataset = click.option("--dataset", type=DATASET, default="mnist", help="Name of the data set.")
offline = click.option("--offline", is_flag=True, help="Open no network connection, as with MNISTLOSS_OFFLINE=1.")
cache_dir = click.option(
    "--cache-dir", type=FILE, help="Cache folder.  [default: MNISTLOSS_CACHE, or the platform's cache folder]"
)
input_ = click.option("--input", type=INPUT, default="probs", help="Kind of numbers that the predictions are.")
delta = click.option(
    "--delta", type=float, help="Number added inside the log of cee.  [default: 1e-7 for probs, else 0]"
)
allow_unnormalized = click.option(
    "--allow-unnormalized", is_flag=True, help="Take rows that do not sum to 1 as they are."
)
losses = click.option(
    "--loss", "losses", multiple=True, type=LOSS, help="Loss to compute; repeatable.  [default: cee and mse]"
)
confidence = click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    help="Confidence level of the intervals.",
)
seed = click.option("--seed", type=FROM_ZERO, help="Seed of the draw.  [default: a new one, which is printed]")
predictions = click.argument("predictions", type=click.Path(path_type=str), metavar="PREDS.npy")


def data(command: F) -> F:
    """Add the options of what predictions are of and how they are read; the command takes them as one dict `data`."""
    chosen = (
        dataset,
        click.option(
            "--split",
            type=click.Choice(["auto", "train", "test"]),
            default="auto",
            help="Split that the predictions are of; auto chooses it by their number.",
        ),
        click.option("--targets", type=FILE, help="Targets of your own: a .npy file of labels (N,) or rows (N, K)."),
        click.option(
            "--indices",
            type=FILE,
            help="Examples that the predictions are of: a .npy file of indices, or a saved batch.",
        ),
        input_,
        delta,
        allow_unnormalized,
        cache_dir,
        offline,
    )
    names = ("dataset", "split", "targets", "indices", "input", "delta", "allow_unnormalized", "cache_dir")

    @functools.wraps(command)
    def gathered(*, offline: bool, **values: Any) -> Any:
        data = {name: values.pop(name) for name in names}
        return command(data={**data, "download": not offline}, **values)

    for option in reversed(chosen):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click's decorators keep what they decorate


def format_(*names: str, help: str = "Output format.") -> Callable[[F], F]:
    """Add the choice of a format; the first is the default."""
    return click.option("--format", "format_", type=click.Choice(names), default=names[0], help=help)


plot = click.option(
    "--plot",
    type=Drawing("matplotlib", ".svg", ".png"),
    help="File to draw the charts to, .svg or .png; needs the extra [report].",
)


def form(command: F) -> F:
    """Add the three choices of the form of examples, as `normalize`, `flatten` and `one_hot`."""
    for option in (
        click.option("--flatten/--images", default=True, help="Shape of the images: (N, 784) or (N, 1, 28, 28)."),
        click.option("--normalize/--raw", default=True, help="Pixels as float32 in [0, 1] or as bytes."),
        click.option("--one-hot/--labels", default=False, help="Targets as one-hot rows (N, 10) or labels (N,)."),
    ):
        command = option(command)
    return command
