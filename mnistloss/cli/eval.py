"""`mnistloss eval`."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import as_options, counted, shown

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from mnistloss.evaluation.evaluate import Job
    from mnistloss.evaluation.file_lists import Shard
    from mnistloss.evaluation.gates import Gate
    from mnistloss.evaluation.results import Evaluation, Refused


def _parse_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    if value is None:
        return None
    from mnistloss.evaluation.file_lists import Shard

    return Shard.parse(value)


_MAX_CROSSED = 10
"""How many crossed gates are told one by one."""


@click.command(
    "eval", epilog=options.examples("eval preds.npy --loss cee", "eval 'class/*.npy' --format csv --fail-if 'cee>0.3'")
)
@options.predictions("[PREDS.npy]...", nargs=-1, runs=True, required=False)
@options.losses
@options.data
@click.option(
    "--manifest", type=click.File("rb"), help="List of more files to score, one a line; - for standard input."
)
@click.option(
    "--shard",
    metavar="K/N",
    callback=_parse_shard,
    help="Score every N-th file only, from the K-th on, counted from 0.",
)
@click.option("--cluster", metavar="ADDRESS", help="Score on a Dask cluster; local for the processors of this machine.")
@click.option(
    "--reduction",
    type=options.OneOf("mnistloss.evaluation.evaluate", "REDUCTIONS"),
    default="mean",
    help="Reduction over the examples; none keeps the loss of each one, for --out.",
)
@click.option(
    "--out",
    "-o",
    type=options.Destination(".jsonl", ".npy", ".npz"),
    help="File to write: .jsonl for a row of scores for each file; with --reduction none, .npy for the losses of single"
    " examples, or .npz for several losses.",
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
@options.format_("table", "json", "csv", "scores", "markdown", "latex")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    predictions: list[Any] | dict[str, list[str]],
    manifest: Any,
    shard: Shard | None,
    cluster: str | None,
    out: Path | None,
    conditions: tuple[str, ...],
    format_: str,
    **keywords: Any,
) -> None:
    """Score the predictions in .npy files.

    PREDS.npy holds an array (N, K): row i is what a model says of example i of the split. It may also be a folder, a
    pattern in quotes, an address such as s3://bucket/preds.npy, or - for standard input. NAME=GLOB, NAME=FOLDER or a
    repeated NAME=FILE stands for the training runs of one recipe: the mean and the spread over the runs are printed.
    """
    if isinstance(predictions, dict):
        if manifest or shard or cluster or out or conditions or not _is_plain(keywords):
            raise click.UsageError("training runs (NAME=...) go with --loss, --confidence and the options of the data")
        _evaluate_runs(predictions, format_, keywords)
        return
    if not predictions and manifest is None:
        raise click.UsageError("no predictions are named; expected PREDS.npy, a folder, a pattern, or --manifest FILE")
    _check(keywords, out, conditions, format_)
    job = _job(keywords)
    gates = _gates(conditions, job)
    is_single = len(predictions) == 1 and not (manifest or shard or cluster) and _is_file(predictions[0])
    if is_single and not (out and out.suffix == ".jsonl"):
        ctx.exit(_print([_evaluate(predictions[0], job, out)], format_, gates))
    if out and not all(isinstance(name, str) for name in predictions):
        raise click.UsageError("standard input has no name in a file of scores; name the files")
    names, total = _files(predictions, manifest, shard)
    if out and out.suffix != ".jsonl":
        raise click.UsageError("--reduction none takes one file")
    if out is None:
        ctx.exit(_print(list(_evaluate_many(names, total, job, cluster)), format_, gates))
    ctx.exit(_write_scores(out, names, total, job, gates, shard, cluster))


def _is_file(predictions: Any) -> bool:
    """Whether this is a stream or one file, and no folder, pattern or address."""
    is_name = isinstance(predictions, str) and not os.path.isfile(predictions)
    return not is_name or not (os.path.isdir(predictions) or re.search(r"[*?[]|://", predictions))


def _is_plain(keywords: Mapping[str, Any]) -> bool:
    """Whether nothing is asked for that training runs do not have."""
    unset = not any(keywords[name] for name in ("batch_size", "top", "per_class", "bootstrap"))
    return unset and keywords["reduction"] == "mean"


def _check(keywords: Mapping[str, Any], out: Path | None, conditions: Sequence[str], format_: str) -> None:
    """Refuse options that do not go together."""
    of_examples = out is not None and out.suffix != ".jsonl"
    if (keywords["reduction"] == "none") != of_examples:
        raise click.UsageError("--reduction none and --out FILE, .npy or .npz, go together")
    if of_examples and (keywords["batch_size"] or keywords["bootstrap"] or conditions):
        raise click.UsageError("--reduction none goes without --batch-size, --bootstrap, --fail-if")
    if out and out.suffix == ".npy" and len(set(keywords["losses"])) != 1:
        raise click.UsageError(f"--out {shown(out)} holds one loss; name it with --loss, or write several to .npz")
    excluded = "--batch-size" if keywords["batch_size"] else "--format" if format_ != "table" else ""
    if out and out.suffix == ".jsonl" and excluded:
        raise click.UsageError(f"{shown(out)} holds a row of scores for each file; leave out {excluded}")
    if keywords["seed"] is not None and not keywords["bootstrap"]:
        raise click.UsageError("--seed is the seed of --bootstrap; give both")


def _job(keywords: Mapping[str, Any]) -> Job:
    from mnistloss.evaluation.evaluate import make_job
    from mnistloss.losses.losses import check_delta_matters

    check_delta_matters(keywords["delta"], keywords["losses"])
    return make_job(**{**keywords, "losses": keywords["losses"] or None, "seed": keywords["seed"] or 0})


def _gates(conditions: Sequence[str], job: Job) -> list[Gate]:
    if not conditions:  # the module of gates need not be imported
        return []
    from mnistloss.evaluation.gates import parse_gates

    scoring = job.options
    return parse_gates(conditions, scoring.loss_names(job.data.input), scoring.top, per_class=scoring.per_class)


def _files(predictions: Sequence[Any], manifest: Any, shard: Shard | None) -> tuple[Iterable[Any], int | None]:
    """Return the files to score and their number, None for a manifest from standard input."""
    from mnistloss.evaluation.file_lists import Shard, find_files, read_manifest

    files = [find_files(name) if isinstance(name, str) else [name] for name in predictions]
    named, share = list(dict.fromkeys(itertools.chain(*files))), shard or Shard(0, 1)
    if manifest is None:
        names = list(share.take(named))
        return names, len(names)
    total = None
    if manifest.seekable():
        total = sum(1 for _ in share.take(itertools.chain(named, read_manifest(manifest))))
        manifest.seek(0)
    return share.take(itertools.chain(named, read_manifest(manifest))), total


def _evaluate(predictions: Any, job: Job, out: Path | None) -> Evaluation:
    """Score a single file, and save the losses of its examples to `out`."""
    from mnistloss.evaluation.evaluate import evaluate_job
    from mnistloss.evaluation.results import save_losses

    with output.slow_progress("scoring") as progress:
        result = evaluate_job(predictions, job, progress=progress)
    if out:
        save_losses(out, result)
    return result


def _evaluate_many(
    names: Iterable[Any], total: int | None, job: Job, cluster: str | None
) -> Iterator[Evaluation | Refused]:
    from mnistloss.evaluation.many import read_targets, results_of
    from mnistloss.evaluation.results import Refused

    refused = 0
    with _executor(cluster) as executor, output.file_progress(total) as progress:
        for done, result in enumerate(results_of(names, read_targets(job), executor), 1):
            refused += isinstance(result, Refused)
            progress(done, refused, 0)
            yield result


def _executor(cluster: str | None) -> AbstractContextManager[Executor | None]:
    if cluster is None:
        return contextlib.nullcontext()
    from mnistloss.evaluation.cluster import connect

    return connect(cluster)


def _write_scores(
    out: Path, names: Iterable[str], total: int | None, job: Job, gates: Sequence[Gate], shard: Shard | None,
    cluster: str | None,
) -> int:  # fmt: skip
    """Write a row for each file, print what was done, and return the exit status."""
    from mnistloss.evaluation.score_file import write_scores

    with _executor(cluster) as executor, output.file_progress(total) as progress:
        totals = write_scores(
            out, names, job, shard=shard, executor=executor, gates=gates,
            progress=lambda now: progress(now.files, now.refused, now.resumed),
        )  # fmt: skip
    _tell_crossed(totals.messages, totals.crossed)
    before = f", {totals.resumed:,} of them before" if totals.resumed else ""
    output.note(f"{shown(out)}: {counted(totals.files, 'file', 'files')}{before}, {totals.refused:,} refused")
    return 1 if totals.refused else 3 if totals.crossed else 0


def _evaluate_runs(runs: Mapping[str, Sequence[str]], format_: str, keywords: Mapping[str, Any]) -> None:
    """Print the means and the spread of each name over its runs, and the runs."""
    from mnistloss.analysis.runs import evaluate_runs
    from mnistloss.evaluation.targets import DataKeywords
    from mnistloss.losses.losses import check_delta_matters

    if format_ == "scores":
        raise click.UsageError("training runs are not printed as scores; choose another format")
    check_delta_matters(keywords["delta"], keywords["losses"])
    data: Any = {name: keywords[name] for name in keywords if name in DataKeywords.__annotations__}
    recipes = evaluate_runs(runs, losses=keywords["losses"] or None, confidence=keywords["confidence"], **data)
    output.show_result("recipes", recipes, format_)


def _print(results: Sequence[Evaluation | Refused], format_: str, gates: Sequence[Gate]) -> int:
    """Print scores, best first, then what was refused and which gates are crossed; return the exit status."""
    from mnistloss.evaluation.results import Evaluation, Refused, sort_key

    scored = [result for result in results if isinstance(result, Evaluation)]
    refused = [result for result in results if isinstance(result, Refused)]
    if len(results) > 1:
        from mnistloss.evaluation.many import with_copies_named

        scored = sorted(with_copies_named(scored), key=sort_key)
    if not results:
        output.note("there are no files to score")
    elif format_ == "table" and len(results) == 1 and refused:
        output.note(f"Error: {as_options(refused[0].reason)}")
    elif format_ == "table":
        from mnistloss.report import tables

        output.show(tables.evaluations(scored, refused) if len(results) > 1 else tables.evaluation(*scored))
    else:
        from mnistloss.report import formats

        texts = [replace(one, reason=as_options(one.reason), advice=as_options(one.advice)) for one in refused]
        output.write(formats.FORMATS[format_](list(map(_with_options, scored)), texts))
        if refused:
            output.note(f"not scored: {len(refused):,} of {len(results):,}")
    messages = [message for result in scored for gate in gates if (message := gate.crossed(result.row()))]
    _tell_crossed(messages, len(messages))
    return 1 if refused else 3 if messages else 0


def _tell_crossed(messages: Sequence[str], crossed: int) -> None:
    """Print the first messages of crossed gates, and how many are crossed if there are more."""
    for message in messages[:_MAX_CROSSED]:
        output.note(message)
    if crossed > _MAX_CROSSED:
        output.note(f"... {crossed:,} gates are crossed")


def _with_options(result: Evaluation) -> Evaluation:
    """Return an evaluation whose hints name options of the command line."""
    hints = (hint._replace(evidence=as_options(hint.evidence), advice=as_options(hint.advice)) for hint in result.hints)
    return replace(result, hints=tuple(hints))
