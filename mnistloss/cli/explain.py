"""`mnistloss explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import Group, options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.models.learning_curve import LearningCurve
    from mnistloss.models.loss_landscape import AccuracyPath


def _weight(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Parse I,J, the pixel and the class of a weight."""
    if value is None:
        return None
    first, _, second = value.partition(",")
    if not (first.isdecimal() and second.isdecimal()):
        raise click.BadParameter(f"{shown(value)} is not I,J, a pixel and a class, such as 350,3", ctx, param)
    return int(first), int(second)


_dataset = click.option("--dataset", type=options.DATASET, default="mnist-5k", help="Dataset to train on.")


@click.group("explain", cls=Group, epilog=options.examples("explain accuracy", "explain learning"))
def command() -> None:
    """Explain the loss: why it is optimised, its terms, how it falls."""


@command.command("accuracy", epilog=options.examples("explain accuracy --weight 350,3"))
@click.option(
    "--weights",
    type=options.FILE,
    help="Weights from baseline softmax --weights-out.  [default: train a model]",
)
@click.option("--weight", callback=_weight, metavar="I,J", help="Move only the weight of pixel I and class J.")
@click.option(
    "--direction",
    type=options.OneOf("mnistloss.models.loss_landscape", "DIRECTIONS"),
    help="Move all weights: down the gradient (default), or in a random direction.",
)
@click.option(
    "--range",
    type=float,
    nargs=2,
    metavar="FROM TO",
    help="How far to move: from FROM to TO.  [default: -1 1 for one weight, -0.1 0.1 for all]",
)
@click.option("--steps", type=options.FROM_ONE, default=200, help="Number of equal steps of the move.")
@click.option("--batch-size", type=options.FROM_ONE, help="Use a mini-batch of this size instead of the whole split.")
@options.seed
@_dataset
@click.option("--split", type=options.SPLIT, default="test", help="Split to measure on.")
@options.format_("table", "json", "csv")
@options.plot
@options.cache
def accuracy(format_: str, plot: Path | None, **values: Any) -> None:
    """Show why the loss is optimised and not the accuracy.

    The weights of a softmax regression move in small steps. Nearly every step changes the loss; few steps change the
    accuracy.
    """
    from mnistloss.models.loss_landscape import explain_accuracy

    _print("accuracy", explain_accuracy(**values), format_, plot)


@command.command(
    "learning", epilog=options.examples("explain learning --examples 100", "explain learning --plot curve.svg")
)
@click.option("--examples", type=options.FROM_ONE, default=1000, help="Number of training examples, drawn at random.")
@options.training(epochs=100)
@_dataset
@options.format_("table", "json", "csv")
@options.plot
@options.cache
def learning(format_: str, plot: Path | None, **values: Any) -> None:
    """Show how a softmax regression learns, step by step.

    The loss of each mini-batch is noisy, the loss over all examples is smooth. The test loss stops falling while the
    train loss still falls: this is overfitting.
    """
    from mnistloss.models.learning_curve import explain_learning

    with output.training_progress(values["epochs"]) as progress:
        curve = explain_learning(**values, progress=progress)
    _print("learning", curve, format_, plot)


@command.command("example", epilog=options.examples("explain example preds.npy --index 7"))
@options.predictions()
@click.option("--index", type=options.FROM_ZERO, required=True, help="Row of PREDS.npy to explain; the first is 0.")
@options.data
@options.format_("table", "json")
def example(predictions: Any, index: int, format_: str, **data: Any) -> None:
    """Show the loss of one example, term by term."""
    from mnistloss.analysis.example import explain_example

    output.show_result("example", explain_example(predictions, index, **data), format_)


def _print(name: str, result: AccuracyPath | LearningCurve, format_: str, plot: Path | None) -> None:
    """Print a result in a format, and draw the charts to a file if `plot` names one."""
    output.show_result(name, result, format_)
    output.save_plot(plot, result.parts())
