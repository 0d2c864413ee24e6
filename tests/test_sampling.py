"""Mini-batches and batches: golden indices, and properties of draws and partitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistloss import batches, load_mnist, mini_batch
from mnistloss.errors import ArgumentError
from mnistloss.sampling.sampling import Words, draw, draw_stratified, partition

sizes = st.integers(1, 200)
seeds = st.integers(0, 2**64)


def test_golden_indices() -> None:
    """A seed gives these indices on every machine and with every NumPy; a change would break users' batches."""
    words = Words(2018)
    assert draw(60000, 10, words=words).tolist() == [54996, 13462, 39132, 53992, 52297, 19465, 37093, 4934, 3491, 45771]
    assert draw(60000, 5, replace=False, words=words).tolist() == [3782, 6855, 6959, 58788, 15724]
    assert draw_stratified(np.arange(100) % 10, 10, words=words).tolist() == [66, 97, 54, 2, 63, 85, 91, 39, 10, 88]
    assert [part.tolist() for part in partition(7, 3, words=words)] == [[1, 5, 3], [0, 6, 4], [2]]


@given(n=sizes, size=sizes, seed=seeds)
def test_partition_covers_everything_once(n: int, size: int, seed: int) -> None:
    """Batches are disjoint and cover every index once, shuffled or not; only the last one may be smaller."""
    for words in (None, Words(seed)):
        parts = list(partition(n, size, words=words))
        assert sorted(np.concatenate(parts)) == list(range(n))
        assert {len(part) for part in parts[:-1]} <= {size}
        assert len(parts) == -(-n // size)


@given(n=sizes, size=sizes)
def test_drop_last(n: int, size: int) -> None:
    """drop_last leaves out the smaller last batch; if no batch is left, it is refused."""
    if size > n:
        with pytest.raises(ArgumentError, match="leaves nothing"):
            partition(n, size, drop_last=True)
    else:
        assert [len(part) for part in partition(n, size, drop_last=True)] == [size] * (n // size)


def test_sixty_thousand_at_a_hundred_are_six_hundred() -> None:
    """The course's example: 60,000 examples make 600 batches of 100."""
    assert sum(1 for _ in partition(60000, 100)) == 600


@given(n=sizes, size=sizes, seed=seeds)
def test_draws_stay_within(n: int, size: int, seed: int) -> None:
    """A draw with replacement has the requested size, and indices from 0 to n-1."""
    indices = draw(n, size, words=Words(seed))
    assert len(indices) == size
    assert 0 <= indices.min() <= indices.max() < n


@given(n=sizes, size=sizes, seed=seeds)
def test_without_replacement_no_index_occurs_twice(n: int, size: int, seed: int) -> None:
    """Without replacement no example occurs twice, and a draw of more than n is refused."""
    if size > n:
        with pytest.raises(ArgumentError, match=f"cannot draw {size} of {n} examples without replacement"):
            draw(n, size, replace=False, words=Words(seed))
    else:
        assert len(set(draw(n, size, replace=False, words=Words(seed)).tolist())) == size


def test_draws_are_uniform() -> None:
    """Each of ten indices is drawn a tenth of the time, within five standard deviations."""
    counts = np.bincount(draw(10, 100_000, words=Words(1)), minlength=10)
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(100_000 * 0.1 * 0.9)


def test_rejection_keeps_draws_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words from the largest multiple of n upwards are replaced, so that low indices are not favoured."""
    words = Words(1)

    class Stream:
        calls = iter([[2**64 - 1, 5], [2**64 - 2], [7]])

        def random_raw(self, size: int) -> np.ndarray:
            words = next(self.calls)
            assert len(words) == size
            return np.array(words, np.uint64)

    monkeypatch.setattr(words, "_stream", Stream())
    assert words.below(2**63 + 1, 2).tolist() == [5, 7]


@given(counts=st.lists(st.integers(0, 30), min_size=2, max_size=6).filter(any), size=sizes, seed=seeds)
def test_stratified_shares(counts: list[int], size: int, seed: int) -> None:
    """The count of each class differs from its exact share by less than one example."""
    labels = np.repeat(np.arange(len(counts)), counts)
    sizes = np.bincount(labels[draw_stratified(labels, size, words=Words(seed))], minlength=len(counts))
    assert sizes.sum() == size
    assert np.abs(sizes - size * np.array(counts) / sum(counts)).max() < 1


def test_stratified_ties_go_to_the_lower_class() -> None:
    """Of classes with equal remainders the first ones get one example more, however many there are."""
    labels = np.repeat(np.arange(100), np.resize([1, 2], 100))
    drawn = labels[draw_stratified(labels, 60, words=Words(1))]
    assert np.bincount(drawn, minlength=100).tolist() == [1 if c % 2 or c < 20 else 0 for c in range(100)]


def test_stratified_without_replacement() -> None:
    """A draw of all examples without replacement holds each once."""
    labels = np.array([0, 0, 1, 2, 2, 2])
    assert sorted(draw_stratified(labels, 6, replace=False, words=Words(3))) == list(range(6))


def test_mini_batch_is_index_arithmetic() -> None:
    """Rows of x and t stay together, whatever the arrays are; the same seed gives the same batch."""
    x, t = np.arange(24).reshape(8, 3), [10 * i for i in range(8)]
    x_batch, t_batch = mini_batch(x, t, 100, rng=4)
    assert x_batch.shape == (100, 3)
    np.testing.assert_array_equal(x_batch[:, 0] // 3 * 10, t_batch)
    np.testing.assert_array_equal(mini_batch(x, t, 100, rng=4)[1], t_batch)
    assert (mini_batch(x, t, 100, rng=5)[1] != t_batch).any()


def test_series_are_indexed_by_position() -> None:
    """A pandas Series, whose square brackets look up names, is indexed by position."""

    class Series:
        shape, iloc = (8,), None

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            return 10 * np.arange(8)

    x_batch, t_batch = mini_batch(np.arange(8), Series(), 20, rng=4)
    np.testing.assert_array_equal(t_batch, 10 * x_batch)


def test_mini_batch_advances_a_generator() -> None:
    """Two draws from one Generator differ; Generators with the same seed give the same draws."""
    x = t = np.arange(1000)
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    first, second = mini_batch(x, t, 50, rng=one)[0], mini_batch(x, t, 50, rng=one)[0]
    assert (first != second).any()
    np.testing.assert_array_equal(first, mini_batch(x, t, 50, rng=other)[0])
    assert mini_batch(x, t, 3, rng=np.random.default_rng(1))[0].tolist() == [197, 292, 902]
    legacy = np.random.Generator(np.random.MT19937(1))
    assert mini_batch(x, t, 50, rng=legacy)[0].max() < 1000


def test_mini_batch_without_seed_differs() -> None:
    """Without a seed two draws differ."""
    x = t = np.arange(10**6)
    assert (mini_batch(x, t, 20)[0] != mini_batch(x, t, 20)[0]).any()


def test_batches_give_x_and_t_together() -> None:
    """The batches of x and t have the same rows, in order unless shuffled."""
    x, t = np.arange(14).reshape(7, 2), np.arange(7)
    parts = list(batches(x, t, 3))
    np.testing.assert_array_equal(np.concatenate([t_batch for _, t_batch in parts]), t)
    for x_batch, t_batch in batches(x, t, 3, shuffle=True, rng=0):
        np.testing.assert_array_equal(x_batch[:, 0], 2 * t_batch)
    shuffled = [t_batch.tolist() for _, t_batch in batches(x, t, 3, shuffle=True, rng=0)]
    assert shuffled != [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, t: mini_batch(x, t, 0), "batch_size is 0; expected at least 1"),
        (
            lambda x, t: mini_batch(x, t, 2.5),  # type: ignore[arg-type]  # that is the point
            "batch_size is 2.5; expected a whole number",
        ),
        (lambda x, t: mini_batch(x, t[:-1], 2), r"equally many rows; found shapes \(5, 2\) and \(4,\)"),
        (lambda x, t: mini_batch(x, t, 6, replace=False), "cannot draw 6 of 5 examples without replacement"),
        (
            lambda x, t: mini_batch(x, t, 2, rng="x"),  # type: ignore[arg-type]  # that is the point
            "rng is 'x'; expected a whole number",
        ),
        (lambda x, t: mini_batch(x, t, 2, rng=-1), "rng is -1; expected at least 0"),
        (lambda x, t: mini_batch(np.zeros((0, 2)), np.zeros(0), 2), "the number of examples is 0"),
        (lambda x, t: mini_batch(x, t, 10**12), "batch_size is 1000000000000; expected at most 100,000,000"),
        (lambda x, t: mini_batch([[1], [1, 2]], t, 2), "not an array"),
        (lambda x, t: batches(x, t, -1), "batch_size is -1"),
        (lambda x, t: batches(x, t, 2, rng=1), "rng has no effect without shuffle"),
        (lambda x, t: batches(x, np.float64(3), 2), "equally many rows"),
    ],
)
def test_bad_arguments(call: object, message: str) -> None:
    """A bad argument is refused at the call; the message says what was found and expected."""
    with pytest.raises(ArgumentError, match=message):
        call(np.zeros((5, 2)), np.zeros(5))  # type: ignore[operator]  # a lambda


def test_batches_are_normalised() -> None:
    """With normalize, bytes become float32 in [0, 1] as in load_mnist; other dtypes are refused."""
    (x, t), _ = load_mnist(normalize=False, dataset="mnist-5k")
    (whole, _), _ = load_mnist(dataset="mnist-5k")
    parts = list(batches(x, t, 300, shuffle=True, rng=4, normalize=True))
    expected = list(batches(whole, t, 300, shuffle=True, rng=4))
    for (x_batch, t_batch), (x_expected, t_expected) in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(x_batch, x_expected, strict=True)
        np.testing.assert_array_equal(t_batch, t_expected, strict=True)
    np.testing.assert_array_equal(mini_batch(x, t, 9, rng=1, normalize=True)[0], mini_batch(whole, t, 9, rng=1)[0])
    with pytest.raises(ArgumentError, match="x is of dtype float32; normalize is for bytes"):
        batches(whole, t, 10, normalize=True)
