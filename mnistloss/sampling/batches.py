"""Draw batches of a split: indices first; images are normalised when a batch is used or saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.arrays.files import new_folder
from mnistloss.arrays.save import save_arrays
from mnistloss.datasets.load import Form, Split
from mnistloss.errors import ArgumentError
from mnistloss.formatting import shown
from mnistloss.sampling.sampling import Indices, Words, draw, draw_stratified, partition


@dataclass(frozen=True)
class Batch:
    """Some examples of a split, and the form of the arrays x and t."""

    split: Split
    indices: Indices = field(repr=False)
    form: Form

    def __len__(self) -> int:
        return len(self.indices)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of x and t, without making them."""
        x, t = self.split.take(self.indices[:1], self.form)
        return {"x": (len(self), *x.shape[1:]), "t": (len(self), *t.shape[1:])}

    def arrays(self) -> dict[str, Array]:
        """Return x and t, with indices, dataset and split."""
        x, t = self.split.take(self.indices, self.form)
        dataset, split = np.array(self.split.dataset.name), np.array(self.split.name)
        return {"x": x, "t": t, "indices": self.indices, "dataset": dataset, "split": split}


def mini_batches(
    split: Split, batch_size: int, form: Form, seed: int | None, *, count: int, replacement: bool, stratified: bool
) -> list[Batch]:
    """Draw `count` mini-batches, each from the whole split; stratified: with the class shares of the split."""
    words = Words(seed)
    draw_one = partial(draw_stratified, split.labels) if stratified else partial(draw, len(split))
    return [Batch(split, draw_one(batch_size, replace=replacement, words=words), form) for _ in range(count)]


def partition_batches(split: Split, batch_size: int, form: Form, seed: int | None, *, drop_last: bool) -> list[Batch]:
    """Split all examples into disjoint batches, shuffled if a seed is given."""
    words = None if seed is None else Words(seed)
    parts = partition(len(split), batch_size, drop_last=drop_last, words=words)
    return [Batch(split, indices, form) for indices in parts]


def save_batches(path: Path, batches: Sequence[Batch], progress: Callable[[int], None]) -> None:
    """Save one batch as a .npz or .pkl file, or several as a new folder of batch-NNNNN.npz files.

    Each file holds x, t, indices, dataset and split. progress: called with the number of files written so far.
    """
    if len(batches) == 1 and path.suffix:
        save_arrays(path, batches[0].arrays())
        return
    if path.suffix:
        raise ArgumentError(f"{shown(path)} for {len(batches):,} batches: expected no suffix, for a folder of .npz")
    with new_folder(path) as temporary:
        for number, batch in enumerate(batches):
            np.savez(temporary / f"batch-{number:05d}.npz", **dict[str, Any](batch.arrays()))
            progress(number + 1)
