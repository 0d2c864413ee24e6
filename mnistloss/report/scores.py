"""Evaluations as rich renderables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mnistloss.document import Table
from mnistloss.errors import shown
from mnistloss.hints import hint_lines
from mnistloss.report import details
from mnistloss.report.layout import grid, heading, sentences, supported
from mnistloss.report.parts import render_table
from mnistloss.results import Evaluation


def evaluation(result: Evaluation) -> RenderableType:
    """The losses and the accuracy with their intervals, what constant predictions cost, signature and hints."""
    losses = result.losses
    errors = [[losses[name].stderr if name in losses else None] for name in result.numbers()]
    parts = [_supported(details.measures(result), 1, errors)]
    parts += map(render_table, details.references(result))
    parts += sentences(*filter(None, [details.bootstrap(result)]), str(result.signature))
    parts += [Text(f"\nHint: {hint}", style="yellow", overflow="fold") for hint in result.hints]
    return Group(*parts, *_breakdowns(result))


def evaluations(results: Sequence[Evaluation]) -> RenderableType:
    """Several files, a row each, with the standard errors of the losses; then what was asked for of each."""
    table = details.files(results)
    first = next(iter(results[0].losses.values()))
    kind = "" if first.reduction == "mean" else f" of the {first.reduction}"
    lines = [f"± is the standard error{kind}; intervals and references: --format json or csv"]
    lines += [f"{shown(result.predictions)}: {result.signature}" for result in results]
    lines += [line for result in results for line in hint_lines(result.predictions, result.hints)]
    errors = [[loss.stderr for loss in result.losses.values()] for result in results]
    at = len(table.columns) - len(results[0].numbers())
    return Group(
        _supported(table, at, errors), *sentences(*lines), *(part for result in results for part in _named(result))
    )


def _supported(table: Table, at: int, errors: Sequence[Sequence[float | None]]) -> RenderableType:
    """A table with the digits dim that are not supported, in the cells from `at` on that have standard errors."""
    drawn = grid(*table.columns)
    for row, known in zip(table.rows, errors, strict=True):
        cells = [supported(cell, stderr) for cell, stderr in zip(row[at:], known, strict=False)]
        first = Text(row[0], style="bold" if at == 1 else "", overflow="fold")
        drawn.add_row(first, *row[1:at], *cells, *map(Text, row[at + len(cells) :]))
    return Group(*([heading(table.title)] if table.title else []), drawn)


def _breakdowns(result: Evaluation) -> Iterator[RenderableType]:
    """The tables by class and by batch, where asked for."""
    for table in (*details.classes(result), *details.batches(result)):
        yield from (Text(), render_table(table))


def _named(result: Evaluation) -> list[RenderableType]:
    """The tables by class and by batch under the file's name."""
    found = list(_breakdowns(result))
    return [Text(), heading(shown(result.predictions)), *found] if found else []
