"""What stands beside the numbers of an evaluation: constant predictions for reference, classes and batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mnistloss import numbers
from mnistloss.document import Table
from mnistloss.results import Evaluation

_SHOWN_BATCHES = 12


def details(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """The tables that an evaluation has beside its numbers; exact: at full precision, and every batch."""
    tables = [references(result, exact=exact)] if next(iter(result.losses.values())).references else []
    tables += [classes(result, exact=exact)] if result.per_class is not None else []
    tables += [batches(result, exact=exact)] if result.batches is not None else []
    return tables


def references(result: Evaluation, *, exact: bool = False) -> Table:
    """What constant predictions cost by formula, and the skill: the share of the prior's loss that is saved."""
    losses = result.losses.values()
    rows = [
        (label, *(_loss(loss.references[key], exact) for loss in losses))
        for key, label in (("uniform", "uniform guess"), ("prior", "class prior"))
    ]
    skills = ("-" if loss.skill is None else repr(loss.skill) if exact else f"{loss.skill:.3f}" for loss in losses)
    return Table(
        "",
        ("for reference", *(f">{name}" for name in result.losses)),
        (*rows, ("skill against the prior", *skills)),
    )


def classes(result: Evaluation, *, exact: bool = False) -> Table:
    """The losses by class, and what share of the total each class carries."""
    names = list(result.losses)
    rows = []
    for row in result.per_class or ():
        shares = {name: _share(share, exact) for name, share in row.shares.items()}
        cells = [part for name in names for part in (_loss(row.losses[name], exact), shares[name])]
        accuracy = "-" if not row.n else repr(row.accuracy) if exact else numbers.share(row.accuracy, row.n)
        rows.append((str(row.label), f"{row.n:,}", *cells, accuracy))
    headings = [part for name in names for part in (f">{name}", ">share")]
    return Table("by class; share: of the total loss", ("class", ">n", *headings, ">accuracy"), tuple(rows))


def batches(result: Evaluation, *, exact: bool = False) -> Table:
    """The losses of each batch of the partition; of many, the first and the last ones."""
    found, names = result.batches or (), list(result.losses)
    rows = [
        (str(number), f"{batch.start:,}", f"{batch.n:,}", *(_loss(batch.losses[name], exact) for name in names))
        for number, batch in enumerate(found)
    ]
    if len(rows) > _SHOWN_BATCHES and not exact:
        rows[_SHOWN_BATCHES - 2 : -1] = [("...", *("" for _ in rows[0][1:]))]
    count = "1 batch" if len(found) == 1 else f"{len(found):,} batches"
    title = f"{count} in row order; weighted by size, their mean is the value above"
    return Table(title, (">batch", ">first row", ">n", *(f">{name}" for name in names)), tuple(rows))


def _loss(value: float, exact: bool) -> str:
    return repr(value) if exact and math.isfinite(value) else numbers.loss(value)


def _share(value: float, exact: bool) -> str:
    return "-" if math.isnan(value) else repr(value) if exact else f"{value:.1%}"


def summary(results: Sequence[Evaluation]) -> Table:
    """A row for each number of each evaluation, values at full precision."""
    rows = []
    for result in results:
        start = (result.predictions, numbers.data(result.dataset, result.split), f"{result.n:,}")
        for name, loss in result.losses.items():
            spread, interval = numbers.spread(loss.stderr), numbers.interval(loss.ci, loss.stderr)
            rows.append((*start, name, _loss(loss.value, exact=True), spread, interval))
        for name, share in result.shares().items():
            rows.append((*start, name, repr(share.value), "-", numbers.interval(share.ci)))
    columns = ("predictions", "data", ">n", "measure", ">value", ">std. error", "interval")
    return Table("", columns, tuple(rows))
