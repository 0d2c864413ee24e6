"""Hints about rows that are no predictions: never filled, or written a second time."""

from __future__ import annotations

import math

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.datasets import catalog
from mnistloss.evaluation.hints.evidence import Hint, HintInputs
from mnistloss.evaluation.hints.order import ranges

_RUN, _MIN_DISTINCT = 16, 8
_MAX_RUNS = 100
_LOG_ODDS = 14
_ODD = 0x9E3779B97F4A7C15


def rows_of_zeros(inputs: HintInputs) -> Hint | None:
    """Raw scores with a run of rows that are all zero, among others that are not.

    Rows of zeros that are strewn about at random have a run as long with a probability below 1e-6; and the run is not
    of one class, as one class in sorted labels could be that has no score above zero.
    """
    codes, labels = inputs.evidence.codes, inputs.labels
    if inputs.input != "logits" or codes is None or labels is None:
        return None
    empty = codes == 0
    n, rows = len(codes), int(np.count_nonzero(empty))
    if not 0 < rows < n:
        return None
    edges = np.flatnonzero(np.diff(empty, prepend=False, append=False)).reshape(-1, 2)
    start, stop = edges[np.diff(edges).argmax()].tolist()
    if math.log(n) + (stop - start) * math.log(rows / n) > -_LOG_ODDS or len(set(labels[start:stop].tolist())) < 2:
        return None
    return _drop(
        inputs,
        empty,
        "rows-of-zeros",
        f"{rows:,} rows are all zero, rows {start:,} to {stop - 1:,} among them: never filled",
    )


def rows_repeated(inputs: HintInputs) -> Hint | None:
    """A run of 16 rows or more, 8 of them distinct, that repeats an earlier run in order, number for number.

    An honest model repeats rows where it has few different ones: such a run must be longer than one that arises with a
    probability of 1e-6 where rows of one predicted class are drawn at random. Where the labels repeat as well, the
    examples may (with targets of the user's own, or indices).
    """
    runs = _repeated_runs(inputs)
    if not runs:
        return None
    repeated = np.zeros(inputs.n, bool)
    for start, stop, _ in runs:
        repeated[start:stop] = True
    kept = int(np.count_nonzero(~repeated))
    if inputs.dataset is not None and not inputs.chosen and inputs.n % kept == 0 and not repeated[:kept].any():
        for split in catalog.SPLITS:
            if catalog.find(inputs.dataset).examples(split) == kept:
                return Hint(
                    "rows-repeated",
                    f"the file is the same {kept:,} rows {inputs.n // kept} times, as many as {split} has",
                    f'save predictions[:{kept}] and score these with split="{split}"',
                )
    start, stop, lag = max(runs, key=lambda run: run[1] - run[0])
    evidence = f"rows {start:,} to {stop - 1:,} repeat rows {start - lag:,} to {stop - lag - 1:,}, number for number"
    more = f", and {len(runs) - 1} more runs do the like" if len(runs) > 1 else ""
    return _drop(inputs, repeated, "rows-repeated", evidence + more)


def _drop(inputs: HintInputs, wrong: Array, name: str, evidence: str) -> Hint:
    """Return a hint that advises to score the other rows only."""
    kept = ranges(np.flatnonzero(~wrong))
    advice = f"predict these rows again, or save predictions[{kept}] and score these with {inputs.score_only(kept)}"
    return Hint(name, evidence, advice)


def _repeated_runs(inputs: HintInputs) -> list[tuple[int, int, int]]:
    """Return start, stop and distance of the runs that repeat earlier ones; the later, or what is less often right."""
    codes, labels, predicted = inputs.evidence.codes, inputs.labels, inputs.predicted
    if codes is None or labels is None or predicted is None or len(codes) < 2 * _RUN or inputs.evidence.hard:
        return []
    windows = _window_hashes(codes)
    _, first, inverse = np.unique(windows, return_index=True, return_inverse=True)
    lags = np.arange(len(windows)) - first[inverse]
    later = np.flatnonzero(lags)
    if not later.size:
        return []
    breaks = np.flatnonzero((np.diff(later) != 1) | (np.diff(lags[later]) != 0)) + 1
    candidates = [(int(run[0]), int(run[-1]) + _RUN, int(lags[run[0]])) for run in np.split(later, breaks)]
    candidates.sort(key=lambda run: run[0] - run[1])
    shortest = _shortest_run(codes, predicted)
    right = predicted == labels
    runs = []
    for start, stop, lag in candidates[:_MAX_RUNS]:
        again, before = slice(start, stop), slice(start - lag, stop - lag)
        alike = np.array_equal(labels[again], labels[before])
        if stop - start < shortest or len(np.unique(codes[again])) < _MIN_DISTINCT:
            continue
        if alike and (inputs.split is None or inputs.chosen):
            continue
        earlier_is_wrong = right[before].mean() < right[again].mean() - 0.25 and lag >= stop - start
        runs.append((start - lag, stop - lag, -lag) if earlier_is_wrong else (start, stop, lag))
    return runs


def _window_hashes(codes: Array) -> Array:
    """Return a hash of each stretch of 16 rows, in whole numbers, so that equal stretches have equal ones."""
    bits = (codes + 0.0).view(np.uint64)
    mixed = bits ^ (bits >> np.uint64(29))
    hashes = np.zeros(len(bits) - _RUN + 1, np.uint64)
    for i in range(_RUN):
        hashes = hashes * np.uint64(_ODD) + mixed[i : i + len(hashes)]
    return hashes


def _shortest_run(codes: Array, predicted: Array) -> float:
    """Return how long a repeated run must be for a probability of 1e-6 where rows of one class repeat at random."""
    _, rows = np.unique(codes, return_counts=True)
    pairs = float((np.bincount(predicted).astype(float) ** 2).sum())
    alike = min(1 - 1e-9, max(1e-9, float((rows.astype(float) ** 2 - rows).sum()) / pairs))
    return max(_RUN, (2 * math.log(len(codes)) + _LOG_ODDS) / -math.log(alike))
