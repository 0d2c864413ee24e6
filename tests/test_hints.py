"""Hints: each mistake, planted in real predictions, is recognised; honest files get no hint."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistloss import baseline, evaluate, one_hot, softmax
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CACHE_DEFAULTS
from mnistloss.evaluation.misplaced import count_classes
from mnistloss.models.baselines import BASELINES, fit_baseline
from mnistloss.models.softmax_regression import TrainingOptions


@pytest.fixture
def book(realdata: Path, real: Path) -> np.ndarray:
    """The published network's probabilities."""
    y: np.ndarray = np.load(realdata / "predictions" / "book-network-probs.npy").astype(np.float64)
    return y / y.sum(axis=1, keepdims=True)


def hints(y: np.ndarray, **options: object) -> list[str]:
    return [hint.name for hint in evaluate(y, **options).hints]  # type: ignore[arg-type]  # handed through


Planted = Callable[[np.ndarray], np.ndarray]
ORDER = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
SHUFFLED = np.random.default_rng(1).permutation(10_000)


def classes(y: np.ndarray) -> np.ndarray:
    return y.argmax(axis=1).astype(np.uint8)


def bytes_of(y: np.ndarray) -> np.ndarray:
    return np.rint(255 * y)


MENDED: dict[str, tuple[Planted, str, str]] = {
    "softmax twice": (softmax, "probs", "softmax-twice"),
    "softmax twice, in half precision": (lambda y: softmax(y).astype(np.float16), "probs", "softmax-twice"),
    "log of a softmax too many": (lambda y: np.log(softmax(y)), "logprobs", "softmax-twice"),
    "probabilities as logits": (lambda y: y, "logits", "probabilities-as-logits"),
    "percent as logits": (lambda y: 100 * y, "logits", "probabilities-as-logits"),
    "bytes as logits": (bytes_of, "logits", "probabilities-as-logits"),
    "floats up to 255 as logits": (lambda y: 255 * y, "logits", "probabilities-as-logits"),
    "one row late": (lambda y: np.roll(y, 1, axis=0), "probs", "rows-shifted"),
    "seven rows early": (lambda y: np.roll(y, -7, axis=0), "probs", "rows-shifted"),
    "classes late": (lambda y: np.roll(classes(y), 2), "labels", "rows-shifted"),
    "columns permuted": (lambda y: y[:, ORDER], "probs", "columns-permuted"),
    "two columns exchanged": (lambda y: y[:, [0, 1, 2, 3, 4, 5, 6, 9, 8, 7]], "probs", "columns-permuted"),
    "columns backwards": (lambda y: y[:, ::-1], "probs", "columns-permuted"),
    "classes renamed": (lambda y: np.array(ORDER)[classes(y)], "labels", "columns-permuted"),
    "labels from one": (lambda y: np.roll(y, 1, axis=1), "probs", "labels-from-one"),
    "labels from minus one": (lambda y: np.roll(y, -1, axis=1), "probs", "labels-from-one"),
    "classes from one": (lambda y: (classes(y) + 1) % 10, "labels", "labels-from-one"),
    "hard and late": (lambda y: np.roll(one_hot(y.argmax(axis=1)), 3, axis=0), "probs", "rows-shifted"),
    "hard": (lambda y: one_hot(y.argmax(axis=1)).astype(float), "probs", "hard-predictions"),
}


def advised(advice: str, y: np.ndarray) -> tuple[np.ndarray, dict[str, object]]:
    """The predictions and the options that the advice of a hint asks for."""
    names = {"np": np, "predictions": y}
    for assigned in re.findall(r"of z = (.+?),", advice):
        names["z"] = eval(assigned, names)
    for assigned in re.findall(r"of y = (.+) of z", advice):
        names["y"] = eval(assigned, names)
    code = re.search(r"save (.*?)(, and|, or| of y|$)", advice)
    if code and not code[1].startswith("the model"):
        y = eval(code[1], names)
    options = dict(re.findall(r"(input|losses|dataset)=\"([\w-]+)\"", advice))
    return y, {"losses": [options.pop("losses")], **options} if "losses" in options else options


@pytest.mark.parametrize(("plant", "input", "name"), MENDED.values(), ids=MENDED)
def test_following_the_advice_mends_the_mistake(book: np.ndarray, plant: Planted, input: str, name: str) -> None:
    """The mistake is named; what its hint advises gives predictions without a hint and with the honest accuracy."""
    y, options = plant(book), dict[str, object](input=input)
    result = evaluate(y, **options)  # type: ignore[arg-type]  # handed through
    assert name in [hint.name for hint in result.hints]
    for _ in result.hints:
        if result.hints:
            y, more = advised(result.hints[0].advice, y)
            options |= more
            result = evaluate(y, **options)  # type: ignore[arg-type]  # handed through
    assert result.hints == ()
    assert result.accuracy.value == pytest.approx(0.9352, abs=0.003 if plant is bytes_of else 1e-9)


@pytest.mark.parametrize(
    ("plant", "input"),
    [
        (lambda y: y, "probs"),
        (np.log, "logits"),
        (np.log, "logprobs"),
        (classes, "labels"),
        (lambda y: one_hot(classes(y)), "probs"),
    ],
    ids=["probs", "logits", "logprobs", "classes", "hard"],
)
def test_shuffled_rows(book: np.ndarray, plant: Planted, input: str) -> None:
    """Shuffled rows are recognised whatever the predictions are; scored by the order of the examples they are right."""
    shuffled = plant(book)[SHUFFLED]
    result = evaluate(shuffled, input=input)
    (advice,) = (hint.advice for hint in result.hints if hint.name == "rows-shuffled")
    assert "indices=FILE, the example of each row" in advice
    mended = evaluate(shuffled, input=input, split="test", indices=SHUFFLED)
    assert "rows-shuffled" not in [hint.name for hint in mended.hints]
    assert mended.accuracy.value == 0.9352


def test_the_evidence_is_what_was_done(book: np.ndarray) -> None:
    """The shift, the column and the order that a hint names are those of the mistake."""
    for planted, evidence in (
        (np.roll(book, 3, axis=0), "if row i is compared with example i -3"),
        (np.roll(book, 1, axis=1), "if class k is read from the column above k"),
        (np.roll(book, -1, axis=1), "if class k is read from the column below k"),
        (book[:, ORDER], "into the order 3 1 6 0 2 4 7 9 8 5"),
    ):
        assert evidence in next(iter(evaluate(planted).hints)).evidence


def test_worse_than_the_prior(book: np.ndarray) -> None:
    """A loss above what constant predictions cost is said, with both of them."""
    (found,) = (hint for hint in evaluate(book[SHUFFLED]).hints if hint.name == "worse-than-prior")
    assert "is above 2.3026, the cost of the uniform guess, and 2.3008, that of the class prior" in found.evidence


def test_chance_and_numbers_are_both_evidence_of_shuffling() -> None:
    """A model that is sure is no shuffled one where it is right more often, or predicts other numbers of classes."""
    rng = np.random.default_rng(4)
    t = rng.integers(0, 10, 4000)
    half = np.where(rng.random(4000) < 0.5, t, rng.permutation(t))
    skewed = np.minimum(rng.integers(0, 13, 4000), 9)
    for y, expected in ((rng.permutation(t), True), (half, False), (skewed, False)):
        rows = 0.9 * one_hot(y) + 0.01
        assert ("rows-shuffled" in hints(rows, targets=t, losses=["error"])) is expected


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


@pytest.mark.parametrize(
    ("k", "n", "right", "sure"),
    [(2, 500, 0.55, 0.8), (3, 300, 0.4, 0.7), (2, 200, 0.6, 0.76), (2, 1000, 0.55, 0.8), (2, 100, 0.66, 0.85)],
)
def test_weak_models_that_are_sure_are_not_shuffled(k: int, n: int, right: float, sure: float) -> None:
    """A model of few classes that knows little and says much is a bad one, and its rows are where they should be."""
    rng = np.random.default_rng(k * n)
    for _ in range(50):
        t = rng.integers(0, k, n)
        y = np.where(rng.random(n) < right, t, (t + rng.integers(1, k, n)) % k)
        rows = np.where(one_hot(y, k) == 1, sure, (1 - sure) / (k - 1))
        assert "rows-shuffled" not in hints(rows, targets=t)


def test_a_few_bad_rows_do_not_hide_probabilities(book: np.ndarray) -> None:
    """Probabilities that were read as raw scores are recognised though a row of them is none."""
    y = book.astype(np.float64)
    y[3] *= 1.2
    y[7, 2] -= 0.01
    assert hints(y, input="logits") == ["probabilities-as-logits"]


def test_rows_and_columns_that_explain_it_alike() -> None:
    """Where the labels come in turn, both are said, and that only one of them is to be done."""
    y = np.roll(baseline("softmax", dataset="mnist-5k", epochs=3), 1, axis=1)
    found = {hint.name: hint.advice for hint in evaluate(y, dataset="mnist-5k").hints}
    assert found.keys() == {"rows-shifted", "labels-from-one", "worse-than-prior"}
    assert all("do only one of these" in found[name] for name in ("rows-shifted", "labels-from-one"))


@given(temperature=st.floats(0.2, 20), keep=st.sampled_from(np.linspace(0, 1, 51).tolist()), seed=st.integers(0, 99))
def test_honest_files_get_no_hint(temperature: float, keep: float, seed: int) -> None:
    """No hint fires on a network at any temperature, mixed with any share of the uniform guess, of any examples."""
    y = np.maximum(HONEST, 1e-12) ** (1 / temperature)
    y = keep * y / y.sum(axis=1, keepdims=True) + (1 - keep) / 10
    assert hints(y, dataset="mnist-5k") == []
    rng, every = np.random.default_rng(seed), np.arange(1000)
    for some in (rng.choice(every, 50), every[every % 10 == seed % 10], every[every % 10 < 2], every[:1]):
        for a, kind in ((y[some], "probs"), (np.log(y[some]), "logits"), (classes(y[some]), "labels")):
            assert hints(a, dataset="mnist-5k", split="test", indices=some, input=kind) == []


@given(
    k=st.sampled_from([2, 3, 10]),
    n=st.sampled_from([1, 49, 50, 1000]),
    of_classes=st.integers(1, 10),
    sharpness=st.sampled_from([0.0, 0.02, 0.1]),
    knows=st.sampled_from([0.0, 0.1, 1.5, 3.0, 15.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_honest_models_of_few_classes_or_examples_get_no_hint(
    k: int, n: int, of_classes: int, sharpness: float, knows: float, seed: int
) -> None:
    """Nor on two or three classes, one class only, few examples, from next to nothing known to nearly everything."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, min(k, of_classes), n)
    z = sharpness * rng.normal(size=(n, k)) + knows * one_hot(t, k)
    for y, kind in ((softmax(z), "probs"), (z, "logits"), (z.argmax(axis=1), "labels")):
        assert hints(y, targets=one_hot(t, k), input=kind) == []


@pytest.mark.parametrize(("k", "n", "seed"), [(2, 1000, 1), (2, 1000, 3), (3, 50, 0), (3, 50, 7), (3, 50, 21)])
def test_near_chance_is_not_sure(k: int, n: int, seed: int) -> None:
    """A model of few classes that knows nothing is not called sure, though its confidence is above a half."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, k, n)
    assert hints(softmax(0.02 * rng.normal(size=(n, k))), targets=t) == []
    assert hints(rng.dirichlet(np.full(k, 3.0), n), targets=t, losses=["error"]) == []


def test_very_many_classes_are_not_counted() -> None:
    """Of 60,000 classes no matrix of counts is made; of a thousand, shifted rows are recognised."""
    t = np.arange(60_000)
    assert hints(t[::-1], targets=t, input="labels") == []
    t = np.random.default_rng(1).permutation(5000) % 1000
    assert hints(np.roll(t, 2), targets=t, input="labels") == ["rows-shifted"]


def test_one_class_only(book: np.ndarray) -> None:
    """Examples of one class have a prior that costs nothing: no skill against it, and no hint."""
    t = load_split("mnist", "test").labels
    for some in (np.flatnonzero(t == 3), np.array([0])):
        result = evaluate(book[some], indices=some, split="test", losses=["cee", "nll", "mse"])
        assert [loss.skill for loss in result.losses.values()] == [None, None, None]
        assert result.hints == ()
    sure_and_wrong = np.tile([0.98, 0.02], (60, 1)) + 0.001 * np.resize([[1, -1], [-1, 1]], (60, 2))
    assert hints(sure_and_wrong, targets=np.ones(60, int)) == []


HONEST = baseline("softmax", dataset="mnist-5k", epochs=3)


def test_the_book_network_gets_no_hint(book: np.ndarray) -> None:
    """Nor does the published network, scaled or not."""
    for power in (1.0, 0.5, 0.1, 2.0):
        y = book**power
        assert hints(y / y.sum(axis=1, keepdims=True)) == []


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_get_no_hint(name: str) -> None:
    """Nor does any baseline."""
    fitted = fit_baseline(name, TrainingOptions(epochs=1), "mnist-5k", CACHE_DEFAULTS)
    assert [fitted.evaluate(split).hints for split in ("train", "test")] == [(), ()]


def test_extreme_models_get_no_hint() -> None:
    """A near-perfect model and one that knows next to nothing are honest, perfect decisions too."""
    rng = np.random.default_rng(2)
    t = np.arange(1000) % 10
    near = softmax(rng.normal(size=(1000, 10)) + 15 * one_hot(t))
    chance = softmax(0.3 * rng.normal(size=(1000, 10)))
    for y in (near, chance, one_hot(t)):
        assert hints(y, dataset="mnist-5k") == []


@pytest.mark.parametrize("k", [20, 256, 300])
def test_confusions_of_many_classes_are_counted(k: int) -> None:
    """Labels are kept in a byte or two each; what is counted from them is not."""
    rng = np.random.default_rng(k)
    labels, predicted = rng.integers(0, k, 20_000), rng.integers(0, k, 20_000)
    small = np.min_scalar_type(k - 1)
    expected = np.zeros((k, k), int)
    np.add.at(expected, (labels, predicted), 1)
    np.testing.assert_array_equal(count_classes(labels.astype(small), predicted.astype(small), k), expected)
    y = np.full((20_000, k), 0.5 / (k - 1))
    y[np.arange(20_000), predicted] = 0.5
    assert evaluate(y, targets=labels).n == 20_000
