"""Compare predictions on the same examples: paired differences, their intervals and their tests."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np

from mnistloss import stats
from mnistloss.analysis.view import pictures
from mnistloss.arrays.checks import whole
from mnistloss.arrays.npy import Source
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.hints import Hint, hint_lines, identical_predictions
from mnistloss.evaluation.results import hints_in_a_row
from mnistloss.evaluation.scoring import MIN_WRONG, Predictions, Scores, score
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import DataOptions, TargetLoader
from mnistloss.formatting import Printable, counted, data, difference_cells, level, noise, share, shown
from mnistloss.formatting import loss as loss_cell
from mnistloss.losses.losses import LOSSES, find_loss

_MAX_CASES = 10


@dataclass(frozen=True)
class File:
    """A file of predictions: its mean loss with standard error and signature, its accuracy and its hints."""

    predictions: str
    loss: float
    stderr: float | None
    accuracy: float
    signature: Signature
    hints: tuple[Hint, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "signature": str(self.signature), "hints": [hint.as_dict() for hint in self.hints]}


@dataclass(frozen=True)
class Difference:
    """The mean loss of predictions minus the mean loss of the baseline; below zero the predictions are better.

    ci: P. Hall's interval, None for one example. p: tests the hypothesis that both have the same mean loss over all
    examples, of which these are a sample; it agrees with the interval, and is None where all differences are equal.
    p_holm: p adjusted for the number of comparisons. p_flips: p of the sign-flip test, exact where all sign patterns
    were tried; None unless asked for. effect_size: the mean over the standard deviation of the differences.
    reliability: why interval and p are not reliable, else None. mcnemar: how many examples only one of the two models
    gets right (only_baseline, only_other), with p and p_holm of McNemar's test of equal accuracy. differ_most: the
    index, label and both losses (baseline, other) of the examples that differ most; rows: where these examples are
    among the predictions. For soft targets mcnemar and the labels are None.
    """

    predictions: str
    mean: float
    stderr: float | None
    ci: stats.Interval | None
    p: float | None
    p_holm: float | None
    p_flips: float | None
    exact: bool | None
    effect_size: float | None
    reliability: str | None
    mcnemar: dict[str, Any] | None
    differ_most: tuple[dict[str, Any], ...]
    rows: tuple[int, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        content = {**vars(self), "interval": "hall", "bootstrap_ci": None}
        del content["rows"]
        return content


@dataclass(frozen=True, repr=False)
class Comparison(Printable):
    """The result of `compare`: files and differences in the order of their loss, then of their name.

    flips, seed: of the sign-flip test, see `compare`. scores: those of the baseline.
    """

    baseline: str
    loss: str
    confidence: float
    flips: int
    seed: int
    files: tuple[File, ...]
    differences: tuple[Difference, ...]
    scores: Scores = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "baseline": self.baseline,
            **{name: getattr(self.scores, name) for name in ("dataset", "split", "n", "input")},
            "loss": self.loss,
            "delta": self.scores.delta if LOSSES[self.loss].uses_delta else None,
            **{name: getattr(self, name) for name in ("confidence", "flips", "seed")},
            "bootstrap": None,
            "files": [file.as_dict() for file in self.files],
            "differences": [difference.as_dict() for difference in self.differences],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row for each file, with its difference from the baseline."""
        others = {d.predictions: d for d in self.differences}
        return [self._row(file, others.get(file.predictions)) for file in self.files]

    def _row(self, file: File, d: Difference | None) -> dict[str, Any]:
        low, high = d.ci if d and d.ci else (None, None)
        names = ("p", "p_holm", "p_flips", "effect_size", "reliability")
        return {
            "predictions": file.predictions,
            "n": self.scores.n,
            self.loss: file.loss,
            f"{self.loss}.stderr": file.stderr,
            "accuracy": file.accuracy,
            "difference": getattr(d, "mean", None),
            "difference.stderr": getattr(d, "stderr", None),
            "difference.low": low,
            "difference.high": high,
            **{name: getattr(d, name, None) for name in names},
            "hints": hints_in_a_row(file.hints),
            "signature": str(file.signature),
        }

    def worse_than(self, margin: float) -> list[Difference]:
        """Return the differences whose interval does not end at or below the margin."""
        return [difference for difference in self.differences if not (difference.ci and difference.ci[1] <= margin)]

    def verdicts(self) -> tuple[str, ...]:
        """Return a sentence for each difference: which file is better, and by how much."""
        return tuple(map(self._verdict, self.differences))

    @property
    def title(self) -> str:
        """The title of the table of files."""
        return f"{self.loss} on {data(self.scores.dataset, self.scores.split)}, n = {self.scores.n:,}"

    def parts(self) -> list[Part]:
        parts: list[Part] = [Lines(self.verdicts()), self._table(), Lines(self._notes())]
        for d in self.differences:
            rows, captions = [], []
            for index, label, before, after in (case.values() for case in d.differ_most):
                losses = (f"{value:z.4f}" for value in (before, after, after - before))
                rows.append((str(index), "-" if label is None else str(label), *losses))
                captions.append(f"{index}: {after - before:+.3f}")
            if rows:
                title = f"where {shown(d.predictions)} differs most from {shown(self.baseline)}"
                columns = (">index", ">label", ">baseline", ">this file", ">difference")
                parts += [Table(title, columns, tuple(rows)), *pictures(self.scores, np.array(d.rows), tuple(captions))]
        return parts

    def _verdict(self, d: Difference) -> str:
        """Say which is better, by how much, on what this rests, and what the interval does not cover."""
        apart = is_apart(d.p_holm, d.mean, self.confidence)
        where = f"on {'these' if self.scores.n > 1 else 'this'} {counted(self.scores.n, 'example', 'examples')}"
        text = verdict(d.predictions, self.baseline, where, self.loss, d.mean, d.stderr, d.ci, apart)
        limit = "; one file each says nothing of another training run" if apart else ""
        no_p = " There is no p: all differences are equal." if d.stderr is not None and d.p is None else ""
        return f"{text}{limit}.{f' But {d.reliability}.' if d.reliability else ''}{no_p}"

    def _table(self) -> Part:
        """Return a row for each file, sorted by loss."""
        several = len(self.differences) > 1
        columns = [">difference", f">{level(self.confidence)} interval", ">p, Holm" if several else ">p"]
        columns += [">p of flips"] if self.flips else []
        cells = {self.baseline: ["baseline", *("" for _ in columns[1:])]}
        for d in self.differences:
            size, _, interval = difference_cells(d.mean, d.stderr, d.ci)
            floor = "≤ " if not d.exact and d.p_flips == 1 / (self.flips + 1) else ""
            flips = [f"{floor}{p_text(d.p_flips)}"] if self.flips else []
            cells[d.predictions] = [size, interval, p_text(d.p_holm), *flips]
        rows = tuple(
            (shown(f.predictions), loss_cell(f.loss), share(f.accuracy, self.scores.n), *cells[f.predictions])
            for f in self.files
        )
        return Table(self.title, ("predictions", f">{self.loss}", ">accuracy", *columns), rows)

    def _notes(self) -> tuple[str, ...]:
        """Return what p tests, what these examples can tell apart, McNemar's tests, the signatures and the hints."""
        lines = ["p tests equal mean loss over all examples, of which these are a sample; below zero is better."]
        if len(self.differences) > 1:
            lines += ["p is adjusted for all comparisons (Holm), the intervals are not."]
        if self.flips:
            lines += [
                "p of flips tests exchangeable models, by random sign patterns; by all of them for few differences."
            ]
        if stderrs := [d.stderr for d in self.differences if d.stderr]:
            least = (stats.quantile(self.confidence) + stats.quantile(0.6)) * max(stderrs)
            lines += [f"These examples can tell apart differences of {least:.2g} and more (80 % power)."]
        for d in self.differences:
            if m := d.mcnemar:
                counts = f"{m['only_other']:,} examples only {shown(d.predictions)} gets right, {m['only_baseline']:,}"
                lines += [f"Accuracy: {counts} only {shown(self.baseline)} (McNemar's p {p_text(m['p_holm'])})."]
        lines += [f"{shown(file.predictions)}: {file.signature}" for file in self.files]
        return (*lines, *(line for file in self.files for line in hint_lines(file.predictions, file.hints)))


def is_apart(p: float | None, mean: float, confidence: float) -> bool | None:
    """Return whether a difference is significant; None where it has no p, but is not 0 either."""
    return (None if not noise(abs(mean)) else False) if p is None else p <= 1 - confidence


def verdict(
    name: str, baseline: str, where: str, loss: str, mean: float, stderr: float | None, ci: stats.Interval | None,
    apart: bool | None,
) -> str:  # fmt: skip
    """Return a sentence without its full stop: which is better and by how much, or the difference (apart: None)."""
    name, baseline = shown(name), shown(baseline)
    word = "better" if mean < 0 else "worse"
    if apart and mean < 0:
        mean, ci = -mean, ci and (-ci[1], -ci[0])
    size, _, interval = difference_cells(mean, stderr, ci)
    if apart:
        return f"{name} is {word} than {baseline} by {size[1:]} {loss} ({interval}) {where}"
    minus = f"{name} minus {baseline} is {size} {loss} ({interval})"
    return f"{minus} {where}" if apart is None else f"{name} and {baseline} are not told apart {where}: {minus}"


def check_finite(predictions: str, loss: str, infinite: int) -> None:
    """Refuse a loss that is infinite for some examples: a difference of infinite losses is no number."""
    if infinite:
        raise InputError(
            f"{shown(predictions)}: the {loss} of {counted(infinite, 'example', 'examples')} is infinite, so there is"
            ' no difference; use loss="cee" with a delta above 0, such as delta=1e-7'
        )


def p_text(p: float | None) -> str:
    """Write a p-value with four decimals, a small one in scientific notation, and - for none."""
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

    a: the baseline; b, more: the predictions to compare with the baseline. Each is an array, a path or a binary stream,
        and all are of the same examples; see `evaluate`, also for the keywords that are not described here.
    input: one for all, or a sequence of one for each of the predictions.
    loss: a name of the registry LOSSES. Differences are the loss of the predictions minus the loss of the baseline.
    flips: the number of random sign patterns of an additional test, that the models are exchangeable; 0 for no test.
    seed: of the sign patterns. Every comparison uses the same patterns: more predictions change no other p-value.
    confidence: level of the intervals.

    Raises as `evaluate` does, and InputError for predictions of different examples, or an infinite loss.

    >>> y = np.full((1000, 10), 0.1)
    >>> better = np.where(np.eye(10)[np.arange(1000) % 10] == 1, 0.28, 0.08)
    >>> better[::2] = 0.1
    >>> (difference,) = compare(y, better, dataset="mnist-5k", loss="mse").differences
    >>> round(difference.mean, 12), difference.p < 0.001
    (-0.081, True)
    """
    find_loss(loss)
    whole(flips, "flips", least=0)
    whole(seed, "seed", least=0)
    stats.quantile(confidence)
    sources = (a, b, *more)
    inputs = [input] if isinstance(input, str) else list(input)
    inputs = inputs * len(sources) if len(inputs) == 1 else inputs
    if len(inputs) != len(sources):
        raise ArgumentError(f"{len(inputs)} inputs for {len(sources)} predictions; expected one, or one for each")
    options = [
        DataOptions(targets, indices, dataset, split, one, delta, allow_unnormalized, cache_dir, download, array)
        for one in inputs
    ]
    loader, keep = TargetLoader(options[0]), (loss, "error", "predicted")
    scores = [score(source, one, keep=keep, loader=loader) for source, one in zip(sources, options, strict=True)]
    return compare_scores(scores, loss, confidence=confidence, flips=flips, seed=seed)


def compare_scores(
    scores: Sequence[Scores], loss: str, *, confidence: float, flips: int = 0, seed: int = 0
) -> Comparison:
    """Compare scored predictions with the first of them; see `compare`."""
    first, names = scores[0], _distinct_names([one.name for one in scores])
    hints = identical_predictions(names, [one.fingerprint for one in scores])
    files = [_file(one, name, loss, first, more) for one, name, more in zip(scores, names, hints, strict=True)]
    rank = attrgetter("loss", "predictions")
    others = sorted(zip(files[1:], scores[1:], strict=True), key=lambda other: rank(other[0]))
    differences = [_difference(file.predictions, first, s, loss, confidence, flips, seed) for file, s in others]
    p_holm = stats.holm([d.p for d in differences])
    p_mcnemar = stats.holm([d.mcnemar["p"] if d.mcnemar else None for d in differences])
    for place, d in enumerate(differences):
        mcnemar = d.mcnemar and d.mcnemar | {"p_holm": p_mcnemar[place]}
        differences[place] = replace(d, p_holm=p_holm[place], mcnemar=mcnemar)
    in_order = tuple(sorted(files, key=rank))
    return Comparison(files[0].predictions, loss, confidence, flips, seed, in_order, tuple(differences), first)


def _distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names, with the place added to each name that occurs several times."""
    numbered = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    distinct = [new if names.count(name) > 1 else name for name, new in zip(names, numbered, strict=True)]
    return distinct if len(set(distinct)) == len(distinct) else numbered


def _file(scores: Scores, name: str, loss: str, first: Scores, hints: tuple[Hint, ...]) -> File:
    """Return the means of a file; refuse other examples than those of the first file, and an infinite loss."""
    if (first.split, first.n) != (scores.split, scores.n):
        files = [f"{shown(s.name)} is {f'{s.split}, ' if s.split else ''}{s.n:,} examples" for s in (first, scores)]
        raise InputError(f"{' and '.join(files)}; paired differences need predictions of the same examples")
    if first.targets.indices_digest != scores.targets.indices_digest:
        raise InputError(
            f"{shown(first.name)} and {shown(scores.name)} have other examples, or another order: paired differences"
            " need the same index in both"
        )
    moments, error = stats.Moments.over(scores.losses(loss)), scores.moments["error"]
    check_finite(scores.name, loss, moments.infinite)
    return File(name, moments.mean, moments.stderr, 1 - error.mean, scores.signature(loss), scores.hints + hints)


def _difference(
    name: str, first: Scores, other: Scores, loss: str, confidence: float, flips: int, seed: int
) -> Difference:
    """Return the difference of one file from the baseline; its p-values are not adjusted."""
    before, after = first.losses(loss), other.losses(loss)
    errors = first.losses("error"), other.losses("error")
    counts = [int(np.count_nonzero(sign * (errors[1] - errors[0]) > 0)) for sign in (1, -1)]
    mcnemar = {"only_baseline": counts[0], "only_other": counts[1], "p": stats.mcnemar_p(*counts)}
    d = after - before
    moments = stats.Moments.over(d)
    mean, stderr, u = moments.mean, moments.stderr, moments.skewness_of_mean
    p = stats.hall_p(mean, stderr, u)
    p_flips, exact = stats.sign_flip_p(d, flips, seed) if flips else (None, None)
    cases, rows = [], [row for row in np.argsort(-np.abs(d), kind="stable")[:_MAX_CASES].tolist() if d[row]]
    for row in rows:
        example = {"index": int(first.positions()[row]), "label": int(first.t[row]) if first.t.ndim == 1 else None}
        cases.append({**example, "baseline": float(before[row]), "other": float(after[row])})
    return Difference(
        predictions=name,
        mean=mean,
        stderr=stderr,
        ci=stats.hall_interval(mean, stderr, u, confidence),
        p=p,
        p_holm=p,
        p_flips=p_flips,
        exact=exact,
        effect_size=None if p is None or not stderr else mean / (stderr * math.sqrt(moments.n)),
        reliability=_reliability(float(np.maximum(*errors).sum()), u, first.n, confidence),
        mcnemar=mcnemar if first.t.ndim == 1 else None,
        differ_most=tuple(cases),
        rows=tuple(rows),
    )


def _reliability(wrong: float, u: float, n: int, confidence: float) -> str | None:
    """Return why interval and p are not reliable, else None; wrong: the number of examples wrong in either file."""
    of, so = f"of {counted(n, 'example is', 'examples are')}", "so the interval and p are not reliable"
    if wrong < MIN_WRONG:
        return f"only {wrong:.0f} {of} wrong in either file, {so}"
    return f"few of {n:,} examples carry most of the difference, {so}" if stats.is_too_skewed(u, confidence) else None
