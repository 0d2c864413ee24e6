"""Predictions against predictions on the same examples: paired differences, their intervals and their tests."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistloss import numbers
from mnistloss.arrays import Floats, whole
from mnistloss.compared import Case, Comparison, Difference, File, McNemar, check_finite
from mnistloss.datasets.access import Access
from mnistloss.errors import InputError, shown
from mnistloss.examples import Examples, load_examples
from mnistloss.losses import Loss, find
from mnistloss.npy import Source
from mnistloss.resampling import bootstrap_interval, holm, mcnemar_p, sign_flip_p
from mnistloss.scoring import Predictions, Selection
from mnistloss.statistics import Moments, normal_interval, quantile

_SHOWN = 10


@dataclass(frozen=True)
class Draws:
    """How a difference is tested: random sign flips, bootstrap samples, the seed of both, and the confidence."""

    flips: int = 10_000
    bootstrap: int = 10_000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        whole(self.flips, "flips")
        whole(self.bootstrap, "bootstrap")
        whole(self.seed, "seed", least=0)
        quantile(self.confidence)


class _Scored(NamedTuple):
    """What predictions score, with their per-example losses and errors; errors are 0 or 1, but for soft targets."""

    file: File
    losses: Floats
    errors: Floats


def compare(
    a: Predictions,
    b: Predictions,
    *more: Predictions,
    loss: str = "cee",
    targets: Source | None = None,
    indices: Source | None = None,
    dataset: str = "mnist",
    split: str = "auto",
    input: str = "probs",
    delta: float | None = None,
    flips: int = 10_000,
    bootstrap: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    allow_unnormalized: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Comparison:
    """How much better or worse predictions are than those of a baseline, example by example.

    a: the baseline; b, more: what is compared with it. Each is an array, a .npy path or a binary stream, of the
        same examples; see `evaluate`, also for targets, indices, dataset, split, input, delta and the rest.
    loss: a name of the registry LOSSES, of which paired differences are taken: theirs less the baseline's.
    flips: random sign patterns of the randomisation test; with few differences all patterns are gone through.
    bootstrap: samples of the percentile interval.
    seed: of both; every comparison draws alike, so that adding predictions changes no other p-value.
    confidence: of the intervals.

    Raises as `evaluate` does, and InputError for predictions of other examples than the baseline's, or an
    infinite loss.

    >>> y = np.full((1000, 10), 0.1)
    >>> better = np.where(np.eye(10)[np.arange(1000) % 10] == 1, 0.28, 0.08)
    >>> (difference,) = compare(y, better, dataset="mnist-5k", loss="mse").differences
    >>> round(difference.mean, 12), difference.p < 0.001
    (-0.162, True)
    """
    kernel, draws = find(loss), Draws(flips, bootstrap, seed, confidence)
    access = Access(cache_dir, download)
    selection = Selection(targets, indices, dataset, split, input, delta, allow_unnormalized, access)
    return run((a, b, *more), selection, kernel, draws)


def run(sources: Sequence[Predictions], selection: Selection, loss: Loss, draws: Draws) -> Comparison:
    """Compare predictions with the first of them; see `compare`."""
    needs = (loss.name, "error")
    first = load_examples(sources[0], selection, needs)
    scored = [_score(first, loss)]
    for source in sources[1:]:
        examples = load_examples(source, selection, needs)
        _check_same(first, examples)
        scored.append(_score(examples, loss))
    baseline, *others = _renamed(scored)
    others.sort(key=_rank)
    differences = _adjusted([_difference(baseline, other, first, draws) for other in others])
    return Comparison(
        baseline=baseline.file.predictions,
        loss=loss.name,
        delta=first.delta if loss.uses_delta else None,
        n=first.n,
        confidence=draws.confidence,
        flips=draws.flips,
        bootstrap=draws.bootstrap,
        seed=draws.seed,
        files=tuple(one.file for one in sorted([baseline, *others], key=_rank)),
        differences=differences,
        examples=first,
    )


def _score(examples: Examples, loss: Loss) -> _Scored:
    losses, errors = examples.losses(loss.name), examples.losses("error")
    found, accuracy = Moments.over(losses), 1 - Moments.over(errors).mean
    check_finite(examples.name, loss.name, found.infinite)
    file = File(examples.name, found.mean, accuracy, examples.signature(loss.name), examples.hints)
    return _Scored(file, losses, errors)


def _check_same(first: Examples, other: Examples) -> None:
    if (first.split, first.n) != (other.split, other.n):
        what = [f"{shown(e.name)} is {f'{e.split}, ' if e.split else ''}{e.n:,} examples" for e in (first, other)]
        raise InputError(f"{' and '.join(what)}; paired differences need predictions of the same examples")


def _renamed(scored: Sequence[_Scored]) -> list[_Scored]:
    """The same with distinct names: those that occur several times are numbered by their place."""
    names = [one.file.predictions for one in scored]
    numbered = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    chosen = [new if names.count(name) > 1 else name for name, new in zip(names, numbered, strict=True)]
    distinct = chosen if len(set(chosen)) == len(chosen) else numbered
    return [one._replace(file=replace(one.file, predictions=n)) for one, n in zip(scored, distinct, strict=True)]


def _rank(one: _Scored) -> tuple[float, str]:
    return one.file.loss, one.file.predictions


def _difference(baseline: _Scored, other: _Scored, examples: Examples, draws: Draws) -> Difference:
    """One comparison, as if it were the only one: p-values are not adjusted."""
    d = other.losses - baseline.losses
    found = Moments.over(d)
    p, exact = sign_flip_p(d, draws.flips, draws.seed)
    rows = np.argsort(-np.abs(d), kind="stable")[:_SHOWN]
    rows = rows[d[rows] != 0]
    return Difference(
        predictions=other.file.predictions,
        mean=found.mean,
        stderr=found.stderr,
        ci=normal_interval(found.mean, found.stderr, draws.confidence),
        bootstrap_ci=bootstrap_interval(d, draws.bootstrap, draws.seed, draws.confidence),
        p=p,
        exact=exact,
        p_holm=p,
        effect_size=_effect_size(found),
        mcnemar=_mcnemar(baseline, other) if examples.t.ndim == 1 else None,
        differ_most=_cases(baseline, other, examples, rows),
        rows=tuple(rows.tolist()),
    )


def _effect_size(d: Moments) -> float | None:
    """The mean difference in standard deviations of the differences; None where these are all the same."""
    if d.stderr is None or numbers.noise(d.stderr):
        return None
    return d.mean / (d.stderr * math.sqrt(d.n))


def _mcnemar(baseline: _Scored, other: _Scored) -> McNemar:
    only_baseline = int(np.count_nonzero(baseline.errors < other.errors))
    only_other = int(np.count_nonzero(baseline.errors > other.errors))
    p = mcnemar_p(only_baseline, only_other)
    return McNemar(only_baseline, only_other, p, p)


def _cases(baseline: _Scored, other: _Scored, examples: Examples, rows: NDArray[np.intp]) -> tuple[Case, ...]:
    positions = examples.positions()
    labels = examples.labels if examples.t.ndim == 1 else None
    return tuple(
        Case(
            index=int(positions[row]),
            label=None if labels is None else int(labels[row]),
            baseline=float(baseline.losses[row]),
            other=float(other.losses[row]),
        )
        for row in rows
    )


def _adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same with the p-values of each kind of test adjusted for all comparisons."""
    flips = holm([d.p for d in differences])
    accuracies = iter(holm([d.mcnemar.p for d in differences if d.mcnemar]))
    return tuple(
        replace(d, p_holm=p, mcnemar=d.mcnemar and replace(d.mcnemar, p_holm=next(accuracies)))
        for d, p in zip(differences, flips, strict=True)
    )
