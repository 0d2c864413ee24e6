"""Batches of a split: indices drawn, images normalised only when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """Some examples of a split, in the form in which they are handed out."""

    split: Split
    indices: Indices = field(repr=False)
    form: Form

    def __len__(self) -> int:
        return len(self.indices)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of x and t."""
        x, t = self.split.take(self.indices[:1], self.form)
        return {"x": (len(self), *x.shape[1:]), "t": (len(self), *t.shape[1:])}

    def arrays(self) -> dict[str, Array]:
        """x and t, with the indices, dataset and split that say what they are."""
        x, t = self.split.take(self.indices, self.form)
        where = {"dataset": np.array(self.split.dataset.name), "split": np.array(self.split.name)}
        return {"x": x, "t": t, "indices": self.indices, **where}


def mini_batches(
    split: Split,
    batch_size: int,
    *,
    count: int = 1,
    replace: bool = True,
    stratified: bool = False,
    seed: int,
    form: Form,
) -> list[Batch]:
    """`count` mini-batches, each drawn at random from the whole split.

    replace: an example may come twice within one. stratified: as many of each class as its share.
    """
    words = Words(seed)
    return [
        Batch(
            split,
            draw_stratified(split.labels, batch_size, replace=replace, words=words)
            if stratified
            else draw(len(split), batch_size, replace=replace, words=words),
            form,
        )
        for _ in range(count)
    ]


def partition_batches(
    split: Split, batch_size: int, *, drop_last: bool = False, seed: int | None = None, form: Form
) -> list[Batch]:
    """The split in disjoint batches that cover it once, shuffled where a seed is given."""
    words = None if seed is None else Words(seed)
    return [
        Batch(split, indices, form) for indices in partition(len(split), batch_size, drop_last=drop_last, words=words)
    ]


def save_batches(
    path: str | os.PathLike[str], batches: Sequence[Batch], progress: Callable[[int], None] | None = None
) -> None:
    """One batch as a .npz or .pkl file; several as a new folder of batch-NNNNN.npz files.

    Each holds x, t, indices, dataset and split. progress is called with the number of files written.
    """
    target = Path(path)
    if len(batches) == 1 and target.suffix in (".npz", ".pkl"):
        save_arrays(target, batches[0].arrays())
        return
    if target.suffix:
        raise ArgumentError(
            f"{shown(path)} for {len(batches):,} batch{'es' if len(batches) > 1 else ''}: expected "
            + ("a name without suffix, for a folder of .npz" if len(batches) > 1 else ".npz or .pkl")
        )
    with new_folder(target) as temporary:
        for number, batch in enumerate(batches):
            with (temporary / f"batch-{number:05d}.npz").open("wb") as stream:
                np.savez(stream, **dict[str, Any](batch.arrays()))
            if progress is not None:
                progress(number + 1)
