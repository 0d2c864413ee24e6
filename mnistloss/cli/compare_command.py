"""`mnistloss compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output
from mnistloss.errors import shown

if TYPE_CHECKING:
    from mnistloss.scoring import Selection


@click.command("compare")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=str), metavar="A.npy B.npy...")
@click.option("--loss", type=options.LOSS, default="cee", show_default=True, help="Which loss.")
@options.selection
@click.option("--flips", type=click.IntRange(min=1), default=10_000, show_default=True, help="Random sign flips.")
@click.option("--bootstrap", type=click.IntRange(min=1), default=10_000, show_default=True, help="Resamples.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of both.")
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option("--no-worse-than", type=float, metavar="MARGIN", help="Exit with 3 if a difference may exceed this.")
@options.format_table_json
@click.pass_context
def command(
    ctx: click.Context,
    predictions: tuple[str, ...],
    loss: str,
    selection: Selection,
    flips: int,
    bootstrap: int,
    seed: int,
    confidence: float,
    no_worse_than: float | None,
    format_: str,
) -> None:
    """Compare predictions with those of the first file.

    Differences are paired, example by example; below zero is better than the first file. The gate
    --no-worse-than looks at the upper end of each interval.
    """
    from mnistloss.comparison import Draws, run
    from mnistloss.losses import find

    if len(predictions) < 2:
        raise click.UsageError("name at least two files")
    sources = [output.source(name) for name in predictions]
    found = run(sources, selection, find(loss), Draws(flips, bootstrap, seed, confidence))
    if format_ == "json":
        from mnistloss.report import machine

        output.write(machine.comparison_json(found))
    else:
        output.show_parts(found.parts())
    crossed = [
        difference
        for difference in found.differences
        if no_worse_than is not None and (difference.ci is None or difference.ci[1] > no_worse_than)
    ]
    for difference in crossed:
        end = "not known" if difference.ci is None else f"{difference.ci[1]:.9g}"
        output.note(f"{shown(difference.predictions)}: the difference may be {end}, above {no_worse_than:g}")
    ctx.exit(3 if crossed else 0)
