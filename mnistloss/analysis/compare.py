"""Compare predictions on the same examples: paired differences, their intervals and their tests."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np

from mnistloss import formatting
from mnistloss.arrays.checks import Floats, whole
from mnistloss.arrays.npy import Source
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.hints import Hint, hint_lines, identical_predictions
from mnistloss.evaluation.scoring import Predictions, Scores, score
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import DataOptions, TargetLoader
from mnistloss.formatting import difference_cells, shown
from mnistloss.losses.losses import LOSSES, find_loss
from mnistloss.stats import (
    Interval,
    Moments,
    bootstrap_intervals,
    holm,
    mcnemar_p,
    normal_interval,
    quantile,
    sign_flip_p,
)

_MAX_CASES = 10


@dataclass(frozen=True)
class File:
    """A file of predictions: its mean loss with the signature, its accuracy and its hints.

    losses, errors: of each example (N,); an error is 0 or 1, except for soft targets.
    """

    predictions: str
    loss: float
    accuracy: float
    signature: Signature
    hints: tuple[Hint, ...]
    losses: Floats = field(repr=False, compare=False)
    errors: Floats = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        means = {"predictions": self.predictions, "loss": self.loss, "accuracy": self.accuracy}
        return {**means, "signature": str(self.signature), "hints": [hint.as_dict() for hint in self.hints]}


@dataclass(frozen=True)
class McNemar:
    """How many examples only one of two models gets right, and McNemar's test of equal accuracy."""

    only_baseline: int
    only_other: int
    p: float
    p_holm: float


@dataclass(frozen=True)
class Case:
    """An example on which two models differ; the label is None for soft targets."""

    index: int
    label: int | None
    baseline: float
    other: float

    @property
    def difference(self) -> float:
        """The loss of the other predictions minus the baseline's."""
        return self.other - self.baseline


@dataclass(frozen=True)
class Difference:
    """The losses of predictions minus the baseline's, example by example; below zero is better.

    stderr, ci: of the mean, None for one example. bootstrap_ci: the percentile interval. p: of the sign-flip test,
    from all sign patterns if exact; p_holm: adjusted for the number of comparisons. effect_size: the mean over the
    standard deviation of the differences, None without one. mcnemar: None for soft targets. rows: the rows of the
    cases in `differ_most`.
    """

    predictions: str
    mean: float
    stderr: float | None
    ci: Interval | None
    bootstrap_ci: Interval
    p: float
    exact: bool
    p_holm: float
    effect_size: float | None
    mcnemar: McNemar | None
    differ_most: tuple[Case, ...]
    rows: tuple[int, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        content = asdict(self)
        del content["rows"]
        return content


@dataclass(frozen=True)
class ComparisonOptions:
    """How a difference is tested: the confidence level, random sign flips, bootstrap samples, and the seed of both."""

    confidence: float = 0.95
    flips: int = 10_000
    bootstrap: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        whole(self.flips, "flips")
        whole(self.bootstrap, "bootstrap")
        whole(self.seed, "seed", least=0)
        quantile(self.confidence)


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`: files and differences sorted by loss, then by name; scores: of the baseline."""

    baseline: str
    loss: str
    options: ComparisonOptions
    files: tuple[File, ...]
    differences: tuple[Difference, ...]
    scores: Scores = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        s = self.scores
        return {
            "baseline": self.baseline,
            "dataset": s.dataset,
            "split": s.split,
            "n": s.n,
            "input": s.input,
            "loss": self.loss,
            "delta": s.delta if LOSSES[self.loss].uses_delta else None,
            **asdict(self.options),
            "files": [file.as_dict() for file in self.files],
            "differences": [difference.as_dict() for difference in self.differences],
        }

    def worse_than(self, margin: float) -> list[Difference]:
        """Return the differences whose interval does not end at or below the margin."""
        return [difference for difference in self.differences if not (difference.ci and difference.ci[1] <= margin)]

    def parts(self) -> list[Part]:
        level = formatting.level(self.options.confidence)
        parts = [
            self._ranking(),
            self._table(
                f"{self.loss} minus the baseline's; below zero is better",
                (">difference", ">std. error", f">{level} interval", ">bootstrap"),
                lambda d: difference_cells(d.mean, d.stderr, d.ci, d.bootstrap_ci),
            ),
            self._table(
                "could it be chance? The difference in its standard deviations, and the sign-flip test",
                (">effect size", ">p", ">Holm"),
                lambda d: ("-" if d.effect_size is None else f"{d.effect_size:+z.3f}", _p(d.p), _p(d.p_holm)),
            ),
        ]
        if all(difference.mcnemar for difference in self.differences):
            columns = (">baseline", ">this file", ">McNemar p", ">Holm")
            parts += [self._table("examples that only one of the two gets right", columns, _mcnemar_cells)]
        parts += [Lines(self._notes())]
        for difference in self.differences:
            if difference.differ_most:
                captions = tuple(f"{case.index}: {case.difference:+.3f}" for case in difference.differ_most)
                pictures = self.scores.pictures(np.array(difference.rows), captions)
                parts += [self._cases(difference), *pictures]
        return parts

    def _ranking(self) -> Part:
        n, data = self.scores.n, formatting.data(self.scores.dataset, self.scores.split)
        rows = tuple(
            (
                str(place),
                shown(file.predictions),
                formatting.loss(file.loss),
                formatting.share(file.accuracy, n),
                "baseline" if file.predictions == self.baseline else "",
            )
            for place, file in enumerate(self.files, 1)
        )
        return Table(f"{self.loss} on {data}, n = {n:,}", (">", "predictions", f">{self.loss}", ">accuracy", ""), rows)

    def _table(self, title: str, columns: tuple[str, ...], cells: Callable[[Difference], tuple[str, ...]]) -> Part:
        """Return a table with a row for each difference, under the name of its file."""
        rows = tuple((shown(difference.predictions), *cells(difference)) for difference in self.differences)
        return Table(title, ("predictions", *columns), rows)

    def _notes(self) -> tuple[str, ...]:
        options, exact = self.options, all(difference.exact for difference in self.differences)
        flips = "all sign patterns" if exact else f"{options.flips:,} sign flips"
        samples = f"bootstrap of {options.bootstrap:,} samples, seed {options.seed}"
        method = f"p from {flips}, {samples}; Holm over all comparisons"
        hints = (line for file in self.files for line in hint_lines(file.predictions, file.hints))
        signatures = (f"{shown(file.predictions)}: {file.signature}" for file in self.files)
        return (method, *signatures, *hints)

    def _cases(self, difference: Difference) -> Part:
        rows = (
            (
                str(case.index),
                "-" if case.label is None else str(case.label),
                *(f"{value:z.4f}" for value in (case.baseline, case.other, case.difference)),
            )
            for case in difference.differ_most
        )
        title = f"where {shown(difference.predictions)} differs most from {shown(self.baseline)}"
        return Table(title, (">index", ">label", ">baseline", ">this file", ">difference"), tuple(rows))


def check_finite(predictions: str, loss: str, infinite: int) -> None:
    """Refuse a loss that is infinite for some examples: a difference of these is no number."""
    if infinite:
        count = formatting.counted(infinite, "example", "examples")
        raise InputError(
            f"{shown(predictions)}: the {loss} of {count} is infinite, so there is no difference;"
            ' use loss="cee" with a delta above 0, such as delta=1e-7'
        )


def _mcnemar_cells(difference: Difference) -> tuple[str, ...]:
    test = difference.mcnemar
    return () if test is None else (f"{test.only_baseline:,}", f"{test.only_other:,}", _p(test.p), _p(test.p_holm))


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.001 else f"{p:.1e}" if p > 1e-300 else "< 1e-300"


def compare(
    a: Predictions,
    b: Predictions,
    *more: Predictions,
    loss: str = "cee",
    targets: Source | None = None,
    indices: Source | None = None,
    dataset: str = "mnist",
    split: str = "auto",
    input: str | Sequence[str] = "probs",
    delta: float | None = None,
    flips: int = 10_000,
    bootstrap: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    allow_unnormalized: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    array: str | None = None,
) -> Comparison:
    """Compare predictions with those of a baseline, example by example.

    a: the baseline; b, more: what is compared with it. Each is an array, a .npy path or a binary stream, of the
        same examples; see `evaluate`, also for targets, indices, dataset, split, input, delta and the rest.
    input: one for all, or a sequence of one for each of the predictions.
    loss: a name of the registry LOSSES, of which paired differences are taken: theirs minus the baseline's.
    flips: random sign patterns of the randomisation test; with few differences all patterns are tried.
    bootstrap: number of samples of the percentile interval.
    seed: of both; every comparison uses the same draws, so adding predictions changes no other p-value.
    confidence: level of the intervals.

    Raises as `evaluate` does, and InputError for predictions of other examples than the baseline's, or an
    infinite loss.

    >>> y = np.full((1000, 10), 0.1)
    >>> better = np.where(np.eye(10)[np.arange(1000) % 10] == 1, 0.28, 0.08)
    >>> (difference,) = compare(y, better, dataset="mnist-5k", loss="mse").differences
    >>> round(difference.mean, 12), difference.p < 0.001
    (-0.162, True)
    """
    find_loss(loss)
    options = ComparisonOptions(confidence, flips, bootstrap, seed)
    sources = (a, b, *more)
    inputs = [input] if isinstance(input, str) else list(input)
    inputs = inputs * len(sources) if len(inputs) == 1 else inputs
    if len(inputs) != len(sources):
        raise ArgumentError(f"{len(inputs)} inputs for {len(sources)} predictions; expected one, or one for each")
    data = [
        DataOptions(targets, indices, dataset, split, one, delta, allow_unnormalized, cache_dir, download, array)
        for one in inputs
    ]
    loader, keep = TargetLoader(data[0]), (loss, "error", "predicted")
    scores = [score(source, one, keep=keep, loader=loader) for source, one in zip(sources, data, strict=True)]
    return compare_scores(scores, loss, options)


def compare_scores(scores: Sequence[Scores], loss: str, options: ComparisonOptions) -> Comparison:
    """Compare scored predictions with the first of them; see `compare`."""
    first = scores[0]
    names = _distinct_names([one.name for one in scores])
    identical = identical_predictions([s.fingerprint._replace(name=n) for s, n in zip(scores, names, strict=True)])
    baseline, *others = (
        _file(one, name, loss, first, hints) for one, name, hints in zip(scores, names, identical, strict=True)
    )
    rank = attrgetter("loss", "predictions")
    others.sort(key=rank)
    return Comparison(
        baseline=baseline.predictions,
        loss=loss,
        options=options,
        files=tuple(sorted([baseline, *others], key=rank)),
        differences=_adjusted([_difference(baseline, other, first, options) for other in others]),
        scores=first,
    )


def _distinct_names(names: Sequence[str]) -> list[str]:
    """Return the same names, of which those that occur several times are numbered by their place."""
    numbered = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    distinct = [new if names.count(name) > 1 else name for name, new in zip(names, numbered, strict=True)]
    return distinct if len(set(distinct)) == len(distinct) else numbered


def _file(scores: Scores, name: str, loss: str, first: Scores, hints: tuple[Hint, ...]) -> File:
    """Return the losses of a file; other examples than those of the first file, or an infinite loss, are refused."""
    if (first.split, first.n) != (scores.split, scores.n):
        files = [f"{shown(s.name)} is {f'{s.split}, ' if s.split else ''}{s.n:,} examples" for s in (first, scores)]
        raise InputError(f"{' and '.join(files)}; paired differences need predictions of the same examples")
    if first.targets.indices_digest != scores.targets.indices_digest:
        names = f"{shown(first.name)} and {shown(scores.name)}"
        raise InputError(
            f"{names} have other examples, or another order: paired differences need the same index in both"
        )
    losses, errors = scores.losses(loss), scores.losses("error")
    moments, accuracy = Moments.over(losses), 1 - Moments.over(errors).mean
    check_finite(scores.name, loss, moments.infinite)
    return File(name, moments.mean, accuracy, scores.signature(loss), scores.hints + hints, losses, errors)


def _difference(baseline: File, other: File, scores: Scores, options: ComparisonOptions) -> Difference:
    """Return one comparison, as if it were the only one: p-values are not adjusted."""
    d = other.losses - baseline.losses
    moments = Moments.over(d)
    (bootstrap_ci,) = bootstrap_intervals(d[np.newaxis], options.bootstrap, options.seed, options.confidence)
    p, exact = sign_flip_p(d, options.flips, options.seed)
    rows = np.argsort(-np.abs(d), kind="stable")[:_MAX_CASES]
    rows = rows[d[rows] != 0]
    labels = [None] * len(rows) if scores.t.ndim == 2 else scores.labels[rows].tolist()
    columns = scores.positions()[rows].tolist(), labels, baseline.losses[rows].tolist(), other.losses[rows].tolist()
    return Difference(
        predictions=other.predictions,
        mean=moments.mean,
        stderr=moments.stderr,
        ci=normal_interval(moments.mean, moments.stderr, options.confidence),
        bootstrap_ci=bootstrap_ci,
        p=p,
        exact=exact,
        p_holm=p,
        effect_size=_effect_size(moments),
        mcnemar=_mcnemar(baseline.errors, other.errors) if scores.t.ndim == 1 else None,
        differ_most=tuple(Case(*case) for case in zip(*columns, strict=True)),
        rows=tuple(rows.tolist()),
    )


def _effect_size(d: Moments) -> float | None:
    """Return the mean difference in standard deviations of the differences; None where these are all the same."""
    if d.stderr is None or formatting.noise(d.stderr):
        return None
    return d.mean / (d.stderr * math.sqrt(d.n))


def _mcnemar(baseline: Floats, other: Floats) -> McNemar:
    counts = int(np.count_nonzero(baseline < other)), int(np.count_nonzero(baseline > other))
    p = mcnemar_p(*counts)
    return McNemar(*counts, p, p)


def _adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return the same with the p-values of each kind of test adjusted for all comparisons."""
    flips = holm([d.p for d in differences])
    accuracies = iter(holm([d.mcnemar.p for d in differences if d.mcnemar]))
    return tuple(
        replace(d, p_holm=p, mcnemar=d.mcnemar and replace(d.mcnemar, p_holm=next(accuracies)))
        for d, p in zip(differences, flips, strict=True)
    )
