"""Compare predictions on the same examples: paired differences, their intervals and their tests."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np

from mnistloss import formatting
from mnistloss.analysis.view import pictures
from mnistloss.arrays.checks import Floats, whole
from mnistloss.arrays.npy import Source
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.hints import Hint, hint_lines, identical_predictions
from mnistloss.evaluation.scoring import MIN_WRONG, Predictions, Scores, score
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import DataOptions, TargetLoader
from mnistloss.formatting import difference_cells, shown
from mnistloss.losses.losses import LOSSES, find_loss
from mnistloss.stats import (
    Interval,
    Moments,
    hall_interval,
    hall_p,
    holm,
    is_too_skewed,
    mcnemar_p,
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

    stderr, ci: of the mean; the interval is P. Hall's, None for one example. p: of the hypothesis that both have the
    same mean loss over all examples of which these are a sample, consistent with the interval; None where all
    differences are equal. p_holm: adjusted for the number of comparisons. p_flips: of the sign-flip test, exact if from
    all sign patterns; both None unless asked for. effect_size: the mean over the standard deviation of the differences,
    None without one. reliability: why interval and p are not reliable, else None. mcnemar: None for soft targets.
    rows: those of `differ_most`.
    """

    predictions: str
    mean: float
    stderr: float | None
    ci: Interval | None
    p: float | None
    p_holm: float | None
    p_flips: float | None
    exact: bool | None
    effect_size: float | None
    reliability: str | None
    mcnemar: McNemar | None
    differ_most: tuple[Case, ...]
    rows: tuple[int, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        content = asdict(self) | {"interval": "hall", "bootstrap_ci": None}
        del content["rows"]
        return content


@dataclass(frozen=True)
class ComparisonOptions:
    """The confidence level, and the random sign patterns of the sign-flip test (0 for no such test) with their seed."""

    confidence: float = 0.95
    flips: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        whole(self.flips, "flips", least=0)
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
            "bootstrap": None,
            "files": [file.as_dict() for file in self.files],
            "differences": [difference.as_dict() for difference in self.differences],
        }

    def worse_than(self, margin: float) -> list[Difference]:
        """Return the differences whose interval does not end at or below the margin."""
        return [difference for difference in self.differences if not (difference.ci and difference.ci[1] <= margin)]

    def parts(self) -> list[Part]:
        parts: list[Part] = [Lines(tuple(map(self._verdict, self.differences))), self._table(), Lines(self._notes())]
        for difference in self.differences:
            if difference.differ_most:
                captions = tuple(f"{case.index}: {case.difference:+.3f}" for case in difference.differ_most)
                parts += [self._cases(difference), *pictures(self.scores, np.array(difference.rows), captions)]
        return parts

    def _verdict(self, d: Difference) -> str:
        """Say which is better, by how much, on what this rests, and what the interval does not cover."""
        name, baseline, n = shown(d.predictions), shown(self.baseline), f"these {self.scores.n:,} examples"
        note = f" But {d.reliability}." if d.reliability else ""
        note += " There is no p: all differences are equal." if d.stderr is not None and d.p is None else ""
        if d.p_holm is None or d.p_holm > 1 - self.options.confidence:
            size, _, interval = difference_cells(d.mean, d.stderr, d.ci)
            apart = f"{name} and {baseline} are not told apart on {n}"
            return f"{apart}: {name} minus {baseline} is {size} {self.loss} ({interval}).{note}"
        sign, word = (-1, "better") if d.mean < 0 else (1, "worse")
        ends = d.ci and (min(sign * end for end in d.ci), max(sign * end for end in d.ci))
        size, _, interval = difference_cells(sign * d.mean, d.stderr, ends)
        better = f"{name} is {word} than {baseline} by {size[1:]} {self.loss}"
        return f"{better} ({interval}) on {n}; one file each says nothing of another training run.{note}"

    def _table(self) -> Part:
        """Return a row for each file, sorted by loss."""
        n, differences = self.scores.n, {d.predictions: self._cells(d) for d in self.differences}
        columns: tuple[str, ...] = (">difference", f">{formatting.level(self.options.confidence)} interval")
        columns += (">p, Holm" if len(differences) > 1 else ">p", *([">p of flips"] if self.options.flips else []))
        baseline = ("baseline", *("" for _ in columns[1:]))
        rows = tuple(
            (
                shown(file.predictions),
                formatting.loss(file.loss),
                formatting.share(file.accuracy, n),
                *differences.get(file.predictions, baseline),
            )
            for file in self.files
        )
        title = f"{self.loss} on {formatting.data(self.scores.dataset, self.scores.split)}, n = {n:,}"
        return Table(title, ("predictions", f">{self.loss}", ">accuracy", *columns), rows)

    def _cells(self, d: Difference) -> tuple[str, ...]:
        size, _, interval = difference_cells(d.mean, d.stderr, d.ci)
        at_floor = not d.exact and d.p_flips == 1 / (self.options.flips + 1)
        flips = () if d.p_flips is None else (f"{'≤ ' if at_floor else ''}{p_text(d.p_flips)}",)
        return (size, interval, p_text(d.p_holm), *flips)

    def _notes(self) -> tuple[str, ...]:
        lines = ["p: of equal mean loss over all examples of which these are a sample; below zero is better."]
        if len(self.differences) > 1:
            lines += ["p is adjusted for all comparisons (Holm), the intervals are not."]
        if self.options.flips:
            lines += ["p of flips: of exchangeable models, by random sign patterns; all of them for few differences."]
        if stderrs := [d.stderr for d in self.differences if d.stderr]:
            least = (quantile(self.options.confidence) + quantile(0.6)) * max(stderrs)
            lines += [f"These examples can tell apart differences of {least:.2g} and more (80 % power)."]
        for d in self.differences:
            if m := d.mcnemar:
                name, baseline = shown(d.predictions), shown(self.baseline)
                counts = f"{m.only_other:,} examples only {name} gets right, {m.only_baseline:,} only {baseline}"
                lines += [f"Accuracy: {counts} (McNemar's p {p_text(m.p_holm)})."]
        lines += [f"{shown(file.predictions)}: {file.signature}" for file in self.files]
        return (*lines, *(line for file in self.files for line in hint_lines(file.predictions, file.hints)))

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


def p_text(p: float | None) -> str:
    """A p-value with four decimals, small ones in scientific notation; - for none."""
    return "-" if p is None else f"{p:.4f}" if p >= 0.001 else f"{p:.1e}" if p > 1e-300 else "< 1e-300"


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
    flips: int = 0,
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
    flips: random sign patterns of an additional test, of exchangeable models; with few differences all are tried.
    seed: of the sign patterns; every comparison uses the same ones, so adding predictions changes no other p-value.
    confidence: level of the intervals.

    Raises as `evaluate` does, and InputError for predictions of other examples than the baseline's, or an
    infinite loss.

    >>> y = np.full((1000, 10), 0.1)
    >>> better = np.where(np.eye(10)[np.arange(1000) % 10] == 1, 0.28, 0.08)
    >>> better[::2] = 0.1
    >>> (difference,) = compare(y, better, dataset="mnist-5k", loss="mse").differences
    >>> round(difference.mean, 12), difference.p < 0.001
    (-0.081, True)
    """
    find_loss(loss)
    options = ComparisonOptions(confidence, flips, seed)
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
    u, stderr = moments.skewness_of_mean, moments.stderr
    p = hall_p(moments.mean, stderr, u)
    p_flips, exact = sign_flip_p(d, options.flips, options.seed) if options.flips else (None, None)
    rows = np.argsort(-np.abs(d), kind="stable")[:_MAX_CASES]
    rows = rows[d[rows] != 0]
    labels = [None] * len(rows) if scores.t.ndim == 2 else scores.labels[rows].tolist()
    columns = scores.positions()[rows].tolist(), labels, baseline.losses[rows].tolist(), other.losses[rows].tolist()
    wrong = float(np.maximum(baseline.errors, other.errors).sum())
    return Difference(
        predictions=other.predictions,
        mean=moments.mean,
        stderr=stderr,
        ci=hall_interval(moments.mean, stderr, u, options.confidence),
        p=p,
        p_holm=p,
        p_flips=p_flips,
        exact=exact,
        effect_size=None if p is None or not stderr else moments.mean / (stderr * math.sqrt(moments.n)),
        reliability=_reliability(wrong, u, scores.n, options.confidence),
        mcnemar=_mcnemar(baseline.errors, other.errors) if scores.t.ndim == 1 else None,
        differ_most=tuple(Case(*case) for case in zip(*columns, strict=True)),
        rows=tuple(rows.tolist()),
    )


def _reliability(wrong: float, u: float, n: int, confidence: float) -> str | None:
    """Return why the interval and p of a difference are not reliable, else None; wrong: examples in either file."""
    of = f"of {formatting.counted(n, 'example', 'examples')}"
    if wrong < MIN_WRONG:
        return f"only {wrong:.0f} {of} are wrong in either file, so the interval and p are not reliable"
    if is_too_skewed(u, confidence):
        return f"few {of} carry most of the difference, so the interval and p are not reliable"
    return None


def _mcnemar(baseline: Floats, other: Floats) -> McNemar:
    counts = int(np.count_nonzero(baseline < other)), int(np.count_nonzero(baseline > other))
    p = mcnemar_p(*counts)
    return McNemar(*counts, p, p)


def _adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return the same with the p-values of each kind of test adjusted for all comparisons."""
    means = iter(holm([d.p for d in differences if d.p is not None]))
    accuracies = iter(holm([d.mcnemar.p for d in differences if d.mcnemar]))
    return tuple(
        replace(
            d,
            p_holm=None if d.p is None else next(means),
            mcnemar=d.mcnemar and replace(d.mcnemar, p_holm=next(accuracies)),
        )
        for d in differences
    )
