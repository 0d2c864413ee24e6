"""Turn the numbers of evaluations into tables of text, for a terminal, a page, Markdown or LaTeX; draw nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mnistloss import formatting
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation, LossResult, Refused, sort_key
from mnistloss.formatting import shown

_MAX_BATCHES = 12


def measures(result: Evaluation) -> Table:
    """Return a row for each loss and for the accuracy, with the intervals."""
    first, is_bootstrap = next(iter(result.losses.values())), bool(bootstrap(result))
    rows = []
    for name, loss in result.losses.items():
        notes = [f"delta {formatting.delta(loss.signature.delta)}"] if loss.signature.delta is not None else []
        cause = " (-inf, log 0)" if result.input == "logprobs" else ""
        notes += [f"{loss.infinite:,} infinite{cause}"] if loss.infinite else []
        numbers = formatting.loss(loss.value), formatting.stderr(loss.stderr), formatting.interval(loss.ci, loss.stderr)
        rows.append((name, *numbers, ", ".join(notes)))
    for name, share in result.shares().items():
        note = "Wilson" if is_bootstrap and share.interval == "wilson" else ""
        rows.append((name, formatting.share(share.value, result.n), "", formatting.interval(share.ci), note))
    title = f"{shown(result.predictions)} on {_data(result)}, n = {result.n:,}"
    reduction = "" if first.reduction == "mean" else f" ({first.reduction})"
    interval = f"{formatting.level(first.confidence)} interval{', bootstrap' if is_bootstrap else ''}"
    return Table(title, ("measure", f">value{reduction}", ">std. error", interval, ""), tuple(rows))


def bootstrap(result: Evaluation) -> str:
    """Return how bootstrap intervals were made; for other intervals, return an empty text."""
    losses = (loss for loss in result.losses.values() if loss.draws)
    return next((f"Bootstrap-t of {loss.draws:,} samples, seed {loss.seed}" for loss in losses), "")


def reliability(result: Evaluation) -> list[str]:
    """Return a sentence for each loss whose interval is not reliable: what the interval rests on."""
    return [f"{loss.reliability}." for loss in result.losses.values() if loss.reliability]


def leaderboards(results: Sequence[Evaluation]) -> list[Table]:
    """Return a table of ranked files for each split: rank, name, losses and accuracy, best first.

    The first loss ranks; equal losses have equal ranks. The folder that all names of a table share is in its title.
    """
    groups: dict[str, list[Evaluation]] = {}
    for result in results:
        indices = f" of {result.signature.indices}" if result.signature.indices else ""
        groups.setdefault(f"{_data(result)}, n = {result.n:,}{indices}", []).append(result)
    return [_leaderboard(title, sorted(group, key=sort_key)) for title, group in groups.items()]


def _leaderboard(title: str, results: Sequence[Evaluation]) -> Table:
    values = [sort_key(result)[0] for result in results]
    folder = common_folder([result.predictions for result in results])
    rows, costs = [], []
    for result, value in zip(results, values, strict=True):
        first, *others = result.losses.values()
        shares = [formatting.share(share.value, result.n) for share in result.shares().values()]
        name = _within(folder, result.predictions)
        rows.append((str(values.index(value) + 1), name, _with_error(first), *shares, *map(_with_error, others)))
        costs.append([value, *(-share.value for share in result.shares().values()), *(loss.value for loss in others)])
    best, *rest = results[0].losses
    columns = (">rank", "predictions", f">{best}", *(f">{name}" for name in (*results[0].shares(), *rest)))
    reduction = f", {results[0].losses[best].reduction}" if _is_sum(results[0]) else ""
    return Table(f"{title}{reduction}{_in_folder(folder)}", columns, tuple(rows), best=best_cells(costs, 2))


def best_cells(costs: Sequence[Sequence[float]], start: int) -> frozenset[tuple[int, int]]:
    """Return the cells with the lowest cost of each column, for `Table.best`; none of a column of equal costs.

    costs: of each row, those of the columns from `start` on.
    """
    cells = set()
    for c, column in enumerate(zip(*costs, strict=True), start):
        cells |= {(row, c) for row, cost in enumerate(column) if cost == min(column) < max(column)}
    return frozenset(cells)


def common_folder(names: Sequence[str]) -> str:
    """Return the folder that all names begin with, with the slash; empty for a single name."""
    columns = zip(*(name.split("/")[:-1] for name in names), strict=False) if len(names) > 1 else ()
    folders = [column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, columns)]
    return f"{'/'.join(folders)}/" if any(folders) else ""


def _with_error(loss: LossResult) -> str:
    """Return a loss ± the standard error, or how many losses are infinite."""
    return f"infinite ({loss.infinite:,})" if loss.infinite else formatting.with_error(loss.value, loss.stderr)


def refusals(refused: Sequence[Refused], total: int) -> list[Table]:
    """Return a table of the files that are not scored, with the reason and the first option that would mend it."""
    folder = common_folder([one.predictions for one in refused])
    rows = []
    for one in refused:
        first, *others = formatting.as_options(one.advice).split(" or ")
        rows.append(
            (_within(folder, one.predictions), formatting.as_options(one.cause), f"{first}, ..." if others else first)
        )
    title = f"not scored: {len(refused):,} of {total:,}{_in_folder(folder)}"
    return [Table(title, ("", "", ""), tuple(rows))] if refused else []


def hints(results: Sequence[Evaluation]) -> list[Table]:
    """Return a table of the files that have hints: name, and the evidence of the hints."""
    folder = common_folder([result.predictions for result in results])
    rows = []
    for result in (result for result in results if result.hints):
        evidence = "; ".join(hint.evidence for hint in result.hints)
        text = formatting.as_options(evidence.replace(shown(folder) or "\0", ""))
        rows.append((_within(folder, result.predictions), text))
    return [Table(f"hints: {len(rows):,} of {len(results):,}", ("", ""), tuple(rows))] if rows else []


def _in_folder(folder: str) -> str:
    return f"\nin {shown(folder)}" if folder else ""


def _within(folder: str, name: str) -> str:
    return shown(name.removeprefix(folder))


def paper(results: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> list[Part]:
    """Return what Markdown and LaTeX show: a row for each file, classes, batches, hints, refusals and signatures."""
    parts: list[Part] = []
    for table in leaderboards(results):
        rows, best = tuple(row[1:] for row in table.rows), frozenset((row, column - 1) for row, column in table.best)
        parts.append(table._replace(columns=table.columns[1:], rows=rows, best=best))
    parts += [Lines(("± is the standard error.",))] if results else []
    notes: list[str] = []
    for result in results:
        name = shown(result.predictions)
        prefix = f"{name}: " if len(results) > 1 else ""
        parts += [table._replace(title=f"{prefix}{table.title}") for table in (*classes(result), *batches(result))]
        notes += [f"{name}, not reliable: {note}" for note in reliability(result)]
        notes += hint_lines(result.predictions, result.hints)
    notes += [f"not scored: {one.reason}" for one in refused]
    return [*parts, Lines(tuple(notes)), *([signatures(results)] if results else [])]


def signatures(results: Sequence[Evaluation]) -> Lines:
    """Return the signature of each evaluation after the name of the file."""
    return Lines(tuple(f"{shown(one.predictions)}: {one.signature}" for one in results), fold="signatures")


def parts(result: Evaluation) -> list[Part]:
    """Return what a terminal shows of one evaluation as the parts of a document."""
    notes = [f"Not reliable: {note}" for note in reliability(result)]
    lines = (
        *notes,
        *filter(None, [bootstrap(result)]),
        str(result.signature),
        *(f"Hint: {hint}" for hint in result.hints),
    )
    return [measures(result), *references(result), Lines(lines), *classes(result), *batches(result)]


def references(result: Evaluation) -> list[Table]:
    """Return the losses of constant predictions, and the skill: by which share the loss is below that of the prior."""
    losses = result.losses.values()
    if not all(loss.references for loss in losses):
        return []
    rows = [
        (label, *(formatting.loss(loss.references[key]) for loss in losses))
        for key, label in (("uniform", "uniform guess"), ("prior", "class prior"))
    ]
    skills = (formatting.nats(loss.skill, 3) for loss in losses)
    columns = ("for reference", *(f">{name}" for name in result.losses))
    return [Table("", columns, (*rows, ("skill against the prior", *skills)))]


def classes(result: Evaluation) -> list[Table]:
    """Return a table of the losses of each class and their shares of the total loss, if there are classes."""
    if not result.per_class:
        return []
    rows, largest_n = [], max(row.n for row in result.per_class)
    for row in result.per_class:
        pairs = ((formatting.loss(row.losses[name]), formatting.percent(row.shares[name])) for name in result.losses)
        accuracy = formatting.share(row.accuracy, row.n, largest_n) if row.n else "-"
        rows.append((str(row.label), f"{row.n:,}", *itertools.chain(*pairs), accuracy))
    headings = (heading for name in result.losses for heading in (f">{name}", f">share of {name}"))
    title = f"by class{', sums' if _is_sum(result) else ''}"
    return [Table(title, ("class", ">n", *headings, ">accuracy"), tuple(rows))]


def batches(result: Evaluation) -> list[Table]:
    """Return a table of the losses of each batch, if there are any; of more than 12, the first ones and the last."""
    if not result.batches:
        return []
    rows = [
        (str(i), f"{batch.start:,}", f"{batch.n:,}", *(formatting.loss(batch.losses[name]) for name in result.losses))
        for i, batch in enumerate(result.batches)
    ]
    if len(rows) > _MAX_BATCHES:
        rows[_MAX_BATCHES - 2 : -1] = [("...", *("" for _ in rows[0][1:]))]
    count = formatting.counted(len(result.batches), "batch", "batches")
    total = "their sum is" if _is_sum(result) else "weighted by size, their mean is"
    columns = (">batch", ">first row", ">n", *(f">{name}" for name in result.losses))
    return [Table(f"{count} in row order; {total} the value above", columns, tuple(rows))]


def _data(result: Evaluation) -> str:
    return formatting.data(result.dataset, result.split)


def _is_sum(result: Evaluation) -> bool:
    return next(iter(result.losses.values())).reduction == "sum"
