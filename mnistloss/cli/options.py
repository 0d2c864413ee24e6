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
    """A choice of the names in one of the library's registries, which is imported when they are needed."""

    def __init__(self, module: str, registry: str) -> None:
        self._module, self._registry = module, registry
        self.case_sensitive = True

    @property
    def choices(self) -> Sequence[str]:  # type: ignore[override]  # click assigns it; here it is looked up
        return tuple(getattr(importlib.import_module(self._module), self._registry))


class _File(click.Path):
    """A path; an empty one, as an unset variable of a shell gives, is refused instead of meaning this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class Destination(click.Path):
    """A file to write, refused before any work is done where its folder is missing or its name does not end right."""

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
    """A picture to write, refused before any work is done where what draws it is not installed."""

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

dataset = click.option("--dataset", type=DATASET, default="mnist", help="Which dataset.")
offline = click.option("--offline", is_flag=True, help="Never open a socket; so does MNISTLOSS_OFFLINE=1.")
cache_dir = click.option("--cache-dir", type=FILE, help="Cache folder; default MNISTLOSS_CACHE or the platform's.")
confidence = click.option(
    "--confidence", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, help="Of the intervals."
)
seed = click.option("--seed", type=FROM_ZERO, help="Seed of the draw; default a new one, which is shown.")


predictions = click.argument("predictions", type=click.Path(path_type=str), metavar="PREDS.npy")


def selection(command: F) -> F:
    """What predictions are of and how they are read, as one argument `selection`."""
    chosen = (
        dataset,
        click.option(
            "--split",
            type=click.Choice(["auto", "train", "test"]),
            default="auto",
            help="Which split; auto chooses it by the number of predictions.",
        ),
        click.option("--targets", type=FILE, help="Own targets, a .npy of labels (N,) or rows (N, K)."),
        click.option("--indices", type=FILE, help="Which examples: a .npy of indices, or a batch saved by sample."),
        click.option("--input", type=INPUT, default="probs", help="What the predictions are."),
        click.option("--delta", type=float, help="Added inside the log of cee.  [default: 1e-7 for probs, else 0]"),
        click.option("--allow-unnormalized", is_flag=True, help="Take rows that do not sum to 1 as they are."),
        cache_dir,
        offline,
    )
    names = ("dataset", "split", "targets", "indices", "input", "delta", "allow_unnormalized")

    @functools.wraps(command)
    def gathered(*, cache_dir: Path | None, offline: bool, **values: Any) -> Any:
        from mnistloss.datasets.settings import CacheOptions
        from mnistloss.evaluation.scoring import DataOptions

        if values["targets"] and values["indices"]:
            raise click.UsageError("--targets are your own, --indices name examples of a split; give one of them")
        selected = DataOptions(
            **{name: values.pop(name) for name in names}, cache_options=CacheOptions(cache_dir, not offline)
        )
        return command(selection=selected, **values)

    for option in reversed(chosen):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click's decorators keep what they decorate


def format_(*names: str, help: str = "How to print.") -> Callable[[F], F]:
    """The choice of a format, of which the first is the default."""
    return click.option("--format", "format_", type=click.Choice(names), default=names[0], help=help)


plot = click.option(
    "--plot",
    type=Drawing("matplotlib", ".svg", ".png"),
    help="Also draw the charts to a file, .svg or .png; needs [report].",
)


def form(command: F) -> F:
    """The three choices of how examples are handed out, as `normalize`, `flatten` and `one_hot`."""
    for option in (
        click.option("--flatten/--images", default=True, help="Images as (N, 784) or (N, 1, 28, 28)."),
        click.option("--normalize/--raw", default=True, help="Pixels in [0, 1] or bytes."),
        click.option("--one-hot/--labels", default=False, help="Targets as rows (N, 10) or labels (N,)."),
    ):
        command = option(command)
    return command
