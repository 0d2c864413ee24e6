"""`mnistloss explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.models.learning_curve import LearningCurve
    from mnistloss.models.loss_landscape import AccuracyPath


def _weight(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """The place of a weight: a pixel and a class."""
    if value is None:
        return None
    first, _, second = value.partition(",")
    if not (first.isdecimal() and second.isdecimal()):
        raise click.BadParameter(f"{shown(value)} is not I,J, a pixel and a class, such as 350,3", ctx, param)
    return int(first), int(second)


_dataset = click.option("--dataset", type=options.DATASET, default="mnist-5k", help="Which dataset is learnt.")
_seed = click.option("--seed", type=options.FROM_ZERO, default=0, help="Of all that is drawn at random.")


@click.group("explain")
def command() -> None:
    """Explain the loss: why not accuracy, one example, learning, overfitting."""


@command.command("accuracy")
@click.option("--weights", type=options.FILE, help="A .npz of baseline softmax --weights-out.  [default: learn anew]")
@click.option("--weight", callback=_weight, metavar="I,J", help="Move one weight, of pixel I and class J.")
@click.option(
    "--direction",
    type=options.OneOf("mnistloss.models.loss_landscape", "DIRECTIONS"),
    help="Move all weights, down the gradient (the default) or in a random direction.",
)
@click.option(
    "--range", type=float, nargs=2, metavar="FROM TO", help="How far.  [default: -1 1 for one weight, -0.1 0.1 for all]"
)
@click.option("--steps", type=options.FROM_ONE, default=200, help="In how many steps.")
@click.option("--batch-size", type=options.FROM_ONE, help="On a mini-batch of so many, not the whole split.")
@_seed
@_dataset
@click.option("--split", type=options.SPLIT, default="test", help="Which split.")
@options.format_("table", "json", "csv")
@options.plot
@options.cache_dir
@options.offline
def accuracy(format_: str, plot: Path | None, offline: bool, **values: Any) -> None:
    """Show why the loss is optimised and not the accuracy.

    The weights of a softmax regression move in fine steps: the loss changes on each, the accuracy on hardly any.
    """
    from mnistloss.models.loss_landscape import explain_accuracy

    _print("accuracy", explain_accuracy(**values, download=not offline), format_, plot)


@command.command("learning")
@click.option("--examples", type=options.FROM_ONE, default=1000, help="Of the training split, at random.")
@click.option("--epochs", type=options.FROM_ONE, default=100, help="Passes over these examples.")
@click.option("--learning-rate", type=options.POSITIVE, default=0.5, help="Size of a step.")
@click.option("--batch-size", type=options.FROM_ONE, default=100, help="Examples in a batch.")
@_seed
@_dataset
@options.format_("table", "json", "csv")
@options.plot
@options.cache_dir
@options.offline
def learning(
    examples: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    dataset: str,
    format_: str,
    plot: Path | None,
    cache_dir: Path | None,
    offline: bool,
) -> None:
    """Show how a softmax regression learns, step by step.

    The loss of each mini-batch is noisy, that of the model is smooth; on the test split it stops falling while it
    falls on, on what is learnt from.
    """
    from mnistloss.datasets.settings import CacheOptions
    from mnistloss.models.learning_curve import run
    from mnistloss.models.softmax_regression import Learning

    with output.step_progress("learning", epochs) as progress:
        how = Learning(epochs, learning_rate, batch_size, seed, lambda n, loss: progress(n, f"loss {loss:.4f}"))
        found = run(examples, how, dataset, CacheOptions(cache_dir, not offline))
    _print("learning", found, format_, plot)


@command.command("example")
@options.predictions
@click.option("--index", type=options.FROM_ZERO, required=True, help="Row of PREDS.npy to explain; the first is 0.")
@options.data
@options.format_("table", "json")
def example(predictions: str, index: int, data: dict[str, Any], format_: str) -> None:
    """Show the loss of one example, term by term."""
    from mnistloss.analysis.example import explain_example

    output.show_result("example", explain_example(output.source(predictions), index, **data), format_)


def _print(name: str, found: AccuracyPath | LearningCurve, format_: str, plot: Path | None) -> None:
    if format_ == "csv":
        from mnistloss.report import formats

        output.write(formats.columns_csv(found.columns()))
    else:
        output.show_result(name, found, format_)
    output.save_plot(plot, found.parts())
