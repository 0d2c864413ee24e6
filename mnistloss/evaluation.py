"""One pass over predictions -> a frozen Evaluation."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from mnistloss import __version__, doctor
from mnistloss.arrays import Floats
from mnistloss.datasets.cache import Access
from mnistloss.errors import ArgumentError, InputError
from mnistloss.losses import LOSSES, Loss, find
from mnistloss.predictions import Layout
from mnistloss.scoring import Digest, Predictions, Scoring, Selection, open_scoring
from mnistloss.signature import Signature
from mnistloss.statistics import Interval, Moments, normal_interval, quantile, wilson_interval
from mnistloss.targets import Source

REDUCTIONS = ("mean", "sum", "none")
DEFAULT_LOSSES = ("cee", "mse")


@dataclass(frozen=True)
class LossResult:
    """One loss of an evaluation; `values` are the per-example losses, kept for the reduction none.

    value: infinite where a per-example loss is, NaN for the reduction none. infinite: how many are.
    stderr, ci: of the value; None where not defined. confidence: of the interval.
    """

    value: float
    reduction: str
    stderr: float | None
    ci: Interval | None
    confidence: float
    infinite: int
    signature: Signature
    values: Floats | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: full precision, null instead of infinity and NaN, without the per-example losses."""
        return {
            "value": self.value if math.isfinite(self.value) else None,
            "reduction": self.reduction,
            "stderr": self.stderr,
            "ci": list(self.ci) if self.ci else None,
            "confidence": self.confidence,
            "infinite": self.infinite,
            "signature": str(self.signature),
        }


@dataclass(frozen=True)
class Accuracy:
    """The share of examples whose predicted class is the target's, with Wilson's interval."""

    value: float
    ci: Interval

    def __float__(self) -> float:
        return self.value

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"value": self.value, "ci": list(self.ci)}


@dataclass(frozen=True)
class BatchResult:
    """One batch of the partition: its first row, its size and its losses, reduced like the whole."""

    start: int
    n: int
    losses: MappingProxyType[str, float]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: null instead of infinity."""
        return {
            "start": self.start,
            "n": self.n,
            "losses": {name: value if math.isfinite(value) else None for name, value in self.losses.items()},
        }


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; `dataset` and `split` are None for targets of the user's own.

    signature: one for all losses together, their names joined by +; each loss has its own too.
    """

    predictions: str
    dataset: str | None
    split: str | None
    n: int
    classes: int
    input: str
    losses: MappingProxyType[str, LossResult]
    accuracy: Accuracy
    signature: Signature
    hints: tuple[doctor.Hint, ...]
    batches: tuple[BatchResult, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """One evaluation as JSON has it."""
        return {
            "predictions": self.predictions,
            "dataset": self.dataset,
            "split": self.split,
            "n": self.n,
            "classes": self.classes,
            "input": self.input,
            "losses": {name: result.as_dict() for name, result in self.losses.items()},
            "accuracy": self.accuracy.as_dict(),
            "hints": [hint.as_dict() for hint in self.hints],
            **({} if self.batches is None else {"batches": [batch.as_dict() for batch in self.batches]}),
        }


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
    allow_unnormalized: take rows as they are whose sum is not 1; the signature says so.
    cache_dir, download: as in `load_mnist`.

    Raises InputError for predictions, targets or indices that are refused, ArgumentError for other
    arguments (both ValueErrors), UnavailableError where the labels are not to be had.

    >>> y = np.full((1000, 10), 0.1)
    >>> result = evaluate(y, dataset="mnist-5k", losses=["nll"])
    >>> round(result.losses["nll"].value, 12), result.split
    (2.302585092994, 'test')
    """
    _check_choices(reduction, batch_size)
    quantile(confidence)
    selection = Selection(
        targets, indices, dataset, split, input, delta, allow_unnormalized, Access(cache_dir, download)
    )
    with open_scoring(predictions, selection) as scoring:
        chosen = _chosen(losses, scoring.layout, asked=input)
        seen = _look(scoring, chosen, keep=reduction == "none" or batch_size is not None)
    layout, found = scoring.layout, scoring.targets
    signature = Signature(
        loss="+".join(loss.name for loss in chosen),
        targets=found.name,
        n=layout.n,
        predictions=seen.digest[:8],
        input=layout.input,
        delta=scoring.delta if any(loss.uses_delta for loss in chosen) else None,
        reduction=reduction,
        version=__version__,
        indices=found.indices,
        unnormalized=scoring.unnormalized,
    )
    accuracy = seen.correct / layout.n
    return Evaluation(
        predictions=scoring.source.name,
        dataset=found.dataset,
        split=found.split,
        n=layout.n,
        classes=found.classes,
        input=layout.input,
        losses=MappingProxyType({loss.name: _result(seen, loss, signature, confidence) for loss in chosen}),
        accuracy=Accuracy(accuracy, wilson_interval(accuracy, layout.n, confidence)),
        signature=signature,
        hints=doctor.examine(doctor.Facts(found.classes, accuracy, seen.hard, seen.moments)),
        batches=None if batch_size is None else _batches(seen.values, layout.n, batch_size, reduction),
    )


def _check_choices(reduction: str, batch_size: int | None) -> None:
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"no reduction is named {reduction!r}; the reductions are {', '.join(REDUCTIONS)}")
    if batch_size is not None and batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}; expected at least 1")
    if batch_size is not None and reduction == "none":
        raise ArgumentError("reduction none gives no losses of batches; choose mean or sum, or no batch_size")


def _chosen(losses: Sequence[str] | None, layout: Layout, *, asked: str) -> list[Loss]:
    """The losses asked for, each once and each one defined for what the predictions are."""
    if losses is None:
        losses = ("error",) if asked == "labels" else DEFAULT_LOSSES
    chosen = [find(name) for name in dict.fromkeys(losses)]
    if not chosen:
        raise ArgumentError(f"no loss was asked for; the losses are {', '.join(LOSSES)}")
    undefined = [loss.name for loss in chosen if loss.needs_probabilities]
    if layout.input == "labels" and undefined:
        raise InputError(
            f"these are predicted classes, integers of shape ({layout.n},): {' and '.join(undefined)} need"
            " a probability for every class. Save the model's probabilities, or ask for --loss error"
        )
    return chosen


@dataclass(frozen=True)
class _Seen:
    """What one pass has collected; `values` are the per-example losses by name, where they were to be kept."""

    moments: dict[str, Moments]
    values: dict[str, Floats]
    correct: float
    hard: bool
    digest: str


def _look(scoring: Scoring, losses: list[Loss], *, keep: bool) -> _Seen:
    """The pass: each block is read, hashed, checked and scored."""
    moments: dict[str, list[Moments]] = {name: [] for name in (*(loss.name for loss in losses), "error")}
    values = {loss.name: np.empty(scoring.layout.n) for loss in losses} if keep else {}
    digest, hard = Digest(), True
    for block in scoring.blocks():
        digest.add(block)
        hard = hard and scoring.layout.input == "probs" and bool(((block.y == 0) | (block.y == 1)).all())
        for name, parts in moments.items():
            per_example = LOSSES[name](block.outputs, block.t, scoring.delta)
            parts.append(Moments.of(per_example))
            if name in values:
                values[name][block.rows] = per_example
    merged = {name: Moments.merged(parts) for name, parts in moments.items()}
    return _Seen(merged, values, scoring.layout.n - merged["error"].total, hard, str(digest))


def _result(seen: _Seen, loss: Loss, signature: Signature, confidence: float) -> LossResult:
    moments, reduction = seen.moments[loss.name], signature.reduction
    scale = moments.count if reduction == "sum" else 1
    value = moments.sum if reduction == "sum" else moments.mean
    stderr = None if moments.stderr is None else scale * moments.stderr
    none = reduction == "none"
    return LossResult(
        value=math.nan if none else value,
        reduction=reduction,
        stderr=None if none else stderr,
        ci=None if none else normal_interval(value, stderr, confidence),
        confidence=confidence,
        infinite=moments.infinite,
        signature=replace(signature, loss=loss.name, delta=signature.delta if loss.uses_delta else None),
        values=seen.values.get(loss.name) if none else None,
    )


def _batches(values: dict[str, Floats], n: int, size: int, reduction: str) -> tuple[BatchResult, ...]:
    """The losses of each batch of the partition in row order; weighted by size, their mean is the whole's."""
    reduce = np.mean if reduction == "mean" else np.sum
    return tuple(
        BatchResult(
            start,
            min(size, n - start),
            MappingProxyType({name: float(reduce(kept[start : start + size])) for name, kept in values.items()}),
        )
        for start in range(0, n, size)
    )
