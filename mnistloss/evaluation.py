"""One pass over predictions -> a frozen Evaluation."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnistloss import doctor
from mnistloss.arrays import Array, Floats, whole
from mnistloss.datasets.access import Access
from mnistloss.errors import ArgumentError, InputError
from mnistloss.losses import LOSSES, Loss, Probabilities, find
from mnistloss.predictions import check_probabilities
from mnistloss.resampling import bootstrap_intervals
from mnistloss.results import Accuracy, BatchResult, ClassResult, Evaluation, LossResult
from mnistloss.scoring import Block, Digest, Predictions, Scoring, Selection, open_scoring
from mnistloss.signature import Signature
from mnistloss.statistics import Interval, Moments, normal_interval, quantile, wilson_interval
from mnistloss.targets import Source, labels_elsewhere

REDUCTIONS = ("mean", "sum", "none")
DEFAULT_LOSSES = ("cee", "mse")
_EXAMINED = 10**6


@dataclass(frozen=True)
class Wanted:
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
        if isinstance(self.losses, str):
            raise ArgumentError(f"losses is the string {self.losses!r}; expected a list of names")
        if self.batch_size is not None:
            whole(self.batch_size, "batch_size")
        if self.batch_size is not None and self.reduction == "none":
            raise ArgumentError("reduction none gives no losses of batches; choose mean or sum, or no batch_size")
        for k in self.top:
            whole(k, "top")
        whole(self.bootstrap, "bootstrap", least=0)
        quantile(self.confidence)

    @property
    def keep(self) -> bool:
        """Whether per-example losses are needed."""
        return self.reduction == "none" or self.batch_size is not None or self.bootstrap > 0


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
    cache_dir, download: as in `load_mnist`.

    Raises InputError for predictions, targets or indices that are refused, ArgumentError for other
    arguments (both ValueErrors), UnavailableError where the labels are not to be had.

    >>> y = np.full((1000, 10), 0.1)
    >>> result = evaluate(y, dataset="mnist-5k", losses=["nll"])
    >>> round(result.losses["nll"].value, 12), result.split
    (2.302585092994, 'test')
    """
    access = Access(cache_dir, download)
    return score(
        predictions,
        Selection(targets, indices, dataset, split, input, delta, allow_unnormalized, access),
        Wanted(losses, reduction, batch_size, confidence, top, per_class, bootstrap, seed),
    )


def score(predictions: Predictions, selection: Selection, wanted: Wanted) -> Evaluation:
    """What `evaluate` does, with its arguments gathered."""
    with open_scoring(predictions, selection) as scoring:
        losses = _chosen(wanted.losses, scoring, asked=selection.input)
        _check_top(wanted, scoring)
        tally = _Tally(scoring, losses, wanted)
        for block in scoring.blocks():
            tally.add(block)
    layout, found = scoring.layout, scoring.targets
    signature = scoring.signature(losses, tally.digest, wanted.reduction)
    moments = tally.merged()
    right = layout.n - moments["error"].total
    return Evaluation(
        predictions=scoring.source.name,
        dataset=found.dataset,
        split=found.split,
        n=layout.n,
        classes=found.classes,
        input=layout.input,
        losses={loss.name: _result(tally, moments, loss, signature) for loss in losses},
        accuracy=_accuracy(right, layout.n, wanted),
        signature=signature,
        hints=doctor.examine(_facts(tally, moments, right / layout.n, selection)),
        top={k: _accuracy(hits, layout.n, wanted) for k, hits in tally.hits.items()},
        per_class=_per_class(tally, losses) if wanted.per_class else None,
        batches=_batches(tally.values, layout.n, wanted) if wanted.batch_size else None,
    )


def _facts(tally: _Tally, moments: dict[str, Moments], accuracy: float, selection: Selection) -> doctor.Facts:
    scoring, signs = tally.scoring, tally.signs
    reference = {name: _references(tally, LOSSES[name]) for name in moments}
    return doctor.Facts(
        input=scoring.layout.input,
        classes=scoring.targets.classes,
        accuracy=accuracy,
        losses=moments,
        prior={name: costs["prior"] for name, costs in reference.items() if costs},
        hard=signs.hard,
        like_probabilities=signs.like_probabilities,
        confidence=signs.confidence,
        twice=signs.twice,
        labels=None if tally.predicted is None else scoring.targets.t,
        predicted=tally.predicted,
        elsewhere=lambda: labels_elsewhere(scoring.targets, selection.access),
    )


def _chosen(losses: Sequence[str] | None, scoring: Scoring, *, asked: str) -> list[Loss]:
    """The losses asked for, each once and each one defined for what the predictions are."""
    if losses is None:
        losses = ("error",) if asked == "labels" else DEFAULT_LOSSES
    chosen = [find(name) for name in dict.fromkeys(losses)]
    if not chosen:
        raise ArgumentError(f"no loss was asked for; the losses are {', '.join(LOSSES)}")
    if undefined := [loss.name for loss in chosen if loss.needs_probabilities]:
        check_probabilities(scoring.source.name, scoring.layout.input, scoring.layout.n, " and ".join(undefined))
    return chosen


def _check_top(wanted: Wanted, scoring: Scoring) -> None:
    """Refuse what needs labels, or the order of all classes, where there are none."""
    if (wanted.top or wanted.per_class) and scoring.targets.t.ndim == 2:
        raise InputError("top and per_class need a label for each example; these targets are soft rows")
    if wanted.top:
        check_probabilities(scoring.source.name, scoring.layout.input, scoring.layout.n, "the top k")


class _Tally:
    """What one pass collects: moments that merge, hits, sums by class, and per-example losses where needed."""

    def __init__(self, scoring: Scoring, losses: list[Loss], wanted: Wanted) -> None:
        self.scoring, self.wanted = scoring, wanted
        self.digest = Digest()
        self.signs = doctor.Signs(scoring.layout.input)
        few = scoring.layout.n <= _EXAMINED and scoring.targets.t.ndim == 1
        self.predicted = np.empty(scoring.layout.n, np.intp) if few else None
        self.hits = dict.fromkeys(wanted.top, 0)
        names = dict.fromkeys([*(loss.name for loss in losses), "error"])
        self.values = {loss.name: np.empty(scoring.layout.n) for loss in losses} if wanted.keep else {}
        self.by_class: dict[str, list[Floats]] = {name: [] for name in names} if wanted.per_class else {}
        self._moments: dict[str, list[Moments]] = {name: [] for name in names}

    def add(self, block: Block) -> None:
        """Take in the next block: hash it and score it."""
        self.digest.add(block)
        self.signs.add(block.y)
        if self.predicted is not None:
            self.predicted[block.rows] = block.outputs.predicted
        for k in self.hits:
            self.hits[k] += int((_ranks(block.y, block.t) < k).sum())
        for name, parts in self._moments.items():
            losses = LOSSES[name](block.outputs, block.t, self.scoring.delta)
            parts.append(Moments.of(losses))
            if name in self.values:
                self.values[name][block.rows] = losses
            if name in self.by_class:
                self.by_class[name].append(
                    np.bincount(block.t, losses, self.scoring.targets.classes).astype(np.float64)
                )

    def merged(self) -> dict[str, Moments]:
        """The moments of all blocks, by loss."""
        return {name: Moments.merged(parts) for name, parts in self._moments.items()}

    @cached_property
    def resampled(self) -> dict[str, Interval]:
        """Bootstrap intervals of the mean of each loss that is finite, where they are asked for."""
        finite = {name: values for name, values in self.values.items() if np.isfinite(values.sum())}
        wanted = self.wanted
        if not wanted.bootstrap or not finite:
            return {}
        rows = np.stack(list(finite.values()))
        found = bootstrap_intervals(rows, wanted.bootstrap, wanted.seed, wanted.confidence)
        return dict(zip(finite, found, strict=True))

    def counts(self) -> Array:
        """How many examples each class has (K,); labels are needed."""
        return np.bincount(self.scoring.targets.t, minlength=self.scoring.targets.classes)


def _ranks(y: Floats, t: Array) -> Array:
    """How many classes stand before the true one: those with more, and lower ones with as much."""
    k = np.arange(len(y))[:, np.newaxis]
    true = y[t, np.arange(len(t))]
    return ((y > true) | ((y == true) & (k < t))).sum(axis=0)


def _accuracy(right: float, n: int, wanted: Wanted) -> Accuracy:
    share = min(1.0, right / n)  # rows of soft targets may sum to a little more than 1
    return Accuracy(share, wilson_interval(share, n, wanted.confidence))


def _result(tally: _Tally, moments: dict[str, Moments], loss: Loss, signature: Signature) -> LossResult:
    found, wanted = moments[loss.name], tally.wanted
    scale = found.count if wanted.reduction == "sum" else 1
    value = found.sum if wanted.reduction == "sum" else found.mean
    stderr = None if found.stderr is None else scale * found.stderr
    ci = normal_interval(value, stderr, wanted.confidence)
    if loss.name in tally.resampled:
        low, high = tally.resampled[loss.name]
        ci = scale * low, scale * high
    none = wanted.reduction == "none"
    return LossResult(
        value=math.nan if none else value,
        reduction=wanted.reduction,
        stderr=None if none else stderr,
        ci=None if none else ci,
        confidence=wanted.confidence,
        infinite=found.infinite,
        signature=signature.of(loss.name, uses_delta=loss.uses_delta),
        references={name: scale * cost for name, cost in _references(tally, loss).items()},
        values=tally.values.get(loss.name) if none else None,
    )


def _references(tally: _Tally, loss: Loss) -> dict[str, float]:
    """What the uniform guess and the class prior cost, by formula; nothing where the targets are soft."""
    if tally.scoring.targets.t.ndim == 2 or tally.scoring.layout.input == "labels":
        return {}
    share = tally.counts() / tally.scoring.layout.n
    k = len(share)
    constants = {"uniform": np.full(k, 1 / k), "prior": share}
    return {name: _constant(loss, p, share, tally.scoring.delta) for name, p in constants.items()}


def _constant(loss: Loss, p: Floats, share: Floats, delta: float) -> float:
    """The mean loss of predicting p for every example, of classes that have these shares."""
    costs = loss(Probabilities(np.tile(p[:, np.newaxis], len(p))), np.arange(len(p)), delta)
    return math.fsum(float(c) * float(s) for c, s in zip(costs, share, strict=True) if s)


def _per_class(tally: _Tally, losses: list[Loss]) -> tuple[ClassResult, ...]:
    """The losses of the examples of each class, and what share of the total they carry."""
    sums = {name: [math.fsum(column) for column in zip(*parts, strict=True)] for name, parts in tally.by_class.items()}
    totals = {name: math.fsum(column) for name, column in sums.items()}
    return tuple(
        ClassResult(
            label,
            int(n),
            {loss.name: sums[loss.name][label] / n if n else math.nan for loss in losses},
            {loss.name: sums[loss.name][label] / totals[loss.name] if totals[loss.name] else 0.0 for loss in losses},
            1 - sums["error"][label] / n if n else math.nan,
        )
        for label, n in enumerate(tally.counts().tolist())
    )


def _batches(values: dict[str, Floats], n: int, wanted: Wanted) -> tuple[BatchResult, ...]:
    """The losses of each batch of the partition in row order; weighted by size, their mean is the whole's."""
    size = wanted.batch_size or n
    reduce = np.mean if wanted.reduction == "mean" else np.sum
    return tuple(
        BatchResult(
            start,
            min(size, n - start),
            {name: float(reduce(kept[start : start + size])) for name, kept in values.items()},
        )
        for start in range(0, n, size)
    )
