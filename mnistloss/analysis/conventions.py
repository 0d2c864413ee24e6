"""What a loss would be in the conventions of other tools: of batches, of units, of the log's guard."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnistloss.arrays.checks import Floats
from mnistloss.evaluation.scoring import Scores

_BATCH_SIZES = (32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000)
_DELTAS = (0.0, 1e-7, 1e-8, 1e-12, 1e-15)
_CLIPS = {
    "1e-15": 1e-15,
    "the eps of float32": float(np.finfo(np.float32).eps),
    "the eps of float64": float(np.finfo(np.float64).eps),
}


def conventions(scores: Scores, loss: str, reduction: str) -> Iterator[tuple[str, float]]:
    """Yield names of other conventions for a loss whose column was kept, and the number that each gives.

    Those of the log's guard need the column "label_probability" as well.
    """
    values, n = scores.columns[loss], scores.n
    other = "mean" if reduction == "sum" else "sum"
    yield f"{loss}, the {other} over the examples", float(values.sum() if other == "sum" else values.mean())
    for size in _BATCH_SIZES:
        if size < n:
            means = _batch_means(values, size)
            yield f"{loss}, the mean of batch means (batches of {size})", float(means.mean())
            yield f"{loss}, the sum of batch means divided by N (batches of {size})", float(means.sum()) / n
            yield f"{loss}, the sum of batch means (batches of {size})", float(means.sum())
    k, mean = scores.classes, float(values.mean())
    if loss in ("mse", "brier"):
        squares, share = (2 * mean, f"2/K of {loss}") if loss == "mse" else (mean, f"1/K of {loss}")
        yield f"the mean over the K = {k} classes too, {share}, as torch's MSELoss", squares / k
    if loss in ("cee", "nll"):
        yield f"{loss} in bits instead of nats", mean / float(np.log(2))
        yield from _guards(scores)


def _batch_means(values: Floats, size: int) -> Floats:
    starts = np.arange(0, len(values), size)
    means: Floats = np.add.reduceat(values, starts) / np.diff([*starts, len(values)])
    return means


def _guards(scores: Scores) -> Iterator[tuple[str, float]]:
    """Yield the cross-entropy with other numbers added inside the log, and with clipped probabilities."""
    p = scores.columns.get("label_probability")
    if p is None:
        return
    with np.errstate(divide="ignore"):
        for delta in _DELTAS:
            if delta != scores.delta:
                yield f"cee with delta={delta:g}", float(-np.log(np.maximum(p, 0) + delta).mean())
    for name, eps in _CLIPS.items():
        yield f"cee of probabilities clipped to {name}", float(-np.log(np.clip(p, eps, 1 - eps)).mean())
