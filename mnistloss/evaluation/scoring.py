"""Predictions beside their targets: opened, understood, and handed out in checked blocks."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from mnistloss.arrays.checks import BLOCK, Array, Floats, as_targets, block_slices, block_targets, transposed
from mnistloss.arrays.npy import Source
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.hints import Signs
from mnistloss.evaluation.predictions import (
    PredictionShape,
    Rows,
    acceptable,
    as_block,
    name_of,
    open_predictions,
    refuse,
    tolerance,
)
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import TargetLoader, Targets
from mnistloss.losses.losses import DELTA, Loss, check_delta, find
from mnistloss.losses.outputs import OUTPUTS, Classes
from mnistloss.parallel import in_order
from mnistloss.stats import Moments
from mnistloss.version import __version__

Predictions = ArrayLike | os.PathLike[str] | BinaryIO
Done = TypeVar("Done")

_BLOCKS, _LARGEST = 4, 1 << 24
"""How many blocks, and how many bytes of them at most, a process is handed at once."""
_MANY_BLOCKS = 16
"""The least blocks that are worth several processes."""


@dataclass(frozen=True)
class DataOptions:
    """What predictions are of, and how they are to be read; see `evaluate` for each field."""

    targets: Source | None = None
    indices: Source | None = None
    dataset: str = "mnist"
    split: str = "auto"
    input: str = "probs"
    delta: float | None = None
    allow_unnormalized: bool = False
    cache_options: CacheOptions = CACHE_DEFAULTS

    def __post_init__(self) -> None:
        if self.targets is not None and self.indices is not None:
            raise ArgumentError("targets are the user's own, indices name examples of a split; give one of them")
        if self.targets is not None and self.split != "auto":
            raise ArgumentError("targets are the user's own, they have no split; leave out one of them")
        if self.allow_unnormalized and self.input in ("logits", "labels"):
            raise ArgumentError(f"{self.input} have no sums; leave allow_unnormalized out")

    def finder(self) -> TargetLoader:
        """What finds the targets of predictions so selected."""
        return TargetLoader(self.targets, self.dataset, self.split, self.indices, self.cache_options)


class Block(NamedTuple):
    """Some rows as the kernels take them: outputs (K, n) and targets."""

    rows: slice
    outputs: Any
    t: Array


@dataclass(frozen=True)
class Scoring:
    """Predictions of a known layout with their targets; delta is what cee adds inside the log.

    name: of the predictions as it was given; to be printed, `errors.shown` makes it safe.
    """

    name: str
    source: Rows = field(repr=False)
    layout: PredictionShape
    targets: Targets
    delta: float
    allow_unnormalized: bool

    @property
    def unnormalized(self) -> bool:
        """Whether rows are taken although their sums are not looked at."""
        return self.allow_unnormalized and self.layout.input in ("probs", "logprobs")

    def run(self, work: Callable[[Iterator[Block]], Done], digest: Digest, jobs: int = 1) -> Iterator[Done]:
        """What `work` makes of the blocks of each stretch of rows, in row order, by `jobs` processes; all are hashed.

        The first row that is not what it should be raises InputError, which is about all rows.
        """
        _keep_what_is_let_go()
        blocks = list(block_slices(self.layout.n))
        jobs = 1 if self.classes is not None or len(blocks) < _MANY_BLOCKS else jobs
        size = 1 if jobs == 1 else max(1, min(_BLOCKS, _LARGEST // (BLOCK * self._row_bytes)))
        stretches = [blocks[start : start + size] for start in range(0, len(blocks), size)]
        seen = digest if jobs == 1 else None
        self.source.rows(slice(0, 0))  # a stream is taken now, by this process
        try:
            with in_order(lambda stretch: work(self._blocks(stretch, seen)), stretches, jobs) as results:
                for stretch in stretches:
                    if seen is None:
                        for rows in stretch:
                            digest.add(as_block(self.source, rows))
                    yield next(results)
        except _UnacceptableError:
            raise refuse(self.source, self.layout, self._sums_within) from None

    def _blocks(self, stretch: Sequence[slice], digest: Digest | None) -> Iterator[Block]:
        """The blocks of a stretch, each read, hashed and checked."""
        for rows in stretch:
            stored = self.source.rows(rows) if self.classes is not None else as_block(self.source, rows)
            if digest is not None:
                digest.add(stored)
            t = block_targets(self.targets.t, rows)
            if self.classes is not None:
                yield Block(rows, Classes(self.classes[rows]), t)
                continue
            outputs = OUTPUTS[self.layout.input](transposed(stored))
            if not acceptable(outputs, self.layout.input, self._sums_within):
                raise _UnacceptableError
            yield Block(rows, outputs, t)

    @property
    def _sums_within(self) -> float | None:
        return None if self.allow_unnormalized else tolerance(self.source.dtype)

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.source.shape[1:]) * self.source.dtype.itemsize

    @cached_property
    def classes(self) -> Array | None:
        """The predicted classes (n,), where the predictions are such."""
        if self.layout.input != "labels":
            return None
        n = self.layout.n
        return as_targets(self.source.rows(slice(0, n)).copy(), n, self.targets.classes, self.source.name)

    def signature(self, losses: Sequence[Loss], digest: Digest, reduction: str = "mean") -> Signature:
        """What these losses of the predictions, of this digest, depend on."""
        return Signature(
            loss="+".join(loss.name for loss in losses),
            targets=self.targets.name,
            n=self.layout.n,
            predictions=str(digest)[:8],
            input=self.layout.input,
            delta=self.delta if any(loss.uses_delta for loss in losses) else None,
            reduction=reduction,
            version=__version__,
            indices=self.targets.indices,
            unnormalized=self.unnormalized,
        )


def _keep_what_is_let_go() -> None:
    """Let glibc keep what is let go for the next block: to ask the system for it anew takes as long as the work.

    Its threshold rises to the size of whatever is let go.
    """
    with contextlib.suppress(MemoryError):
        np.empty(_LARGEST, np.uint8)


class _UnacceptableError(Exception):
    """Some row of a block is not what it should be; which, and why, a second look at all of them says."""


class Digest:
    """SHA-256 of predictions: of their bytes as they are stored, row by row."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, stored: Array) -> None:
        """Take in the next rows."""
        self._sha256.update(np.ascontiguousarray(stored).view(np.uint8).data)

    def __str__(self) -> str:
        return self._sha256.hexdigest()


@contextlib.contextmanager
def open_scoring(
    predictions: Predictions, selection: DataOptions, finder: TargetLoader | None = None
) -> Iterator[Scoring]:
    """Open predictions and find their targets; raises as `evaluate` does.

    finder: the selection's, for several predictions to share.
    """
    finder = finder or selection.finder()
    with open_predictions(predictions) as source:
        layout = PredictionShape.of(source, selection.input, finder.classes)
        delta = _delta(selection.delta, layout.input)
        name, targets = name_of(predictions), finder.find(layout, source)
        yield Scoring(name, source, layout, targets, delta, selection.allow_unnormalized)


def _delta(delta: float | None, input: str) -> float:
    if delta is None:
        return DELTA if input == "probs" else 0.0
    return check_delta(delta)


EXAMINED = 10**6
"""The most examples whose predicted classes are kept for the doctor."""


class Tally:
    """Moments, hits and signs of mistakes, sums by class, and what is kept of each example where it is needed.

    n: the rows taken in. keep: the losses that are kept of each example.
    top: for which k hits among the k best are counted.
    """

    def __init__(
        self,
        scoring: Scoring,
        losses: Sequence[Loss],
        *,
        keep: Sequence[str] = (),
        top: Sequence[int] = (),
        by_class: bool = False,
    ) -> None:
        self._delta, self._classes = scoring.delta, scoring.targets.classes
        self._losses = {loss.name: loss for loss in (*losses, find("error"))}
        self._kept = keep
        self._by_class = by_class
        self._keeps_predicted = scoring.layout.n <= EXAMINED and scoring.targets.t.ndim == 1
        self.n = 0
        self.signs = Signs(scoring.layout.input)
        self.hits = dict.fromkeys(top, 0)
        self._moments: dict[str, list[Moments]] = {name: [] for name in self._losses}
        self._values: dict[str, list[Floats]] = {name: [] for name in self._kept}
        self._sums: dict[str, list[Floats]] = {name: [] for name in self._losses}
        self._predicted: list[Array] = []

    def add(self, blocks: Iterable[Block]) -> Tally:
        """Take in some blocks."""
        for block in blocks:
            self._add(block)
        return self

    def _add(self, block: Block) -> None:
        self.n += block.rows.stop - block.rows.start
        self.signs.add(block.outputs)
        if self._keeps_predicted:
            self._predicted.append(block.outputs.predicted.astype(np.min_scalar_type(self._classes)))
        for k in self.hits:
            self.hits[k] += int(np.count_nonzero(_ranks(block.outputs.scores, block.t) < k))
        for name, loss in self._losses.items():
            values = loss(block.outputs, block.t, self._delta)
            self._moments[name].append(Moments.of(values))
            if name in self._kept:
                self._values[name].append(values)
            if self._by_class:
                self._sums[name].append(np.bincount(block.t, values, self._classes).astype(np.float64))

    def merge(self, later: Tally) -> None:
        """Take in what another one has gathered of later rows."""
        self.n += later.n
        self.signs.merge(later.signs)
        for k, hits in later.hits.items():
            self.hits[k] += hits
        for name in self._losses:
            self._moments[name] += later._moments[name]
            self._sums[name] += later._sums[name]
        for name in self._kept:
            self._values[name] += later._values[name]
        self._predicted.extend(later._predicted)

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """The moments of all blocks, by loss; of the error too, whether it was asked for or not."""
        return {name: Moments.merged(parts) for name, parts in self._moments.items()}

    @cached_property
    def values(self) -> dict[str, Floats]:
        """The per-example losses (N,), by loss, where they are kept."""
        return {name: np.concatenate(parts) for name, parts in self._values.items()}

    @property
    def sums(self) -> dict[str, list[list[float]]]:
        """The sums over the examples of each class, by loss, of each block."""
        return {name: [part.tolist() for part in parts] for name, parts in self._sums.items()}

    @property
    def predicted(self) -> Array | None:
        """The predicted classes (N,), where they are kept."""
        return np.concatenate(self._predicted) if self._keeps_predicted else None


def _ranks(y: Floats, t: Array) -> Array:
    """How many classes stand before the true one: those with more, and lower ones with as much."""
    k = np.arange(len(y))[:, np.newaxis]
    true = y[t, np.arange(len(t))]
    return ((y > true) | ((y == true) & (k < t))).sum(axis=0)
