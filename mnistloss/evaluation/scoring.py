"""One pass over predictions: every block of rows is read, hashed, checked and scored; the result is `Scores`."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistloss import formatting
from mnistloss.arrays.checks import (
    BLOCK,
    Array,
    Floats,
    as_targets,
    block_slices,
    block_targets,
    own_precision,
    row_sum_tolerance,
    transposed,
)
from mnistloss.arrays.digest import Digest
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.hints import Evidence, Fingerprint, Hint, HintInputs, find_hints
from mnistloss.evaluation.predictions import (
    PredictionShape,
    Rows,
    as_block,
    check_probabilities,
    check_top,
    is_acceptable,
    name_of,
    open_predictions,
)
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import DataOptions, TargetLoader, Targets
from mnistloss.formatting import shown
from mnistloss.losses.losses import DELTA, LOSSES, Loss, check_delta, find_loss
from mnistloss.losses.outputs import OUTPUTS, Classes
from mnistloss.stats import Moments, is_too_skewed, without_huge
from mnistloss.version import __version__

Predictions = ArrayLike | os.PathLike[str] | BinaryIO
Progress = Callable[[int, int], None]
"""A function that is called with the work done so far and all work, in rows or in files."""

_EXAMINED = 10**6
"""Predicted classes are kept for the hints of up to so many examples."""

MIN_WRONG = 10
"""With fewer wrong examples the interval of a mean loss is not reliable."""

_SMALL = 10**5
"""Up to this number of examples every loss is kept, so that a note can say which examples carry it."""

_FINGERPRINT_GROUPS = 256
_LARGEST_BUFFER = 1 << 24

_READ_BYTES = 1 << 21
"""Blocks of up to so many bytes together are read and hashed at once, as two threads should meet seldom."""


class Block(NamedTuple):
    """Some rows as the losses take them: outputs of the model (K, n), and labels (n,) or soft rows (K, n)."""

    rows: slice
    outputs: Any
    t: Array


COLUMNS: Mapping[str, Callable[[Block], Array]] = {
    "predicted": lambda block: block.outputs.predicted,
    "label_probability": lambda block: block.outputs.p.reshape(-1).take(block.outputs.flat_index(block.t)),
    "outputs": lambda block: block.outputs.scores,
}
"""Columns that can be kept beside the losses: predicted class (N,), probability of the label (N,), outputs (K, N)."""

ALL_COLUMNS = tuple(COLUMNS)
"""The columns from which every loss, with any delta, and every probability can be computed."""


def default_losses(input: str) -> tuple[str, ...]:
    """Return the losses that are computed where none is named: cee and mse, and error for predicted classes."""
    return ("error",) if input == "labels" else ("cee", "mse")


class Scores:
    """The result of one pass over N predictions of K classes.

    moments: of each loss, and always of the error. hits: by k, how many labels are among the k best classes.
    columns: values of single examples, those that the caller named (`keep`), and the predicted classes of up to 10^6
    examples. name: what the user called the predictions; `formatting.shown` makes the name safe to print.
    dataset, split: None for targets of the user's own. t: labels (N,), or soft rows (N, K).
    """

    def __init__(
        self,
        predictions: Predictions,
        shape: PredictionShape,
        targets: Targets,
        data: DataOptions,
        losses: Sequence[Loss],
        *,
        keep: Sequence[str],
        top: Sequence[int],
        by_class: bool,
        sum_tolerance: float,
        dtype: np.dtype[Any],
        loader: TargetLoader,
    ) -> None:
        self.name: str = name_of(predictions)
        self.n: int = shape.n
        self.input: str = shape.input
        self.targets: Targets = targets
        self.classes: int = targets.classes
        self.dataset: str | None = targets.dataset
        self.split: str | None = targets.split
        self.delta: float = _delta(data.delta, shape.input)
        self.digest = ""
        self.hits: dict[int, int] = dict.fromkeys(top, 0)
        self._allow_unnormalized = data.allow_unnormalized and shape.input in ("probs", "logprobs")
        self._sum_tolerance = sum_tolerance
        self._dtype = dtype
        self._loader = loader
        self._by_class = by_class
        self.evidence: Evidence = Evidence(shape.input, shape.n)
        self._losses = {loss.name: loss for loss in (*losses, LOSSES["error"])}
        self._moments: dict[str, list[Moments]] = {name: [] for name in self._losses}
        self._class_sums: dict[str, list[Floats]] = {name: [] for name in self._losses}
        predicted = ("predicted",) if self.n <= _EXAMINED else ()
        small = tuple(self._losses) if self.n <= _SMALL else ()
        columns = [name for name in (*predicted, *keep, *small) if name in self._losses or self._has(name)]
        self._columns: dict[str, list[Array]] = {name: [] for name in columns}

    def _has(self, column: str) -> bool:
        """Whether these predictions with these targets have this column of `COLUMNS`."""
        if column == "label_probability":
            return self.input != "labels" and self.targets.t.ndim == 1
        return column == "predicted" or (column == "outputs" and self.input != "labels")

    def update(self, block: Block) -> None:
        """Add the next block of rows."""
        self.evidence.update(block.outputs)
        for k in self.hits:
            self.hits[k] += int(np.count_nonzero(_ranks(block.outputs.scores, block.t) < k))
        for name, loss in self._losses.items():
            values = loss(block.outputs, block.t, self.delta)
            moments = Moments.of(values)
            self._moments[name].append(moments)
            values = without_huge(values) if moments.infinite else values
            if name in self._columns:
                self._columns[name].append(values)
            if self._by_class:
                self._class_sums[name].append(np.bincount(block.t, values, self.classes).astype(np.float64))
        for name in self._columns.keys() & COLUMNS.keys():
            column = COLUMNS[name](block)
            narrow = column.astype(np.min_scalar_type(self.classes)) if name == "predicted" else column
            self._columns[name].append(narrow)

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """The moments of the losses of all rows, by name of the loss."""
        return {name: Moments.merged(parts) for name, parts in self._moments.items()}

    @cached_property
    def class_sums(self) -> dict[str, list[float]]:
        """The sum of each loss over the examples of each class, by name of the loss; empty without `by_class`."""
        return {
            name: [math.fsum(column) for column in zip(*(part.tolist() for part in parts), strict=True)]
            for name, parts in self._class_sums.items()
        }

    @cached_property
    def columns(self) -> dict[str, Array]:
        """The values that are kept of every example, by name: losses (N,), and the columns of `COLUMNS`."""
        return {name: np.concatenate(parts, axis=-1) for name, parts in self._columns.items()}

    @property
    def correct(self) -> float:
        """How many examples are predicted right; of a soft row, the share of the predicted class counts."""
        return self.n - self.moments["error"].total

    def references(self, loss: str) -> dict[str, float]:
        """Return the loss of the uniform guess and of the class prior; empty for predicted classes and soft targets."""
        return {} if self.input == "labels" else self.targets.references(LOSSES[loss], self.delta)

    @cached_property
    def hints(self) -> tuple[Hint, ...]:
        """The hints about mistakes in these predictions."""
        examined = self.n <= _EXAMINED and self.targets.t.ndim == 1
        labels, predicted = (self.targets.t, self.predicted) if examined else (np.empty(0, np.uint8),) * 2
        references = {name: self.references(name) for name in self.moments}
        inputs = HintInputs(
            self.input, self.classes, self.moments, references, self.evidence, labels, predicted,
            self.dataset, self.split, chosen=self.targets.indices is not None,
            elsewhere=lambda: self._loader.labels_elsewhere(self.targets),
        )  # fmt: skip
        return find_hints(inputs)

    @property
    def fingerprint(self) -> Fingerprint:
        """The numbers by which identical predictions in several files are recognised."""
        codes = self.predicted if self.input == "labels" and self.n <= _EXAMINED else self.evidence.codes
        eps = float(np.finfo(self._dtype).eps) if self._dtype.kind == "f" else 0.0
        starts = np.arange(0, self.n, -(-self.n // _FINGERPRINT_GROUPS))
        sums = () if codes is None else tuple(np.add.reduceat(codes, starts, dtype=np.float64).tolist())
        return Fingerprint(self.input, self._dtype.str, eps, self.digest, sums)

    def reliability(self, loss: str, confidence: float) -> str | None:
        """Return what the interval of a mean loss rests on where it is not reliable, else None.

        It is not where the skewness of the mean is too large for it, or where fewer than 10 examples are wrong: a
        sample without the rare, large losses looks symmetric.
        """
        moments, wrong = self.moments[loss], self.moments["error"].total
        if moments.stderr is None or (wrong >= MIN_WRONG and not is_too_skewed(moments.skewness_of_mean, confidence)):
            return None
        return f"{self._rests_on(loss, wrong)}; the interval is likely too low"

    def _rests_on(self, loss: str, wrong: float) -> str:
        n = formatting.counted(self.n, "example", "examples")
        if wrong == 0:
            return f"none of {n} is wrong, and wrong ones carry most of the {loss}"
        if loss not in self.columns or self.moments[loss].mean <= 0:
            return f"{wrong:,.0f} of {n} are wrong"
        values = np.sort(self.columns[loss])[::-1]
        shares = np.cumsum(values) / values.sum()
        few = math.ceil(wrong) if wrong < MIN_WRONG else int(np.searchsorted(shares, 0.5)) + 1
        carry = "carries" if few == 1 else "carry"
        return f"{few:,} of {n} {carry} {100 * shares[few - 1]:.0f} % of the {loss}"

    def signature(self, *losses: str, reduction: str = "mean") -> Signature:
        """Return one signature that names all these losses."""
        return Signature(
            loss="+".join(losses),
            targets=self.targets.name,
            n=self.n,
            predictions=self.digest[:8],
            input=self.input,
            delta=self.delta if any(LOSSES[name].uses_delta for name in losses) else None,
            reduction=reduction,
            version=__version__,
            indices=self.targets.indices_digest,
            unnormalized=self._allow_unnormalized,
        )

    @cached_property
    def t(self) -> Array:
        """The targets: labels (N,), or soft rows (N, K)."""
        return self.targets.t.astype(np.intp) if self.targets.t.ndim == 1 else self.targets.t

    @property
    def labels(self) -> NDArray[np.intp]:
        """The labels (N,); soft targets raise InputError, as they have no labels."""
        if self.t.ndim != 1:
            raise InputError(f"{shown(self.name)}: the targets are soft rows; this needs a label for each example")
        return self.t

    @property
    def predicted(self) -> Array:
        """The predicted classes (N,)."""
        return self.columns["predicted"]

    @cached_property
    def outputs(self) -> Any:
        """All examples as one block (K, N), see `losses.outputs`; the column "outputs" must have been kept."""
        return OUTPUTS[self.input](self.columns["predicted" if self.input == "labels" else "outputs"])

    def probabilities(self) -> Floats:
        """Return the probabilities (K, N); predicted classes raise InputError, as they have no probabilities."""
        check_probabilities(shown(self.name), self.input, self.n, "this")
        p: Floats = self.outputs.p
        return p

    def losses(self, name: str, delta: float | None = None) -> Floats:
        """Return the losses (N,) of single examples; delta: what cee adds inside the log, if not that of this pass.

        Predicted classes have the loss "error" only; other losses raise InputError.
        """
        if LOSSES[name].needs_probabilities:
            check_probabilities(shown(self.name), self.input, self.n, name)
        if delta is None and name in self.columns:
            return self.columns[name]
        targets = block_targets(self.t, slice(0, self.n))
        return without_huge(LOSSES[name](self.outputs, targets, self.delta if delta is None else delta))

    @property
    def unnormalized(self) -> bool:
        """Whether the sum of some row of probabilities differs from 1 by more than the tolerance."""
        if not self._allow_unnormalized:
            return False
        return bool(np.abs(self.probabilities().sum(axis=0) - 1).max() > self._sum_tolerance)

    def positions(self) -> NDArray[np.intp]:
        """Return the index in the split of each example (N,)."""
        indices = self.targets.indices
        return np.arange(self.n) if indices is None else indices.astype(np.intp)

    def images(self, rows: Array) -> Array:
        """Return the images (n, 28, 28) of some examples of a split; raises UnavailableError without the data."""
        return self._loader.images(str(self.dataset), str(self.split))[self.positions()[rows]]


def score(
    predictions: Predictions,
    data: DataOptions,
    *,
    losses: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    top: Sequence[int] = (),
    by_class: bool | None = False,
    loader: TargetLoader | None = None,
    progress: Progress | None = None,
    hash_inline: bool = False,
) -> Scores:
    """Read predictions once, check every row, and score them.

    losses: names in the registry LOSSES; a loss that needs probabilities raises InputError for predicted classes. If
        None, the default losses, and those in `keep` that the predictions have.
    keep: losses, and names in `COLUMNS`, whose values are kept of every example. top: the k for which hits are counted.
    by_class: also sum the losses by class; if None, only where the targets are labels.
    loader: the loader of targets, which several predictions can share; if None, a new one is made from `data`.
    progress: called after each block with the number of rows done and the number of all rows.
    hash_inline: do not compute the digest in a thread beside the work, as where there is one processor for it.

    Raises as `evaluate` does.
    """
    if unknown := set(keep) - LOSSES.keys() - COLUMNS.keys():
        raise ArgumentError(f"nothing that can be kept is named {min(unknown)!r}")
    loader = loader or TargetLoader(data)
    with open_predictions(predictions, data.array) as source:
        shape = PredictionShape.of(source, data.input, loader.classes, loader.guess)
        _delta(data.delta, shape.input)
        targets = loader.load(shape, source)
        first = as_block(source, next(_read_slices(source, shape))) if shape.input != "labels" else None
        tolerance = row_sum_tolerance(source.dtype, None if first is None or shape.input == "logits" else first[:BLOCK])
        kernels = _select_losses(losses, keep, shape, source.name)
        _check_top(top, by_class, targets, shape, source.name)
        by_class = targets.t.ndim == 1 if by_class is None else by_class
        scores = Scores(
            predictions, shape, targets, data, kernels,
            keep=keep, top=top, by_class=by_class, sum_tolerance=tolerance, dtype=source.dtype,
            loader=loader,
        )  # fmt: skip
        sum_tolerance = None if data.allow_unnormalized else tolerance
        with Digest(inline=hash_inline or shape.n <= BLOCK) as digest:
            for block in _blocks(source, shape, targets, sum_tolerance, digest, first):
                scores.update(block)
                if progress is not None:
                    progress(block.rows.stop, scores.n)
            scores.digest = digest.hexdigest()
    return scores


def _blocks(
    source: Rows,
    shape: PredictionShape,
    targets: Targets,
    sum_tolerance: float | None,
    digest: Digest,
    first: Array | None,
) -> Iterator[Block]:
    """Hash and check the predictions in blocks, and read them but the first, which is given unless they are labels.

    A bad row raises an InputError that is about all bad rows.
    """
    _reuse_buffers()
    precision = own_precision(source.dtype)
    if shape.input == "labels":
        stored = source.rows(slice(0, shape.n)).copy()
        digest.update(stored.view(np.uint8).data)
        classes = as_targets(stored, shape.n, targets.classes, source.name)
        for rows in block_slices(shape.n):
            yield Block(rows, Classes(classes[rows]), block_targets(targets.t, rows))
        return
    for part in _read_slices(source, shape):
        stored = first if first is not None and part.start == 0 else as_block(source, part)
        digest.update(np.ascontiguousarray(stored).view(np.uint8).data)
        for block in block_slices(len(stored)):
            outputs = OUTPUTS[shape.input](transposed(stored[block], precision))
            if not is_acceptable(outputs, shape.input, sum_tolerance):
                from mnistloss.evaluation.refusals import refuse  # what good predictions do not need

                raise refuse(source, shape, sum_tolerance)
            rows = slice(part.start + block.start, part.start + block.stop)
            yield Block(rows, outputs, block_targets(targets.t, rows))


def _read_slices(source: Rows, shape: PredictionShape) -> Iterator[slice]:
    """Return the slices of rows that are read at once: one block, or as many as `_READ_BYTES` hold."""
    rows = BLOCK * max(1, _READ_BYTES // (BLOCK * source.shape[-1] * source.dtype.itemsize))
    return (slice(start, min(start + rows, shape.n)) for start in range(0, shape.n, rows))


def _reuse_buffers() -> None:
    """Raise glibc's mmap threshold so that block buffers are reused instead of unmapped and mapped again.

    When a large buffer is freed, glibc raises the threshold to the size of that buffer.
    """
    with contextlib.suppress(MemoryError):
        np.empty(_LARGEST_BUFFER, np.uint8)


def _delta(delta: float | None, input: str) -> float:
    """Return what cee adds inside the log: by default 1e-7 for probabilities, and nothing for other inputs."""
    if delta is None:
        return DELTA if input == "probs" else 0.0
    return check_delta(delta)


def _select_losses(
    names: Sequence[str] | None, keep: Sequence[str], shape: PredictionShape, source_name: str
) -> list[Loss]:
    """Return the losses of these names; without names, the default losses and those to keep."""
    if names is None:
        defaults = default_losses(shape.input)
        kept = [name for name in LOSSES if name in (*defaults, *keep)]
        return [LOSSES[name] for name in kept if shape.input != "labels" or not LOSSES[name].needs_probabilities]
    losses = [find_loss(name) for name in names]
    if not losses:
        raise ArgumentError(f"no loss is named; the losses are {', '.join(LOSSES)}")
    if undefined := [loss.name for loss in losses if loss.needs_probabilities]:
        check_probabilities(source_name, shape.input, shape.n, " and ".join(undefined))
    return losses


def _check_top(
    top: Sequence[int], by_class: bool | None, targets: Targets, shape: PredictionShape, source_name: str
) -> None:
    """Refuse top and by_class for soft targets, and top for predicted classes or for more classes than there are."""
    if (top or by_class) and targets.t.ndim == 2:
        raise InputError("top and per_class need a label for each example; these targets are soft rows")
    if top:
        check_probabilities(source_name, shape.input, shape.n, "the top k")
    check_top(top, targets.classes)


def _ranks(y: Floats, t: Array) -> Array:
    """Return how many classes rank above the true class (n,); of equal scores, the lower class ranks above."""
    k = np.arange(len(y))[:, np.newaxis]
    true = y[t, np.arange(len(t))]
    return ((y > true) | ((y == true) & (k < t))).sum(axis=0)
