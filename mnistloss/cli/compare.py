"""`mnistloss compare`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.analysis.compare import Comparison


@click.command("compare", epilog=options.examples("compare a.npy b.npy", "compare a.npy b.npy --no-worse-than 0.01"))
@options.predictions("A.npy B.npy...", nargs=-1, runs=True)
@click.option("--loss", type=options.LOSS, default="cee", help="Loss to compare.")
@options.data_by_file
@click.option(
    "--flips",
    type=options.FROM_ZERO,
    default=0,
    help="Also do the sign-flip test, with this number of random sign patterns."
    " If there are few differences, all patterns are tried.",
)
@options.seed
@options.confidence
@click.option(
    "--no-worse-than",
    "margin",
    type=float,
    metavar="MARGIN",
    help="Exit with status 3 unless the interval of every difference ends at or below this.",
)
@options.format_("table", "json", "csv", "markdown", "latex")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    predictions: list[Any] | dict[str, list[str]],
    loss: str,
    flips: int,
    seed: int,
    margin: float | None,
    format_: str,
    **values: Any,
) -> None:
    """Compare predictions with those of the first file.

    Differences are paired, example by example; below zero is better than the first file. The output says which file is
    better, with intervals, p-values, McNemar's test of the accuracy, and the digits on which the files differ most.
    NAME=GLOB, NAME=FOLDER or a repeated NAME=FILE stands for the training runs of one recipe: recipes are compared.
    """
    from mnistloss.analysis.compare import compare
    from mnistloss.losses.losses import check_delta_matters

    check_delta_matters(values["delta"], [loss])
    if isinstance(predictions, dict):
        from mnistloss.analysis.runs import compare_runs

        if flips or margin is not None:
            raise click.UsageError("training runs (NAME=...) go without --flips and --no-worse-than")
        input_, *more = values.pop("input")
        if more:
            raise click.UsageError("training runs (NAME=...) have one --input for all")
        output.show_result("comparison", compare_runs(predictions, loss=loss, input=input_, **values), format_)
        return
    if len(predictions) < 2:
        raise click.UsageError("a comparison needs two files or more, the baseline first")
    if margin is not None and math.isnan(margin):
        raise click.UsageError("--no-worse-than takes a number")
    comparison = compare(*predictions, loss=loss, flips=flips, seed=seed, **values)
    output.show_result("comparison", comparison, format_)
    ctx.exit(0 if margin is None else _gate(comparison, margin))


def _gate(comparison: Comparison, margin: float) -> int:
    """Print the differences that may be above the margin; return the exit status: 3 if there are any, else 0."""
    worse = comparison.worse_than(margin)
    for difference in worse:
        end = "anything, without an interval" if difference.ci is None else f"{difference.ci[1]:.9g}"
        name = shown(difference.predictions)
        output.note(f"{name}: the difference may be {end}; the gate is --no-worse-than {margin:.9g}")
    return 3 if worse else 0
