"""An evaluation as tables: its numbers, constant predictions for reference, classes and batches; and several files."""

from __future__ import annotations

from collections.abc import Sequence

from mnistloss import formatting
from mnistloss.document import Table
from mnistloss.evaluation.results import Evaluation, LossResult
from mnistloss.formatting import shown
from mnistloss.stats import Interval

_SHOWN_BATCHES = 12


def title(result: Evaluation) -> str:
    """Whose numbers, on what."""
    data = formatting.data(result.dataset, result.split)
    return f"{shown(result.predictions)} on {data}, {formatting.sample_size(result.n)}"


def measures(result: Evaluation) -> Table:
    """The losses and the accuracy with their intervals, a row each."""
    first, resampled = next(iter(result.losses.values())), bool(bootstrap(result))
    reduction = "" if first.reduction == "mean" else f" ({first.reduction})"
    interval = f"{formatting.level(first.confidence)} interval{', bootstrap' if resampled else ''}"
    rows = []
    for name, loss in result.losses.items():
        notes = [f"delta {formatting.delta(loss.signature.delta)}"] if loss.signature.delta is not None else []
        notes += [f"{loss.infinite:,} infinite"] if loss.infinite else []
        spread, ends = formatting.stderr(loss.stderr), formatting.interval(loss.ci, loss.stderr)
        rows.append((name, formatting.loss(loss.value), spread, ends, ", ".join(notes)))
    for name, share in result.shares().items():
        note = "Wilson" if resampled and share.interval == "wilson" else ""
        rows.append((name, formatting.share(share.value, result.n), "", formatting.interval(share.ci), note))
    return Table(title(result), ("measure", f">value{reduction}", ">std. error", interval, ""), tuple(rows))


def bootstrap(result: Evaluation) -> str:
    """How the intervals were resampled; empty where they were not."""
    resampled = (loss for loss in result.losses.values() if loss.draws)
    return next((f"Bootstrap: percentiles of {loss.draws:,} samples, seed {loss.seed}" for loss in resampled), "")


def files(results: Sequence[Evaluation]) -> Table:
    """Several files, a row each, with the standard errors of their losses."""
    places = {(formatting.data(result.dataset, result.split), result.n) for result in results}
    common = f"{formatting.data(results[0].dataset, results[0].split)}, {formatting.sample_size(results[0].n)}"
    apart = ("data", ">n") if len(places) > 1 else ()
    rows = []
    for result in results:
        where = (formatting.data(result.dataset, result.split), f"{result.n:,}") if apart else ()
        shares = (formatting.share(share.value, result.n) for share in result.shares().values())
        rows.append((shown(result.predictions), *where, *map(_with_error, result.losses.values()), *shares))
    columns = ("predictions", *apart, *(f">{name}" for name in results[0].numbers()))
    return Table("" if apart else common, columns, tuple(rows))


def _with_error(loss: LossResult) -> str:
    """A loss and its standard error, or how many of its terms are infinite."""
    if loss.infinite:
        return f"infinite ({loss.infinite:,})"
    return f"{formatting.loss(loss.value)} ± {formatting.stderr(loss.stderr)}"


def details(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """The tables that an evaluation has beside its numbers; exact: at full precision, and every batch."""
    return [table for make in (references, classes, batches) for table in make(result, exact=exact)]


def references(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """What constant predictions cost by formula, and the skill: the share of the prior's loss that is saved."""
    losses = result.losses.values()
    if not all(loss.references for loss in losses):
        return []
    rows = [
        (label, *(_loss(loss.references[key], exact) for loss in losses))
        for key, label in (("uniform", "uniform guess"), ("prior", "class prior"))
    ]
    skills = (formatting.exact(loss.skill) if exact or loss.skill is None else f"{loss.skill:z.3f}" for loss in losses)
    columns = ("for reference", *(f">{name}" for name in result.losses))
    return [Table("", columns, (*rows, ("skill against the prior", *skills)))]


def classes(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """The losses by class, and what share of the total each class carries; nothing where not asked for."""
    names = list(result.losses)
    rows, most = [], max((row.n for row in result.per_class or ()), default=0)
    for row in result.per_class or ():
        shares = {
            name: formatting.exact(share) if exact else formatting.percent(share) for name, share in row.shares.items()
        }
        cells = [part for name in names for part in (_loss(row.losses[name], exact), shares[name])]
        accuracy = "-" if not row.n else repr(row.accuracy) if exact else formatting.share(row.accuracy, row.n, most)
        rows.append((str(row.label), f"{row.n:,}", *cells, accuracy))
    headings = [part for name in names for part in (f">{name}", f">share of {name}")]
    columns = ("class", ">n", *headings, ">accuracy")
    title = f"by class{', sums' if _summed(result) else ''}"
    return [Table(title, columns, tuple(rows))] if rows else []


def batches(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """The losses of each batch of the partition; of many, the first and the last ones; nothing where not asked for."""
    found, names = result.batches or (), list(result.losses)
    rows = [
        (str(number), f"{batch.start:,}", f"{batch.n:,}", *(_loss(batch.losses[name], exact) for name in names))
        for number, batch in enumerate(found)
    ]
    if len(rows) > _SHOWN_BATCHES and not exact:
        rows[_SHOWN_BATCHES - 2 : -1] = [("...", *("" for _ in rows[0][1:]))]
    count = formatting.counted(len(found), "batch", "batches")
    whole = "their sum is" if _summed(result) else "weighted by size, their mean is"
    title = f"{count} in row order; {whole} the value above"
    columns = (">batch", ">first row", ">n", *(f">{name}" for name in names))
    return [Table(title, columns, tuple(rows))] if rows else []


def _summed(result: Evaluation) -> bool:
    return next(iter(result.losses.values())).reduction == "sum"


def _loss(value: float, exact: bool) -> str:
    return formatting.exact(value) if exact else formatting.loss(value)


def summary(results: Sequence[Evaluation]) -> Table:
    """A row for each number of each evaluation, at full precision."""
    rows = []
    for result in results:
        start = (result.predictions, formatting.data(result.dataset, result.split), f"{result.n:,}")
        for name, loss in result.losses.items():
            how = loss.interval if loss.draws is None else f"bootstrap of {loss.draws:,}, seed {loss.seed}"
            cells = (
                formatting.exact(loss.value),
                f"{loss.infinite:,}",
                formatting.exact(loss.stderr),
                *_ends(loss.ci),
                how,
            )
            rows.append((*start, name, *cells))
        for name, share in result.shares().items():
            rows.append((*start, name, formatting.exact(share.value), "-", "-", *_ends(share.ci), share.interval))
    level = formatting.level(next(iter(results[0].losses.values())).confidence)
    ends = (f">{level} from", ">to", "interval")
    return Table("", ("predictions", "data", ">n", "measure", ">value", ">infinite", ">std. error", *ends), tuple(rows))


def _ends(ci: Interval | None) -> tuple[str, str]:
    return ("-", "-") if ci is None else (formatting.exact(ci[0]), formatting.exact(ci[1]))
