"""`mnistloss eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.results import Evaluation
    from mnistloss.scoring import Selection


@click.command("eval")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=str), metavar="PREDS.npy...")
@click.option(
    "--loss", "losses", multiple=True, type=options.LOSS, help="Which loss; repeatable.  [default: cee and mse]"
)
@options.selection
@click.option(
    "--reduction",
    type=options.OneOf("mnistloss.evaluation", "REDUCTIONS"),
    default="mean",
    show_default=True,
    help="Over the examples; none keeps a loss for each, for --out.",
)
@click.option(
    "--out",
    type=options.Destination(".npy", ".npz"),
    help="With --reduction none: losses of one kind as .npy, of several as .npz.",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Also the losses of each batch of the partition.")
@click.option("--top", multiple=True, type=click.IntRange(min=1), help="Also the top-K accuracy; repeatable.")
@click.option("--per-class", is_flag=True, help="Also the losses and the accuracy by class.")
@options.confidence
@click.option("--bootstrap", type=click.IntRange(min=0), default=0, help="Resamples for percentile intervals.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of --bootstrap.")
@click.option("--fail-if", "gates", multiple=True, metavar="GATE", help="Exit with 3 if so: 'cee>0.05'; repeatable.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown", "latex"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)
@click.pass_context
def command(
    ctx: click.Context,
    predictions: tuple[str, ...],
    losses: tuple[str, ...],
    selection: Selection,
    reduction: str,
    out: Path | None,
    batch_size: int | None,
    top: tuple[int, ...],
    per_class: bool,
    confidence: float,
    bootstrap: int,
    seed: int,
    gates: tuple[str, ...],
    format_: str,
) -> None:
    """Score the predictions in .npy files.

    PREDS.npy holds an array (N, K): row i is what a model says of example i of the split. - reads it from
    standard input.
    """
    from mnistloss.evaluation import Wanted, score
    from mnistloss.gates import Gate

    if (reduction == "none") != (out is not None):
        raise click.UsageError("--reduction none and --out FILE go together")
    if out and (batch_size or bootstrap or gates or len(predictions) > 1):
        raise click.UsageError("--reduction none takes one file and goes without --batch-size, --bootstrap, --fail-if")
    if out and out.suffix == ".npy" and len(set(losses)) != 1:
        raise click.UsageError(f"--out {out} holds one loss; name it with --loss, or write several to .npz")
    if format_ in ("markdown", "latex") and (batch_size or per_class):
        raise click.UsageError(f"--format {format_} has no rows for batches or classes; csv and json have")
    if predictions.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    asked = [Gate.parse(gate) for gate in gates]
    wanted = Wanted(losses or None, reduction, batch_size, confidence, top, per_class, bootstrap, seed)
    results = [score(output.source(name), selection, wanted) for name in predictions]
    if out:
        from mnistloss.export import save_losses

        save_losses(out, results[0])
    _print(sorted(results, key=lambda result: (next(iter(result.numbers().values())), result.predictions)), format_)
    crossed = [(gate, result) for result in results for gate in asked if gate.crossed(result)]
    for gate, result in crossed:
        output.note(f"{result.predictions}: {gate}, with {gate.name} {gate.value(result):.9g}")
    ctx.exit(3 if crossed else 0)


def _print(results: list[Evaluation], format_: str) -> None:
    if format_ == "table":
        from mnistloss.report import table

        output.show(table.evaluation(results[0]) if len(results) == 1 else table.evaluations(results))
    else:
        from mnistloss.report.machine import FORMATS

        output.write(FORMATS[format_](results))
