"""Evaluations as tables of a document."""

from __future__ import annotations

from collections.abc import Sequence

from mnistloss import numbers
from mnistloss.document import Table
from mnistloss.errors import shown
from mnistloss.results import Evaluation
from mnistloss.views.figures import percent


def title(result: Evaluation) -> str:
    """Whose scores, on what."""
    return f"{shown(result.predictions)} on {numbers.data(result.dataset, result.split)}, {numbers.examples(result.n)}"


def measures(result: Evaluation) -> Table:
    """The losses and the accuracy with their intervals, a row each."""
    first = next(iter(result.losses.values()))
    reduction = "" if first.reduction == "mean" else f" ({first.reduction})"
    columns = ("measure", f">value{reduction}", ">std. error", f"{100 * first.confidence:g} % interval", "")
    rows = []
    for name, loss in result.losses.items():
        note = [f"delta {numbers.delta(loss.signature.delta)}"] if loss.signature.delta is not None else []
        note += [f"{loss.infinite:,} infinite"] if loss.infinite else []
        spread, interval = numbers.spread(loss.stderr), numbers.interval(loss.ci, loss.stderr)
        rows += [(name, numbers.loss(loss.value), spread, interval, ", ".join(note))]
    for name, share in result.shares().items():
        rows += [(name, numbers.share(share.value, result.n), "", numbers.interval(share.ci), "")]
    return Table(title(result), columns, tuple(rows))


def references(result: Evaluation) -> list[Table]:
    """What constant predictions cost by formula, and the skill: the share of the prior's loss that is saved."""
    losses = result.losses.values()
    if not all(loss.references for loss in losses):
        return []
    rows = [
        (label, *(numbers.loss(loss.references[key]) for loss in losses))
        for key, label in (("uniform", "uniform guess"), ("prior", "class prior"))
    ]
    skills = ("-" if loss.skill is None else f"{loss.skill:.3f}" for loss in losses)
    columns = ("for reference", *(f">{name}" for name in result.losses))
    return [Table("what constant predictions cost", columns, (*rows, ("skill against the prior", *skills)))]


def classes(result: Evaluation) -> list[Table]:
    """The losses by class, and what share of the total each class carries; nothing where not asked for."""
    if result.per_class is None:
        return []
    names = list(result.losses)
    headings = [part for name in names for part in (f">{name}", ">share")]
    rows = []
    for row in result.per_class:
        parts = ((numbers.loss(row.losses[name]), percent(numbers.finite(row.shares[name]))) for name in names)
        cells = [cell for pair in parts for cell in pair]
        accuracy = numbers.share(row.accuracy, row.n) if row.n else "-"
        rows += [(str(row.label), f"{row.n:,}", *cells, accuracy)]
    return [Table("by class; share: of the total loss", ("class", ">n", *headings, ">accuracy"), tuple(rows))]


def files(results: Sequence[Evaluation]) -> Table:
    """Several files, a row each."""
    names = list(results[0].numbers())
    rows = []
    for result in results:
        found = result.numbers()
        values = (numbers.loss(found[n]) if n in result.losses else numbers.share(found[n], result.n) for n in names)
        data = numbers.data(result.dataset, result.split)
        rows += [(shown(result.predictions), data, f"{result.n:,}", *values)]
    return Table("the files", ("predictions", "data", ">n", *(f">{name}" for name in names)), tuple(rows))
