"""Predictions against predictions: paired differences and their tests, against scipy and by their definition."""

import io
import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from mnistloss import compare, evaluate, one_hot
from mnistloss.analysis.compare import Comparison
from mnistloss.cli.output import with_options
from mnistloss.datasets.load import load_split
from mnistloss.document import Lines, Pictures, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.stats import holm

LABELS = np.arange(1000) % 10
OWN: dict[str, Any] = {"targets": LABELS}
ON_5K = ("--dataset", "mnist-5k")


def cee(y: np.ndarray) -> np.ndarray:
    values: np.ndarray = -np.log(y.astype(np.float64)[np.arange(1000), LABELS] + 1e-7)
    return values


@pytest.fixture
def better(probs: np.ndarray) -> np.ndarray:
    """A little more right than `probs` on every fifth example, and a little less on others."""
    weight = np.where(np.arange(1000) % 5 == 0, 0.1, -0.0)[:, np.newaxis]
    noise = np.random.default_rng(1).dirichlet(np.ones(10), 1000)
    return (1 - weight) * probs * 0.99 + weight * 0.99 * one_hot(LABELS) + 0.01 * noise


def test_differences_are_paired(probs: np.ndarray, better: np.ndarray) -> None:
    """Mean and standard error are those of the differences; Hall's transform of both ends is the normal quantile."""
    stats = pytest.importorskip("scipy.stats")
    (found,) = compare(probs, better, dataset="mnist-5k").differences
    differences = cee(better) - cee(probs)
    assert found.mean == pytest.approx(differences.mean(), rel=1e-9)
    assert found.stderr == pytest.approx(stats.sem(differences), rel=1e-9)
    assert found.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1), rel=1e-9)
    u = stats.skew(differences) / math.sqrt(1000)

    def h(value: float) -> float:
        t = (differences.mean() - value) / stats.sem(differences)
        return float(t + u * t**2 / 3 + u**2 * t**3 / 27 + u / 6)

    assert found.ci is not None
    assert [h(end) for end in found.ci] == pytest.approx([1.959964, -1.959964])
    assert found.p == pytest.approx(2 * statistics.NormalDist().cdf(-abs(h(0))))
    content = found.as_dict()
    assert (content["interval"], content["p_flips"], content["exact"], content["bootstrap_ci"]) == ("hall", *[None] * 3)


def test_identical_files(probs: np.ndarray) -> None:
    """The same predictions differ by nothing: there is no p, and the verdict says why."""
    comparison = compare(probs, probs.copy(), dataset="mnist-5k")
    (found,) = comparison.differences
    assert found.mcnemar is not None
    assert (found.mean, found.p, found.p_holm, found.mcnemar["p"]) == (0, None, None, 1)
    assert (found.differ_most, found.rows) == ((), ())
    assert "not told apart on these 1,000 examples" in verdict(comparison)
    assert verdict(comparison).endswith("There is no p: all differences are equal.")


def test_constant_difference() -> None:
    """Where all differences are equal, but not 0, there is no p: the verdict claims neither side."""
    y, better = np.full((20, 10), 0.1), np.full((20, 10), 0.05)
    better[np.arange(20), LABELS[:20]] = 0.55
    text = verdict(compare(y, better, targets=LABELS[:20]))
    assert text.startswith(
        "predictions (2) minus predictions (1) is -1.7047473 cee (-1.7047473 to -1.7047473) on these 20"
    )
    assert text.endswith("There is no p: all differences are equal.")


def verdict(comparison: Comparison) -> str:
    lines = comparison.parts()[0]
    assert isinstance(lines, Lines)
    return lines.lines[0]


def test_verdict(probs: np.ndarray, better: np.ndarray, tmp_path: Path) -> None:
    """The first line says which file is better, by how much, within what, and what that does not cover."""
    for name, y in {"a": probs, "b": better}.items():
        np.save(tmp_path / f"{name}.npy", y)
    a, b = (str(tmp_path / f"{name}.npy") for name in "ab")
    found = compare(a, b, dataset="mnist-5k")
    (d,) = found.differences
    assert d.ci is not None
    end = "on these 1,000 examples; one file each says nothing of another training run."
    assert verdict(found) == f"{b} is better than {a} by {-d.mean:.3f} cee ({-d.ci[1]:.3f} to {-d.ci[0]:.3f}) {end}"
    worse = compare(b, a, dataset="mnist-5k")
    assert verdict(worse) == verdict(found).replace(f"{b} is better than {a}", f"{a} is worse than {b}")
    even = np.arange(1000)[:, np.newaxis] % 2 == 0
    alike = verdict(compare(np.where(even, probs, better), np.where(even, better, probs), **OWN))
    assert "are not told apart on these 1,000 examples: " in alike


def test_one_table_and_what_it_says(probs: np.ndarray, better: np.ndarray) -> None:
    """A row for each file, the baseline's without a difference; the lines name the hypothesis, Holm, and the power."""
    second = 0.98 * probs + 0.02 * better[::-1]
    for others, column in (((better,), ">p"), ((better, second), ">p, Holm")):
        found = compare(probs, *others, dataset="mnist-5k")
        tables = [part for part in found.parts() if isinstance(part, Table) and "differs most" not in part.title]
        (table,) = tables
        assert table.columns[-1] == column
        assert len(table.rows) == 1 + len(others)
        assert [row[3] for row in table.rows].count("baseline") == 1
        notes = found.parts()[2]
        assert isinstance(notes, Lines)
        text = "\n".join(notes.lines)
        assert text.startswith("p tests equal mean loss over all examples, of which these are a sample")
        assert ("(Holm), the intervals are not" in text) == (len(others) > 1)
        largest = max(d.stderr or 0 for d in found.differences)
        assert f"tell apart differences of {2.8015852 * largest:.2g} and more" in text
        assert "flips" not in text


def test_sign_flips_on_request(probs: np.ndarray, better: np.ndarray) -> None:
    """The sign-flip test is done where asked for: seeded, exact for few differences, its floor shown as at most."""
    first, again = (compare(probs, better, dataset="mnist-5k", flips=500, seed=3) for _ in range(2))
    assert first.as_dict() == again.as_dict()
    (d,) = first.differences
    assert (d.p_flips, d.exact) == (1 / 501, False)
    table = first.parts()[1]
    assert isinstance(table, Table)
    assert (table.columns[-1], table.rows[0][-1]) == (">p of flips", "≤ 0.0020")
    few = np.where(np.arange(1000) < 8, 1.0, 0.0)[:, np.newaxis]
    exact = compare(probs, (1 - few) * probs + few * better, dataset="mnist-5k", flips=500)
    (d,) = exact.differences
    assert d.exact
    table = exact.parts()[1]
    assert isinstance(table, Table)
    assert not any("≤" in row[-1] for row in table.rows)


def test_reliability_of_a_difference(probs: np.ndarray, better: np.ndarray) -> None:
    """Few wrong examples, or a few that carry the difference, give a sentence behind the verdict; others none."""
    assert compare(probs, better, dataset="mnist-5k").differences[0].reliability is None
    right = np.flatnonzero(probs.argmax(axis=1) == LABELS)[:50]
    found = compare(probs[right], better[right], targets=LABELS[right])
    assert verdict(found).endswith(
        "But only 0 of 50 examples are wrong in either file, so the interval and p are not reliable."
    )
    one = probs.copy()
    one[0] = 0.999 * one_hot(np.array([(LABELS[0] + 1) % 10]))[0] + 0.0001
    found = compare(probs, one, dataset="mnist-5k")
    assert found.differences[0].reliability == found.as_dict()["differences"][0]["reliability"]
    assert "But few of 1,000 examples carry most of the difference" in verdict(found)


def test_p_values_are_adjusted(probs: np.ndarray, better: np.ndarray) -> None:
    """Of several files, Holm's p-values are made of their own; where one has none, the others' are."""
    others = better, 0.98 * probs + 0.02 * better[::-1]
    first = compare(probs, *others, probs.copy(), dataset="mnist-5k")
    assert [d.p is None for d in first.differences].count(True) == 1
    assert [d.p_holm for d in first.differences if d.p] == holm([d.p for d in first.differences if d.p])
    accuracies = [d.mcnemar for d in first.differences if d.mcnemar]
    assert [m["p_holm"] for m in accuracies] == holm([m["p"] for m in accuracies])


def test_a_further_file_changes_no_other(probs: np.ndarray, better: np.ndarray) -> None:
    """A difference is the same number whoever else is compared; only Holm's correction looks at the others."""
    (alone,) = compare(probs, better, dataset="mnist-5k").differences
    both = compare(probs, better[::-1], better, dataset="mnist-5k").differences
    (same,) = (d for d in both if d.mean == alone.mean)
    assert (same.p, same.ci, same.differ_most) == (alone.p, alone.ci, alone.differ_most)


def test_order(probs: np.ndarray, better: np.ndarray, tmp_path: Path) -> None:
    """Files stand by their loss, the least first, and equal ones by name; a name given twice is told apart."""
    for name, y in {"b": probs, "a": probs, "z": better}.items():
        np.save(tmp_path / f"{name}.npy", y)
    b, a, z = (str(tmp_path / f"{name}.npy") for name in "baz")
    found = compare(b, a, z, dataset="mnist-5k")
    assert [file.predictions for file in found.files] == [z, a, b]
    assert [difference.predictions for difference in found.differences] == [z, a]
    twice = compare(b, z, b, dataset="mnist-5k")
    assert [file.predictions for file in twice.files] == [z, f"{b} (1)", f"{b} (3)"]
    np.save(tmp_path / "b.npy (1)", probs)
    (tmp_path / "b.npy (1).npy").rename(tmp_path / "b.npy (1)")
    odd = compare(b, f"{b} (1)", b, dataset="mnist-5k")
    assert [file.predictions for file in odd.files] == [f"{b} (1)", f"{b} (1) (2)", f"{b} (3)"]
    assert odd.baseline == f"{b} (1)"


def test_examples_that_differ_most(probs: np.ndarray, better: np.ndarray) -> None:
    """The largest differences of either sign, with index, label and both losses; pictures where there are any."""
    indices = np.arange(999, 499, -1)
    found = compare(probs[indices], better[indices], dataset="mnist-5k", split="test", indices=indices)
    (difference,) = found.differences
    before, after = cee(probs), cee(better)
    largest = sorted(range(500, 1000), key=lambda i: -abs(after[i] - before[i]))[:10]
    assert [case["index"] for case in difference.differ_most] == largest
    for case in difference.differ_most:
        assert case["label"] == LABELS[case["index"]]
        assert (case["baseline"], case["other"]) == pytest.approx((before[case["index"]], after[case["index"]]))
    (pictures,) = (part for part in found.parts() if isinstance(part, Pictures))
    images = load_split("mnist-5k", "test").images
    np.testing.assert_array_equal(pictures.images, images[largest])


def test_accuracies(probs: np.ndarray, better: np.ndarray) -> None:
    """McNemar's test counts the examples that only one gets right; soft targets have no such thing."""
    (found,) = compare(probs, better, dataset="mnist-5k").differences
    first, second = (probs.argmax(axis=1) == LABELS, better.argmax(axis=1) == LABELS)
    assert found.mcnemar is not None
    assert found.mcnemar["only_baseline"] == sum(x and not y for x, y in zip(first, second, strict=True))
    assert found.mcnemar["only_other"] == sum(y and not x for x, y in zip(first, second, strict=True)) > 0
    soft = 0.9 * one_hot(LABELS) + 0.01
    with_soft = compare(probs, better, targets=soft)
    assert with_soft.differences[0].mcnemar is None
    assert with_soft.differences[0].differ_most[0]["label"] is None
    assert "McNemar" not in str(with_soft.parts())
    assert "McNemar" in str(compare(probs, better, targets=LABELS).parts())


def test_predicted_classes(probs: np.ndarray, better: np.ndarray) -> None:
    """Classes can be compared by their error, and with probabilities too; cee of them is refused."""
    classes = better.argmax(axis=1)
    (found,) = compare(probs, classes, dataset="mnist-5k", loss="error").differences
    assert found.mean == pytest.approx((classes != LABELS).mean() - (probs.argmax(axis=1) != LABELS).mean())
    with pytest.raises(InputError, match=r"predicted classes.*cee would need a probability.*the loss error only"):
        compare(probs, classes, dataset="mnist-5k")


def test_one_example() -> None:
    """One example has a difference, but no interval, so that no gate lets it pass."""
    y, better = np.full(10, 0.1), np.r_[0.91, np.full(9, 0.01)]
    found = compare(y, better, targets=[0])
    (difference,) = found.differences
    assert difference.mean == pytest.approx(np.log(0.1 / 0.91), rel=1e-5)
    assert (difference.stderr, difference.ci, difference.effect_size, difference.p) == (None, None, None, None)
    assert found.worse_than(1e9) == [difference]
    assert verdict(found).startswith(
        "predictions (2) minus predictions (1) is -2.2082735 cee (-) on this 1 example. But"
    )
    assert len(found.parts()) > 3


def test_refusals(probs: np.ndarray) -> None:
    """Predictions of other examples, unknown losses and senseless numbers are refused with what was found."""
    with pytest.raises(InputError, match=r"train, 4,000 examples and .* test, 1,000 examples; paired"):
        compare(np.full((4000, 10), 0.1), probs, dataset="mnist-5k")
    for wrong, what in (
        ({"loss": "mae"}, "no loss is named 'mae'"),
        ({"flips": -1}, "flips is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"confidence": 1.0}, "confidence is 1"),
    ):
        with pytest.raises(ArgumentError, match=what):
            compare(probs, probs, dataset="mnist-5k", **wrong)


def test_sign_flips_agree_with_scipy(probs: np.ndarray, better: np.ndarray) -> None:
    """The p-value is that of scipy's paired permutation test, within the error of both."""
    stats = pytest.importorskip("scipy.stats")
    y = probs + (better - probs) * 0.05
    (found,) = compare(probs, y, dataset="mnist-5k", flips=4000).differences
    differences = cee(y) - cee(probs)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=4000, rng=np.random.default_rng(1)
    ).pvalue
    assert found.p_flips == pytest.approx(expected, abs=5 * math.sqrt(0.25 / 4000) * math.sqrt(2))


def test_infinite_losses_are_refused(probs: np.ndarray) -> None:
    """A difference of infinities is no number."""
    hard = one_hot((LABELS + 1) % 10).astype(np.float64)
    with pytest.raises(InputError, match=r"nll of 1,000 examples is infinite, so there.*use loss=\"cee\""):
        compare(probs, hard, dataset="mnist-5k", loss="nll")


def test_hints_of_each_file(cli: Cli, preds: Path, tmp_path: Path) -> None:
    """Each file's hints stand in JSON and, under its name, in the text; they are those of `eval`."""
    late = tmp_path / "late.npy"
    np.save(late, np.roll(0.9 * one_hot(LABELS[::-1]) + 0.01, 3, axis=0))
    arguments = ("compare", preds, late, *ON_5K)
    files = json.loads(cli(*arguments, "--format", "json").stdout)["comparison"]["files"]
    expected = {
        path: with_options(evaluate(path, dataset="mnist-5k").as_dict()["hints"]) for path in map(str, (preds, late))
    }
    assert {file["predictions"]: file["hints"] for file in files} == expected
    assert expected[str(late)]
    for hint in expected[str(late)]:
        assert f"Hint: {late}: {hint['evidence']}; {hint['advice']}" in cli(*arguments).stdout


def test_compare_command(cli: Cli, preds: Path, better: np.ndarray, tmp_path: Path) -> None:
    """`compare` prints and has JSON; the gate exits with 3 and says which file crossed it."""
    other = tmp_path / "other.npy"
    np.save(other, better)
    common = ("compare", preds, other, *ON_5K)
    assert "other.npy" in cli(*common).stdout
    document = json.loads(cli(*common, "--format", "json").stdout, parse_constant=pytest.fail)
    (found,) = document["comparison"]["differences"]
    upper = found["ci"][1]
    assert cli(*common, "--no-worse-than", upper + 1e-6).exit_code == 0
    result = cli(*common, "--no-worse-than", upper - 1e-6)
    assert (result.exit_code, f"{other}: the difference may be" in result.stderr) == (3, True)
    assert cli("compare", preds, *ON_5K).exit_code == 2
    assert cli("compare", preds, other, *ON_5K, "--no-worse-than", "nan").exit_code == 2
    assert cli("compare", "-", "-", *ON_5K).exit_code == 2


def test_compare_reads_standard_input(cli: Cli, preds: Path, better: np.ndarray) -> None:
    """One of the files may come by standard input."""
    stream = io.BytesIO()
    np.save(stream, better)
    result = cli("compare", preds, "-", *ON_5K, input=stream.getvalue())
    assert (result.exit_code, "below zero is better" in result.stdout) == (0, True)


def test_an_input_for_each_file(cli: Cli, preds: Path, probs: np.ndarray, tmp_path: Path) -> None:
    """Each file is read as its own input says: one for all, or one for each, in the library and on the command line."""
    logs = tmp_path / "logs.npy"
    np.save(logs, np.log(probs.astype(np.float64)))
    rest: dict[str, Any] = {"dataset": "mnist-5k", "delta": 0.0}
    (difference,) = compare(preds, logs, input=["probs", "logprobs"], **rest).differences
    assert abs(difference.mean) < 1e-6
    assert compare(logs, logs, input="logprobs", **rest).differences[0].mean == 0
    with pytest.raises(ArgumentError, match="3 inputs for 2 predictions; expected one, or one for each"):
        compare(preds, logs, input=["probs"] * 3, **rest)
    common = ("compare", preds, logs, *ON_5K, "--delta", 0)
    result = cli(*common, "--input", "probs", "--input", "logprobs", "--format", "json")
    files = json.loads(result.stdout)["comparison"]["files"]
    inputs = {file["predictions"]: file["signature"].split("|")[4] for file in files}
    assert inputs == {str(preds): "input:probs", str(logs): "input:logprobs"}
    assert cli(*common, "--input", "probs", "--input", "probs", "--input", "probs").exit_code != 0
