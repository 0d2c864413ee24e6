"""Predictions beside their targets: opened, understood, and handed out in checked blocks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from mnistloss import __version__
from mnistloss.arrays import Array, as_targets
from mnistloss.datasets import catalog
from mnistloss.datasets.access import ACCESS, Access
from mnistloss.errors import ArgumentError
from mnistloss.losses import DELTA, OUTPUTS, Loss, block_slices, block_targets, check_delta, transposed
from mnistloss.predictions import Layout, Rows, acceptable, as_block, open_predictions, refuse, tolerance
from mnistloss.signature import Signature
from mnistloss.targets import Source, Targets, own_targets, split_targets

Predictions = ArrayLike | os.PathLike[str] | BinaryIO


@dataclass(frozen=True)
class Selection:
    """What predictions are of, and how they are to be read; see `evaluate` for each field."""

    targets: Source | None = None
    indices: Source | None = None
    dataset: str = "mnist"
    split: str = "auto"
    input: str = "probs"
    delta: float | None = None
    allow_unnormalized: bool = False
    access: Access = ACCESS

    def __post_init__(self) -> None:
        if self.targets is not None and self.indices is not None:
            raise ArgumentError("targets are the user's own, indices name examples of a split; give one of them")
        if self.targets is not None and self.split != "auto":
            raise ArgumentError("targets are the user's own, they have no split; leave out one of them")
        if self.allow_unnormalized and self.input in ("logits", "labels"):
            raise ArgumentError(f"{self.input} have no sums; leave allow_unnormalized out")


@dataclass(frozen=True)
class Block:
    """Some rows: as they are stored, transposed (K, n), as the kernels take them, and their targets."""

    rows: slice
    stored: Array
    y: Array
    outputs: Any
    t: Array


@dataclass(frozen=True)
class Scoring:
    """Predictions of a known layout with their targets; delta is what cee adds inside the log."""

    source: Rows = field(repr=False)
    layout: Layout
    targets: Targets
    delta: float
    allow_unnormalized: bool

    @property
    def unnormalized(self) -> bool:
        """Whether rows are taken although their sums are not looked at."""
        return self.allow_unnormalized and self.layout.input in ("probs", "logprobs")

    def blocks(self) -> Iterator[Block]:
        """All rows, block by block; the first that is not what it should be raises InputError about all of them."""
        sums_within = None if self.allow_unnormalized else tolerance(self.source.dtype)
        classes = self._predicted_classes()
        for rows in block_slices(self.layout.n):
            if classes is not None:
                stored = self.source.rows(rows)
                y: Array = classes[rows]
            else:
                stored = as_block(self.source, rows)
                y = transposed(stored)
                if not acceptable(y, self.layout.input, sums_within):
                    raise refuse(self.source, self.layout, sums_within)
            yield Block(rows, stored, y, OUTPUTS[self.layout.input](y), block_targets(self.targets.t, rows))

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

    def _predicted_classes(self) -> Array | None:
        if self.layout.input != "labels":
            return None
        n = self.layout.n
        return as_targets(self.source.rows(slice(0, n)), n, self.targets.classes, self.source.name)


class Digest:
    """SHA-256 of predictions: of their bytes as they are stored, row by row."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, block: Block) -> None:
        """Take in the next block."""
        self._sha256.update(np.ascontiguousarray(block.stored).view(np.uint8).data)

    def __str__(self) -> str:
        return self._sha256.hexdigest()


@contextlib.contextmanager
def open_scoring(predictions: Predictions, selection: Selection) -> Iterator[Scoring]:
    """Open predictions and find their targets; raises as `evaluate` does."""
    own = selection.targets
    with open_predictions(predictions) as source:
        layout = Layout.of(source, selection.input, catalog.find(selection.dataset).classes if own is None else None)
        delta = _delta(selection.delta, layout.input)
        if own is None:
            found = split_targets(layout, selection.dataset, selection.split, selection.indices, selection.access)
        else:
            found = own_targets(own, layout, source)
        yield Scoring(source, layout, found, delta, selection.allow_unnormalized)


def _delta(delta: float | None, input: str) -> float:
    if delta is None:
        return DELTA if input == "probs" else 0.0
    return check_delta(delta)
