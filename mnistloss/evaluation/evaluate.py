"""One pass over predictions -> a frozen Evaluation."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mnistloss.arrays.checks import whole
from mnistloss.arrays.npy import Source
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation import hints
from mnistloss.evaluation.hints import Facts, Hint
from mnistloss.evaluation.predictions import check_probabilities
from mnistloss.evaluation.results import Accuracy, BatchResult, ClassResult, Evaluation, LossResult
from mnistloss.evaluation.scoring import DataOptions, Digest, Predictions, Scoring, Tally, open_scoring
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import TargetLoader, labels_elsewhere
from mnistloss.losses.losses import LOSSES, Loss, find
from mnistloss.parallel import in_order, processors
from mnistloss.stats import Interval, normal_interval, quantile, wilson_interval

__all__ = ["REDUCTIONS", "ScoreOptions", "default_losses", "evaluate", "score", "score_all"]

_MANY_FILES = 16
"""The least files that are worth several processes."""


def default_losses(input: str) -> tuple[str, ...]:
    """The losses of predictions that are this, where none are asked for: cee and mse, and error for classes."""
    return ("error",) if input == "labels" else ("cee", "mse")


def evaluate(
    predictions: Predictions,
    *,
    targets: Source | None = None,
    indices: Source | None = None,
    dataset: str = "mnist",
    split: str = "auto",
    losses: Sequence[str] | None = None,
    input: str = "probs",
    delta: float | None = None,
    reduction: str = "mean",
    batch_size: int | None = None,
    confidence: float = 0.95,
    top: Sequence[int] = (),
    per_class: bool = False,
    bootstrap: int = 0,
    seed: int = 0,
    allow_unnormalized: bool = False,
    jobs: int = 1,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Evaluation:
    """The losses of predictions: every row checked, in float64, in one pass.

    predictions: (N, K), row i is what a model says of example i; an array, the path of a .npy file, or a
        binary stream of one. Predicted classes, integers (N,), have the loss "error" only.
    targets: the user's own, labels (N,) or one-hot or soft rows (N, K), as an array or a .npy path; else
        the labels of `split` of `dataset`. "auto" chooses the split by N.
    indices: which examples of the split the predictions are of, as an array, a .npy path or a saved batch.
    losses: names of the registry LOSSES; default cee and mse, and error for predicted classes.
    input: "probs", "logits", "logprobs" or "labels".
    delta: what cee adds inside the log; default 1e-7 for probs and 0 (nothing) otherwise.
    reduction: "mean" over examples, "sum", or "none", which keeps the per-example losses as `.values`.
    batch_size: also the losses of each batch of the partition, as `.batches`.
    confidence: of the intervals; normal approximation for losses, Wilson's for the accuracy.
    top: also the accuracy among the k most probable classes, for each k.
    per_class: also the losses by class, as `.per_class`; needs labels.
    bootstrap, seed: so many resamples for percentile intervals of the losses instead; 0 for none.
    allow_unnormalized: take rows as they are whose sum is not 1; the signature says so.
    jobs: processes that share the work on many rows, on Linux and where no other thread runs. The result is the same
        bits for any number.
    cache_dir, download: as in `load_mnist`.

    Raises InputError for predictions, targets or indices that are refused, ArgumentError for other
    arguments (both ValueErrors), UnavailableError where the labels are not to be had.

    >>> result = evaluate([[0.1] * 10] * 1000, dataset="mnist-5k", losses=["nll"])
    >>> round(result.losses["nll"].value, 12), result.split
    (2.302585092994, 'test')
    """
    cache_options = CacheOptions(cache_dir, download)
    return score(
        predictions,
        DataOptions(targets, indices, dataset, split, input, delta, allow_unnormalized, cache_options),
        ScoreOptions(losses, reduction, batch_size, confidence, top, per_class, bootstrap, seed),
        processors(jobs),
    )


def score(
    predictions: Predictions,
    selection: DataOptions,
    wanted: ScoreOptions,
    jobs: int = 1,
    *,
    finder: TargetLoader | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """What `evaluate` does, with its arguments gathered.

    finder: the selection's, for several predictions to share. progress: called with the rows done and all rows.
    """
    with open_scoring(predictions, selection, finder) as scoring:
        losses = _chosen(wanted.losses, scoring, asked=selection.input)
        _check_top(wanted, scoring)
        tally, digest = wanted.tally(scoring, losses), Digest()
        for part in scoring.run(lambda blocks: wanted.tally(scoring, losses).add(blocks), digest, jobs):
            tally.merge(part)
            if progress is not None:
                progress(tally.n, scoring.layout.n)
    signature = scoring.signature(losses, digest, wanted.reduction)
    found, targets = Findings(scoring, wanted, losses, tally), scoring.targets
    return Evaluation(
        predictions=scoring.name,
        dataset=targets.dataset,
        split=targets.split,
        n=found.n,
        classes=targets.classes,
        input=scoring.layout.input,
        losses={loss.name: found.loss(loss, signature) for loss in losses},
        accuracy=found.share("accuracy", found.right, signature),
        signature=signature,
        hints=found.hints(selection.cache_options),
        top={k: found.share(f"top-{k}", hits, signature) for k, hits in tally.hits.items()},
        per_class=found.per_class() if wanted.per_class else None,
        batches=found.batches(wanted.batch_size) if wanted.batch_size else None,
    )


def score_all(
    predictions: Sequence[Predictions],
    selection: DataOptions,
    wanted: ScoreOptions,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Evaluation]:
    """Score several predictions, in parallel; their targets are read once.

    progress: called with what is done and all there is, of rows or, of several files, of files.
    """
    jobs, finder, n = processors(jobs), selection.finder(), len(predictions)
    if n == 1:
        return [score(predictions[0], selection, wanted, jobs, finder=finder, progress=progress)]
    found: dict[int, Evaluation] = {}

    def add(i: int, result: Evaluation) -> None:
        found[i] = result
        if progress is not None:
            progress(len(found), n)

    if n < _MANY_FILES:
        for i, one in enumerate(predictions):
            add(i, score(one, selection, wanted, jobs, finder=finder))
        return list(found.values())
    # the first is scored here, so that the targets are found before processes are forked; what is no file, because
    # a stream is this process's own
    here = [i for i, one in enumerate(predictions) if i == 0 or not isinstance(one, (str, os.PathLike))]
    for i in here:
        add(i, score(predictions[i], selection, wanted, finder=finder))
    others = [i for i in range(n) if i not in found]
    with in_order(lambda i: score(predictions[i], selection, wanted, finder=finder), others, jobs) as results:
        for i, result in zip(others, results, strict=True):
            add(i, result)
    return [found[i] for i in range(n)]


def _chosen(losses: Sequence[str] | None, scoring: Scoring, *, asked: str) -> list[Loss]:
    """The losses asked for, each once and each one defined for what the predictions are."""
    found = map(find, default_losses(asked) if losses is None else losses)
    chosen = list({loss.name: loss for loss in found}.values())
    if not chosen:
        raise ArgumentError(f"no loss was asked for; the losses are {', '.join(LOSSES)}")
    if undefined := [loss.name for loss in chosen if loss.needs_probabilities]:
        check_probabilities(scoring.source.name, scoring.layout.input, scoring.layout.n, " and ".join(undefined))
    return chosen


def _check_top(wanted: ScoreOptions, scoring: Scoring) -> None:
    """Refuse what needs labels, or the order of all classes, where there are none."""
    if (wanted.top or wanted.per_class) and scoring.targets.t.ndim == 2:
        raise InputError("top and per_class need a label for each example; these targets are soft rows")
    if wanted.top:
        check_probabilities(scoring.source.name, scoring.layout.input, scoring.layout.n, "the top k")
    if wanted.top and max(wanted.top) > scoring.targets.classes:
        raise ArgumentError(f"top is {max(wanted.top)}; there are {scoring.targets.classes} classes")


REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True)
class ScoreOptions:
    """What is to be found out about predictions; see `evaluate` for each field."""

    losses: Sequence[str] | None = None
    reduction: str = "mean"
    batch_size: int | None = None
    confidence: float = 0.95
    top: Sequence[int] = ()
    per_class: bool = False
    bootstrap: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ArgumentError(f"no reduction is named {self.reduction!r}; the reductions are {', '.join(REDUCTIONS)}")
        for what, value in (("losses", self.losses), ("top", self.top)):
            if value is not None and (isinstance(value, str) or not isinstance(value, Collection)):
                raise ArgumentError(f"{what} is {value!r}; expected a list, even of one")
        if self.batch_size is not None:
            whole(self.batch_size, "batch_size")
        if self.batch_size is not None and self.reduction == "none":
            raise ArgumentError("reduction none gives no losses of batches; choose mean or sum, or no batch_size")
        for k in self.top:
            whole(k, "top")
        whole(self.bootstrap, "bootstrap", least=0)
        whole(self.seed, "seed", least=0)
        quantile(self.confidence)

    def tally(self, scoring: Scoring, losses: Sequence[Loss]) -> Tally:
        """An empty tally that gathers this."""
        kept = [loss.name for loss in losses] if self.keep else []
        return Tally(scoring, losses, keep=kept, top=self.top, by_class=self.per_class)

    @property
    def keep(self) -> bool:
        """Whether per-example losses are needed."""
        return self.reduction == "none" or self.batch_size is not None or self.bootstrap > 0


@dataclass(frozen=True)
class Findings:
    """A tally of all rows, with what it is a tally of and what was wanted of it."""

    scoring: Scoring
    wanted: ScoreOptions
    losses: Sequence[Loss]
    tally: Tally

    @property
    def n(self) -> int:
        return self.scoring.layout.n

    @property
    def right(self) -> float:
        """How many examples are predicted right; not whole for soft targets."""
        return self.n - self.tally.moments["error"].total

    def share(self, name: str, hits: float, signature: Signature) -> Accuracy:
        """So many examples as a share of all; signature: of all losses."""
        signature = replace(signature.of(name, uses_delta=False), reduction="mean")
        share = min(1.0, hits / self.n)  # rows of soft targets may sum to a little more than 1
        if self.scoring.targets.t.ndim == 1:
            return Accuracy(share, wilson_interval(share, self.n, self.wanted.confidence), signature)
        ci = normal_interval(share, self.tally.moments["error"].stderr, self.wanted.confidence)
        return Accuracy(share, ci and (max(0.0, ci[0]), min(1.0, ci[1])), signature, "normal")

    def loss(self, loss: Loss, signature: Signature) -> LossResult:
        """One of the losses, reduced; signature: of all of them."""
        found, wanted = self.tally.moments[loss.name], self.wanted
        scale = found.count if wanted.reduction == "sum" else 1
        value = found.sum if wanted.reduction == "sum" else found.mean
        stderr = None if found.stderr is None else scale * found.stderr
        ci, resampled = normal_interval(value, stderr, wanted.confidence), self._resampled.get(loss.name)
        if resampled is not None:
            ci = scale * resampled[0], scale * resampled[1]
        none = wanted.reduction == "none"
        return LossResult(
            value=math.nan if none else value,
            reduction=wanted.reduction,
            stderr=None if none else stderr,
            ci=None if none else ci,
            confidence=wanted.confidence,
            infinite=found.infinite,
            signature=signature.of(loss.name, uses_delta=loss.uses_delta),
            references={name: scale * cost for name, cost in self._references(loss).items()},
            values=self.tally.values.get(loss.name) if none else None,
            draws=None if resampled is None else wanted.bootstrap,
            seed=None if resampled is None else wanted.seed,
        )

    @cached_property
    def _resampled(self) -> dict[str, Interval]:
        """Bootstrap intervals of the mean of each loss that is finite, where they are asked for."""
        moments = self.tally.moments
        finite = {name: values for name, values in self.tally.values.items() if not moments[name].infinite}
        wanted = self.wanted
        if not wanted.bootstrap or not finite or self.n < 2:
            return {}
        from mnistloss.stats import bootstrap_intervals

        rows = np.stack(list(finite.values()))
        found = bootstrap_intervals(rows, wanted.bootstrap, wanted.seed, wanted.confidence)
        return dict(zip(finite, found, strict=True))

    def _references(self, loss: Loss) -> dict[str, float]:
        """What the uniform guess and the class prior cost, by formula; nothing where the targets are soft."""
        if self.scoring.layout.input == "labels":
            return {}
        return self.scoring.targets.references(loss, self.scoring.delta)

    def per_class(self) -> tuple[ClassResult, ...]:
        """The losses of the examples of each class, summed or else their means, and what share of all they carry."""
        sums = {
            name: [math.fsum(column) for column in zip(*parts, strict=True)] for name, parts in self.tally.sums.items()
        }
        totals = {name: math.fsum(column) for name, column in sums.items()}
        names, mean = [loss.name for loss in self.losses], self.wanted.reduction != "sum"
        return tuple(
            ClassResult(
                label,
                int(n),
                {name: sums[name][label] / (n if mean else 1) if n else math.nan for name in names},
                {name: _share(sums[name][label], totals[name]) for name in names},
                1 - sums["error"][label] / n if n else math.nan,
            )
            for label, n in enumerate(self.scoring.targets.counts.tolist())
        )

    def batches(self, size: int) -> tuple[BatchResult, ...]:
        """The losses of each batch of the partition in row order; weighted by size, their mean is the whole's."""
        reduce = np.mean if self.wanted.reduction == "mean" else np.sum
        return tuple(
            BatchResult(
                start,
                min(size, self.n - start),
                {name: float(reduce(kept[start : start + size])) for name, kept in self.tally.values.items()},
            )
            for start in range(0, self.n, size)
        )

    def hints(self, cache_options: CacheOptions) -> tuple[Hint, ...]:
        """What looks like a mistake."""
        tally, signs, targets = self.tally, self.tally.signs, self.scoring.targets
        facts = Facts(
            input=self.scoring.layout.input,
            classes=targets.classes,
            accuracy=self.right / self.n,
            losses=tally.moments,
            references={name: self._references(LOSSES[name]) for name in tally.moments},
            hard=signs.hard,
            scale=min(signs.scales, default=None),
            confidence=signs.confidence,
            twice=signs.twice,
            labels=None if tally.predicted is None else targets.t,
            predicted=tally.predicted,
            elsewhere=lambda: labels_elsewhere(targets, cache_options),
        )
        return hints.examine(facts)


def _share(part: float, whole: float) -> float:
    """A part of a whole, 0 of nothing; NaN where the whole is infinite."""
    if not whole:
        return 0.0
    return part / whole if math.isfinite(whole) else math.nan
