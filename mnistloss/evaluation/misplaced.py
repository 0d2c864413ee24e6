"""Hints about rows and columns in the wrong place: never filled, repeated, moved, shuffled, or of another split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.datasets import catalog
from mnistloss.evaluation.hints import MAX_CLASSES, MIN_EXAMPLES, Hint, HintInputs, Place

_RUN, _MIN_DISTINCT, _MAX_RUNS = 16, 8, 100
_LOG_ODDS, _SEARCH_LOG_ODDS = 14, 20
_MIN_ACCURACY_GAIN, _SIGMAS = 0.05, 6.0

_MIN_CONTRAST, _CELL, _CAP = 0.25, 32, 12.0
_MAX_DISTANCE, _PIECE, _MAX_FAILURES = 30_000, 64, 24
_MAX_RANGES = 24

_BATCH_SIZES = (8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024)
_MAX_CHANCE_WIDTH, _MAX_HISTOGRAM_DISTANCE = 0.05, 0.1
_MIN_CONFIDENCE, _MIN_WEAK_CONFIDENCE = 0.75, 0.4
_MIN_DEPENDENCE, _MIN_CHI2 = 0.12, 20

_ONLY_ONE = "do only one of these, as the labels come in turn, so that rows and columns explain it alike"


def find_misplaced(inputs: HintInputs) -> list[Hint]:
    """Return the hints about rows and columns, for inputs with labels.

    A hint about rows that are no predictions, or moved, comes alone. "rows-shuffled" comes last: only where nothing
    else explains the accuracy.
    """
    hint = _find_repeated_rows(inputs) or _find_rows_of_zeros(inputs)
    if hint is None and inputs.n >= MIN_EXAMPLES and inputs.classes <= MAX_CLASSES:
        counts = count_classes(inputs.labels, inputs.predicted, inputs.classes)
        stretches = _stretches_at_chance(inputs.right, chance_accuracy(counts))
        segments = _find_segments(inputs, stretches)
        whole = stretches == [(0, inputs.n)]
        if whole and sum(stop - start for start, stop, _ in segments) < inputs.n / 2:
            segments = []  # a few rows with labels in turn, for which a step of the columns is right as well
        hint = _find_moved_rows(inputs, segments)
        if hint is None or hint.name == "rows-shifted":
            hints = [hint, find_split(inputs, counts) if whole else None, _find_permutation(inputs, counts)]
            several = [h for h in hints if h is not None]
            if len(several) > 1:
                return [h._replace(advice=f"{h.advice}; {_ONLY_ONE}") for h in several]
            hint = several[0] if several else _find_shuffled_rows(inputs, stretches)
    return [] if hint is None else [hint]


def _find_rows_of_zeros(inputs: HintInputs) -> Hint | None:
    """Look in raw scores for a run of rows that are all zero.

    The run must be longer than runs that arise by chance. Runs of one label are left out: where the labels are sorted,
    they could be a class whose scores are all zero.
    """
    codes, labels = inputs.evidence.codes, inputs.labels
    if inputs.input != "logits" or codes is None or 0 not in codes:
        return None
    empty = codes == 0
    edges = np.flatnonzero(np.diff(empty, prepend=False, append=False)).reshape(-1, 2)
    start, stop = edges[np.diff(edges).argmax()].tolist()
    if stop - start < _longest_by_chance(inputs.n, empty.mean()) or (labels[start:stop] == labels[start]).all():
        return None
    evidence = f"{empty.sum():,} rows are all zero, rows {start:,} to {stop - 1:,} among them: never filled"
    return _keep_others(inputs, empty, "rows-of-zeros", evidence)


def _find_repeated_rows(inputs: HintInputs) -> Hint | None:
    """Look for runs of 16 rows or more, 8 of them distinct, that repeat earlier runs in order, number for number."""
    runs = list(_repeated_runs(inputs))
    if not runs:
        return None
    repeated = np.zeros(inputs.n, bool)
    for start, stop, _ in runs:
        repeated[start:stop] = True
    kept = int(np.count_nonzero(~repeated))
    sizes = {catalog.find(inputs.dataset).examples(split): split for split in catalog.SPLITS} if inputs.dataset else {}
    if kept in sizes and not inputs.chosen and inputs.n % kept == 0 and not repeated[:kept].any():
        evidence = f"the file is the same {kept:,} rows {inputs.n // kept} times, as many as {sizes[kept]} has"
        advice = f'save predictions[:{kept}] and score these with split="{sizes[kept]}"'
        return Hint("rows-repeated", evidence, advice)
    start, stop, lag = max(runs, key=lambda run: run[1] - run[0])
    evidence = f"rows {start:,} to {stop - 1:,} repeat rows {start - lag:,} to {stop - lag - 1:,}, number for number"
    more = f", and {len(runs) - 1} more runs do the like" if len(runs) > 1 else ""
    return _keep_others(inputs, repeated, "rows-repeated", evidence + more)


def _repeated_runs(inputs: HintInputs) -> Iterator[tuple[int, int, int]]:
    """Yield start, stop and distance of runs that repeat an earlier run, or of the earlier run if it is rather wrong.

    A model with few different rows repeats rows of one predicted class at random; a run must be longer than such
    repetitions make it. Runs whose labels repeat as well are left out where the user chose the examples.
    """
    codes, labels = inputs.evidence.codes, inputs.labels
    if codes is None or inputs.n < 2 * _RUN or inputs.evidence.hard or len(np.unique(codes)) == len(codes):
        return
    windows = _window_hashes(codes)
    _, first, inverse = np.unique(windows, return_index=True, return_inverse=True)
    lags = np.arange(len(windows)) - first[inverse]
    later = np.flatnonzero(lags)
    breaks = np.flatnonzero((np.diff(later) != 1) | (np.diff(lags[later]) != 0)) + 1
    runs = [(int(run[0]), int(run[-1]) + _RUN, int(lags[run[0]])) for run in np.split(later, breaks) if run.size]
    _, rows = np.unique(codes, return_counts=True)
    alike = float((rows * (rows - 1.0)).sum() / (np.bincount(inputs.predicted) ** 2.0).sum())
    shortest = max(_RUN, _longest_by_chance(inputs.n, alike))
    for start, stop, lag in sorted(runs, key=lambda run: run[0] - run[1])[:_MAX_RUNS]:
        again, before = slice(start, stop), slice(start - lag, stop - lag)
        honest = (inputs.split is None or inputs.chosen) and np.array_equal(labels[again], labels[before])
        if stop - start < shortest or len(np.unique(codes[again])) < _MIN_DISTINCT or honest:
            continue
        earlier_is_wrong = inputs.right[before].mean() < inputs.right[again].mean() - 0.25 and lag >= stop - start
        yield (start - lag, stop - lag, -lag) if earlier_is_wrong else (start, stop, lag)


def _window_hashes(codes: Array) -> Array:
    """Return a hash of each stretch of 16 rows, in whole numbers, so that equal stretches have equal hashes."""
    bits = (codes + 0.0).view(np.uint64)
    mixed = bits ^ (bits >> np.uint64(29))
    powers = np.cumprod(np.full(_RUN, 0x9E3779B97F4A7C15, np.uint64))
    hashes: Array = np.lib.stride_tricks.sliding_window_view(mixed, _RUN) @ powers
    return hashes


def _longest_by_chance(n: int, p: float) -> float:
    """Return the length that runs among n rows exceed with a probability below 1e-6; p is the chance of each row."""
    return (2 * math.log(n) + _LOG_ODDS) / -math.log(min(1 - 1e-9, max(1e-9, p)))


def _keep_others(inputs: HintInputs, wrong: Array, name: str, evidence: str) -> Hint:
    """Return a hint that advises to score the other rows only."""
    kept = _ranges(np.flatnonzero(~wrong))
    advice = f"predict these rows again, or save predictions[{kept}] and score these with {_options(inputs, kept)}"
    return Hint(name, evidence, advice)


def _options(inputs: HintInputs, examples: str) -> str:
    """Return the options that score predictions of some of these examples, which a NumPy expression lists."""
    if inputs.split is None:
        return f"targets=FILE, which holds targets[{examples}]"
    listed = f"indices[{examples}]" if inputs.chosen else examples
    return f'split="{inputs.split}" and indices=FILE, which holds {listed}'


def _ranges(rows: Array) -> str:
    """Return row numbers as a NumPy expression, such as np.r_[0:300, 400:500]."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return f"np.r_[{', '.join(f'{run[0]}:{run[-1] + 1}' for run in runs)}]"


def _stretches_at_chance(right: Array, chance: float) -> list[tuple[int, int]]:
    """Return the stretches of rows whose accuracy is at chance while others are better; all rows if no part is better.

    A cumulative sum of log likelihood ratios is held between 0 and a cap. Where the sum is at the cap, the rows are at
    chance; where it is 0, the stretch ends.
    """
    n, chance = len(right), max(chance, 1e-3)
    cell = max(_CELL, min(128, n // 8))
    good = min(0.95, float(np.quantile(right[: n // cell * cell].reshape(-1, cell).mean(axis=1), 0.9)))
    if good - chance < _MIN_CONTRAST:
        return [(0, n)]
    steps = np.where(right, math.log(chance / good), math.log((1 - chance) / (1 - good)))
    sums = np.cumsum(steps)
    if (sums - np.minimum.accumulate(np.minimum(sums, 0.0))).max() < _CAP - 1e-6:  # even without the cap
        return []
    stretches, start, stop, height = [], 0, 0, 0.0
    for row, step in enumerate([*steps.tolist(), -math.inf]):
        height += step
        if height >= _CAP:
            height, stop = _CAP, row + 1
        elif height <= 0:
            if stop - start >= _RUN:
                stretches.append((start, stop))
            height, start, stop = 0.0, row + 1, row + 1
    return stretches


class Segment(NamedTuple):
    """Rows start to stop - 1, which are right for the examples `offset` further on."""

    start: int
    stop: int
    offset: int

    def __str__(self) -> str:
        first, last, d = self.start, self.stop - 1, self.offset
        if abs(d) < _RUN:
            return f"from row {first:,} to {last:,}, row i is right for example i {d:+d}"
        return f"rows {first:,} to {last:,} are right for the examples {first + d:,} to {last + d:,}"


def _find_segments(inputs: HintInputs, stretches: list[tuple[int, int]]) -> list[Segment]:
    """Return the segments in these stretches of rows, by pieces of them: the whole stretch, then four short ones.

    The search ends after 24 pieces that are right nowhere.
    """
    todo, segments, failures = list(stretches), [], 0
    while todo and failures < _MAX_FAILURES:
        start, stop = todo.pop(0)
        middles = np.linspace(start, max(start, stop - _PIECE), 4, dtype=int).tolist()
        pieces = [(start, stop), *((i, i + _PIECE) for i in middles if stop - start > _PIECE)]
        for piece in pieces if stop - start >= _RUN else ():
            segment = _find_segment(inputs, *piece, start, stop)
            if segment is not None:
                segments.append(segment)
                todo += [(start, segment.start), (segment.stop, stop)]
                break
            failures += 1
    return sorted(segments)


def _find_segment(inputs: HintInputs, first: int, last: int, start: int, stop: int) -> Segment | None:
    """Return the rows in and around a stretch that are right at the offset where a piece of the stretch fits best."""
    predicted, labels, n = inputs.predicted, inputs.labels, inputs.n
    low, high = max(0, first - _MAX_DISTANCE), min(n, last + _MAX_DISTANCE)
    offset = low - first + best_offset(predicted[first:last], labels[low:high], inputs.classes, first - low)
    a, b = max(0, -offset, start - _CELL), min(n, n - offset, stop + _CELL)
    if offset == 0 or b - a < _RUN:
        return None
    there, here = predicted[a:b] == labels[a + offset : b + offset], inputs.right[a:b]
    sums = np.concatenate([[0.0], np.cumsum(there - 0.5 - 0.75 * here)])
    end = int((sums - np.minimum.accumulate(sums)).argmax())
    begin = int(sums[: end + 1].argmin())
    if abs(offset) >= _RUN:  # batches begin and end at round numbers
        begin, end = (_roundest(sums, edge, a, sign) for edge, sign in ((begin, 1), (end, -1)))
    a, b = a + begin, a + end
    if b - a < _RUN or min(b, stop) - max(a, start) < _RUN / 2:
        return None
    if not classes_agree(predicted[a:b], labels[a + offset : b + offset], n * n):
        return None
    return Segment(a, b, offset)


def _roundest(sums: Array, edge: int, first: int, sign: int) -> int:
    """Return the likeliest edge near this one: each factor of two in a row number outweighs 0.4 rows."""
    near = range(max(0, edge - 6), min(len(sums), edge + 7))
    return max(near, key=lambda i: 0.4 * math.log2(math.gcd(first + i, 64_000)) - sign * (sums[i] - sums[edge]))


def best_offset(piece: Array, labels: Array, k: int, origin: int = 0) -> int:
    """Return the offset in the labels where the predicted classes of a piece agree best, by one convolution a class.

    At least half of the piece meets labels. Of equal offsets, the one nearest to the origin is taken.
    """
    m, n = len(piece), len(labels)
    size = 1 << (m + n - 1).bit_length()
    spectrum = sum(np.fft.rfft(labels == c, size) * np.conj(np.fft.rfft(piece == c, size)) for c in range(k))
    offsets = np.arange(-(m // 2), n - m + m // 2 + 1)
    hits = np.rint(np.fft.irfft(spectrum, size))[offsets % size]
    overlap = np.minimum(offsets + m, n) - np.maximum(offsets, 0)
    chance = float(np.bincount(piece, minlength=k) @ np.bincount(labels, minlength=k)) / (m * n)
    odds = _odds_against_chance(hits, overlap, chance)
    best = np.flatnonzero(odds >= odds.max() * (1 - 1e-9))
    return int(offsets[best[np.abs(offsets[best] - origin).argmin()]])


def classes_agree(predicted: Array, labels: Array, tries: int) -> bool:
    """Whether predicted classes agree with these labels too often for chance: at odds below e^-20 over all tries.

    Counted are the rows whose label differs from the one before, so that sorted labels, which fit any run of a wrong
    class, tell nothing. The bound is Chernoff's: n times the relative entropy of the share of hits and its expectation.
    """
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    if not changes.size:
        return False
    y, t = predicted[changes], labels[changes]
    k = int(max(y.max(), t.max())) + 1
    hits = np.array([np.count_nonzero(y == t)])
    odds = _odds_against_chance(hits, len(t), chance_accuracy(count_classes(t, y, k)))
    return bool(hits[0] > len(t) / 2 and odds[0] >= _SEARCH_LOG_ODDS + math.log(tries))


def _odds_against_chance(hits: Array, n: Any, chance: float) -> Array:
    """Return -log of Chernoff's bound on so many hits among n where each has this chance; 0 for fewer than expected."""
    share, chance = np.clip(hits / n, 1e-12, 1 - 1e-12), min(max(chance, 1e-6), 1 - 1e-6)
    entropy = share * np.log(share / chance) + (1 - share) * np.log((1 - share) / (1 - chance))
    return np.where(share > chance, n * entropy, 0.0)


def count_classes(labels: Array, predicted: Array, k: int) -> Array:
    """Return how many examples of each class (rows) are predicted as each class (columns), (K, K)."""
    return np.bincount(labels.astype(np.intp) * k + predicted, minlength=k * k).reshape(k, k)


def chance_accuracy(counts: Array) -> float:
    """Return the accuracy of predictions with these class counts (K, K) that are unrelated to the labels."""
    return float(counts.sum(axis=1) @ counts.sum(axis=0) / counts.sum() ** 2)


def _find_moved_rows(inputs: HintInputs, segments: list[Segment]) -> Hint | None:
    """Return the hint about rows that are right for other examples, all of them or some.

    By chance alone, an honest file has such a segment with a probability below e^-20, see `classes_agree`.
    """
    if not segments:
        return None
    example, moved = np.arange(inputs.n), np.zeros(inputs.n, bool)
    for start, stop, d in segments:
        example[start:stop], moved[start:stop] = np.arange(start, stop) + d, True
    (start, stop, d), here = segments[0], f"the accuracy is {inputs.accuracy:.4f}, and"
    if len(segments) == 1 and stop - start >= inputs.n - abs(d) - _RUN:
        share = np.mean(inputs.predicted[start:stop] == inputs.labels[start + d : stop + d])
        return Hint(
            "rows-shifted",
            f"{here} {share:.4f} if row i is compared with example i {d:+d}",
            f"save np.roll(predictions, {d}, axis=0), and find out where the first row comes from",
        )
    order = np.argsort(~moved, kind="stable")
    examples, first = np.unique(example[order], return_index=True)
    rows, kept = _ranges(order[first]), _ranges(examples)
    advice = f"save predictions[{rows}] and score these with {_options(inputs, kept)}"
    if max(rows.count(":"), kept.count(":")) > _MAX_RANGES:
        advice = _predict_in_order(inputs)
    elif len(examples) == inputs.n:
        advice = f"save predictions[{rows}], or {_predict_in_order(inputs)}"
    evidence = f"the accuracy is {inputs.right[moved].mean():.2f} in {moved.sum():,} rows"
    others = f", and {inputs.right[~moved].mean():.2f} in the others" if not moved.all() else ""
    return Hint("rows-moved", f"{evidence}{others}: {_join(list(map(str, segments)))}", advice)


def _join(parts: list[str]) -> str:
    """Return the first four parts as a list in words, and the number of the others."""
    return ", ".join(parts[:4]) + (f", and {len(parts) - 4} more" if len(parts) > 4 else "")


def _predict_in_order(inputs: HintInputs) -> str:
    """Return the advice for rows in an order that nobody knows."""
    listed = "targets=FILE, the labels in the order of the rows"
    if inputs.split is not None:
        listed = f'split="{inputs.split}" and indices=FILE, the example of each row'
    return f"predict in the order of the examples, without shuffling and with one worker, or score these with {listed}"


def _explains(inputs: HintInputs, share: float, chance: float) -> bool:
    """Whether a correction that makes this share of predictions right beats the accuracy and chance clearly.

    The share must be more than half, and exceed the accuracy, and that of predictions unrelated to the labels, by 0.05
    and by 6 standard errors of the difference of two shares.
    """
    other = max(inputs.accuracy, chance)
    p = (share + other) / 2
    return share > 0.5 and share - other >= max(_MIN_ACCURACY_GAIN, _SIGMAS * math.sqrt(2 * p * (1 - p) / inputs.n))


def find_split(inputs: HintInputs, counts: Array) -> Hint | None:
    """Look for another dataset, or rows of a split of this one, for whose labels the predictions are right."""
    for place in inputs.elsewhere() if inputs.split is not None else ():
        for name, labels, where, advice in _candidates(inputs, place):
            share = float(np.mean(inputs.predicted == labels))
            if _explains(inputs, share, chance_accuracy(counts)) and classes_agree(inputs.predicted, labels, inputs.n):
                here = f"the accuracy is {inputs.accuracy:.4f} here and {share:.4f} against the labels of"
                return Hint(name, f"{here} {where}", advice)
    return None


def _candidates(inputs: HintInputs, place: Place) -> Iterator[tuple[str, Array, str, str]]:
    """Yield what the predictions may be for: name of the hint, labels (N,), which examples these are, and advice."""
    n, size = inputs.n, len(place.labels)
    times, start = n // size, best_offset(inputs.predicted, place.labels, inputs.classes)
    if place.dataset != inputs.dataset:
        where = f"{place.dataset} (compared were the datasets cached here)"
        yield "another-dataset", place.labels, where, f'score these with dataset="{place.dataset}"'
    elif n == size * times > size:
        mean = f"predictions.reshape({times}, {size}, -1).mean(axis=0)"
        save = mean if inputs.input == "probs" else f"predictions[:{size}]"
        where, advice = f"{place.split}, {times} answers for each example", f"save {save} and score these with"
        yield "another-part", np.tile(place.labels, times), where, f'{advice} split="{place.split}"'
    elif 0 <= start <= size - n:
        side = "first " if start == 0 else "last " if start + n == size else ""
        rows = f"the {side}{n:,} examples" if side else f"the examples {start:,} to {start + n - 1:,}"
        options = f'split="{place.split}" and indices=FILE, which holds np.arange({start}, {start + n})'
        part = place.labels[start : start + n]
        yield "another-part", part, f"{rows} of {place.split}", f"score these with {options}"


def _find_permutation(inputs: HintInputs, counts: Array) -> Hint | None:
    """Look for an order of the columns that is right; a step of one for all shows classes that are counted from 1."""
    k, order = inputs.classes, counts.argmax(axis=1)
    share = float(counts[range(k), order].sum() / counts.sum())
    if len(np.unique(order)) < k or not _explains(inputs, share, chance_accuracy(counts[:, order])):
        return None
    evidence = f"the accuracy is {inputs.accuracy:.4f}, and {share:.4f}"
    by_class = f"np.array({np.argsort(order).tolist()})[predictions]"
    save = f"save {by_class if inputs.input == 'labels' else f'predictions[:, {order.tolist()}]'}"
    for step, side in ((1, "above"), (-1, "below")):
        if np.array_equal(order, (np.arange(k) + step) % k):
            evidence += f" if class k is read from the column {side} k"
            return Hint("labels-from-one", evidence, f"{save}, or count the classes from 0 in training")
    evidence += f" if the columns are put into the order {' '.join(map(str, order))}"
    return Hint("columns-permuted", evidence, f"{save}, or find out why the classes are sorted like this")


def _find_shuffled_rows(inputs: HintInputs, stretches: list[tuple[int, int]]) -> Hint | None:
    """Look for rows that are right by chance, though each class is predicted as often as it occurs."""
    whole = stretches == [(0, inputs.n)]
    size = _batch_size(inputs) if whole else 0
    if size:
        evidence = f"the accuracy {inputs.accuracy:.4f} is that of rows shuffled within batches of {size}: each batch"
        return Hint("rows-shuffled", f"{evidence} has the class counts of its labels", _predict_in_order(inputs))
    shuffled = [slice(*stretch) for stretch in stretches if _is_shuffled(inputs, slice(*stretch))]
    if not shuffled:
        return None
    rows = np.concatenate([inputs.right[part] for part in shuffled])
    listed = "all rows" if whole else f"rows {_join([f'{part.start:,} to {part.stop - 1:,}' for part in shuffled])}"
    evidence = f"the accuracy is {rows.mean():.4f} in {listed}, which is chance, although each class is predicted as"
    return Hint("rows-shuffled", f"{evidence} often there as it occurs", _predict_in_order(inputs))


def _is_shuffled(inputs: HintInputs, rows: slice) -> bool:
    """Whether a confident model is right by chance in these rows though it predicts each class as often as it occurs.

    The predicted classes must be independent of the labels: those of an untrained network, however sure, are not. A
    model that is less sure needs so many examples that dependence, if only by Cramér's V = 0.12, looks like
    independence with a probability below 0.002. Predicted classes, which have no confidence, must have uneven counts,
    as guesses would be even.
    """
    counts = count_classes(inputs.labels[rows], inputs.predicted[rows], inputs.classes)
    counts = counts[counts.any(axis=1) | counts.any(axis=0)][:, counts.any(axis=1) | counts.any(axis=0)]
    n, k = int(counts.sum()), len(counts)
    t, y, chance = counts.sum(axis=1) / n, counts.sum(axis=0) / n, chance_accuracy(counts)
    width, distance = 2 * math.sqrt(chance * (1 - chance) / n), float(np.abs(t - y).sum() / 2)
    if width > _MAX_CHANCE_WIDTH or distance > _MAX_HISTOGRAM_DISTANCE or (t == 0).any() or (y == 0).any():
        return False
    if abs(np.trace(counts) / n - chance) > width or 1 - distance - chance < _SIGMAS * math.sqrt(0.5 / n):
        return False
    confidence = inputs.evidence.confidence
    if confidence is None:
        return bool(n * k * ((y - 1 / k) ** 2).sum() - n * ((y - t) ** 2 / t).sum() >= _MIN_CHI2)
    freedom, expected = (k - 1) ** 2, n * np.outer(t, y)
    dependent, sigma = _MIN_DEPENDENCE**2 * n * (k - 1), math.sqrt(2 * freedom)
    evident = dependent >= 2 * sigma + 3 * math.sqrt(2 * freedom + 4 * dependent)
    excess = (confidence - 1 / inputs.classes) / (1 - 1 / inputs.classes)
    independent = ((counts - expected) ** 2 / expected).sum() <= freedom + 2 * sigma
    return bool(independent and excess >= (_MIN_WEAK_CONFIDENCE if evident else _MIN_CONFIDENCE))


def _batch_size(inputs: HintInputs) -> int:
    """Return the size of the batches within which rows are shuffled; 0 if they are not.

    The classes predicted in a batch must be those of its labels more often than those of the next batch's labels,
    clearly by six standard errors, and the rows as often right as in a random order within batches.
    """
    gains, k = {0: 0.0}, inputs.classes
    for size in _BATCH_SIZES:
        batches = inputs.n // size
        if batches < 8:
            break
        rows = np.arange(batches * size)
        y, t = (
            np.bincount(rows // size * k + classes[rows], minlength=batches * k).reshape(batches, k)
            for classes in (inputs.predicted, inputs.labels)
        )
        hits, by_chance = inputs.right[rows].sum(), (y * t).sum() / size
        own, next_ = np.minimum(y, t)[:-1].sum(axis=1) / size, np.minimum(y[:-1], t[1:]).sum(axis=1) / size
        gain, error = (own - next_).mean(), (own - next_).std() / math.sqrt(batches - 1)
        clear = gain >= max(_SIGMAS * error, (1 - next_.mean()) / 2) and own.mean() - hits / len(rows) >= _MIN_CONTRAST
        if clear and abs(hits - by_chance) <= 3 * math.sqrt(by_chance):
            gains[size] = float(gain)
    return max(gains, key=lambda size: gains[size])
