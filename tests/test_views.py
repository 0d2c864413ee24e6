"""Views of `inspect`: results, options, needed columns and refusals."""

import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, scores_of

from mnistloss import evaluate
from mnistloss.analysis.confusion import confusion
from mnistloss.analysis.inspect import VIEWS, find_view
from mnistloss.cli.output import with_options
from mnistloss.document import Table, charts
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.evaluation.targets import DataOptions
from mnistloss.formatting import as_options

LABELS = np.arange(1000) % 10


@pytest.fixture
def examples(probs: np.ndarray) -> Scores:
    return scores_of(probs, DataOptions(dataset="mnist-5k"))


def test_confusion(examples: Scores, probs: np.ndarray) -> None:
    """Counts and costs of each pair of classes equal those of a plain loop; their sums are the totals."""
    found = confusion(examples)
    counts, costs = np.zeros((10, 10), int), np.zeros((10, 10))
    for row, t in zip(probs.astype(np.float64), LABELS, strict=True):
        counts[t, row.argmax()] += 1
        costs[t, row.argmax()] -= np.log(row[t] + 1e-7)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.costs, costs, rtol=1e-12)
    value = evaluate(probs, dataset="mnist-5k").losses["cee"].value
    assert found.costs.sum() / 1000 == pytest.approx(value, rel=1e-12)
    ledger = found.ledger()
    assert [row[3] for row in ledger] == sorted((row[3] for row in ledger), reverse=True)
    assert sum(row[4] or 0 for row in ledger) == pytest.approx(1)
    matrix = found.parts()[0]
    assert isinstance(matrix, Table)
    assert [len(row) for row in matrix.shades] == [len(row) for row in matrix.rows] == [12] * 10
    np.testing.assert_allclose(np.array(matrix.shades)[:, 1:-1] ** 2, found.costs / found.costs.max(), rtol=1e-12)


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_prints_and_is_json(name: str, cli: Cli, preds: Path) -> None:
    """Each view prints a table, JSON and a help text; JSON never holds NaN or Infinity."""
    result = cli("inspect", name, preds, "--dataset", "mnist-5k")
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) > 3
    document = json.loads(
        cli("inspect", name, preds, "--dataset", "mnist-5k", "--format", "json").stdout, parse_constant=pytest.fail
    )
    assert list(document["views"]) == [name]
    assert ("--plot" in cli("inspect", name, "--help").stdout) is VIEWS[name].charted


@pytest.mark.parametrize("name", VIEWS)
def test_charted_views_have_charts(name: str, examples: Scores) -> None:
    """A view has --plot if its result holds a chart; the axes of the chart name a unit or what they count."""
    found = charts(VIEWS[name].run(examples).parts())
    assert bool(found) is VIEWS[name].charted
    for chart in found:
        assert re.search(r"in nats|a share|in %|mini-batches", f"{chart.x.label}")
        assert re.search(r"in nats|a share|in %|mini-batches", f"{chart.y.label}")


@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if view.needs != ALL_COLUMNS])
def test_declared_columns_are_enough(name: str, probs: np.ndarray, examples: Scores) -> None:
    """A view gives the same result if only the columns that it declares are kept."""
    found = VIEWS[name].run(scores_of(probs, DataOptions(dataset="mnist-5k"), VIEWS[name].needs))
    assert found.as_dict() == VIEWS[name].run(examples).as_dict()


def test_many_predicted_classes_of_bytes(tmp_path: Path) -> None:
    """Predicted classes of a file with several blocks are kept correctly: no block overwrites another."""
    t = np.random.default_rng(3).integers(0, 10, 25_000).astype(np.uint8)
    np.save(tmp_path / "y.npy", t)
    found = scores_of(tmp_path / "y.npy", DataOptions(targets=t, input="labels"))
    np.testing.assert_array_equal(found.predicted, t)
    assert np.trace(confusion(found).counts) == 25_000


def test_what_is_kept_of_many_examples(tmp_path: Path) -> None:
    """Of 500,000 examples, only one float64 each is kept; all probabilities are never in memory at once."""
    np.save(tmp_path / "y.npy", np.full((500_000, 10), 0.1, np.float32))
    np.save(tmp_path / "t.npy", np.zeros(500_000, np.uint8))
    tracemalloc.start()
    try:
        found = scores_of(tmp_path / "y.npy", DataOptions(targets=tmp_path / "t.npy"), VIEWS["confusion"].needs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.columns.keys() == {"predicted", "cee", "error"}
    assert peak < 40e6  # what the probabilities alone would take


def test_many_classes_on_a_narrow_terminal(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix that does not fit is replaced by a sentence on a terminal; a pipe gets all columns."""
    np.save(tmp_path / "y.npy", np.full((300, 150), 1 / 150))
    np.save(tmp_path / "t.npy", np.arange(300) % 150)
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("inspect", "confusion", tmp_path / "y.npy", "--targets", tmp_path / "t.npy").stdout.splitlines()
    assert "152 columns do not fit into a width of 80; --format json prints them" in lines
    assert len(lines) < 25
    monkeypatch.delenv("COLUMNS")
    whole = cli("inspect", "confusion", tmp_path / "y.npy", "--targets", tmp_path / "t.npy").stdout
    assert "columns do not fit" not in whole
    assert max(map(len, whole.splitlines())) > 500


def test_unknown_options_and_columns(probs: np.ndarray, examples: Scores) -> None:
    """Unknown options of a view and unknown names of columns are refused."""
    with pytest.raises(ArgumentError, match="worst has no option kk"):
        VIEWS["worst"].see(examples, kk=3)
    with pytest.raises(ArgumentError, match="nothing that can be kept is named 'typo'"):
        scores_of(probs, DataOptions(dataset="mnist-5k"), ("cee", "typo"))


def test_infinite_costs_are_null_in_json(cli: Cli, tmp_path: Path) -> None:
    """If probabilities are 0 or 1 and delta is 0, losses are infinite: each view prints them, with null in JSON."""
    np.save(tmp_path / "hard.npy", np.eye(10)[(LABELS + (LABELS == 3)) % 10])
    common = ("inspect", "all", tmp_path / "hard.npy", "--dataset", "mnist-5k", "--delta", 0)
    document = json.loads(cli(*common, "--format", "json").stdout, parse_constant=pytest.fail)
    assert document["views"]["confusion"]["ledger"][0]["cost"] is None
    matrix = confusion(scores_of(tmp_path / "hard.npy", DataOptions(dataset="mnist-5k", delta=0))).parts()[0]
    assert isinstance(matrix, Table)
    np.testing.assert_array_equal(np.array(matrix.shades), np.eye(10, 12, 2) * (np.arange(10) == 3)[:, np.newaxis])
    assert "infinite" in cli(*common).stdout


def test_all_views_of_predicted_classes(cli: Cli, probs: np.ndarray, tmp_path: Path) -> None:
    """With "all", a view that is not possible prints the reason; this view alone is refused."""
    np.save(tmp_path / "classes.npy", probs.argmax(axis=1))
    common = (tmp_path / "classes.npy", "--dataset", "mnist-5k")
    views = json.loads(cli("inspect", "all", *common, "--format", "json").stdout)["views"]
    assert "would need a probability for every class" in views["calibration"]["refused"]
    assert views["confusion"]["loss"] == "error"
    output = cli("inspect", "all", *common).stdout
    assert re.findall(r"^(\w+) ─+$", output, re.MULTILINE) == list(VIEWS)
    assert "Not available: " in output
    assert cli("inspect", "calibration", *common).exit_code == 1


def test_views_name_the_predictions(cli: Cli, preds: Path, tmp_path: Path) -> None:
    """Each view, and its JSON, names file, dataset and split, and has the signature and the hints of `eval`."""
    late = tmp_path / "late.npy"
    np.save(late, np.roll(0.9 * np.eye(10)[LABELS[::-1]] + 0.01, 3, axis=0))
    for path, name in ((preds, "confusion"), (late, "all")):
        expected = evaluate(path, dataset="mnist-5k")
        lines = cli("inspect", name, path, "--dataset", "mnist-5k").stdout.splitlines()
        assert lines[0] == f"{path} on mnist-5k test, n = 1,000"
        hints = [as_options(f"Hint: {path}: {hint.evidence}; {hint.advice}") for hint in expected.hints]
        signature = str(expected.losses["cee"].signature)
        assert lines[lines.index(signature) :] == [signature, *hints]
        text = cli("inspect", name, path, "--dataset", "mnist-5k", "--format", "json").stdout
        assert json.loads(text)["hints"] == with_options(expected.as_dict()["hints"])


def test_rules_are_no_wider_than_a_page(cli: Cli, preds: Path) -> None:
    """If the output is not a terminal, lines between views are 80 columns wide."""
    output = cli("inspect", "all", preds, "--dataset", "mnist-5k").stdout
    rules = [line for line in output.splitlines() if line.startswith(tuple(VIEWS)) and line.endswith("──")]
    assert [len(rule) for rule in rules] == [80] * len(VIEWS)


def test_inspect_lists_the_views(cli: Cli, preds: Path) -> None:
    """`inspect` alone lists the views, `inspect all` shows all of them, and an unknown name is a usage error."""
    output = cli("inspect").stdout
    for view in VIEWS.values():
        assert view.name in output
        assert view.meaning in output
    document = json.loads(cli("inspect", "all", preds, "--dataset", "mnist-5k", "--format", "json").stdout)
    assert list(document["views"]) == list(VIEWS)
    assert cli("inspect", "nothing", preds).exit_code == 2
    with pytest.raises(ArgumentError, match="no view is named 'nothing'; the views are confusion"):
        find_view("nothing")
