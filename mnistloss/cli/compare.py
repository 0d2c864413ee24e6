"""`mnistloss compare`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.analysis.compare import Comparison
    from mnistloss.evaluation.scoring import DataOptions


@click.command("compare")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=str), metavar="A.npy B.npy...")
@click.option("--loss", type=options.LOSS, default="cee", help="Which loss is compared.")
@options.selection
@click.option(
    "--flips",
    type=options.FROM_ONE,
    default=10_000,
    help="Random sign patterns of the test; of few differences all are tried.",
)
@click.option("--bootstrap", type=options.FROM_ONE, default=10_000, help="Samples of the percentile interval.")
@click.option("--seed", type=options.FROM_ZERO, default=0, help="Of flips and samples.")
@options.confidence
@click.option(
    "--no-worse-than",
    "margin",
    type=float,
    metavar="MARGIN",
    help="Exit with 3 unless the interval of every difference ends at or below this.",
)
@options.format_("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    predictions: tuple[str, ...],
    loss: str,
    selection: DataOptions,
    flips: int,
    bootstrap: int,
    seed: int,
    confidence: float,
    margin: float | None,
    format_: str,
) -> None:
    """Compare predictions with those of the first file.

    Differences are paired, example by example; below zero is better than the first file. With them come their
    intervals, a sign-flip test, McNemar's test of the accuracy, and the digits on which they differ most.
    """
    from mnistloss.analysis.compare import Draws, run
    from mnistloss.losses.losses import LOSSES, check_delta_matters

    if len(predictions) < 2:
        raise click.UsageError("a comparison needs two files or more, the baseline first")
    if predictions.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    if margin is not None and math.isnan(margin):
        raise click.UsageError("--no-worse-than takes a number")
    check_delta_matters(selection.delta, [loss])
    draws = Draws(flips, bootstrap, seed, confidence)
    found = run([output.source(name) for name in predictions], selection, LOSSES[loss], draws)
    output.show_result("comparison", found, format_)
    ctx.exit(0 if margin is None else _gate(found, margin))


def _gate(found: Comparison, margin: float) -> int:
    """Say which differences may be above the margin: 3 if there are any, else 0."""
    crossed = found.worse_than(margin)
    for difference in crossed:
        end = "anything, without an interval" if difference.ci is None else f"{difference.ci[1]:.9g}"
        name = shown(difference.predictions)
        output.note(f"{name}: the difference may be {end}; the gate is --no-worse-than {margin:.9g}")
    return 3 if crossed else 0
