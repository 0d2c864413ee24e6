"""Evaluate predictions: `score` makes `Scores` in one pass, and `summarize` turns the scores into an Evaluation."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Unpack

import numpy as np

from mnistloss.arrays.checks import whole
from mnistloss.arrays.npy import Source
from mnistloss.datasets import catalog
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.predictions import check_input, check_top
from mnistloss.evaluation.results import Accuracy, BatchResult, ClassResult, Evaluation, LossResult
from mnistloss.evaluation.scoring import Predictions, Progress, Scores, default_losses, score
from mnistloss.evaluation.targets import DataKeywords, DataOptions, TargetLoader, data_options
from mnistloss.losses.losses import LOSSES, check_delta, find_loss
from mnistloss.stats import Interval, bootstrap_intervals, hall_interval, quantile, wilson_interval

REDUCTIONS = ("mean", "sum", "none")


@dataclass(eq=False, repr=False)
class ScoreOptions:
    """What to compute from predictions; `evaluate` describes each field."""

    losses: str | Sequence[str] | None = None
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
        if self.losses is not None and not isinstance(self.losses, Collection):
            raise ArgumentError(f"losses is {self.losses!r}; expected the name of a loss, or a list of names")
        for name in [self.losses] if isinstance(self.losses, str) else self.losses or ():
            find_loss(name)
        if not isinstance(self.top, Collection):
            raise ArgumentError(f"top is {self.top!r}; expected a list of numbers, such as [5]")
        if self.batch_size is not None:
            whole(self.batch_size, "batch_size")
        if self.batch_size is not None and self.reduction == "none":
            raise ArgumentError(
                'batch_size needs reduction="mean" or reduction="sum"; choose one, or leave batch_size out'
            )
        for k in self.top:
            whole(k, "top")
        whole(self.bootstrap, "bootstrap", least=0)
        whole(self.seed, "seed", least=0)
        quantile(self.confidence)

    def loss_names(self, input: str) -> list[str]:
        """Return the names of the losses, each once; if `losses` is None, the default losses of this input."""
        losses = default_losses(input) if self.losses is None else self.losses
        return [losses] if isinstance(losses, str) else list(dict.fromkeys(losses))

    @property
    def needs_columns(self) -> bool:
        """Whether the losses of single examples are needed, in addition to their sums."""
        return self.reduction == "none" or self.batch_size is not None or self.bootstrap > 0


class EvaluateKeywords(DataKeywords, total=False):
    """The keywords of `evaluate`, which describes each."""

    losses: str | Sequence[str] | None
    reduction: str
    batch_size: int | None
    confidence: float
    top: Sequence[int]
    per_class: bool
    bootstrap: int
    seed: int


class Job(NamedTuple):
    """What is to be computed of every file."""

    data: DataOptions
    options: ScoreOptions


def make_job(**keywords: Unpack[EvaluateKeywords]) -> Job:
    """Check the keywords of `evaluate` and turn them into a job."""
    of_scores = {name: value for name, value in keywords.items() if name in ScoreOptions.__annotations__}
    of_data = {name: value for name, value in keywords.items() if name not in of_scores}
    data, options = data_options("evaluate", DataKeywords, of_data), ScoreOptions(**of_scores)  # type: ignore[arg-type]  # each is of its type
    _check_job(data, options)
    return Job(data, options)


def _check_job(data: DataOptions, options: ScoreOptions) -> None:
    """Refuse what no predictions can be evaluated with."""
    check_delta(data.delta or 0.0)
    check_input(data.input)
    if data.split != "auto":
        catalog.check_split(data.split)
    classes = catalog.find(data.dataset).classes
    if data.targets is None:
        check_top(options.top, classes)


def evaluate(
    predictions: Predictions,
    *,
    targets: Source | None = None,
    indices: Source | None = None,
    dataset: str = "mnist",
    split: str = "auto",
    losses: str | Sequence[str] | None = None,
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
    array: str | None = None,
) -> Evaluation:
    """Compute the losses of predictions in float64, in one pass, and check every row.

    predictions: (N, K); row i holds the outputs of a model for example i. An array, the path of a .npy, .npz,
        .csv or .txt file, or a binary stream of .npy. Predicted classes, integers (N,), have the loss "error" only.
    targets: targets of your own, as an array or the path of a .npy file: labels (N,), or one-hot or soft
        rows (N, K). If None, the targets are the labels of `split` of `dataset`.
    indices: the examples of the split that were predicted, as an array, the path of a .npy file or a saved batch.
    dataset: a name in the catalog, such as "mnist", "fashion-mnist" or "mnist-5k".
    split: "train", "test", or "auto", which chooses the split that has N examples.
    losses: a name of the registry LOSSES, or several; default cee and mse, and error for predicted classes.
    input: what the predictions are: "probs", "logits", "logprobs" or "labels".
    delta: the number that cee adds inside the log; default 1e-7 for probs, and 0 for other inputs.
    reduction: "mean" over examples, "sum", or "none", which keeps the losses of single examples as `.values`.
    batch_size: also compute the losses of consecutive batches of this size, as `.batches`.
    confidence: level of the intervals: P. Hall's for losses, which are skewed, and Wilson's for the accuracy.
    top: also compute the accuracy among the k most probable classes, for each k.
    per_class: also compute the losses by class, as `.per_class`; needs labels.
    bootstrap: number of resamples; above 0, the intervals of the losses are bootstrap-t intervals.
    seed: seed of the bootstrap.
    allow_unnormalized: accept rows that do not sum to 1, and use them as they are; the signature says so.
    cache_dir, download: as in `load_mnist`.
    array: the name of the predictions in a .npz file that holds several arrays.

    Raises InputError for bad predictions, targets or indices, and ArgumentError for other bad arguments;
    both are ValueErrors. Raises UnavailableError if the labels are not available.

    >>> result = evaluate([[0.1] * 10] * 1000, dataset="mnist-5k", losses="nll")
    >>> round(result.losses["nll"].value, 12), result.split
    (2.302585092994, 'test')
    """
    data = DataOptions(targets, indices, dataset, split, input, delta, allow_unnormalized, cache_dir, download, array)
    options = ScoreOptions(losses, reduction, batch_size, confidence, top, per_class, bootstrap, seed)
    return evaluate_job(predictions, Job(data, options))


def evaluate_job(
    predictions: Predictions,
    job: Job,
    loader: TargetLoader | None = None,
    *,
    progress: Progress | None = None,
    hash_inline: bool = False,
) -> Evaluation:
    """Evaluate predictions; see `evaluate`. loader, progress and hash_inline are those of `score`."""
    data, options = job
    names = options.loss_names(data.input)
    keep = names if options.needs_columns else ()
    scores = score(
        predictions, data, losses=names, keep=keep, top=options.top, by_class=options.per_class, loader=loader,
        progress=progress, hash_inline=hash_inline,
    )  # fmt: skip
    return summarize(scores, options)


def summarize(scores: Scores, options: ScoreOptions) -> Evaluation:
    """Turn scores into an Evaluation. The scores must hold the losses and columns that the options need."""
    names = options.loss_names(scores.input)
    resampled = _bootstrap(scores, options, names)
    return Evaluation(
        predictions=scores.name,
        dataset=scores.dataset,
        split=scores.split,
        n=scores.n,
        classes=scores.classes,
        input=scores.input,
        losses={name: _loss_result(scores, options, name, resampled) for name in names},
        accuracy=_share_result(scores, "accuracy", scores.correct, options.confidence),
        signature=scores.signature(*names, reduction=options.reduction),
        hints=scores.hints,
        top={k: _share_result(scores, f"top-{k}", hits, options.confidence) for k, hits in scores.hits.items()},
        per_class=_class_results(scores, options, names) if options.per_class else None,
        batches=_batch_results(scores, options, names) if options.batch_size else None,
        fingerprint=scores.fingerprint,
    )


def _loss_result(
    scores: Scores, options: ScoreOptions, name: str, resampled: Mapping[str, Interval | None]
) -> LossResult:
    moments, kept = scores.moments[name], options.reduction == "none"
    scale = moments.count if options.reduction == "sum" else 1
    ci, interval = _interval(scores, name, options.confidence)
    if name in resampled:
        ci, interval = resampled[name], "bootstrap"
    minimum = LOSSES[name].minimum(scores.delta)
    return LossResult(
        value=math.nan if kept else moments.sum if options.reduction == "sum" else moments.mean,
        reduction=options.reduction,
        stderr=None if kept or moments.stderr is None else scale * moments.stderr,
        ci=None if kept or ci is None else (scale * max(minimum, ci[0]), scale * ci[1]),
        confidence=options.confidence,
        infinite=moments.infinite,
        signature=scores.signature(name, reduction=options.reduction),
        references={reference: scale * cost for reference, cost in scores.references(name).items()},
        values=scores.columns[name] if kept else None,
        draws=options.bootstrap if name in resampled else None,
        seed=options.seed if name in resampled else None,
        interval=interval,
        reliability=None if kept or interval == "wilson" else scores.reliability(name, options.confidence),
    )


def _interval(scores: Scores, name: str, confidence: float) -> tuple[Interval | None, str]:
    """Return the interval of a mean loss, and the kind of interval: Wilson's for the error, else Hall's."""
    moments = scores.moments[name]
    if name == "error" and scores.targets.t.ndim == 1:
        return wilson_interval(moments.mean, scores.n, confidence), "wilson"
    return hall_interval(moments.mean, moments.stderr, moments.skewness_of_mean, confidence), "hall"


def _bootstrap(scores: Scores, options: ScoreOptions, names: Sequence[str]) -> dict[str, Interval | None]:
    """Return bootstrap intervals of the means of finite losses, by loss; empty if the options ask for no bootstrap."""
    finite = [name for name in names if name != "error" and not scores.moments[name].infinite]
    if not options.bootstrap or not finite or scores.n < 2:
        return {}
    rows = np.stack([scores.columns[name] for name in finite])
    intervals = bootstrap_intervals(rows, options.bootstrap, options.seed, options.confidence)
    return dict(zip(finite, intervals, strict=True))


def _share_result(scores: Scores, name: str, hits: float, confidence: float) -> Accuracy:
    """Divide a number of examples by the number of all examples, and compute the interval of this share."""
    signature = replace(scores.signature("error"), loss=name)
    share = min(1.0, hits / scores.n)  # rows of soft targets may sum to a little more than 1
    if scores.targets.t.ndim == 1:
        return Accuracy(share, wilson_interval(share, scores.n, confidence), signature)
    ci, interval = _interval(scores, "error", confidence)
    return Accuracy(share, ci and (max(0.0, 1 - ci[1]), min(1.0, 1 - ci[0])), signature, interval)


def _class_results(scores: Scores, options: ScoreOptions, names: Sequence[str]) -> tuple[ClassResult, ...]:
    """Return the losses of each class, the part of each total loss that the class carries, and the accuracy."""
    sums, is_mean = scores.class_sums, options.reduction != "sum"
    totals = {name: math.fsum(column) for name, column in sums.items()}
    return tuple(
        ClassResult(
            label,
            n,
            {name: sums[name][label] / (n if is_mean else 1) if n else math.nan for name in names},
            {name: _part(sums[name][label], totals[name]) for name in names},
            1 - sums["error"][label] / n if n else math.nan,
        )
        for label, n in enumerate(scores.targets.counts.tolist())
    )


def _part(part: float, whole: float) -> float:
    """Divide a part by the whole. Return 0 if the whole is 0, and NaN if the whole is infinite."""
    if not whole:
        return 0.0
    return part / whole if math.isfinite(whole) else math.nan


def _batch_results(scores: Scores, options: ScoreOptions, names: Sequence[str]) -> tuple[BatchResult, ...]:
    """Return the losses of consecutive batches of rows."""
    reduce, size = np.mean if options.reduction == "mean" else np.sum, options.batch_size or scores.n
    return tuple(
        BatchResult(
            start,
            min(size, scores.n - start),
            {name: float(reduce(scores.columns[name][start : start + size])) for name in names},
        )
        for start in range(0, scores.n, size)
    )
