"""Tables for papers and pull requests: what a row of `compare` and of training runs says."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from planted import honest

from mnistloss import compare, compare_runs, evaluate_runs

ON_5K = ("--dataset", "mnist-5k")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files a, b and c, each smoother than the one before; x/0 and x/1, y/0 and y/1 are runs of two recipes."""
    monkeypatch.chdir(tmp_path)
    probs = honest().probs
    for name, share in {"a": 1, "b": 0.9, "c": 0.8, "x/0": 0.99, "x/1": 0.98, "y/0": 0.8, "y/1": 0.85}.items():
        Path(name).parent.mkdir(exist_ok=True)
        np.save(f"{name}.npy", share * probs + (1 - share) / 10)


def table(markdown: str) -> list[dict[str, str]]:
    """Return the rows of the only table by the headings of its columns."""
    heads, _, *rows = (
        [c.strip() for c in line.strip("|").split("|")] for line in markdown.split("\n") if line[:1] == "|"
    )
    return [dict(zip(heads, row, strict=True)) for row in rows]


def agrees(cell: str, value: float, error: float) -> bool:
    """Whether a cell, in bold or not, is the value ± the error, with two digits of the error."""
    left, right = cell.strip("*").split(" ± ")
    places = len(right.partition(".")[2])
    rounded = float(left) == pytest.approx(round(value, places)) and float(right) == pytest.approx(round(error, places))
    return rounded and len(left.partition(".")[2]) == places and 10 <= round(error * 10**places) < 100


def test_compared_files(cli: Cli) -> None:
    """A row a file: the loss and the difference from the baseline ± their standard errors; the verdicts come first."""
    result = compare("b.npy", "a.npy", "c.npy", dataset="mnist-5k")
    text = cli("compare", "b.npy", "a.npy", "c.npy", *ON_5K, "--format", "markdown").stdout
    assert text.startswith("a.npy is better than b.npy by ")
    rows = {row["predictions"]: row for row in table(text)}
    differences = {d.predictions: d for d in result.differences}
    for file in result.files:
        row = rows[file.predictions]
        assert agrees(row["cee"], file.loss, file.stderr or 0)
        assert row["cee"].startswith("**") == (file.predictions == "a.npy")
        assert row["accuracy"] == f"{file.accuracy:.3f}"  # equal in all files, so no bold
        if d := differences.get(file.predictions):
            assert agrees(row["difference"], d.mean, d.stderr or 0)
            assert row["difference"].startswith("+" if d.mean > 0 else "-")
        else:
            assert (row["difference"], row["95 % interval"], row["p, Holm"]) == ("baseline", "", "")


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_recipes(command: str, cli: Cli) -> None:
    """A row a recipe: the mean ± the standard deviation over its runs; compared, also the difference over the runs."""
    runs = {name: [f"{name}/{seed}.npy" for seed in (0, 1)] for name in "xy"}
    recipes = evaluate_runs(runs, losses="cee", dataset="mnist-5k")
    loss = "--loss", "cee"
    rows = table(cli(command, "x=x", "y=y", *loss, *ON_5K, "--format", "markdown").stdout)
    for row, recipe in zip(rows, recipes, strict=True):
        assert (row["name"], row["runs"]) == (recipe.name, "2")
        assert agrees(row["cee"], recipe.losses["cee"].mean, recipe.losses["cee"].sd_runs or 0)
        assert row["cee"].startswith("**") == (recipe.name == "x")
    if command == "compare":
        (d,) = compare_runs(runs, dataset="mnist-5k").differences
        assert rows[0]["difference"] == "baseline"
        assert agrees(rows[1]["difference"], d.mean, d.stderr_runs or 0)


def test_recipes_of_one_run(cli: Cli) -> None:
    """Of one run each there is no deviation, and the difference is over the examples."""
    (d,) = compare_runs({"x": ["x/0.npy"], "y": ["y/0.npy"]}, dataset="mnist-5k").differences
    first, second = table(cli("compare", "x=x/0.npy", "y=y/0.npy", *ON_5K, "--format", "markdown").stdout)
    assert "±" not in first["cee"] + first["accuracy"]
    assert agrees(second["difference"], d.mean, d.stderr_examples or 0)


@pytest.mark.parametrize("words", ["eval a.npy b.npy", "compare a.npy b.npy", "eval x=x", "compare x=x y=y"])
def test_where_signatures_stand(words: str, cli: Cli) -> None:
    """A signature for each file: folded in Markdown, a comment in LaTeX, where no other text has none."""
    markdown = cli(*words.split(), *ON_5K, "--format", "markdown").stdout
    seen, _, folded = markdown.partition("<details>\n<summary>signatures</summary>\n\n")
    assert "mnistloss:" not in seen
    count = {"eval x=x": 2, "compare x=x y=y": 4}.get(words, 2)
    assert folded.count("|mnistloss:") == folded.count("\n- ") + 1 == count
    lines = cli(*words.split(), *ON_5K, "--format", "latex").stdout.splitlines()
    assert sum("|mnistloss:" in line for line in lines) == count
    assert all(line.startswith("% ") for line in lines if "|mnistloss:" in line)
    assert lines.count(r"\toprule") == lines.count(r"\midrule") == lines.count(r"\bottomrule") == 1
