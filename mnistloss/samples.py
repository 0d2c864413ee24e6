"""Batches of a split: indices drawn, images normalised only when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mnistloss.arrays import Array
from mnistloss.datasets.load import Form, Split
from mnistloss.sampling import Indices, Words, draw, draw_stratified, partition


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
