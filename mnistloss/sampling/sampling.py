"""Mini-batches and batches as index arithmetic.

A mini-batch is drawn at random, by default with replacement; batches partition the data. A seed gives the same indices
on every machine and with every release of NumPy, because this module computes the indices from the 64-bit words of
PCG64, and NumPy guarantees that these words stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import normalized, whole
from mnistloss.errors import ArgumentError

MAX_BATCH_SIZE = 10**8

Indices = NDArray[np.intp]
Rng = int | np.random.Generator | None


class Words:
    """A stream of random 64-bit words, and random indices computed from them.

    rng: None (another stream each time), an int seed, or a Generator, from which the seed is drawn.
    """

    def __init__(self, rng: Rng = None) -> None:
        if rng is None:
            self._stream = np.random.PCG64()
        elif isinstance(rng, np.random.Generator):
            self._stream = np.random.PCG64([int(word) for word in rng.bit_generator.random_raw(4)])
        else:
            self._stream = np.random.PCG64(whole(rng, "rng", least=0))

    def below(self, n: int, size: int) -> Indices:
        """Return `size` independent indices, uniform on 0..n-1.

        Words modulo n; words from the largest multiple of n upwards are replaced, as they would favour low indices.
        """
        largest = 2**64 - 2**64 % n - 1
        words = self._stream.random_raw(size)
        while (biased := words > np.uint64(largest)).any():
            words = np.append(words[~biased], self._stream.random_raw(np.count_nonzero(biased)))
        return (words % np.uint64(n)).astype(np.intp)

    def permutation(self, n: int) -> Indices:
        """Return the indices 0..n-1 in random order: that of n random words, sorted.

        Each word carries its index in its low bits.
        """
        low_bits = np.uint64(2 ** (n - 1).bit_length() - 1)
        words = self._stream.random_raw(n) & ~low_bits | np.arange(n, dtype=np.uint64)
        words.sort()
        return (words & low_bits).astype(np.intp)


def draw(n: int, size: int, *, replace: bool = True, words: Words) -> Indices:
    """Draw the indices of `size` of n examples, with or without replacement."""
    n, size = whole(n, "the number of examples"), _check_batch_size(size)
    if replace:
        return words.below(n, size)
    if size > n:
        raise ArgumentError(f"cannot draw {size:,} of {n:,} examples without replacement")
    return words.permutation(n)[:size]


def draw_stratified(labels: NDArray[Any], size: int, *, replace: bool = True, words: Words) -> Indices:
    """Draw the indices of `size` examples, in random order; each class has the same share as in `labels`.

    Counts are rounded by largest remainder, ties to the lower class.
    """
    size = _check_batch_size(size)
    counts = np.bincount(labels)
    quotas, remainders = np.divmod(counts * size, len(labels))
    shortfall = size - int(quotas.sum())
    quotas[np.argsort(-remainders, kind="stable")[:shortfall]] += 1
    draws = []
    for c in np.flatnonzero(quotas):
        members = np.flatnonzero(labels == c)
        draws.append(members[draw(len(members), int(quotas[c]), replace=replace, words=words)])
    return np.concatenate(draws)[words.permutation(size)]


def partition(n: int, batch_size: int, *, drop_last: bool = False, words: Words | None = None) -> Iterator[Indices]:
    """Split the indices 0..n-1 into disjoint batches, shuffled by `words` if given.

    The last batch is smaller if batch_size does not divide n; drop_last leaves it out.
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
    """Draw a mini-batch (x_batch, t_batch) of `batch_size` examples at random, with replacement.

    x, t: arrays of any kind with equally many rows. An integer array must be able to index each.
    rng: None, an int seed or a numpy Generator. replace=False draws no example twice. normalize: x holds bytes
    (uint8); the batch is returned as float32 in [0, 1].
    Raises ArgumentError for a batch size below 1, unequal lengths, or too many examples without replacement.

    >>> x, t = np.arange(8) * 10, np.arange(8)
    >>> mini_batch(x, t, 3, rng=1)
    (array([70, 60, 50]), array([7, 6, 5]))
    """
    x, t = _as_examples(x, t, normalize)
    indices = draw(len(x), batch_size, replace=replace, words=Words(rng))
    return _take(x, indices, normalize), t[indices]


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
    """Yield batches (x_batch, t_batch) that partition the data: each example is in exactly one.

    x, t: arrays of any kind with equally many rows. shuffle: in random order, by `rng` (None, an int seed or
    a Generator). drop_last: leave out the smaller last batch. normalize: x holds bytes (uint8); each batch is
    converted to float32 in [0, 1] when it is yielded. Raises ArgumentError at the call, like `mini_batch`.

    >>> [len(t_batch) for _, t_batch in batches(np.zeros((7, 2)), np.zeros(7), 3)]
    [3, 3, 1]
    """
    x, t = _as_examples(x, t, normalize)
    if rng is not None and not shuffle:
        raise ArgumentError("rng has no effect without shuffle=True")
    parts = partition(len(x), batch_size, drop_last=drop_last, words=Words(rng) if shuffle else None)
    return ((_take(x, indices, normalize), t[indices]) for indices in parts)


def _check_batch_size(batch_size: Any) -> int:
    """Return the batch size; anything but a whole number from 1 to 10**8 raises ArgumentError."""
    size = whole(batch_size, "batch_size")
    if size > MAX_BATCH_SIZE:
        raise ArgumentError(f"batch_size is {size}; expected at most {MAX_BATCH_SIZE:,}")
    return size


def _as_examples(x: Any, t: Any, normalize: bool) -> tuple[Any, Any]:
    """Return x and t, indexed by an integer array, with equally many rows; lists and pandas objects become arrays."""
    try:
        x, t = (a if hasattr(a, "shape") and not hasattr(a, "iloc") else np.asarray(a) for a in (x, t))
    except ValueError as error:
        raise ArgumentError(f"not an array ({error})") from error
    if not x.shape or not t.shape or len(x) != len(t):
        raise ArgumentError(f"x and t must have equally many rows; found shapes {x.shape} and {t.shape}")
    if normalize and x.dtype != np.uint8:
        raise ArgumentError(f"x is of dtype {x.dtype}; normalize is for bytes (uint8)")
    return x, t


def _take(x: Any, indices: Indices, normalize: bool) -> Any:
    """Return the rows of x at these indices, as float32 in [0, 1] if `normalize` is set."""
    return normalized(np.take(x, indices, axis=0)) if normalize else x[indices]
