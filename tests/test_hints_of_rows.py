"""Hints about rows: mistakes planted in a part of honest predictions are named and mended; honest files get none."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planted import honest

from mnistloss import baseline, compare, evaluate, one_hot, softmax
from mnistloss.evaluation.hints import Evidence, Hint, HintInputs, Place
from mnistloss.evaluation.many import with_copies_named
from mnistloss.evaluation.misplaced import classes_agree, count_classes, find_split
from mnistloss.evaluation.results import Evaluation
from mnistloss.stats import Moments

RNG = np.random.default_rng(12)
ORDERS = {k: RNG.permutation(len(honest(k).labels)) for k in (2, 3, 10)}
Keywords = dict[str, Any]


def mixed(k: int) -> tuple[np.ndarray, Keywords]:
    """Honest predictions of the test digits below K in a random order, so that labels do not come in turn."""
    y, t, order = honest(k).probs.astype(np.float64), honest(k).labels, ORDERS[k]
    if k < 10:
        return y[order], {"targets": t[order]}
    return y[order], {"dataset": "mnist-5k", "split": "test", "indices": order}


def mend(hint: Hint, y: np.ndarray, keywords: Keywords) -> Evaluation:
    """Do what the advice says and score again."""
    names = {"np": np, "predictions": y, **keywords}
    save = re.search(r"save (predictions.*?)( and score|, or|$)", hint.advice)
    y = eval(save[1], names) if save else y
    for name, expression in re.findall(r"(indices|targets)=FILE, which holds (.+)$", hint.advice):
        keywords = {**keywords, name: eval(expression, names)}
    keywords = {**keywords, **dict(re.findall(r'(split|input)="(\w+)"', hint.advice))}
    return evaluate(y, **keywords)


def exchange(a: int, b: int, size: int) -> Callable[[np.ndarray], np.ndarray]:
    def plant(y: np.ndarray) -> np.ndarray:
        y = y.copy()
        y[a : a + size], y[b : b + size] = y[b : b + size].copy(), y[a : a + size].copy()
        return y

    return plant


def lose(row: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: np.concatenate([y[:row], y[row + 1 :], y[:1]])


def insert(row: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: np.concatenate([y[:row], y[:1], y[row:-1]])


def put(start: int, stop: int, source: int | None) -> Callable[[np.ndarray], np.ndarray]:
    """Write earlier rows into these, or zeros."""

    def plant(y: np.ndarray) -> np.ndarray:
        y = y.copy()
        y[start:stop] = 0 if source is None else y[source : source + stop - start].copy()
        return y

    return plant


PLANTED: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray], str, str, str]] = {
    "batches of 64 exchanged": (10, exchange(128, 640, 64), "probs", "rows-moved", "rows 128 to 191 are right for"),
    "neighbouring batches exchanged": (10, exchange(300, 350, 50), "logits", "rows-moved", "rows 300 to 349 are right"),
    "batches exchanged, K = 3": (3, exchange(0, 200, 100), "probs", "rows-moved", "rows 0 to 99 are right"),
    "a row lost": (10, lose(700), "probs", "rows-moved", "row i is right for example i +1"),
    "a row lost, K = 3": (3, lose(200), "probs", "rows-moved", "row i is right for example i +1"),
    "a row inserted": (10, insert(620), "logprobs", "rows-moved", "row i is right for example i -1"),
    "a row inserted, K = 3": (3, insert(100), "probs", "rows-moved", "row i is right for example i -1"),
    "the last rows never filled": (
        10,
        put(980, 1000, None),
        "logits",
        "rows-of-zeros",
        "20 rows are all zero, rows 980 to 999",
    ),
    "a batch never filled": (3, put(64, 96, None), "logits", "rows-of-zeros", "32 rows are all zero, rows 64 to 95"),
    "the last rows stale": (10, put(984, 1000, 0), "probs", "rows-repeated", "rows 984 to 999 repeat rows 0 to 15"),
    "a batch written twice": (3, put(100, 132, 68), "probs", "rows-repeated", "rows 100 to 131 repeat rows 68 to 99"),
    "a stale batch of two classes": (
        2,
        put(160, 200, 7),
        "logits",
        "rows-repeated",
        "rows 160 to 199 repeat rows 7 to",
    ),
}


def read_as(y: np.ndarray, input: str) -> np.ndarray:
    return y if input == "probs" else np.log(np.maximum(y, 1e-300))


@pytest.mark.parametrize(("k", "plant", "input", "name", "evidence"), PLANTED.values(), ids=PLANTED)
def test_a_part_is_named_and_mended(
    k: int, plant: Callable[[np.ndarray], np.ndarray], input: str, name: str, evidence: str
) -> None:
    """The hint names the rows; what it advises gives the honest accuracy, up to a row or two, and no hint."""
    y, keywords = mixed(k)
    keywords["input"] = input
    planted = plant(read_as(y, input))
    hints = {hint.name: hint for hint in evaluate(planted, **keywords).hints}
    assert evidence in hints[name].evidence
    mended = mend(hints[name], planted, keywords)
    right = read_as(y, input).argmax(axis=1) == honest(k).labels[ORDERS[k]]
    assert mended.accuracy.value == pytest.approx(right.mean(), abs=0.012)
    assert mended.hints == ()


def shuffled_within(y: np.ndarray, size: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    return np.concatenate([rng.permutation(y[start : start + size]) for start in range(0, len(y), size)])


@pytest.mark.parametrize("size", [32, 50, 100])
def test_rows_shuffled_within_batches(size: int) -> None:
    """Rows shuffled within batches are more often right than chance; the class counts of the batches tell."""
    y, keywords = mixed(10)
    (hint, *_) = evaluate(shuffled_within(y, size), **keywords).hints
    assert (hint.name, "within batches" in hint.evidence) == ("rows-shuffled", True)
    order = shuffled_within(np.arange(1000), size)
    mended = evaluate(shuffled_within(y, size), **{**keywords, "indices": ORDERS[10][order]})
    assert (mended.accuracy.value, mended.hints) == (evaluate(y, **keywords).accuracy.value, ())


@pytest.mark.parametrize(("start", "stop"), [(0, 400), (500, 900)])
def test_a_shuffled_part(start: int, stop: int) -> None:
    """A part that is shuffled, among rows in order, is named."""
    y, keywords = mixed(10)
    planted, order = y.copy(), np.arange(1000)
    order[start:stop] = np.random.default_rng(3).permutation(order[start:stop])
    planted = y[order]
    hints = {hint.name: hint for hint in evaluate(planted, **keywords).hints}
    first, last = map(int, re.findall(r"in rows (\d+) to (\d+)", hints["rows-shuffled"].evidence)[0])
    assert abs(first - start) < 12
    assert abs(last - stop) < 12
    assert evaluate(planted, **{**keywords, "indices": ORDERS[10][order]}).hints == ()


def tempered(y: np.ndarray, confidence: float) -> np.ndarray:
    """Lower the confidence of predictions to this mean."""
    powers = np.linspace(0.05, 1, 200)
    means = [(y**p / (y**p).sum(axis=1, keepdims=True)).max(axis=1).mean() for p in powers]
    power = powers[int(np.argmin(np.abs(np.array(means) - confidence)))]
    return y**power / (y**power).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("confidence", "hinted"), [(0.7, True), (0.5, True), (0.4, False), (0.2, False)])
def test_weak_models_shuffled(confidence: float, hinted: bool) -> None:
    """Shuffled rows are recognised down to a mean confidence of 0.46; below, they could be an honest weak model."""
    y, keywords = mixed(10)
    y = tempered(y, confidence)[np.random.default_rng(5).permutation(1000)]
    assert ("rows-shuffled" in [hint.name for hint in evaluate(y, **keywords).hints]) is hinted


@pytest.mark.parametrize("scale", [1.0, 5.0, 30.0])
def test_untrained_networks_are_not_shuffled(scale: float) -> None:
    """Untrained networks with large logits are at chance and sure, but their classes depend on the true ones."""
    from mnistloss.datasets.load import load_split

    x = load_split("mnist-5k", "test").images.reshape(1000, -1) / 255.0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        hidden = np.maximum(0, x @ rng.normal(size=(784, 50)) / 28)
        for z in (x @ rng.normal(size=(784, 10)), hidden @ rng.normal(size=(50, 10))):
            z -= z.mean(axis=0)  # so that each class is predicted, as by a network with batch normalisation
            names = [hint.name for hint in evaluate(softmax(scale * z), dataset="mnist-5k").hints]
            assert "rows-shuffled" not in names
            assert "rows-moved" not in names


HONEST: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "as it is": lambda y, t: y,
    "a blind class": lambda y, t: np.where((t == 3)[:, np.newaxis], 0.9 * one_hot(np.full(len(t), 5)) + 0.01, y),
    "a class taken for the next": lambda y, t: np.where((t == 3)[:, np.newaxis], np.roll(y, 1, axis=1), y),
    "two blind classes": lambda y, t: np.where(np.isin(t, (3, 7))[:, np.newaxis], np.roll(y, 2, axis=1), y),
    "drift": lambda y, t: 0.1 + (y - 0.1) * np.linspace(1, 0.02, len(t))[:, np.newaxis],
    "constant": lambda y, t: np.tile(y.mean(axis=0), (len(t), 1)),
    "a forest that repeats a row": lambda y, t: np.where((np.arange(len(t)) % 3 == 0)[:, np.newaxis], y[5], y),
    "few leaves": lambda y, t: y[np.unique(y.argmax(axis=1), return_index=True)[1]][y.argmax(axis=1)],
    "zeros strewn about": lambda y, t: np.where((np.arange(len(t)) * 7919 % 11 == 0)[:, np.newaxis], 1.0, y),
}  # fmt: skip


@pytest.mark.parametrize("plant", HONEST.values(), ids=HONEST)
@pytest.mark.parametrize("order", ["mixed", "sorted", "in turn"])
def test_honest_files_whose_accuracy_varies_get_no_hint_about_rows(
    plant: Callable[[np.ndarray, np.ndarray], np.ndarray], order: str
) -> None:
    """Whatever the order of the labels: they are in a random order, sorted, or in turn."""
    labels = honest(10).labels
    rows = {"mixed": ORDERS[10], "sorted": np.argsort(labels, kind="stable"), "in turn": np.arange(1000)}[order]
    z = np.log(plant(honest(10).probs.astype(np.float64)[rows], labels[rows]))
    hints = evaluate(z, dataset="mnist-5k", split="test", indices=rows, input="logits").hints
    assert {hint.name for hint in hints} <= {"worse-than-prior"}


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("n", [20, 60, 150])
def test_few_examples(k: int, n: int) -> None:
    """Nor do few examples of two, three or ten classes, at any accuracy."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        t = np.sort(rng.integers(0, k, n)) if seed % 2 else rng.integers(0, k, n)
        z = rng.normal(size=(n, k)) + (seed % 5) * one_hot(t, k)
        hints = evaluate(z, targets=one_hot(t, k), input="logits").hints
        assert {hint.name for hint in hints} <= {"worse-than-prior"}


def test_repeated_examples_are_honest() -> None:
    """Examples that were drawn with replacement, or targets that repeat, explain rows that repeat."""
    y, keywords = mixed(10)
    twice = np.concatenate([np.arange(300), np.arange(200)])
    assert evaluate(y[twice], **{**keywords, "indices": ORDERS[10][twice]}).hints == ()
    assert evaluate(y[twice], targets=honest(10).labels[ORDERS[10]][twice]).hints == ()


def test_a_split_several_times() -> None:
    """The test digits four times are as many as the training digits; the hint says what they are."""
    y = np.tile(honest(10).probs, (4, 1))
    result = evaluate(y, dataset="mnist-5k")
    (hint,) = result.hints
    assert (result.split, hint.name) == ("train", "rows-repeated")
    mended = mend(hint, y, {"dataset": "mnist-5k"})
    assert (mended.split, mended.hints) == ("test", ())


def advice_for(predicted: np.ndarray, labels: np.ndarray, place: Place) -> str:
    error = {"error": Moments.over((labels != predicted).astype(float))}
    evidence = Evidence("probs", len(labels))
    inputs = HintInputs("probs", 10, error, {}, evidence, labels, predicted, "mnist", "test", elsewhere=lambda: [place])
    return str(find_split(inputs, count_classes(labels, predicted, 10)))


def test_another_part() -> None:
    """Predictions for any stretch of another split are recognised, and several answers for each of its examples."""
    rng = np.random.default_rng(8)
    train, test = rng.integers(0, 10, 6000), rng.integers(0, 10, 1000)
    for start, said in ((5000, "the last 1,000 examples of train"), (0, "the first 1,000"), (2345, "2,345 to 3,344")):
        part = train[start : start + 1000]
        predicted = np.where(rng.random(1000) < 0.8, part, rng.integers(0, 10, 1000))
        told = advice_for(predicted, test, Place("mnist", "train", train))
        assert said in told
        assert f"np.arange({start}, {start + 1000})" in told
    predicted = np.where(rng.random(6000) < 0.8, np.tile(test, 6), rng.integers(0, 10, 6000))
    assert "(6, 1000, -1).mean(axis=0)" in advice_for(predicted, train, Place("mnist", "test", test))
    predicted = np.where(rng.random(1000) < 0.8, train[:1000], rng.integers(0, 10, 1000))
    assert "cached here" in advice_for(predicted, test, Place("kmnist", "test", train[:1000]))
    assert advice_for(rng.integers(0, 10, 1000), test, Place("mnist", "train", train)) == "None"


def test_sorted_labels_tell_nothing_of_places() -> None:
    """A run of one wrong class fits wherever that class is sorted; labels that change tell."""
    rng = np.random.default_rng(2)
    t = rng.integers(0, 10, 60)
    assert classes_agree(t, t, 1000)
    assert not classes_agree(np.sort(t), np.sort(t), 1000)
    assert not classes_agree(rng.permutation(t), t, 1000)


@pytest.mark.parametrize("size", [1000, 50])
@pytest.mark.parametrize("log", [False, True])
def test_softmax_over_the_examples(size: int, log: bool) -> None:
    """As raw scores, a softmax over the wrong axis is recognised, and its log."""
    y, keywords = mixed(10)
    z = np.log(y).astype(np.float32)
    wrong = np.concatenate([softmax(z[start : start + size].T).T for start in range(0, 1000, size)])
    (hint,) = evaluate(np.log(wrong) if log else wrong, **keywords, input="logits").hints
    assert (hint.name, "cannot be undone" in hint.evidence) == ("softmax-over-examples", True)
    assert evaluate(z, **keywords, input="logits").hints == ()
    assert evaluate(np.log(y), **keywords, input="logits").hints == ()
    assert evaluate(np.ones((1000, 10)), **keywords, input="logits").hints == ()
    even = 0.1 * one_hot(np.arange(1000) % 2)
    assert evaluate(even, targets=np.arange(1000) % 2, input="logits").hints == ()


def test_odd_rows_anywhere_do_not_hide_probabilities() -> None:
    """Eleven odd rows among the first hundred, or a tenth of all, leave the others probabilities."""
    y, keywords = mixed(10)
    for rows in (slice(0, 11), slice(0, 100)):
        odd = y.copy()
        odd[rows] = np.log(odd[rows])
        assert [h.name for h in evaluate(odd, **keywords, input="logits").hints] == ["probabilities-as-logits"]
    odd[:101] = -1
    assert [h.name for h in evaluate(odd, **keywords, input="logits").hints] == []


def test_softmax_twice_says_its_bound() -> None:
    """The most that a softmax of probabilities can give is e / (e + K - 1); leaving one out is advised first."""
    for k, bound in ((2, "0.731"), (3, "0.576"), (10, "0.232")):
        y, keywords = mixed(k)
        y = y**8 / (y**8).sum(axis=1, keepdims=True)
        hint = next(h for h in evaluate(softmax(y), **keywords).hints if h.name == "softmax-twice")
        assert f"no probability exceeds {bound}" in hint.evidence
        assert hint.advice.startswith("softmax was applied twice: leave one out")


def test_identical_predictions(tmp_path: Any) -> None:
    """Files with the same numbers are named, in another dtype too; others, if only one number differs, are not."""
    y = honest(10).probs.astype(np.float32)
    other = y.copy()
    other[7] = other[7, ::-1]
    for name, array in (("a", y), ("b", y.astype(np.float64)), ("c", other), ("d", y.astype(np.float16))):
        np.save(tmp_path / f"{name}.npy", array)
    paths = [tmp_path / f"{name}.npy" for name in "abcd"]
    results = with_copies_named([evaluate(path, dataset="mnist-5k") for path in paths])
    identical = [[h.evidence for h in r.hints if h.name == "identical-predictions"] for r in results]
    named = [f"every row has the same numbers as in {tmp_path / 'a.npy'}"]
    rounded = [f"{named[0]}, up to the rounding of their dtypes"]
    assert identical == [[], rounded, [], rounded]
    compared = compare(*paths[:3], dataset="mnist-5k")
    hints = {file.predictions: [h.name for h in file.hints] for file in compared.files}
    assert hints == {str(paths[0]): [], str(paths[1]): ["identical-predictions"], str(paths[2]): []}


def test_baselines_of_the_embedded_digits_get_no_hint() -> None:
    """Predictions for the training digits get no hint either."""
    assert evaluate(baseline("softmax", dataset="mnist-5k", split="train", epochs=2), dataset="mnist-5k").hints == ()


def test_predicted_classes_that_are_guesses() -> None:
    """Guessed classes are not shuffled ones, and where the classes are even they cannot be told; uneven ones can."""
    rng = np.random.default_rng(6)
    even, uneven = np.arange(4000) % 10, rng.choice(10, 4000, p=np.linspace(0.08, 0.12, 10))
    for t in (even, uneven):
        assert all(evaluate(rng.integers(0, 10, 4000), targets=t, input="labels").hints == () for _ in range(20))
    shuffled = [evaluate(rng.permutation(uneven), targets=uneven, input="labels").hints for _ in range(10)]
    assert sum("rows-shuffled" in [hint.name for hint in hints] for hints in shuffled) >= 7
