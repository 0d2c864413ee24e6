"""Turn the numbers of evaluations into tables of text, for a terminal, a page, Markdown or LaTeX; draw nothing."""

from __future__ import annotations

from collections.abc import Sequence

from mnistloss import formatting
from mnistloss.document import Table
from mnistloss.evaluation.results import Evaluation, LossResult
from mnistloss.formatting import shown
from mnistloss.stats import Interval

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


def files(results: Sequence[Evaluation]) -> Table:
    """Return a row for each file, with losses and standard errors; if the datasets differ, also with the dataset."""
    same_data = len({(_data(result), result.n) for result in results}) == 1
    rows = []
    for result in results:
        data = () if same_data else (_data(result), f"{result.n:,}")
        shares = (formatting.share(share.value, result.n) for share in result.shares().values())
        rows.append((shown(result.predictions), *data, *map(_with_error, result.losses.values()), *shares))
    columns = ("predictions", *(() if same_data else ("data", ">n")), *(f">{name}" for name in results[0].numbers()))
    title = f"{_data(results[0])}, n = {results[0].n:,}" if same_data else ""
    return Table(title, columns, tuple(rows))


def _with_error(loss: LossResult) -> str:
    """Return a loss ± the standard error, or the number of examples with an infinite loss."""
    if loss.infinite:
        return f"infinite ({loss.infinite:,})"
    return f"{formatting.loss(loss.value)} ± {formatting.stderr(loss.stderr)}"


def details(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """Return all tables of an evaluation except `measures`; if `exact` is true, with all digits and all batches."""
    return [table for make in (references, classes, batches) for table in make(result, exact=exact)]


def references(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """Return the losses of constant predictions, and the skill: by which share the loss is below that of the prior."""
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
    """Return a table of the losses of each class and their shares of the total loss, if there are classes."""
    if not result.per_class:
        return []
    rows, largest_n = [], max(row.n for row in result.per_class)
    percent = formatting.exact if exact else formatting.percent
    for row in result.per_class:
        cells = (cell for name in result.losses for cell in (_loss(row.losses[name], exact), percent(row.shares[name])))
        in_full = exact or not row.n
        accuracy = formatting.exact(row.accuracy) if in_full else formatting.share(row.accuracy, row.n, largest_n)
        rows.append((str(row.label), f"{row.n:,}", *cells, accuracy))
    headings = (heading for name in result.losses for heading in (f">{name}", f">share of {name}"))
    title = f"by class{', sums' if _is_sum(result) else ''}"
    return [Table(title, ("class", ">n", *headings, ">accuracy"), tuple(rows))]


def batches(result: Evaluation, *, exact: bool = False) -> list[Table]:
    """Return a table of the losses of each batch, if there are any; of more than 12, the first ones and the last."""
    if not result.batches:
        return []
    rows = [
        (str(i), f"{batch.start:,}", f"{batch.n:,}", *(_loss(batch.losses[name], exact) for name in result.losses))
        for i, batch in enumerate(result.batches)
    ]
    if len(rows) > _MAX_BATCHES and not exact:
        rows[_MAX_BATCHES - 2 : -1] = [("...", *("" for _ in rows[0][1:]))]
    count = formatting.counted(len(result.batches), "batch", "batches")
    total = "their sum is" if _is_sum(result) else "weighted by size, their mean is"
    columns = (">batch", ">first row", ">n", *(f">{name}" for name in result.losses))
    return [Table(f"{count} in row order; {total} the value above", columns, tuple(rows))]


def summary(results: Sequence[Evaluation]) -> Table:
    """Return a row for each loss and accuracy of each evaluation, with all digits."""
    rows = []
    for result in results:
        start = (result.predictions, _data(result), f"{result.n:,}")
        for name, loss in result.losses.items():
            method = loss.interval if loss.draws is None else f"bootstrap of {loss.draws:,}, seed {loss.seed}"
            numbers = formatting.exact(loss.value), f"{loss.infinite:,}", formatting.exact(loss.stderr), *_ends(loss.ci)
            rows.append((*start, name, *numbers, method))
        for name, share in result.shares().items():
            rows.append((*start, name, formatting.exact(share.value), "-", "-", *_ends(share.ci), share.interval))
    level = formatting.level(next(iter(results[0].losses.values())).confidence)
    numbers = (">value", ">infinite", ">std. error", f">{level} from", ">to")
    return Table("", ("predictions", "data", ">n", "measure", *numbers, "interval"), tuple(rows))


def _data(result: Evaluation) -> str:
    return formatting.data(result.dataset, result.split)


def _is_sum(result: Evaluation) -> bool:
    return next(iter(result.losses.values())).reduction == "sum"


def _loss(value: float, exact: bool) -> str:
    return formatting.exact(value) if exact else formatting.loss(value)


def _ends(ci: Interval | None) -> tuple[str, str]:
    return ("-", "-") if ci is None else (formatting.exact(ci[0]), formatting.exact(ci[1]))
