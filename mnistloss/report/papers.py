"""Put together what stands in a paper or a pull request: a row for each file or recipe, and the signatures apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mnistloss import formatting
from mnistloss.analysis.compare import Comparison, p_text
from mnistloss.analysis.runs import Recipe, RecipeDifference, Recipes, RunComparison
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation
from mnistloss.formatting import interval, level, shown, with_error
from mnistloss.report import details
from mnistloss.stats import Interval


def paper(result: Any) -> list[Part]:
    """Return the parts for a paper; of a result that is not of files, these are the parts for a terminal."""
    match result:
        case Evaluation():
            return details.paper([result])
        case Comparison():
            return _comparison(result)
        case Recipes():
            return _recipes(result, "", ())
        case RunComparison():
            return [Lines(result.verdicts()), *_recipes(result.recipes, level(result.confidence), result.differences)]
        case _:
            return list(result.parts())


def _comparison(result: Comparison) -> list[Part]:
    """Return the verdicts, and a row for each file with its difference from the baseline."""
    others, rows = {d.predictions: d for d in result.differences}, []
    for file in result.files:
        share = formatting.share(file.accuracy, result.scores.n)
        d = others.get(file.predictions)
        cells = _difference(d.mean, d.stderr, d.ci, d.p_holm) if d else ("baseline", "", "")
        rows.append((shown(file.predictions), with_error(file.loss, file.stderr), share, *cells))
    best = details.best_cells([(file.loss, -file.accuracy) for file in result.files], 1)
    p = ">p, Holm" if len(others) > 1 else ">p"
    columns = ("predictions", f">{result.loss}", ">accuracy", ">difference", f">{level(result.confidence)} interval", p)
    hints = [line for file in result.files for line in hint_lines(file.predictions, file.hints)]
    signatures = tuple(f"{shown(file.predictions)}: {file.signature}" for file in result.files)
    return [
        Lines(result.verdicts()),
        Table(result.title, columns, tuple(rows), best=best),
        Lines(("± is the standard error.", *hints)),
        Lines(signatures, fold="signatures"),
    ]


def _recipes(recipes: Recipes, confidence: str, differences: Sequence[RecipeDifference]) -> list[Part]:
    """Return a row for each recipe: the means over its runs and, if there are any, the difference from the first."""
    others, rows, costs = {d.name: _over_runs(d) for d in differences}, [], []
    blank = ("baseline", "", "") if others else ()
    for recipe in recipes:
        rows.append((shown(recipe.name), str(len(recipe.runs)), *_means(recipe), *others.get(recipe.name, blank)))
        costs.append([*(spread.mean for spread in recipe.losses.values()), -recipe.accuracy.mean])
    first, every = recipes[0].runs[0], [run for recipe in recipes for run in recipe.runs]
    more = (">difference", f">{confidence} interval", ">p") if others else ()
    columns = ("name", ">runs", *(f">{name}" for name in first.losses), ">accuracy", *more)
    title = f"{formatting.data(first.dataset, first.split)}, n = {first.n:,}"
    notes = ["± is the standard deviation over the runs."]
    notes += (
        ["± of a difference is its standard error over the runs, or over the examples of one run."] if others else []
    )
    hints = [line for run in every for line in hint_lines(run.predictions, run.hints)]
    return [
        Table(title, columns, tuple(rows), best=details.best_cells(costs, 2)),
        Lines((*notes, *hints)),
        details.signatures(every),
    ]


def _means(recipe: Recipe) -> list[str]:
    cells = [with_error(spread.mean, spread.sd_runs) for spread in recipe.losses.values()]
    mean, sd, _ = recipe.accuracy
    return [*cells, formatting.share(mean, recipe.runs[0].n) if sd is None else with_error(mean, sd)]


def _over_runs(d: RecipeDifference) -> tuple[str, ...]:
    if d.ci_runs is None:
        return _difference(d.mean, d.stderr_examples, d.ci_examples, d.p_examples)
    return _difference(d.mean, d.stderr_runs, d.ci_runs, d.p_runs)


def _difference(mean: float, stderr: float | None, ci: Interval | None, p: float | None) -> tuple[str, ...]:
    sign = "+" if mean > 0 else ""
    return f"{sign}{with_error(mean, stderr)}", interval(ci, stderr), p_text(p)
