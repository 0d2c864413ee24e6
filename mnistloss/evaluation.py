"""One pass over predictions -> a frozen Evaluation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mnistloss.datasets.access import Access
from mnistloss.errors import ArgumentError, InputError
from mnistloss.findings import REDUCTIONS, Findings, Wanted
from mnistloss.losses import LOSSES, Loss, find
from mnistloss.npy import Source
from mnistloss.parallel import in_order, processors
from mnistloss.predictions import check_probabilities
from mnistloss.results import Evaluation
from mnistloss.scoring import Digest, Predictions, Scoring, Selection, open_scoring
from mnistloss.targets import TargetFinder

__all__ = ["REDUCTIONS", "Wanted", "default_losses", "evaluate", "score", "score_all"]

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
    access = Access(cache_dir, download)
    return score(
        predictions,
        Selection(targets, indices, dataset, split, input, delta, allow_unnormalized, access),
        Wanted(losses, reduction, batch_size, confidence, top, per_class, bootstrap, seed),
        processors(jobs),
    )


def score(
    predictions: Predictions,
    selection: Selection,
    wanted: Wanted,
    jobs: int = 1,
    *,
    finder: TargetFinder | None = None,
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
        hints=found.hints(selection.access),
        top={k: found.share(f"top-{k}", hits, signature) for k, hits in tally.hits.items()},
        per_class=found.per_class() if wanted.per_class else None,
        batches=found.batches(wanted.batch_size) if wanted.batch_size else None,
    )


def score_all(
    predictions: Sequence[Predictions],
    selection: Selection,
    wanted: Wanted,
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


def _check_top(wanted: Wanted, scoring: Scoring) -> None:
    """Refuse what needs labels, or the order of all classes, where there are none."""
    if (wanted.top or wanted.per_class) and scoring.targets.t.ndim == 2:
        raise InputError("top and per_class need a label for each example; these targets are soft rows")
    if wanted.top:
        check_probabilities(scoring.source.name, scoring.layout.input, scoring.layout.n, "the top k")
    if wanted.top and max(wanted.top) > scoring.targets.classes:
        raise ArgumentError(f"top is {max(wanted.top)}; there are {scoring.targets.classes} classes")
