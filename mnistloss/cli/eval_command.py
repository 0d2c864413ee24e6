"""`mnistloss eval`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.evaluation import Evaluation


@click.command("eval")
@click.argument("predictions", type=click.Path(path_type=str), metavar="PREDS.npy")
@click.option(
    "--loss", "losses", multiple=True, type=options.LOSS, help="Which loss; repeatable.  [default: cee and mse]"
)
@options.dataset
@click.option(
    "--split",
    type=click.Choice(["auto", "train", "test"]),
    default="auto",
    show_default=True,
    help="Which split; auto chooses it by the number of predictions.",
)
@click.option("--targets", type=options.FILE, help="Own targets, a .npy of labels (N,) or rows (N, K).")
@click.option("--indices", type=options.FILE, help="Which examples: a .npy of indices, or a batch saved by sample.")
@click.option(
    "--input",
    "input_",
    type=options.OneOf("mnistloss.predictions", "INPUTS"),
    default="probs",
    show_default=True,
    help="What the predictions are.",
)
@click.option("--delta", type=float, help="Added inside the log of cee.  [default: 1e-7 for probs, else 0]")
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
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option("--allow-unnormalized", is_flag=True, help="Take rows that do not sum to 1 as they are.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)
@options.cache_dir
@options.offline
def command(
    predictions: str,
    losses: tuple[str, ...],
    dataset: str,
    split: str,
    targets: Path | None,
    indices: Path | None,
    input_: str,
    delta: float | None,
    reduction: str,
    out: Path | None,
    batch_size: int | None,
    confidence: float,
    allow_unnormalized: bool,
    format_: str,
    cache_dir: Path | None,
    offline: bool,
) -> None:
    """Score the predictions in a .npy file.

    PREDS.npy holds an array (N, K): row i is what a model says of example i of the split. - reads it from
    standard input.
    """
    from mnistloss.evaluation import evaluate

    if (reduction == "none") != (out is not None):
        raise click.UsageError("--reduction none and --out FILE go together")
    if reduction == "none" and batch_size:
        raise click.UsageError("--reduction none goes without --batch-size")
    if targets and indices:
        raise click.UsageError("--targets are your own, --indices name examples of a split; give one of them")
    result = evaluate(
        sys.stdin.buffer if predictions == "-" else predictions,
        targets=targets,
        indices=indices,
        dataset=dataset,
        split=split,
        losses=losses or None,
        input=input_,
        delta=delta,
        reduction=reduction,
        batch_size=batch_size,
        confidence=confidence,
        allow_unnormalized=allow_unnormalized,
        cache_dir=cache_dir,
        download=not offline,
    )
    if out:
        from mnistloss.export import save_losses

        save_losses(out, result)
    _print(result, format_)


def _print(result: Evaluation, format_: str) -> None:
    if format_ == "table":
        from mnistloss.report import table

        output.show(table.evaluation(result))
    else:
        from mnistloss.report.machine import FORMATS

        output.write(FORMATS[format_]([result]))
