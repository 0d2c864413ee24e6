"""Options that several commands share, and the types of these options."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mnistloss.cli import output
from mnistloss.errors import InputError, check_installed
from mnistloss.formatting import did_you_mean, shown

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

if TYPE_CHECKING:
    from pathlib import Path

    _StringChoice = click.Choice[str]
else:
    _StringChoice = click.Choice  # before click 8.2 it takes no type


class OneOf(_StringChoice):
    """A choice of the names in a registry of the library. The registry is imported only when the names are needed."""

    def __init__(self, module: str, registry: str) -> None:
        self._module, self._registry = module, registry
        self.case_sensitive = True

    @property
    def choices(self) -> Sequence[str]:  # type: ignore[override]  # click assigns it; here it is computed
        return tuple(getattr(importlib.import_module(self._module), self._registry))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an unknown name, and ask for the closest one."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(error.message.rstrip(".") + did_you_mean(value, self.choices), param, ctx)


class _File(click.Path):
    """A path. An empty path, such as from an unset variable of the shell, is refused: it would mean this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        from pathlib import Path

        return Path(os.fsdecode(super().convert(value, param, ctx)))


class Destination(click.Path):
    """A file to write. A missing folder, a wrong suffix or a missing package is refused before any work starts."""

    def __init__(self, *suffixes: str, package: str | None = None) -> None:
        super().__init__()
        self._suffixes, self._package = suffixes, package

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that the package is installed, the name has one of the suffixes, and the folder exists."""
        if self._package:
            check_installed("drawing", self._package)
        from pathlib import Path

        path = Path(value)
        if not path.name:
            self.fail(f"{shown(value) or 'an empty name'} names no file", param, ctx)
        if path.suffix not in self._suffixes:
            expected = " or ".join(suffix or "no suffix, for a folder" for suffix in self._suffixes)
            self.fail(f"{shown(path)} ends in {path.suffix or 'no suffix'}; expected {expected}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"the folder {shown(path.parent)} does not exist", param, ctx)
        return path


DATASET = OneOf("mnistloss.datasets.catalog", "DATASETS")
LOSS = OneOf("mnistloss.losses.losses", "LOSSES")
INPUT = OneOf("mnistloss.evaluation.predictions", "INPUTS")
FILE = _File()
SPLIT = click.Choice(["train", "test"])
FROM_ZERO, FROM_ONE = click.IntRange(min=0), click.IntRange(min=1)
POSITIVE = click.FloatRange(min=0, min_open=True)


def examples(*commands: str) -> str:
    """Return the end of a command's help: commands to copy, each without its first word."""
    return "\n".join(["\b", "Examples:", *(f"  mnistloss {command}" for command in commands)])


def _group(*options: Decorator) -> Decorator:
    """Return a decorator that adds several options, in their order."""
    return lambda command: functools.reduce(lambda function, option: option(function), reversed(options), command)


def predictions(
    metavar: str = "PREDS.npy", *, nargs: int = 1, runs: bool = False, required: bool = True
) -> Callable[[F], F]:
    """Add the argument for predictions: a path, or - for standard input. If nargs is not 1, the value is a list.

    If `runs` is true, arguments such as NAME=GLOB name training runs. The value is then a dictionary: name to files.
    """

    def sources(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if nargs == 1:
            return output.source(value)
        if value.count("-") > 1:
            raise click.UsageError("standard input can be read once", ctx)
        if runs and (named := _parse_runs(value)):
            return named
        return [output.source(name) for name in value]

    path = click.Path(path_type=str)
    return click.argument("predictions", nargs=nargs, required=required, type=path, metavar=metavar, callback=sources)


def _parse_runs(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the files of each name in NAME=GLOB, NAME=FOLDER or repeated NAME=FILE; without names, return {}.

    An argument that is the path of a file stands for this file, even if the path contains a =.
    """
    plain = [a for a in arguments if a.find("=") < 1 or "://" in a or os.path.isfile(a)]
    if len(plain) == len(arguments):
        return {}
    from mnistloss.evaluation.file_lists import find_files

    runs: dict[str, list[str]] = {}
    for argument in (a for a in arguments if a not in plain):
        name, _, pattern = argument.partition("=")
        files: list[str] = []
        with contextlib.suppress(InputError):
            files = find_files(pattern)
        if not files or (files == [pattern] and not os.path.isfile(pattern)):
            raise InputError(
                f"{shown(argument)}: no file has this name or matches {shown(pattern) or 'an empty pattern'};"
                " training runs are NAME=GLOB, NAME=FOLDER or NAME=FILE"
            )
        runs[name] = list(dict.fromkeys([*runs.get(name, []), *files]))
    if runs and plain:
        raise click.UsageError(f"{shown(plain[0])} has no name, but training runs have: NAME={shown(plain[0])}")
    return runs


def format_(*names: str, help: str = "Output format.") -> Callable[[F], F]:
    """Add the choice of a format; the first is the default."""
    return click.option("--format", "format_", type=click.Choice(names), default=names[0], help=help)


dataset: Decorator = click.option("--dataset", type=DATASET, default="mnist", help="Name of the dataset.")
targets: Decorator = click.option(
    "--targets", type=FILE, help="Your own targets: a .npy file of labels (N,) or rows (N, K)."
)
indices: Decorator = click.option(
    "--indices", type=FILE, help="Indices of the predicted examples: a .npy file, or a saved batch."
)
array: Decorator = click.option(
    "--array", metavar="NAME", help="Name of the array of predictions, if a .npz file holds several arrays."
)
losses: Decorator = click.option(
    "--loss", "losses", multiple=True, type=LOSS, help="Loss to compute; repeatable.  [default: cee and mse]"
)
confidence: Decorator = click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    help="Confidence level of the intervals.",
)
seed: Decorator = click.option("--seed", type=FROM_ZERO, default=0, help="Seed of all random draws.")
plot: Decorator = click.option(
    "--plot",
    type=Destination(".svg", ".png", package="matplotlib"),
    help="File to draw the charts to, .svg or .png; needs the extra [report].",
)
cache_dir: Decorator = click.option(
    "--cache-dir", type=FILE, help="Cache folder.  [default: MNISTLOSS_CACHE, or the platform's cache folder]"
)
cache: Decorator = _group(
    cache_dir,
    click.option(
        "--offline",
        "download",
        is_flag=True,
        callback=lambda ctx, param, offline: not offline,
        help="Open no network connection, as with MNISTLOSS_OFFLINE=1.",
    ),
)
"""The keywords `cache_dir` and `download`."""

_rest: Decorator = _group(
    array,
    click.option(
        "--delta",
        type=float,
        help="Number added to each probability before its log is taken, in the cross-entropy error cee."
        "  [default: 1e-7 for probs, else 0]",
    ),
    click.option("--allow-unnormalized", is_flag=True, help="Take rows that do not sum to 1 as they are."),
    cache,
)
_KINDS = "Kind of predictions: probabilities, logits, log-probabilities or labels"
reading: Decorator = _group(click.option("--input", type=INPUT, default="probs", help=f"{_KINDS}."), _rest)
"""Options of how predictions are read. With `dataset`, these are the keywords of `ReadKeywords`."""

_examples: Decorator = _group(
    dataset,
    click.option(
        "--split",
        type=click.Choice(["auto", "train", "test"]),
        default="auto",
        help="Split that was predicted; auto chooses the split with as many examples as there are predictions.",
    ),
    targets,
    indices,
)
data: Decorator = _group(_examples, reading)
"""Options of what was predicted and how predictions are read: the keywords of `DataKeywords`."""

data_by_file: Decorator = _group(
    _examples,
    click.option(
        "--input",
        multiple=True,
        type=INPUT,
        default=["probs"],
        help=f"{_KINDS}; once for all files, or once for each file in order.",
    ),
    _rest,
)
"""The options of `data`, with one --input for each file."""

form: Decorator = _group(
    click.option(
        "--one-hot/--labels", "one_hot_label", default=False, help="Targets as one-hot rows (N, 10) or labels (N,)."
    ),
    click.option("--normalize/--raw", default=True, help="Pixels as float32 in [0, 1] or as bytes."),
    click.option("--flatten/--images", default=True, help="Shape of the images: (N, 784) or (N, 1, 28, 28)."),
)
"""Options of the form of images and labels: the fields of `Form`."""


def training(epochs: int) -> Decorator:
    """Add options of a training, the fields of `TrainingOptions`; epochs: the default of --epochs."""
    return _group(
        click.option("--epochs", type=FROM_ONE, default=epochs, help="Number of passes over the training examples."),
        click.option("--learning-rate", type=POSITIVE, default=0.5, help="Step size of gradient descent."),
        click.option("--batch-size", type=FROM_ONE, default=100, help="Number of examples in a mini-batch."),
        seed,
    )
