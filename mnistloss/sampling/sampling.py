"""Mini-batches and batches: index arithmetic and nothing else.

A mini-batch is drawn at random, with replacement unless told otherwise; batches partition the data.
A seed gives the same indices on every machine and for every release of NumPy: the 64-bit words of PCG64,
whose stream NumPy guarantees, are mapped to indices here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import normalized, whole
from mnistloss.errors import ArgumentError

MOST = 10**8
"""The largest mini-batch."""

Indices = NDArray[np.intp]
Rng = int | np.random.Generator | None


class Words:
    """A stream of random 64-bit words, and the draws made of them.

    rng: None (a new stream each time), an int seed, or a Generator, from which a seed of the stream is drawn.
    """

    def __init__(self, rng: Rng = None) -> None:
        if rng is None:
            self._stream = np.random.PCG64()
        elif isinstance(rng, np.random.Generator):
            self._stream = np.random.PCG64([int(word) for word in rng.bit_generator.random_raw(4)])
        else:
            self._stream = np.random.PCG64(whole(rng, "rng", least=0))

    def below(self, n: int, size: int) -> Indices:
        """`size` independent indices, uniform on 0..n-1: words modulo n, without the last incomplete run of n."""
        top = 2**64 - 2**64 % n - 1
        words = self._stream.random_raw(size)
        while (over := words > np.uint64(top)).any():
            words = np.append(words[~over], self._stream.random_raw(np.count_nonzero(over)))
        return (words % np.uint64(n)).astype(np.intp)

    def permutation(self, n: int) -> Indices:
        """All indices 0..n-1 in random order: that in which as many words sort, each with its index as its low bits."""
        low = np.uint64(2 ** (n - 1).bit_length() - 1)
        words = self._stream.random_raw(n) & ~low | np.arange(n, dtype=np.uint64)
        words.sort()
        return (words & low).astype(np.intp)


def draw(n: int, size: int, *, replace: bool = True, words: Words) -> Indices:
    """Indices of `size` of n examples, drawn with or without replacement."""
    n, size = whole(n, "the number of examples"), _size(size)
    if replace:
        return words.below(n, size)
    if size > n:
        raise ArgumentError(f"cannot draw {size:,} of {n:,} examples without replacement")
    return words.permutation(n)[:size]


def draw_stratified(labels: NDArray[Any], size: int, *, replace: bool = True, words: Words) -> Indices:
    """Indices of `size` examples, as many of each class as its share, in random order.

    Shares are rounded by largest remainder, ties to the lower class.
    """
    size = _size(size)
    counts = np.bincount(labels)
    quotas, remainders = np.divmod(counts * size, len(labels))
    rest = size - int(quotas.sum())
    quotas[np.argsort(-remainders, kind="stable")[:rest]] += 1
    members = [np.flatnonzero(labels == c) for c in range(len(counts))]
    drawn = [
        group[draw(len(group), int(quota), replace=replace, words=words)]
        for group, quota in zip(members, quotas, strict=True)
        if quota
    ]
    return np.concatenate(drawn)[words.permutation(size)]


def partition(n: int, batch_size: int, *, drop_last: bool = False, words: Words | None = None) -> Iterator[Indices]:
    """The indices 0..n-1 in disjoint batches that cover each once, shuffled by `words` if given.

    The last batch is smaller where batch_size does not divide n; drop_last leaves it out.
    """
    n, batch_size = whole(n, "the number of examples"), whole(batch_size, "batch_size")
    if drop_last and batch_size > n:
        raise ArgumentError(f"batch_size {batch_size:,} with drop_last leaves nothing of {n:,} examples")
    order = np.arange(n) if words is None else words.permutation(n)
    end = n - n % batch_size if drop_last else n
    return (order[start : start + batch_size] for start in range(0, end, batch_size))


def mini_batch(
    x: Any, t: Any, batch_size: int, *, rng: Rng = None, replace: bool = True, normalize: bool = False
) -> tuple[Any, Any]:
    """A mini-batch (x_batch, t_batch): `batch_size` examples drawn at random, with replacement.

    x, t: arrays of any kind with equally many rows; they are indexed with an integer array.
    rng: None, an int seed or a numpy Generator. replace=False draws no example twice. normalize: x holds bytes,
    of which those that are drawn are handed out as float32 in [0, 1].
    Raises ArgumentError for a batch size below 1, unequal lengths, or too many examples without replacement.

    >>> x, t = np.arange(8) * 10, np.arange(8)
    >>> mini_batch(x, t, 3, rng=1)
    (array([70, 60, 50]), array([7, 6, 5]))
    """
    x, t = _indexable(x), _indexable(t)
    indices = draw(_length(x, t), batch_size, replace=replace, words=Words(rng))
    return _drawn(x, normalize)(indices), t[indices]


def batches(
    x: Any,
    t: Any,
    batch_size: int,
    *,
    shuffle: bool = False,
    drop_last: bool = False,
    rng: Rng = None,
    normalize: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """Batches (x_batch, t_batch) that partition the data: disjoint, covering everything once.

    x, t: arrays of any kind with equally many rows. shuffle: in random order, by `rng` (None, an int seed or
    a Generator). drop_last: without the smaller last batch. normalize: x holds bytes, of which each batch is
    handed out as float32 in [0, 1], so that all of them never are. Raises ArgumentError at the call, as `mini_batch`.

    >>> [len(t_batch) for _, t_batch in batches(np.zeros((7, 2)), np.zeros(7), 3)]
    [3, 3, 1]
    """
    x, t = _indexable(x), _indexable(t)
    if rng is not None and not shuffle:
        raise ArgumentError("rng has no effect without shuffle=True")
    parts = partition(_length(x, t), batch_size, drop_last=drop_last, words=Words(rng) if shuffle else None)
    drawn = _drawn(x, normalize)
    return ((drawn(indices), t[indices]) for indices in parts)


def _size(batch_size: Any) -> int:
    size = whole(batch_size, "batch_size")
    if size > MOST:
        raise ArgumentError(f"batch_size is {size}; expected at most {MOST:,}")
    return size


def _indexable(values: Any) -> Any:
    try:
        return values if hasattr(values, "shape") and not hasattr(values, "iloc") else np.asarray(values)
    except ValueError as error:
        raise ArgumentError(f"not an array ({error})") from error


def _drawn(x: Any, normalize: bool) -> Callable[[Indices], Any]:
    """What hands out the examples at some indices."""
    if not normalize:
        return lambda indices: x[indices]
    if x.dtype != np.uint8:
        raise ArgumentError(f"x is of dtype {x.dtype}; normalize is for bytes (uint8)")
    return lambda indices: normalized(np.take(x, indices, axis=0))


def _length(x: Any, t: Any) -> int:
    if not x.shape or not t.shape or len(x) != len(t):
        raise ArgumentError(f"x and t must have equally many rows; found shapes {x.shape} and {t.shape}")
    return len(x)
