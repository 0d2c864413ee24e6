"""The doctor: each mistake, planted in real predictions, is recognised; honest files get no hint."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistloss import baseline, evaluate, one_hot, softmax
from mnistloss.baselines import BASELINES, run
from mnistloss.datasets.load import load_split
from mnistloss.doctor import _assignment
from mnistloss.regression import Learning


@pytest.fixture
def book(realdata: Path, real: Path) -> np.ndarray:
    """The published network's probabilities."""
    y: np.ndarray = np.load(realdata / "predictions" / "book-network-probs.npy").astype(np.float64)
    return y / y.sum(axis=1, keepdims=True)


def hints(y: np.ndarray, **options: object) -> list[str]:
    return [hint.name for hint in evaluate(y, **options).hints]  # type: ignore[arg-type]  # handed through


MISTAKES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, str]] = {
    "softmax twice": (softmax, "probs", "softmax-twice"),
    "probabilities as logits": (lambda y: y, "logits", "probabilities-as-logits"),
    "rows shuffled": (lambda y: np.random.default_rng(1).permutation(y), "probs", "rows-shuffled"),
    "one row late": (lambda y: np.roll(y, 1, axis=0), "probs", "rows-shifted"),
    "seven rows early": (lambda y: np.roll(y, -7, axis=0), "probs", "rows-shifted"),
    "columns permuted": (lambda y: y[:, [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]], "probs", "columns-permuted"),
    "columns as strings sort": (lambda y: y[:, ::-1], "probs", "columns-permuted"),
    "labels from one": (lambda y: np.roll(y, 1, axis=1), "probs", "labels-from-one"),
    "hard": (lambda y: one_hot(y.argmax(axis=1)).astype(float), "probs", "hard-predictions"),
    "shuffled and so bad": (lambda y: np.random.default_rng(1).permutation(y), "probs", "worse-than-prior"),
    "hard and late": (lambda y: np.roll(one_hot(y.argmax(axis=1)), 3, axis=0), "probs", "rows-shifted"),
}


@pytest.mark.parametrize(("plant", "input", "name"), MISTAKES.values(), ids=MISTAKES)
def test_planted_mistake(book: np.ndarray, plant: Callable[[np.ndarray], np.ndarray], input: str, name: str) -> None:
    """The mistake is named, with evidence and advice."""
    result = evaluate(plant(book), input=input)
    assert name in [hint.name for hint in result.hints]
    assert all(hint.evidence and hint.advice for hint in result.hints)


def test_predicted_classes_are_examined_too(book: np.ndarray) -> None:
    """Shifted decisions are recognised without probabilities."""
    assert "rows-shifted" in hints(np.roll(book.argmax(axis=1), 2), input="labels")


def test_another_dataset(real: Path) -> None:
    """Predictions of a cached dataset are recognised when they are scored on another one."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    from mnistloss.datasets.fetch import fetch

    fetch("fashion-mnist", source=folder, splits=["test"])
    y = 0.9 * one_hot(load_split("fashion-mnist", "test").labels) + 0.01
    assert "another-dataset" in hints(y)
    assert hints(y, dataset="fashion-mnist") == []


@given(temperature=st.floats(0.2, 20), keep=st.sampled_from(np.linspace(0, 1, 51).tolist()))
def test_honest_files_get_no_hint(temperature: float, keep: float) -> None:
    """No hint fires on a network at any temperature, mixed with any share of the uniform guess."""
    y = np.maximum(HONEST, 1e-12) ** (1 / temperature)
    y = keep * y / y.sum(axis=1, keepdims=True) + (1 - keep) / 10
    assert hints(y, dataset="mnist-5k") == []


HONEST = baseline("softmax", dataset="mnist-5k", epochs=3)


def test_the_book_network_gets_no_hint(book: np.ndarray) -> None:
    """Nor does the published network, scaled or not."""
    for power in (1.0, 0.5, 0.1, 2.0):
        y = book**power
        assert hints(y / y.sum(axis=1, keepdims=True)) == []


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_get_no_hint(name: str) -> None:
    """Nor does any baseline."""
    result = run(name, "mnist-5k", Learning(epochs=1))
    assert (result.train.hints, result.test.hints) == ((), ())


def test_extreme_models_get_no_hint() -> None:
    """A near-perfect model and one that knows next to nothing are honest, perfect decisions too."""
    rng = np.random.default_rng(2)
    t = np.arange(1000) % 10
    near = softmax(rng.normal(size=(1000, 10)) + 15 * one_hot(t))
    chance = softmax(0.3 * rng.normal(size=(1000, 10)))
    for y in (near, chance, one_hot(t)):
        assert hints(y, dataset="mnist-5k") == []


def test_assignment() -> None:
    """The best assignment is that of trying all orders."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        counts = rng.integers(0, 9, (5, 5))
        best = max(sum(counts[t, y] for t, y in enumerate(order)) for order in itertools.permutations(range(5)))
        found = _assignment(counts)
        assert sorted(found) == list(range(5))
        assert sum(counts[t, y] for t, y in enumerate(found)) == best
