"""`mnistloss eval`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import as_options, shown

if TYPE_CHECKING:
    from mnistloss.evaluation.evaluate import ScoreOptions
    from mnistloss.evaluation.gates import Gate
    from mnistloss.evaluation.hints import Hint
    from mnistloss.evaluation.results import Evaluation


@click.command("eval")
@options.predictions("PREDS.npy...", nargs=-1, runs=True)
@options.losses
@options.data
@click.option(
    "--reduction",
    type=options.OneOf("mnistloss.evaluation.evaluate", "REDUCTIONS"),
    default="mean",
    help="Reduction over the examples; none keeps the loss of each one, for --out.",
)
@click.option(
    "--out", type=options.Destination(".npy", ".npz"), help="File of the losses: .npy for one loss, .npz for several."
)
@click.option("--batch-size", type=options.FROM_ONE, help="Also compute the losses of batches of this many rows.")
@click.option("--top", multiple=True, type=options.FROM_ONE, help="Also compute the top-k accuracy; repeatable.")
@click.option("--per-class", is_flag=True, help="Also compute the losses and the accuracy by class.")
@options.confidence
@click.option(
    "--bootstrap", type=options.FROM_ZERO, default=0, help="Number of resamples of bootstrap-t intervals; 0 for Hall's."
)
@click.option("--seed", type=options.FROM_ZERO, help="Seed of the bootstrap.  [default: 0]")
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="GATE",
    help="Exit with status 3 if this holds, such as 'cee>0.05' or 'hints>0'; repeatable.",
)
@options.format_("table", "json", "csv", "markdown", "latex")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    predictions: list[Any] | dict[str, list[str]],
    losses: tuple[str, ...],
    reduction: str,
    out: Path | None,
    batch_size: int | None,
    top: tuple[int, ...],
    per_class: bool,
    confidence: float,
    bootstrap: int,
    seed: int | None,
    conditions: tuple[str, ...],
    format_: str,
    **data: Any,
) -> None:
    """Score the predictions in .npy files.

    PREDS.npy holds an array (N, K): row i is what a model says of example i of the split. The name - stands for
    standard input. NAME=GLOB, NAME=FOLDER or a repeated NAME=FILE stands for the training runs of one recipe: the mean
    and the spread over the runs are printed.
    """
    if isinstance(predictions, dict):
        if reduction != "mean" or batch_size or top or per_class or bootstrap or conditions:
            raise click.UsageError("training runs (NAME=...) go with --loss, --confidence and the options of the data")
        _evaluate_runs(predictions, losses, confidence, format_, data)
        return
    from mnistloss.evaluation.evaluate import ScoreOptions, evaluate_many
    from mnistloss.evaluation.results import save_losses
    from mnistloss.evaluation.targets import DataOptions
    from mnistloss.losses.losses import check_delta_matters

    if (reduction == "none") != (out is not None):
        raise click.UsageError("--reduction none and --out FILE go together")
    if out and (batch_size or bootstrap or conditions or len(predictions) > 1):
        raise click.UsageError("--reduction none takes one file and goes without --batch-size, --bootstrap, --fail-if")
    if out and out.suffix == ".npy" and len(set(losses)) != 1:
        raise click.UsageError(f"--out {shown(out)} holds one loss; name it with --loss, or write several to .npz")
    if seed is not None and not bootstrap:
        raise click.UsageError("--seed is the seed of --bootstrap; give both")
    check_delta_matters(data["delta"], losses)
    scoring = ScoreOptions(losses or None, reduction, batch_size, confidence, top, per_class, bootstrap, seed or 0)
    gates = _gates(conditions, scoring, data["input"])
    with output.slow_progress("scoring") as progress:
        results = evaluate_many(predictions, DataOptions(**data), scoring, progress)
    if out:
        save_losses(out, results[0])
    _print(sorted(results, key=lambda result: (next(iter(result.numbers().values())), result.predictions)), format_)
    messages = [message for result in results for gate in gates if (message := gate.crossed(result))]
    for message in messages:
        output.note(message)
    ctx.exit(3 if messages else 0)


def _gates(conditions: Sequence[str], scoring: ScoreOptions, input: str) -> list[Gate]:
    if not conditions:  # the module of gates need not be imported
        return []
    from mnistloss.evaluation.gates import parse_gates

    return parse_gates(conditions, scoring.loss_names(input), scoring.top, per_class=scoring.per_class)


def _evaluate_runs(
    runs: Mapping[str, Sequence[str]], losses: Sequence[str], confidence: float, format_: str, data: dict[str, Any]
) -> None:
    """Print the means and the spread of each name over its runs, and the runs."""
    from mnistloss.analysis.runs import evaluate_runs, recipe_parts
    from mnistloss.losses.losses import check_delta_matters
    from mnistloss.report import formats

    check_delta_matters(data["delta"], losses)
    recipes = evaluate_runs(runs, losses=losses or None, confidence=confidence, **data)
    match format_:
        case "table":
            output.show_parts(recipe_parts(recipes))
        case "json":
            output.write(formats.document(recipes=output.with_options([recipe.as_dict() for recipe in recipes])))
        case "csv":
            output.write(formats.rows_csv([row for recipe in recipes for row in recipe.rows()]))
        case _:
            raise click.UsageError(f"training runs are not printed as {format_}; choose table, json or csv")


def _print(evaluations: list[Evaluation], format_: str) -> None:
    results = [replace(one, hints=tuple(map(_with_options, one.hints))) for one in evaluations]
    if format_ == "table":
        from mnistloss.report import tables

        output.show(tables.evaluation(results[0]) if len(results) == 1 else tables.evaluations(results))
    else:
        from mnistloss.report import formats

        output.write(formats.FORMATS[format_](results))


def _with_options(hint: Hint) -> Hint:
    return hint._replace(evidence=as_options(hint.evidence), advice=as_options(hint.advice))
