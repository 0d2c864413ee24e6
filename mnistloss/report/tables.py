"""Put together what a terminal shows of evaluations: tables, signatures, hints, and the scores of a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from mnistloss import formatting
from mnistloss.document import Table
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation, Refused
from mnistloss.formatting import shown
from mnistloss.report import details
from mnistloss.report.terminal import heading, render_table, sentences

if TYPE_CHECKING:  # so that eval imports no models
    from mnistloss.models.baselines import Baseline

_FEW = 3
"""Up to this number of files, texts are shown in full."""


def evaluation(result: Evaluation) -> RenderableType:
    """Show one evaluation: losses and accuracy with intervals, references, signature, hints, classes and batches."""
    stderrs = [(None, loss.stderr) for loss in result.losses.values()]
    parts = [render_table(details.measures(result), stderrs, bold=True)]
    parts += map(render_table, details.references(result))
    parts += sentences(*(f"Not reliable: {note}" for note in details.reliability(result)))
    parts += sentences(*filter(None, [details.bootstrap(result)]), str(result.signature))
    parts += sentences(*(f"\nHint: {hint}" for hint in result.hints), style="yellow")
    return Group(*parts, *_breakdowns(result))


def evaluations(results: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> RenderableType:
    """Show several files: a leaderboard for each split, hints, and the files that are not scored.

    Up to three files also have their signatures, notes, classes and batches here, and their texts in full.
    """
    few, total = len(results) + len(refused) <= _FEW, len(results) + len(refused)
    parts = [part for table in details.leaderboards(results) for part in (render_table(table, lines=not few), Text())]
    if results:
        parts.pop()
        parts += sentences(_legend(few))
    if few:
        lines = [f"{shown(r.predictions)}, not reliable: {note}" for r in results for note in details.reliability(r)]
        lines += [f"{shown(result.predictions)}: {result.signature}" for result in results]
        lines += [line for result in results for line in hint_lines(result.predictions, result.hints)]
        lines += [f"\nnot scored: {len(refused)} of {total}"] if refused else []
        parts += sentences(*lines, *(one.reason for one in refused))
        for result in results:
            if tables := _breakdowns(result):
                parts += [Text(), heading(shown(result.predictions)), *tables]
        return Group(*parts)
    for table in (*details.hints(results), *details.refusals(refused, total)):
        parts += [Text(), render_table(table, lines=True)]
    return Group(*parts)


def _legend(few: bool) -> str:
    """Say what the columns are, and where everything else stands."""
    also = "intervals and references" if few else "intervals, signatures, hints and reasons in full"
    return f"± is the standard error; {also}: --format json or csv"


def _breakdowns(result: Evaluation) -> list[RenderableType]:
    """Show the classes and the batches of an evaluation, if there are any."""
    tables = (*details.classes(result), *details.batches(result))
    return [part for table in tables for part in (Text(), render_table(table))]


def baseline(fitted: Baseline, results: Sequence[Evaluation]) -> RenderableType:
    """Show the scores of a baseline on each split, and the loss of each epoch of the training."""
    rows = []
    for result in results:
        losses = (formatting.loss(loss.value) for loss in result.losses.values())
        accuracy = formatting.share(result.accuracy.value, result.n)
        rows.append((str(result.split), f"{result.n:,}", *losses, accuracy))
    columns = ("split", ">n", *(f">{name}" for name in results[0].losses), ">accuracy")
    table = Table(f"{fitted.name} on {fitted.dataset}", columns, tuple(rows))
    epochs = " ".join(f"{loss:.4f}" for loss in fitted.epoch_losses)
    return Group(render_table(table, bold=True), *sentences(*([f"loss by epoch: {epochs}"] if epochs else [])))
