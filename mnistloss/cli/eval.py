"""`mnistloss eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.evaluation.gates import Gate
    from mnistloss.evaluation.results import Evaluation
    from mnistloss.evaluation.scoring import DataOptions


@click.command("eval")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=str), metavar="PREDS.npy...")
@click.option(
    "--loss", "losses", multiple=True, type=options.LOSS, help="Which loss; repeatable.  [default: cee and mse]"
)
@options.selection
@click.option(
    "--reduction",
    type=options.OneOf("mnistloss.evaluation.evaluate", "REDUCTIONS"),
    default="mean",
    help="Over the examples; none keeps a loss for each, for --out.",
)
@click.option(
    "--out",
    type=options.Destination(".npy", ".npz"),
    help="With --reduction none: losses of one kind as .npy, of several as .npz.",
)
@click.option("--batch-size", type=options.FROM_ONE, help="Also the losses of each batch of the partition.")
@click.option("--top", multiple=True, type=options.FROM_ONE, help="Also the top-K accuracy; repeatable.")
@click.option("--per-class", is_flag=True, help="Also the losses and the accuracy by class.")
@options.confidence
@click.option(
    "--bootstrap", type=options.FROM_ZERO, default=0, show_default=False, help="Resamples for percentile intervals."
)
@click.option("--seed", type=options.FROM_ZERO, help="Of --bootstrap.  [default: 0]")
@click.option(
    "--fail-if", "gates", multiple=True, metavar="GATE", help="Exit with 3 if so: 'cee>0.05', 'hints>0'; repeatable."
)
@click.option("--jobs", type=options.FROM_ONE, help="Processes.  [default: the processors there are]")
@options.format_("table", "json", "csv", "markdown", "latex", help="How to print the result.")
@click.pass_context
def command(
    ctx: click.Context,
    predictions: tuple[str, ...],
    losses: tuple[str, ...],
    selection: DataOptions,
    reduction: str,
    out: Path | None,
    batch_size: int | None,
    top: tuple[int, ...],
    per_class: bool,
    confidence: float,
    bootstrap: int,
    seed: int | None,
    gates: tuple[str, ...],
    jobs: int | None,
    format_: str,
) -> None:
    """Score the predictions in .npy files.

    PREDS.npy holds an array (N, K): row i is what a model says of example i of the split. - reads it from
    standard input.
    """
    from mnistloss.evaluation.evaluate import ScoreOptions, default_losses, score_all
    from mnistloss.losses.losses import check_delta_matters

    if (reduction == "none") != (out is not None):
        raise click.UsageError("--reduction none and --out FILE go together")
    if out and (batch_size or bootstrap or gates or len(predictions) > 1):
        raise click.UsageError("--reduction none takes one file and goes without --batch-size, --bootstrap, --fail-if")
    if out and out.suffix == ".npy" and len(set(losses)) != 1:
        raise click.UsageError(f"--out {out} holds one loss; name it with --loss, or write several to .npz")
    if seed is not None and not bootstrap:
        raise click.UsageError("--seed is of --bootstrap; give both")
    if predictions.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    check_delta_matters(selection.delta, losses)
    asked = _parsed(gates, losses or default_losses(selection.input), top, per_class=per_class)
    wanted = ScoreOptions(losses or None, reduction, batch_size, confidence, top, per_class, bootstrap, seed or 0)
    with output.slow_progress("scoring") as progress:
        results = score_all([output.source(name) for name in predictions], selection, wanted, jobs, progress)
    if out:
        from mnistloss.evaluation.results import save_losses

        save_losses(out, results[0])
    _print(sorted(results, key=lambda result: (next(iter(result.numbers().values())), result.predictions)), format_)
    crossed = [said for result in results for gate in asked if (said := gate.crossed(result))]
    for said in crossed:
        output.note(said)
    ctx.exit(3 if crossed else 0)


def _parsed(gates: Sequence[str], losses: Sequence[str], top: Sequence[int], *, per_class: bool) -> list[Gate]:
    """The gates; what parses them is not imported where there are none."""
    if not gates:
        return []
    from mnistloss.evaluation.gates import parse_gates

    return parse_gates(gates, losses, top, per_class=per_class)


def _print(results: list[Evaluation], format_: str) -> None:
    if format_ == "table":
        from mnistloss.report import tables

        output.show(tables.evaluation(results[0]) if len(results) == 1 else tables.evaluations(results))
    else:
        from mnistloss.report import formats

        output.write(formats.FORMATS[format_](results))
