"""Refusals: faults planted in honest predictions, what the message says of them, and where its advice ends."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from planted import Honest, honest

import mnistloss
from mnistloss import evaluate
from mnistloss.datasets.load import load_split
from mnistloss.errors import InputError
from mnistloss.evaluation import refusals
from mnistloss.evaluation.row_counts import Part

CLASSES = (2, 3, 10)
SAVE = re.compile(r"save (?P<code>.+?)(?: and score it with (?P<how>.+?))?(?=; or |, or |, which| or save|\.?$)")
SCORE = re.compile(r"score these with (?P<how>.+?)(?=; or |, or |$)")


def softmax(z: np.ndarray, axis: int = 1) -> np.ndarray:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def logits(p: np.ndarray) -> np.ndarray:
    """Raw scores (N, K) of these probabilities; each row is shifted by an amount of its own."""
    return np.log(p) + np.random.default_rng(1).normal(2, 1, (len(p), 1))


def draws(p: np.ndarray, count: int = 4) -> np.ndarray:
    """Return several answers (count, N, K) for each example."""
    noise = np.random.default_rng(2).normal(0, 0.3, (count, *p.shape))
    return softmax(np.log(p) + noise, axis=2)


def over_examples(p: np.ndarray, size: int) -> np.ndarray:
    z = logits(p)
    return np.concatenate([softmax(z[start : start + size], axis=0) for start in range(0, len(z), size)])


def bfloat16_bits(p: np.ndarray) -> np.ndarray:
    return (p.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def zero(p: np.ndarray, rows: Any) -> np.ndarray:
    y = p.copy()
    y[rows] = 0
    return y


def decide(p: np.ndarray) -> np.ndarray:
    return (p == p.max(axis=1, keepdims=True)).astype(float)


def votes(p: np.ndarray) -> np.ndarray:
    """Return how many of 20 trees vote for each class (N, K)."""
    draw = np.random.default_rng(3).multinomial
    return np.stack([draw(20, row / row.sum()) for row in p])


def order(p: np.ndarray) -> np.ndarray:
    return p.argsort(axis=1).argsort(axis=1)


def softmax_over_all(p: np.ndarray, size: int) -> np.ndarray:
    """Divide exp of logits by the sum over a batch of rows."""
    e = np.exp(logits(p))
    return np.concatenate([part / part.sum() for part in (e[i : i + size] for i in range(0, len(p), size))])


def forest(p: np.ndarray) -> np.ndarray:
    """Return a probability of no and of yes for each class (K, N, 2)."""
    return np.stack([1 - p.T, p.T], axis=2)


class Fault(NamedTuple):
    """What is done to probabilities, what the refusal says, the input that is named, and what the answer is (N, K)."""

    plant: Callable[[np.ndarray], np.ndarray]
    says: str
    input: str = "probs"
    truth: Callable[[np.ndarray], np.ndarray] = lambda p: p
    classes: tuple[int, ...] = CLASSES
    rtol: float = 1e-6
    is_shuffled: bool = False


NOT_TWO = (3, 10)
FAULTS = {
    "softmax over axis 0": Fault(
        lambda p: softmax(logits(p), 0), r"column sums to 1, .* \(axis 0\) of the whole array"
    ),
    "of batches of 32": Fault(
        lambda p: over_examples(p, 32), r"\(axis 0\) of batches of 32, which cannot be undone: take"
    ),
    "its log": Fault(lambda p: np.log(over_examples(p, 50)), r"column sums to .* of batches of 50"),
    "its log as logprobs": Fault(
        lambda p: np.log(over_examples(p, 64)), r"column sums to .* of batches of 64", "logprobs"
    ),
    "by columns": Fault(
        lambda p: p.reshape(-1).reshape(p.shape, order="F"), r"save predictions\.T\.reshape\(-1, \d+\)"
    ),
    "by rows": Fault(lambda p: p.reshape(-1, order="F").reshape(p.shape), r"save predictions\.reshape\(\d+, -1\)\.T"),
    "logs by columns": Fault(lambda p: np.log(p).reshape(-1).reshape(p.shape, order="F"), r"predictions\.T\.reshape"),
    "negative logs": Fault(
        lambda p: -np.log(p), r'negative log-probabilities: save -predictions and .*input="logprobs"'
    ),
    "negative logs as logprobs": Fault(lambda p: -np.log(p), "save -predictions", "logprobs"),
    "1 - p": Fault(lambda p: 1 - p, "1 - p of probabilities p: save 1 - predictions", classes=NOT_TWO),
    "logits": Fault(logits, r'raw scores: score these with input="logits"'),
    "logprobs": Fault(np.log, r'log-probabilities: score these with input="logprobs"'),
    "base 2": Fault(np.log2, r"base-2 logs of probabilities: save predictions \* np\.log\(2\)"),
    "base 10 as logprobs": Fault(np.log10, r"base-10 logs of probabilities", "logprobs"),
    "odds": Fault(lambda p: p / (1 - p), r"save predictions / \(1 \+ predictions\)"),
    "log-odds": Fault(
        lambda p: np.log(p / (1 - p)), r"log-odds: save 1 / \(1 \+ np\.exp\(-predictions\)\)", classes=NOT_TWO
    ),
    "2p - 1": Fault(lambda p: 2 * p - 1, r"save \(predictions \+ 1\) / 2", classes=NOT_TWO),
    "percent by columns": Fault(
        lambda p: (100 * p).reshape(-1).reshape(p.shape, order="F"), r"predictions\.T\.reshape"
    ),
    "percent": Fault(lambda p: p * 100, "save predictions / 100"),
    "sum of 7": Fault(lambda p: p * 7, "the rows sum to 7"),
    "bytes": Fault(lambda p: np.rint(p * 255).astype(np.uint8), "rows sum to 255", rtol=0.05),
    "votes of 20": Fault(votes, "the rows sum to 20, .* save predictions / ", truth=lambda p: votes(p) / 20),
    "decisions": Fault(lambda p: 2 * decide(p) - 1, "decisions as -1 and 1: save"),
    "bits": Fault(bfloat16_bits, "the bits of bfloat16 numbers: save", rtol=0.01),
    "signed bits": Fault(lambda p: bfloat16_bits(p).view(np.int16), "the bits of bfloat16 numbers", rtol=0.01),
    "last batch": Fault(lambda p: zero(p, slice(-17, None)), r"17 rows are all zero, rows \d+ to \d+, .* never filled"),
    "logs without last batch": Fault(lambda p: zero(np.log(p), slice(-8, None)), r'score these with input="logprobs"'),
    "no decision": Fault(
        lambda p: zero(decide(p), slice(3, None, 7)), r"rows are all zero, first row 3, .* no decision"
    ),
    "(1, K, N)": Fault(lambda p: p.T[np.newaxis], r"save predictions\.reshape\(\d+, -1\)\.T$"),
    "(K, N, 1)": Fault(lambda p: p.T[:, :, np.newaxis], r"save predictions\.reshape\(\d+, -1\)\.T$"),
    "(N, K, 1)": Fault(lambda p: p[:, :, np.newaxis], r"save predictions\.reshape\(-1, \d+\)$"),
    "logits (1, N, K)": Fault(lambda p: logits(p)[np.newaxis], r"save predictions\.reshape\(-1, \d+\)$", "logits"),
    "logits (1, K, N)": Fault(lambda p: logits(p).T[np.newaxis], r"save predictions\.reshape\(\d+, -1\)\.T$", "logits"),
    "flat": Fault(lambda p: p.reshape(-1), r"save predictions\.reshape\(-1, \d+\)$"),
    "flat by columns": Fault(lambda p: p.T.reshape(-1), r"save predictions\.reshape\(\d+, -1\)\.T$"),
    "flat logits": Fault(
        lambda p: logits(p).reshape(-1), r"as many as [\d,]+ rows of \d+: give them the shape", "logits"
    ),
    "transposed": Fault(lambda p: p.T, r"save predictions\.T$"),
    "transposed logits": Fault(lambda p: logits(p).T, r"transposed: save predictions\.T$", "logits"),
    "reshaped": Fault(lambda p: p.reshape(p.shape[::-1]), r"save predictions\.reshape\(-1, \d+\)$"),
    "(batches, B, K)": Fault(lambda p: p[:150].reshape(3, 50, -1), r"save predictions\.reshape\(-1, \d+\)$"),
    "(S, N, K)": Fault(
        draws, r"4 answers for each .*predictions\.mean\(axis=0\)", truth=lambda p: draws(p).mean(axis=0)
    ),
    "(N, K, S)": Fault(lambda p: np.moveaxis(draws(p), 0, 2), "4 answers", truth=lambda p: draws(p).mean(axis=0)),
    "(N, S, K)": Fault(lambda p: np.moveaxis(draws(p), 0, 1), "4 answers", truth=lambda p: draws(p).mean(axis=0)),
    "logits (S, N, K)": Fault(
        lambda p: np.log(draws(p)) + 1, "whose mean is the answer", "logits", lambda p: draws(p).mean(axis=0)
    ),
    "logs (S, N, K)": Fault(lambda p: np.log(draws(p)), r"save np\.exp", truth=lambda p: draws(p).mean(axis=0)),
    "S x N rows": Fault(
        lambda p: draws(p, 3).reshape(-1, p.shape[1]),
        "3 answers for each example",
        truth=lambda p: draws(p, 3).mean(axis=0),
    ),
    "N x S rows": Fault(
        lambda p: np.moveaxis(draws(p, 3), 0, 1).reshape(-1, p.shape[1]),
        "3 answers for each example",
        truth=lambda p: draws(p, 3).mean(axis=0),
    ),
    "twice": Fault(lambda p: np.vstack([p, p]), r"repeat the first rows: save predictions\[0:\d+\]"),
    "padded": Fault(
        lambda p: np.vstack([p, p[:24]]), r"24 more than .* repeat the first rows: save predictions\[0:\d+\]"
    ),
    "padded by zeros": Fault(lambda p: np.vstack([p, 0 * p[:24]]), r"24 more than .* padding is: save predictions"),
    "last batch dropped": Fault(
        lambda p: p[: len(p) // 32 * 32], r"fewer than .*last, smaller batch.*where FILE holds"
    ),
    "first row lost": Fault(lambda p: p[1:], r"1 fewer than .*where FILE holds"),
    "forest": Fault(forest, r"no and yes for each class: save predictions\[:, :, 1\]\.T$"),
    "index": Fault(
        lambda p: np.column_stack([np.arange(len(p)), p]), r"column 0 counts the rows: save predictions\[:, 1:\]"
    ),
    "from one": Fault(lambda p: np.column_stack([np.arange(len(p)) + 1, p]), r"column 0 counts the rows"),
    "100 p (S, N, K)": Fault(lambda p: 100 * draws(p), "4 answers .*: turn each answer into probabilities first"),
    "3 p (S, N, K)": Fault(lambda p: 3 * draws(p), "4 answers .*: turn each answer into probabilities first"),
    "2p - 1 (S, N, K)": Fault(lambda p: 2 * draws(p) - 1, "4 answers .*: turn each answer into probabilities first"),
    "log2 (S, N, K)": Fault(lambda p: np.log2(draws(p)), "4 answers .*: turn each answer into probabilities first"),
    "2p - 1 of two": Fault(lambda p: 2 * p - 1, "raw scores, or 2p - 1.*: save the prob", classes=(2,)),
    "1 - 2p": Fault(lambda p: 1 - 2 * p, "raw scores, or 2p - 1, 1 - 2p .*: save the prob"),
    "z and -z": Fault(lambda p: np.log(p / p[:, ::-1]), "raw scores, or 2p - 1.*: save the prob", classes=(2,)),
    "tanh": Fault(lambda p: np.tanh(logits(p)), "raw scores, or 2p - 1.*: save the prob"),
    "decibels": Fault(lambda p: 10 * np.log10(p), r"first in row \d+$", classes=NOT_TWO),
    "half": Fault(lambda p: p / 2, r"times 0\.5: save predictions / 0\.5 [^;]+$"),
    "ranks": Fault(order, "every number from 0 to .* once, as ranks .*: save the scores themselves$", classes=NOT_TWO),
    "ranks from 1": Fault(lambda p: order(p) + 1.0, "every number from 1 to .* once, as ranks and argsort"),
    "5p + 0.5": Fault(lambda p: 5 * p + 0.5, "plus a number: save the probabilities themselves$"),
    "p + 0.1": Fault(lambda p: p + 0.1, "plus a number: save the probabilities themselves$"),
    "softplus": Fault(lambda p: np.log1p(np.exp(logits(p))), r"first in row \d+$"),
    "exp of logits": Fault(lambda p: np.exp(logits(p)), r"first in row \d+$"),
    "L2": Fault(lambda p: p / np.linalg.norm(p, axis=1, keepdims=True), r"\(values .*\)$", is_shuffled=True),
    "largest is 1": Fault(lambda p: p / p.max(axis=1, keepdims=True), r"\(values .*\)$", is_shuffled=True),
    "p squared": Fault(lambda p: p**2, r"\(values .*\)$", is_shuffled=True),
    "square root": Fault(np.sqrt, r"\(values .*\)$"),
    "sigmoid": Fault(lambda p: 1 / (1 + np.exp(-logits(p))), r"\(values .*\)$"),
    "1 decimal": Fault(lambda p: np.round(p, 1), "rounded to 1 decimal: save the prob.* digits$", classes=NOT_TWO),
    "zero rows strewn": Fault(
        lambda p: zero(p, slice(3, None, 5)), r"rows are all zero, first row 3: predict \w+ rows"
    ),
    "softmax over all": Fault(lambda p: softmax_over_all(p, len(p)), r"all values of the whole array: save [^;]+$"),
    "over all of 50": Fault(lambda p: softmax_over_all(p, 50), r"all values of batches of 50: save [^;]+$"),
    "its log over all": Fault(lambda p: np.log(softmax_over_all(p, len(p))), 'whole array: .*"logits"$', "logprobs"),
    "int8": Fault(
        lambda p: (np.minimum(np.rint(256 * p), 255) - 128).astype(np.int8),
        r"TFLite's int8\): save \(predictions \+ 128\.0\) / [^;]+$",
        classes=NOT_TWO,
        rtol=0.05,
    ),
    "a row more": Fault(lambda p: np.vstack([p, p[5:6]]), r"1 more than .*: save predictions\[0:", is_shuffled=True),
    "first row twice": Fault(lambda p: np.vstack([p[:1], p]), r"save predictions\[1:", is_shuffled=True),
    "heading": Fault(
        lambda p: np.vstack([np.arange(p.shape[1]), p]), r"1 more than .*: save predictions\[1:", is_shuffled=True
    ),
    "batch inserted": Fault(
        lambda p: np.insert(p, [160], p[:20], axis=0),
        r"begin at row 160 .* save np\.delete",
        is_shuffled=True,
    ),
    "classes as floats": Fault(lambda p: p.argmax(axis=1).astype(float), r"predictions\.astype\(np\.uint8\) and score"),
    "classes (N, 1)": Fault(lambda p: p.argmax(axis=1)[:, np.newaxis], r"predictions\.ravel\(\) and score"),
}


def follow(predictions: Any, keywords: dict[str, Any], depth: int = 0) -> list[Any]:
    """Return where all advice ends: Evaluations, and the messages of refusals without further advice."""
    try:
        return [evaluate(predictions, **keywords)]
    except InputError as error:
        message = str(error)
    assert depth < 4, message
    ends: list[Any] = []
    for advice in [*SAVE.finditer(message), *SCORE.finditer(message)]:
        names = {"np": np, "mnistloss": mnistloss, "predictions": predictions, "targets": keywords.get("targets")}
        after, options = predictions, dict(keywords)
        code = advice.groupdict().get("code")
        try:
            after = eval(code, names) if code else after
        except SyntaxError:  # advice in words
            ends.append(message)
            continue
        how = advice["how"] or ""
        file = re.search(r"(indices|targets)=FILE, where FILE holds (.+)", how)
        if file:
            options[file[1]] = eval(file[2], names)
        options |= dict(re.findall(r'(\w+)="([\w-]+)"', how))
        ends += follow(after, options, depth + 1)
    return ends or [message]


CASES = [pytest.param(fault, k, id=f"{name}-{k}") for name, fault in FAULTS.items() for k in fault.classes]


@pytest.mark.parametrize(("fault", "k"), CASES)
def test_no_advice_misleads(fault: Fault, k: int) -> None:
    """The cause is named, and every advice ends in the true number, another refusal, or a hint."""
    case = shuffled(k) if fault.is_shuffled else honest(k)
    p = case.probs.astype(np.float64)
    planted, keywords = fault.plant(p), {**case.keywords, "input": fault.input}
    with pytest.raises(InputError, match=f"(?i){fault.says}"):
        evaluate(planted, **keywords)
    truth = evaluate(fault.truth(p), **case.keywords)
    ends = follow(planted, keywords)
    scored = [end for end in ends if not isinstance(end, str)]
    assert scored or not re.search(r"predictions(\[|\)|\.\w| [*/])|score these", ends[0])
    for end in scored:
        if end.hints:
            continue
        if "cee" in end.losses and end.n == truth.n:
            np.testing.assert_allclose(end.losses["mse"].value, truth.losses["mse"].value, rtol=fault.rtol)
        elif end.n == truth.n:
            np.testing.assert_allclose(end.accuracy.value, truth.accuracy.value)
        else:
            assert abs(end.accuracy.value - truth.accuracy.value) < 0.05


def shuffled(k: int) -> Honest:
    """Return honest predictions in an order in which the labels do not follow a pattern."""
    case = honest(k)
    order = np.random.default_rng(4).permutation(len(case.labels))
    return Honest(case.probs[order], case.labels[order], {"targets": case.labels[order]})


@pytest.mark.parametrize("start", [100, 500, 800])
def test_a_lost_batch(start: int) -> None:
    """A batch lost before the end is found by the labels, and the advice gives the loss of the other rows."""
    case = shuffled(10)
    y, t = (np.delete(array, range(start, start + 100), axis=0) for array in (case.probs, case.labels))
    with pytest.raises(InputError, match=rf"row i from {start} on belongs to example i \+ 100"):
        evaluate(y, **case.keywords)
    (end,) = follow(y, case.keywords)
    assert end.losses["cee"] == evaluate(y, targets=t).losses["cee"]
    assert Part("test", 1000, None).without(800, 900).endswith("np.r_[0:800, 900:1000]")


def test_two_lost_batches() -> None:
    """Nothing is claimed of rows that no single gap explains."""
    case = shuffled(10)
    y = np.delete(case.probs, np.r_[200:300, 600:700], axis=0)
    with pytest.raises(InputError, match=r"1,000 labels for 800 predictions$"):
        evaluate(y, **case.keywords)


def test_a_gap_that_labels_do_not_place() -> None:
    """Where a gap is not that of a batch, its place is not sure and no code is printed."""
    labels = np.repeat(np.arange(10), 40)[np.random.default_rng(0).permutation(400)]
    labels[190:215] = 3
    with pytest.raises(InputError, match=r"by the labels, from about row \d+ on: predict all examples again$"):
        evaluate(np.delete(labels, range(197, 200)), targets=labels)


def test_rounding_that_changes_the_sums() -> None:
    """Two decimals are named as the cause beside the option that takes such rows."""
    case = honest(10)
    with pytest.raises(InputError, match=r"rounded to 2 decimals: save .* digits; or .* allow_unnormalized=True"):
        evaluate(np.round(case.probs.astype(np.float64), 2), **case.keywords)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("first", [0, 1])
def test_index_and_class(k: int, first: int) -> None:
    """Two columns, an index and a class, are refused with the column of the classes."""
    case = honest(k)
    predicted = case.probs.argmax(axis=1)
    y = np.column_stack([np.arange(len(predicted)) + first, predicted])
    with pytest.raises(InputError, match=r"save predictions\[:, 1\]\.astype\(np\.int64\) and .*losses=\"error\""):
        evaluate(y, **case.keywords, losses="error")
    (end,) = follow(y, case.keywords)
    assert end.accuracy.value == evaluate(case.probs, **case.keywords).accuracy.value


def test_targets_that_are_text() -> None:
    """The advice names the array that holds the text."""
    with pytest.raises(InputError, match=r"Save targets\.astype\(np\.uint8\)"):
        evaluate(honest(10).probs, targets=honest(10).labels.astype(str))


def test_look_at_many_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Causes see no more than a million values of predictions with many classes."""
    sizes = []

    def look_at(values: refusals.Values) -> tuple[()]:
        sizes.append(values.array.size)
        return ()

    monkeypatch.setattr(refusals, "VALUE_CAUSES", (look_at,))
    with pytest.raises(InputError, match="the sum is not 1"):
        evaluate(np.full((10_500, 200), 0.5), targets=np.zeros(10_500, int))
    assert sizes == [10**6]


@pytest.mark.parametrize("name", mnistloss.LOSSES)
def test_minus_infinity_is_log_zero(name: str) -> None:
    """A probability 0 costs the same as such, as -inf among log-probabilities, and beside soft targets."""
    p = np.array([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    for targets in (np.array([1, 0, 2]), np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]])):
        for delta in (0.0, 1e-7):
            expected = evaluate(p, targets=targets, losses=name, delta=delta).losses[name]
            found = evaluate(logs, targets=targets, losses=name, delta=delta, input="logprobs").losses[name]
            assert found.infinite == expected.infinite
            np.testing.assert_allclose(found.value, expected.value, rtol=1e-12)


def test_minus_infinity_elsewhere() -> None:
    """Among raw scores it is refused without a claim; given as probabilities, such logs are recognised."""
    case = honest(3)
    y = np.log(case.probs.astype(np.float64))
    y[case.probs < 1e-3] = -np.inf
    with pytest.raises(InputError, match=r"NaN or infinity in .*; expected finite numbers$"):
        evaluate(np.where(y > -5, y + 1, -np.inf), **case.keywords, input="logits")
    with pytest.raises(InputError, match=r'NaN or infinity in .* log-probabilities: score these with input="logprobs"'):
        evaluate(y, **case.keywords)


@pytest.mark.parametrize("k", CLASSES)
def test_half_precision_in_a_wider_dtype(k: int) -> None:
    """Probabilities rounded to bfloat16 or float16 have its tolerance in float32 and float64; others do not."""
    case = honest(k)
    y = (bfloat16_bits(softmax(0.3 * np.log(case.probs))).astype(np.uint32) << 16).view(np.float32)
    y[0] = [0.5, 0.50390625, *np.zeros(k - 2)]
    for wide in (y, y.astype(np.float64), y.astype(">f4")):
        assert evaluate(wide, **case.keywords).n == len(y)
    with pytest.raises(InputError, match=r"not 1 within 0.001 in .*first in row 0"):
        evaluate(y * np.float32(1.0001), **case.keywords)
    with pytest.raises(InputError, match=r"not 1 within 0.01"):
        evaluate(np.full_like(y, 0.75), **case.keywords)


OBJECTS = np.empty(2, object)
OBJECTS[:] = [np.zeros((2, 3)), np.zeros((1, 3))]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (OBJECTS, r"np\.concatenate\(predictions\); or .* dictionary"),
        (np.array([[0.5, "a"]], object), r"(predictions|array)\.astype\(float\); where a column holds text"),
        (np.array({"probs": 1}, object), "a single object"),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), r"structured_to_unstructured\(predictions\)"),
        (np.zeros((3, 2), "V2"), r"bfloat16: save \.astype\(np\.float32\)"),
        (np.array(["7", "3"]), r"(predictions|array)\.astype\(np\.uint8\), if these are classes"),
        (np.array([["0.7", "0.3"]]), r"(predictions|array)\.astype\(float\)$"),
    ],
)
def test_other_dtypes(array: np.ndarray, message: str, tmp_path: Any) -> None:
    """What is no number says how it usually comes about, from an array and from a file."""
    np.save(tmp_path / "y.npy", array, allow_pickle=True)
    for source in (array, tmp_path / "y.npy"):
        with pytest.raises(InputError, match=message):
            evaluate(source, dataset="mnist-5k")


def test_a_header_with_the_name_of_bfloat16(tmp_path: Any) -> None:
    """A dtype that NumPy does not know, as other libraries write it, is named."""
    np.save(tmp_path / "y.npy", np.zeros((2, 2), "<f2"))
    content = (tmp_path / "y.npy").read_bytes().replace(b"<f2", b"<g2")
    (tmp_path / "y.npy").write_bytes(content)
    with pytest.raises(InputError, match="probably bfloat16"):
        evaluate(tmp_path / "y.npy", dataset="mnist-5k")


def test_fortran_order_of_three_axes(tmp_path: Any) -> None:
    """A file in the other memory order is looked at as the array that it holds."""
    answers = draws(honest(10).probs.astype(np.float64))
    np.save(tmp_path / "y.npy", np.asfortranarray(answers))
    with pytest.raises(InputError, match=r"4 answers for each example.*save predictions\.mean\(axis=0\)"):
        evaluate(tmp_path / "y.npy", dataset="mnist-5k")


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.arange(1000) < 4, r"save np\.flatnonzero\(indices\)"),
        (np.arange(4.0), r"Save indices\.astype\(np\.int64\)"),
        (np.arange(4)[:, np.newaxis], r"Save indices\.ravel\(\)\.astype"),
        (np.arange(997, 1001), "counted from 1: save indices - 1"),
        (np.array([0.5, 1, 2, 3]), r"integers of shape \(N,\)$"),
    ],
)
def test_indices_of_a_wrong_kind(indices: np.ndarray, message: str) -> None:
    """A mask, floats, a column and indices from 1 are refused with what to save; others without advice."""
    with pytest.raises(InputError, match=message):
        evaluate(honest(10).probs[:4], dataset="mnist-5k", split="test", indices=indices)


def test_index_in_another_order() -> None:
    """A column that names the example of each row is refused with the slice and the indices to use."""
    probs = honest(10).probs.astype(np.float64)
    order = np.random.default_rng(0).permutation(1000)
    y = np.column_stack([order, probs[order]])
    advice = r"save predictions\[:, 1:\] and score it with indices=FILE, where FILE holds predictions\[:, 0\]\.astype"
    with pytest.raises(InputError, match=f"different whole numbers, as an index does: {advice}"):
        evaluate(y, dataset="mnist-5k")
    result = evaluate(y[:, 1:], dataset="mnist-5k", split="test", indices=y[:, 0].astype(np.int64))
    assert result.accuracy.value == evaluate(probs, dataset="mnist-5k").accuracy.value


def test_parts_of_train() -> None:
    """All but the first examples of train are told from all but the last; train and test in one file are noticed."""
    train = load_split("mnist-5k", "train").labels
    rng = np.random.default_rng(0)
    y = softmax(mnistloss.one_hot(train) * 20 + rng.normal(0, 1, (4000, 10)))
    with pytest.raises(InputError, match=r"500 fewer than train.* split=\"train\" and .*np\.arange\(500, 4000\)"):
        evaluate(y[500:], dataset="mnist-5k")
    both = np.vstack([y, honest(10).probs])
    with pytest.raises(
        InputError, match=r"1,000 more than train; the first 4,000 fit the labels .* save predictions\[0:4000\]"
    ):
        evaluate(both, dataset="mnist-5k")


def test_where_nothing_fits() -> None:
    """Numbers without any of the causes are described, and nothing is claimed."""
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"outside \[0, 1\], in 1,000 rows, first in row 0$"):
        evaluate(rng.integers(-9, 9, (1000, 10)), dataset="mnist-5k")
    with pytest.raises(InputError, match=r"\(values from .*\)$"):
        evaluate(rng.random((1000, 10)), dataset="mnist-5k")
    with pytest.raises(InputError, match=r"shape \(1000, 7\) of float64; .* column for each class$"):
        evaluate(rng.random((1000, 7)), dataset="mnist-5k")
    with pytest.raises(InputError, match=r"1,000 rows are all zero, rows 0 to 999"):
        evaluate(np.zeros((1000, 10)), dataset="mnist-5k")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (lambda t: t[:, np.newaxis], r"save targets\.ravel\(\)"),
        (lambda t: mnistloss.one_hot(t).T, r"save targets\.T"),
        (
            lambda t: np.append(t, t[:5]),
            r"1,005 labels for 1,000 predictions.* targets=FILE, where FILE holds targets\[0:1000\]",
        ),
        (lambda t: t[:-8], r"992 labels for 1,000 predictions. 8 more than the targets; .*save predictions\[0:992\]"),
    ],
)
def test_targets_of_a_wrong_shape(targets: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    """A column, transposed rows and another number are refused with what to save."""
    case = honest(10)
    with pytest.raises(InputError, match=f"(?i){message}"):
        evaluate(case.probs, targets=targets(case.labels))
