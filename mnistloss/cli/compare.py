"""`mnistloss compare`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.analysis.compare import Comparison


@click.command("compare")
@options.predictions("A.npy B.npy...", nargs=-1)
@click.option("--loss", type=options.LOSS, default="cee", help="Loss to compare.")
@options.data_by_file
@click.option(
    "--flips",
    type=options.FROM_ONE,
    default=10_000,
    help="Number of sign patterns; with few differences all are tried.",
)
@click.option("--bootstrap", type=options.FROM_ONE, default=10_000, help="Number of bootstrap resamples.")
@options.seed
@options.confidence
@click.option(
    "--no-worse-than",
    "margin",
    type=float,
    metavar="MARGIN",
    help="Exit with status 3 unless the interval of every difference ends at or below this.",
)
@options.format_("table", "json")
@click.pass_context
def command(
    ctx: click.Context, /, predictions: list[Any], loss: str, margin: float | None, format_: str, **values: Any
) -> None:
    """Compare predictions with those of the first file.

    Differences are paired, example by example; below zero is better than the first file. The output has their
    intervals, a sign-flip test, McNemar's test of the accuracy, and the digits on which the files differ most.
    """
    from mnistloss.analysis.compare import compare
    from mnistloss.losses.losses import check_delta_matters

    if len(predictions) < 2:
        raise click.UsageError("a comparison needs two files or more, the baseline first")
    if margin is not None and math.isnan(margin):
        raise click.UsageError("--no-worse-than takes a number")
    check_delta_matters(values["delta"], [loss])
    comparison = compare(*predictions, loss=loss, **values)
    output.show_result("comparison", comparison, format_)
    ctx.exit(0 if margin is None else _gate(comparison, margin))


def _gate(comparison: Comparison, margin: float) -> int:
    """Name the differences that may be above the margin; return 3 if there are any, else 0."""
    worse = comparison.worse_than(margin)
    for difference in worse:
        end = "anything, without an interval" if difference.ci is None else f"{difference.ci[1]:.9g}"
        name = shown(difference.predictions)
        output.note(f"{name}: the difference may be {end}; the gate is --no-worse-than {margin:.9g}")
    return 3 if worse else 0
