"""Recipes with several training runs each: means and spread over runs, and the comparison of recipes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple, Unpack

import numpy as np

from mnistloss import formatting
from mnistloss.analysis.compare import check_finite, is_apart, p_text, verdict
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.evaluate import ScoreOptions, summarize
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import Predictions, default_losses, score
from mnistloss.evaluation.targets import DataKeywords, DataOptions, TargetLoader
from mnistloss.formatting import Printable, difference_cells, finite, shown
from mnistloss.stats import Interval, Moments, hall_interval, hall_p, t_p, t_quantile, welch


class Spread(NamedTuple):
    """The mean over runs and the standard deviation over runs (None for one run) of a number; the standard error over
    examples of the mean of each example over the runs."""

    mean: float
    sd_runs: float | None
    stderr_examples: float | None


@dataclass(frozen=True)
class Recipe:
    """One way of training: the evaluations of its runs, and each loss and the accuracy over its runs.

    examples: by loss, the mean over the runs of the loss of each example (N,).
    """

    name: str
    runs: tuple[Evaluation, ...]
    losses: Mapping[str, Spread]
    accuracy: Spread
    examples: Mapping[str, Floats] = field(repr=False, compare=False)

    def __repr__(self) -> str:
        spreads = {**self.losses, "accuracy": self.accuracy}
        means = (f"{name}={spread.mean:.7g}" for name, spread in spreads.items())
        return f"Recipe({self.name!r}, runs={len(self.runs)}, {', '.join(means)})"

    def values(self, loss: str) -> Floats:
        """Return the loss of each run (runs,)."""
        return np.array([run.losses[loss].value for run in self.runs])

    def as_dict(self) -> dict[str, Any]:
        losses = {name: finite(spread._asdict()) for name, spread in self.losses.items()}
        runs = [run.as_dict() for run in self.runs]
        return {"name": self.name, "losses": losses, "accuracy": self.accuracy._asdict(), "runs": runs}

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for the recipe, and one for each run."""
        row = {"name": self.name, "run": "", "runs": len(self.runs), "n": self.runs[0].n}
        for name, (mean, sd, stderr) in [*self.losses.items(), ("accuracy", self.accuracy)]:
            row |= {name: mean, f"{name}.sd_runs": sd, f"{name}.stderr_examples": stderr}
        return [row, *({"name": self.name, "run": run.predictions, "n": run.n, **run.numbers()} for run in self.runs)]


class Recipes(tuple[Recipe, ...], Printable):
    """The result of `evaluate_runs`: the recipes in the given order."""

    def as_dict(self) -> list[dict[str, Any]]:
        """Return the data for JSON."""
        return [recipe.as_dict() for recipe in self]

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for each recipe, followed by one for each of its runs."""
        return [row for recipe in self for row in recipe.rows()]

    def parts(self) -> list[Part]:
        """Return a table of the recipes, a table of their runs, and the signatures and hints of the runs."""
        losses, every = list(self[0].losses), [run for recipe in self for run in recipe.runs]
        columns = [f">{name}" for name in (*losses, "accuracy")]
        means, runs = [], []
        for recipe in self:
            mean, *rows = recipe.rows()
            for label, part, text in (
                ("mean over runs", "", formatting.loss),
                ("std. deviation over runs", ".sd_runs", formatting.stderr),
                ("std. error over examples", ".stderr_examples", formatting.stderr),
            ):
                cells = (text(mean[name + part]) for name in (*losses, "accuracy"))
                means.append((shown(recipe.name), str(len(rows)), label, *cells))
            for row in rows:
                cells = (formatting.loss(row[name]) for name in losses)
                share = formatting.share(row["accuracy"], row["n"])
                runs.append((shown(recipe.name), shown(row["run"]), *cells, share))
        title = f"{formatting.data(every[0].dataset, every[0].split)}, n = {every[0].n:,}"
        hints = [line for run in every for line in hint_lines(run.predictions, run.hints)]
        return [
            Table(title, ("name", ">runs", "", *columns), tuple(means)),
            Table("the runs", ("name", "run", *columns), tuple(runs)),
            Lines((*dict.fromkeys(str(run.signature) for run in every), *hints)),
        ]


def evaluate_runs(
    runs: Mapping[str, Sequence[Predictions]],
    *,
    losses: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    **data: Unpack[DataKeywords],
) -> Recipes:
    """Evaluate several training runs of each recipe, by the name of the recipe. All must be of the same examples.

    losses: a name of the registry LOSSES, or several; default cee and mse, and error for predicted classes.
    confidence: level of the intervals of single runs. data: see `DataKeywords`. Raises as `evaluate` does.

    >>> y = np.full((1000, 10), 0.1)
    >>> (recipe,) = evaluate_runs({"guess": [y, y]}, dataset="mnist-5k", losses="mse")
    >>> round(recipe.losses["mse"].mean, 12), recipe.losses["mse"].sd_runs
    (0.45, 0.0)
    """
    if not runs:
        raise ArgumentError("there are no runs; expected a dictionary from names to predictions")
    options, chosen = ScoreOptions(losses, confidence=confidence), DataOptions(**data)
    loader, first, recipes = TargetLoader(chosen), None, []
    names = options.loss_names(chosen.input)
    for recipe, sources in runs.items():
        if not sources:
            raise ArgumentError(f"{shown(recipe)} has no runs; expected one or more")
        evaluations: list[Evaluation] = []
        means: dict[str, Floats] = {}
        for source in sources:
            scores = score(source, chosen, losses=names, keep=(*names, "error"), loader=loader)
            evaluations.append(summarize(scores, options))
            first = first or evaluations[0]
            _check_same(first, evaluations[-1])
            means = {name: scores.losses(name) + means.get(name, 0.0) for name in (*names, "error")}
        means = {name: total / len(sources) for name, total in means.items()}
        spreads = {
            name: _spread([run.numbers()[name] for run in evaluations], examples)
            for name, examples in (*means.items(), ("accuracy", 1 - means["error"]))
            if name in (*names, "accuracy")
        }
        recipes.append(Recipe(recipe, tuple(evaluations), spreads, spreads.pop("accuracy"), means))
    return Recipes(recipes)


def _check_same(first: Evaluation, other: Evaluation) -> None:
    """Refuse runs of another length, split or input."""
    for what in ("n", "split", "input"):
        if (a := getattr(first, what)) != (b := getattr(other, what)):
            raise InputError(
                f"{shown(other.predictions)}: {what} is {b}, but {a} in {shown(first.predictions)}; expected runs of"
                " the same examples and the same input"
            )


def _spread(values: Sequence[float], examples: Floats) -> Spread:
    """Return the spread of a number; values: of each run (runs,); examples: of each example, mean over runs (N,)."""
    over_runs = Moments.of(np.array(values))
    sd = None if over_runs.stderr is None else over_runs.stderr * math.sqrt(len(values))
    return Spread(over_runs.mean, sd, Moments.over(examples).stderr)


@dataclass(frozen=True)
class RecipeDifference:
    """The mean loss of a recipe minus the mean loss of the first recipe; below zero the recipe is better.

    paired: whether each run has a partner in the other recipe. stderr_runs, ci_runs, p_runs: over runs, by Student's t,
    paired or Welch's; None where a recipe has one run. stderr_examples, ci_examples, p_examples: over examples, by
    Hall's interval of the mean losses of each example.
    """

    name: str
    mean: float
    paired: bool
    stderr_runs: float | None
    ci_runs: Interval | None
    p_runs: float | None
    stderr_examples: float | None
    ci_examples: Interval | None
    p_examples: float | None


@dataclass(frozen=True, repr=False)
class RunComparison(Printable):
    """The result of `compare_runs`: the recipes, and the differences of the others from the first one."""

    loss: str
    confidence: float
    recipes: Recipes
    differences: tuple[RecipeDifference, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "recipes": self.recipes.as_dict(), "differences": list(map(vars, self.differences))}

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the recipes, each recipe with its difference from the first."""
        differences: dict[str, dict[str, Any]] = {}
        for d in self.differences:
            row = differences[d.name] = {"difference": d.mean, "difference.paired": d.paired}
            for over in ("runs", "examples"):
                low, high = getattr(d, f"ci_{over}") or (None, None)
                ends = {
                    f"difference.low_{over}": low,
                    f"difference.high_{over}": high,
                    f"p_{over}": getattr(d, f"p_{over}"),
                }
                row |= {f"difference.stderr_{over}": getattr(d, f"stderr_{over}"), **ends}
        return [row if row["run"] else {**row, **differences.get(row["name"], {})} for row in self.recipes.rows()]

    def parts(self) -> list[Part]:
        if not self.differences:
            return self.recipes.parts()
        rows: list[tuple[str, ...]] = []
        for d in self.differences:
            how = f"{shown(d.name)}, over runs, {'paired' if d.paired else 'not paired'}"
            rows += [(how, *difference_cells(d.mean, d.stderr_runs, d.ci_runs), p_text(d.p_runs))]
            cells = difference_cells(d.mean, d.stderr_examples, d.ci_examples)
            rows += [(f"{shown(d.name)}, over examples", *cells, p_text(d.p_examples))]
        columns = ("", ">difference", ">std. error", f">{formatting.level(self.confidence)} interval", ">p")
        title = f"{self.loss} minus that of {shown(self.recipes[0].name)}; below zero is better"
        return [Lines(self.verdicts()), Table(title, columns, tuple(rows)), *self.recipes.parts()]

    def verdicts(self) -> tuple[str, ...]:
        """Return a sentence for each difference: which recipe is better, and by how much."""
        several = ("p and intervals are not adjusted for the number of names.",) if len(self.differences) > 1 else ()
        return (*map(self._verdict, self.differences), *several)

    def _verdict(self, d: RecipeDifference) -> str:
        """Say what the runs support, and what the examples support."""
        baseline, name = self.recipes[0].name, shown(d.name)
        if d.ci_runs is None:
            where = "on these examples; t needs two runs of each name, so this says nothing of another training run"
            return f"{verdict(d.name, baseline, where, self.loss, d.mean, d.stderr_examples, d.ci_examples, None)}."
        counts = [len(recipe.runs) for recipe in self.recipes if recipe.name in (d.name, baseline)]
        where = f"over {counts[0]} runs each" if counts[0] == counts[1] else f"over {counts[0]} and {counts[1]} runs"
        apart = is_apart(d.p_runs, d.mean, self.confidence)
        text = verdict(d.name, baseline, where, self.loss, d.mean, d.stderr_runs, d.ci_runs, apart)
        on_examples = is_apart(d.p_examples, d.mean, self.confidence)
        if apart and not on_examples:
            text += "; on all examples of which these are a sample they are not told apart"
        if not apart and on_examples:
            text += f", though on these examples {name} is {'lower' if d.mean < 0 else 'higher'}"
        return f"{text}.{'' if d.paired else ' The runs are not paired: their paths do not match.'}"


def compare_runs(
    runs: Mapping[str, Sequence[Predictions]],
    *,
    loss: str = "cee",
    confidence: float = 0.95,
    **data: Unpack[DataKeywords],
) -> RunComparison:
    """Compare recipes, by several training runs of each, with the first one.

    Runs are paired where the paths of each recipe differ in the same parts, such as seed0 and seed1. data: see
    `DataKeywords`. Raises as `evaluate` does, and InputError for an infinite loss.

    >>> y = np.full((1000, 10), 0.1)
    >>> result = compare_runs({"a": [y, y], "b": [y, y]}, dataset="mnist-5k", loss="mse")
    >>> result.differences[0].mean, result.differences[0].paired
    (0.0, False)
    """
    if len(runs) < 2:
        raise ArgumentError(f"{len(runs)} name; a comparison of runs needs two or more")
    first, *others = recipes = evaluate_runs(runs, losses=loss, confidence=confidence, **data)
    for run in (run for recipe in recipes for run in recipe.runs):
        check_finite(run.predictions, loss, run.losses[loss].infinite)
    return RunComparison(loss, confidence, recipes, tuple(_difference(first, one, loss, confidence) for one in others))


def report_runs(
    runs: Mapping[str, Sequence[Predictions]], *, confidence: float = 0.95, **data: Unpack[DataKeywords]
) -> RunComparison:
    """Compare recipes by the first default loss, for a page; a single recipe is evaluated only. See `compare_runs`."""
    loss = default_losses(data.get("input", "probs"))[0]
    if len(runs) > 1:
        return compare_runs(runs, loss=loss, confidence=confidence, **data)
    return RunComparison(loss, confidence, evaluate_runs(runs, losses=loss, confidence=confidence, **data), ())


def _pairs(first: Recipe, other: Recipe) -> list[tuple[int, int]]:
    """Return the places of the runs that belong together by their paths; none where a run has no partner."""
    keys, others = _varying_parts(first), _varying_parts(other)
    if len(set(keys)) < len(keys) or sorted(keys) != sorted(others):
        return []
    return [(place, others.index(key)) for place, key in enumerate(keys)]


def _varying_parts(recipe: Recipe) -> list[tuple[str, ...]]:
    """Return for each run the words and numbers of its path that are not the same in all runs; [] if all are."""
    parts = [re.findall(r"\d+|[^\W\d]+|\W", run.predictions) for run in recipe.runs]
    return list(zip(*(column for column in zip_longest(*parts, fillvalue="") if len(set(column)) > 1), strict=True))


def _difference(first: Recipe, other: Recipe, loss: str, confidence: float) -> RecipeDifference:
    """Return the difference of a recipe from the first one."""
    x, y = first.values(loss), other.values(loss)
    if pairs := _pairs(first, other):
        stderr, df = Moments.of(np.array([y[b] - x[a] for a, b in pairs])).stderr, len(pairs) - 1.0
    else:
        stderr, df = welch(Moments.of(x), Moments.of(y))
    mean = other.losses[loss].mean - first.losses[loss].mean
    margin = None if stderr is None else t_quantile(confidence, df) * stderr
    moments = Moments.over(other.examples[loss] - first.examples[loss])
    u = moments.skewness_of_mean
    return RecipeDifference(
        name=other.name,
        mean=mean,
        paired=len(pairs) > 1,
        stderr_runs=stderr,
        ci_runs=None if margin is None else (mean - margin, mean + margin),
        p_runs=None if not stderr or formatting.noise(stderr) else t_p(mean / stderr, df),
        stderr_examples=moments.stderr,
        ci_examples=hall_interval(mean, moments.stderr, u, confidence),
        p_examples=hall_p(mean, moments.stderr, u),
    )


def strip(recipes: Sequence[Recipe], loss: str, confidence: float) -> Chart:
    """Return a strip of points for each recipe, the losses of its runs, above their mean with its interval by t."""
    points: list[tuple[float, float]] = []
    means: list[tuple[float, float]] = []
    for place, recipe in enumerate(recipes, 1):
        moments = Moments.of(values := recipe.values(loss))
        margin = t_quantile(confidence, moments.n - 1) * moments.stderr if moments.stderr is not None else 0.0
        points += [(value, place) for value in values.tolist()]
        means += [(x, place - 0.2) for x in (moments.mean - margin, moments.mean, moments.mean + margin, math.nan)]
    curves = tuple(
        Curve(name, tuple(x for x, _ in marks), tuple(y for _, y in marks), style)
        for name, marks, style in (("runs", points, "points"), ("mean and interval", means, "joined"))
    )
    return Chart(f"{loss} of each run", Axis(loss), Axis("name", names=tuple(one.name for one in recipes)), curves)
