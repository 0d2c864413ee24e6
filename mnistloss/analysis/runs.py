"""Recipes with several training runs each: means and spread over runs, and the comparison of recipes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Unpack

import numpy as np

from mnistloss import formatting
from mnistloss.analysis.compare import check_finite, p_text
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Chart, Curve, Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.evaluate import ScoreOptions, summarize
from mnistloss.evaluation.hints import hint_lines
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import Predictions, default_losses, score
from mnistloss.evaluation.targets import DataKeywords, DataOptions, TargetLoader
from mnistloss.formatting import difference_cells, finite, shown
from mnistloss.stats import Interval, Moments, hall_interval, hall_p, quantile, t_p, t_quantile


class Spread(NamedTuple):
    """A number over the runs of a recipe: its mean, its standard deviation over runs (None for one run), and the
    standard error over examples of the mean of each example over the runs."""

    mean: float
    sd_runs: float | None
    stderr_examples: float | None


@dataclass(frozen=True)
class Recipe:
    """One way of training: the evaluations of its runs, and each loss and the accuracy over them.

    examples: by loss, the mean over the runs of the loss of each example (N,).
    """

    name: str
    runs: tuple[Evaluation, ...]
    losses: Mapping[str, Spread]
    accuracy: Spread
    examples: Mapping[str, Floats] = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        losses = {name: finite(spread._asdict()) for name, spread in self.losses.items()}
        runs = [run.as_dict() for run in self.runs]
        return {"name": self.name, "losses": losses, "accuracy": self.accuracy._asdict(), "runs": runs}

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for the recipe, and one for each run."""
        spreads = {**self.losses, "accuracy": self.accuracy}
        row = {"name": self.name, "run": "", "runs": len(self.runs), "n": self.runs[0].n}
        for name, spread in spreads.items():
            row |= {name: spread.mean, f"{name}.sd_runs": spread.sd_runs}
            row |= {f"{name}.stderr_examples": spread.stderr_examples}
        return [row, *({"name": self.name, "run": run.predictions, "n": run.n, **run.numbers()} for run in self.runs)]


def evaluate_runs(
    runs: Mapping[str, Sequence[Predictions]],
    *,
    losses: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    **data: Unpack[DataKeywords],
) -> tuple[Recipe, ...]:
    """Evaluate several training runs of each recipe, by its name. All must be of the same examples.

    losses: a name of the registry LOSSES, or several; default cee and mse, and error for predicted classes.
    confidence: level of the intervals of single runs. data: see `DataKeywords`. Raises as `evaluate` does.

    >>> y = np.full((1000, 10), 0.1)
    >>> (recipe,) = evaluate_runs({"guess": [y, y]}, dataset="mnist-5k", losses="mse")
    >>> round(recipe.losses["mse"].mean, 12), recipe.losses["mse"].sd_runs
    (0.45, 0.0)
    """
    options, chosen = ScoreOptions(losses, confidence=confidence), DataOptions(**data)
    loader, first, recipes = TargetLoader(chosen), None, []
    names = options.loss_names(chosen.input)
    for recipe, sources in runs.items():
        evaluations: list[Evaluation] = []
        sums: dict[str, Floats] = {}
        for source in sources:
            scores = score(source, chosen, losses=names, keep=(*names, "error"), loader=loader)
            evaluations.append(summarize(scores, options))
            first = first or evaluations[0]
            _check_same(first, evaluations[-1])
            sums = {name: scores.losses(name) + sums.get(name, 0.0) for name in (*names, "error")}
        recipes.append(_recipe(recipe, evaluations, sums))
    return tuple(recipes)


def _recipe(name: str, runs: Sequence[Evaluation], sums: Mapping[str, Floats]) -> Recipe:
    """Return a recipe; sums: of the losses of each example (N,) over its runs."""
    if not runs:
        raise ArgumentError(f"{shown(name)} has no runs; expected one or more")
    means = {loss: total / len(runs) for loss, total in sums.items()}
    spreads = {loss: _spread([run.losses[loss].value for run in runs], means[loss]) for loss in runs[0].losses}
    accuracy = _spread([run.accuracy.value for run in runs], 1 - means["error"])
    return Recipe(name, tuple(runs), spreads, accuracy, means)


def _check_same(first: Evaluation, other: Evaluation) -> None:
    """Refuse runs of another length, split or input."""
    for what in ("n", "split", "input"):
        if (a := getattr(first, what)) != (b := getattr(other, what)):
            raise InputError(
                f"{shown(other.predictions)}: {what} is {b}, but {a} in {shown(first.predictions)}; expected runs of"
                " the same examples and the same input"
            )


def _spread(values: Sequence[float], examples: Floats) -> Spread:
    over_runs = Moments.of(np.array(values))
    sd = None if over_runs.stderr is None else over_runs.stderr * math.sqrt(len(values))
    return Spread(over_runs.mean, sd, Moments.over(examples).stderr)


@dataclass(frozen=True)
class RecipeDifference:
    """A recipe's mean loss minus the first one's; below zero is better.

    paired: whether each run has a partner in the other recipe. stderr_runs, ci_runs, p_runs: over runs, by Student's t,
    paired or Welch's; None where a recipe has one run. ci_examples, p_examples: over examples, of the mean losses of
    each example, Hall's.
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


@dataclass(frozen=True)
class RunComparison:
    """The result of `compare_runs`: the recipes, and their differences from the first one."""

    loss: str
    confidence: float
    recipes: tuple[Recipe, ...]
    differences: tuple[RecipeDifference, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "loss": self.loss,
            "confidence": self.confidence,
            "recipes": [recipe.as_dict() for recipe in self.recipes],
            "differences": [asdict(difference) for difference in self.differences],
        }

    def parts(self) -> list[Part]:
        level = formatting.level(self.confidence)
        rows = tuple(
            (f"{shown(d.name)}, {how}", *difference_cells(d.mean, stderr, ci), p_text(p))
            for d in self.differences
            for how, stderr, ci, p in (
                ("over runs, paired" if d.paired else "over runs, not paired", d.stderr_runs, d.ci_runs, d.p_runs),
                ("over examples", d.stderr_examples, d.ci_examples, d.p_examples),
            )
        )
        if not self.differences:
            return recipe_parts(self.recipes)
        columns = ("", ">difference", ">std. error", f">{level} interval", ">p")
        title = f"{self.loss} minus that of {shown(self.recipes[0].name)}; below zero is better"
        table = Table(title, columns, rows)
        several = ("p and intervals are not adjusted for the number of names.",) if len(self.differences) > 1 else ()
        return [Lines((*map(self._verdict, self.differences), *several)), table, *recipe_parts(self.recipes)]

    def _verdict(self, d: RecipeDifference) -> str:
        """Say what the runs support, and what the examples do."""
        name, baseline = shown(d.name), shown(self.recipes[0].name)
        ci, stderr = (d.ci_examples, d.stderr_examples) if d.ci_runs is None else (d.ci_runs, d.stderr_runs)
        size, _, interval = difference_cells(d.mean, stderr, ci)
        counts = [len(recipe.runs) for recipe in self.recipes if recipe.name in (d.name, self.recipes[0].name)]
        runs = f"{counts[0]} runs each" if counts[0] == counts[1] else f"{counts[0]} and {counts[1]} runs"
        level = 1 - self.confidence
        if d.ci_runs is None:
            verdict = (
                f"{name} minus {baseline} is {size} {self.loss} ({interval}) on these examples; t needs two runs of"
                " each name, so this says nothing of another training run"
            )
        elif d.p_runs is not None and d.p_runs <= level:
            better = "better" if d.mean < 0 else "worse"
            verdict = f"{name} is {better} than {baseline} over {runs}: {size} {self.loss} ({interval})"
            if d.p_examples is None or d.p_examples > level:
                verdict += "; on all examples of which these are a sample they are not told apart"
        else:
            verdict = f"{name} and {baseline} are not told apart over {runs} ({interval})"
            if d.p_examples is not None and d.p_examples <= level:
                verdict += f", though on these examples {name} is {'lower' if d.mean < 0 else 'higher'}"
        paired = "" if d.paired or d.ci_runs is None else " The runs are not paired: their paths do not match."
        return f"{verdict}.{paired}"


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
    quantile(confidence)
    recipes = evaluate_runs(runs, losses=loss, confidence=confidence, **data)
    for recipe in recipes:
        for run in recipe.runs:
            check_finite(run.predictions, loss, run.losses[loss].infinite)
    paths = {name: [str(s) if isinstance(s, (str, os.PathLike)) else "" for s in runs[name]] for name in runs}
    first = recipes[0]
    differences = [
        _difference(first, other, loss, confidence, _pairs(paths[first.name], paths[other.name]))
        for other in recipes[1:]
    ]
    return RunComparison(loss, confidence, recipes, tuple(differences))


def report_runs(
    runs: Mapping[str, Sequence[Predictions]], *, confidence: float = 0.95, **data: Unpack[DataKeywords]
) -> RunComparison:
    """Compare recipes by the first default loss, for a page; a single recipe is evaluated only. See `compare_runs`."""
    loss = default_losses(data.get("input", "probs"))[0]
    if len(runs) > 1:
        return compare_runs(runs, loss=loss, confidence=confidence, **data)
    return RunComparison(loss, confidence, evaluate_runs(runs, losses=loss, confidence=confidence, **data), ())


def _pairs(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]] | None:
    """Return the places of the runs that belong together by their paths; None where one has no partner."""
    keys, others = _varying_parts(first), _varying_parts(second)
    if len(set(keys)) < len(keys) or sorted(keys) != sorted(others):
        return None
    return [(place, others.index(key)) for place, key in enumerate(keys)]


def _varying_parts(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the words and numbers of each path that are not the same in all of them."""
    parts = [tuple(re.findall(r"\d+|[^\W\d]+|\W", path)) for path in paths]
    if len({len(part) for part in parts}) > 1:
        return parts
    columns = [column for column in zip(*parts, strict=True) if len(set(column)) > 1]
    return [tuple(column[place] for column in columns) for place in range(len(paths))]


def _difference(
    first: Recipe, other: Recipe, loss: str, confidence: float, pairs: list[tuple[int, int]] | None
) -> RecipeDifference:
    """Return one difference; pairs: the places of the runs that belong together, None where they are not paired."""
    x, y = (np.array([run.losses[loss].value for run in recipe.runs]) for recipe in (first, other))
    stderr, df = _paired(np.array([y[b] - x[a] for a, b in pairs])) if pairs else _welch(x, y)
    mean = other.losses[loss].mean - first.losses[loss].mean
    margin = None if stderr is None else t_quantile(confidence, df) * stderr
    moments = Moments.over(other.examples[loss] - first.examples[loss])
    u = moments.skewness_of_mean
    return RecipeDifference(
        name=other.name,
        mean=mean,
        paired=pairs is not None and len(pairs) > 1,
        stderr_runs=stderr,
        ci_runs=None if margin is None else (mean - margin, mean + margin),
        p_runs=None if not stderr or formatting.noise(stderr) else t_p(mean / stderr, df),
        stderr_examples=moments.stderr,
        ci_examples=hall_interval(mean, moments.stderr, u, confidence),
        p_examples=hall_p(mean, moments.stderr, u),
    )


def _paired(d: Floats) -> tuple[float | None, float]:
    """Return the standard error of the mean of paired differences and its degrees of freedom; None for one pair."""
    return Moments.of(d).stderr, len(d) - 1.0


def _welch(x: Floats, y: Floats) -> tuple[float | None, float]:
    """Return the standard error of the difference of two means and Welch's degrees of freedom."""
    a, b = Moments.of(x).stderr, Moments.of(y).stderr
    if a is None or b is None:
        return None, 1.0
    v, w = a**2, b**2
    return math.sqrt(v + w), (v + w) ** 2 / (v**2 / (len(x) - 1) + w**2 / (len(y) - 1)) if v + w else 1.0


def strip(recipes: Sequence[Recipe], loss: str, confidence: float) -> Chart:
    """Return a strip of points for each recipe, the losses of its runs, above their mean with its interval by t."""
    x: list[float] = []
    y: list[float] = []
    ends: list[float] = []
    heights: list[float] = []
    for place, recipe in enumerate(recipes, 1):
        values = [run.losses[loss].value for run in recipe.runs]
        moments = Moments.of(np.array(values))
        margin = t_quantile(confidence, moments.n - 1) * moments.stderr if moments.stderr is not None else 0.0
        x += values
        y += [place] * len(values)
        ends += [moments.mean - margin, moments.mean, moments.mean + margin, math.nan]
        heights += [place - 0.2] * 4
    curves = (
        Curve("runs", tuple(x), tuple(y), "points"),
        Curve("mean and interval", tuple(ends), tuple(heights), "joined"),
    )
    names = tuple(recipe.name for recipe in recipes)
    return Chart(f"{loss} of each run", Axis(loss), Axis("name", names=names), curves)


def recipe_parts(recipes: Sequence[Recipe]) -> list[Part]:
    """Return a table of the recipes, a table of their runs, and the signatures and hints of these."""
    first = recipes[0].runs[0]
    names, n = list(recipes[0].losses), first.n
    rows = tuple(
        (
            shown(recipe.name),
            str(len(recipe.runs)),
            label,
            *(_cell(s, label) for s in (*recipe.losses.values(), recipe.accuracy)),
        )
        for recipe in recipes
        for label in ("mean over runs", "std. deviation over runs", "std. error over examples")
    )
    data = formatting.data(first.dataset, first.split)
    means = Table(f"{data}, n = {n:,}", ("name", ">runs", "", *(f">{name}" for name in names), ">accuracy"), rows)
    runs = Table(
        "the runs",
        ("name", "run", *(f">{name}" for name in names), ">accuracy"),
        tuple(
            (
                shown(recipe.name),
                shown(run.predictions),
                *(formatting.loss(run.losses[name].value) for name in names),
                formatting.share(run.accuracy.value, n),
            )
            for recipe in recipes
            for run in recipe.runs
        ),
    )
    every = [run for recipe in recipes for run in recipe.runs]
    hints = [line for run in every for line in hint_lines(run.predictions, run.hints)]
    return [means, runs, Lines((*dict.fromkeys(str(run.signature) for run in every), *hints))]


def _cell(spread: Spread, label: str) -> str:
    if label == "mean over runs":
        return formatting.loss(spread.mean)
    return formatting.stderr(spread.sd_runs if label.startswith("std. deviation") else spread.stderr_examples)
