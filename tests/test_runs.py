"""Training runs of recipes: how they are named and paired, and their spread and tests against scipy and plain loops."""

import csv
import io
import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from pages import Page
from scipy import stats

from mnistloss import compare_runs, evaluate, evaluate_runs
from mnistloss.analysis.runs import report_runs, strip
from mnistloss.document import Lines
from mnistloss.errors import ArgumentError, InputError
from mnistloss.report import html

LABELS = np.arange(1000) % 10
ON_5K = ("--dataset", "mnist-5k")


def run(seed: int, shift: float = 0.0) -> np.ndarray:
    """Predictions of one run: noise of the seed around the labels, a little nearer to them by the shift."""
    rng = np.random.default_rng(seed)
    weight = 0.5 + shift + rng.normal(0, 0.02)
    y: np.ndarray = (1 - weight) * rng.dirichlet(np.full(10, 0.5), 1000) + weight * np.eye(10)[LABELS]
    return y


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: four runs of a and four of b, a little better, each in the folder of its seed."""
    for name, shift in (("a", 0.0), ("b", 0.03)):
        for seed in range(4):
            path = tmp_path / name / f"seed{seed}" / "preds.npy"
            path.parent.mkdir(parents=True)
            np.save(path, run(seed + (10 if name == "b" else 0), shift))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(name: str, seeds: int = 4) -> list[str]:
    return [f"{name}/seed{seed}/preds.npy" for seed in range(seeds)]


def values(files: list[str]) -> list[float]:
    return [evaluate(file, dataset="mnist-5k").losses["cee"].value for file in files]


def mean_losses(files: list[str]) -> list[float]:
    rows = [-np.log(np.load(file)[np.arange(1000), LABELS] + 1e-7) for file in files]
    return [statistics.fmean(column) for column in zip(*rows, strict=True)]


def test_evaluate_runs(folder: Path) -> None:
    """Mean and standard deviation are over the runs, the standard error is that of the mean loss of each example."""
    (recipe,) = evaluate_runs({"a": names("a")}, dataset="mnist-5k")
    cee = recipe.losses["cee"]
    assert cee.mean == pytest.approx(statistics.fmean(values(names("a"))), rel=1e-12)
    assert cee.sd_runs == pytest.approx(statistics.stdev(values(names("a"))), rel=1e-9)
    examples = mean_losses(names("a"))
    assert cee.stderr_examples == pytest.approx(statistics.stdev(examples) / math.sqrt(1000), rel=1e-9)
    accuracies = [evaluate(file, dataset="mnist-5k").accuracy.value for file in names("a")]
    assert recipe.accuracy.mean == pytest.approx(statistics.fmean(accuracies))
    assert recipe.accuracy.sd_runs == pytest.approx(statistics.stdev(accuracies))
    assert evaluate_runs({"a": names("a", 1)}, dataset="mnist-5k")[0].losses["cee"].sd_runs is None


@pytest.mark.parametrize("paired", [True, False])
def test_compare_runs_against_scipy(folder: Path, *, paired: bool) -> None:
    """Runs whose paths differ in the same part are paired; others are compared by Welch's test."""
    first, second = names("a"), names("b")[:: -1 if paired else 1][: 4 if paired else 3]
    result = compare_runs({"a": first, "b": second}, dataset="mnist-5k", confidence=0.9)
    (d,) = result.differences
    assert d.paired == paired
    x, y = values(first), values(sorted(second))
    expected = stats.ttest_rel(y, x) if paired else stats.ttest_ind(y, x, equal_var=False)
    assert d.p_runs == pytest.approx(expected.pvalue, rel=1e-7)
    assert d.ci_runs == pytest.approx(tuple(expected.confidence_interval(0.9)), rel=1e-7)
    examples = np.array(mean_losses(second)) - np.array(mean_losses(first))
    assert d.mean == pytest.approx(examples.mean(), rel=1e-9)
    assert d.stderr_examples == pytest.approx(stats.sem(examples), rel=1e-9)
    lines = result.parts()[0]
    assert isinstance(lines, Lines)
    assert ("The runs are not paired" in lines.lines[0]) == (not paired)
    verdict = "over 4 runs each." if paired else "b and a are not told apart over 4 and 3 runs: b minus a is "
    assert verdict in lines.lines[0]
    assert lines.lines[0].startswith("b is better than a by ") == paired


@pytest.mark.parametrize(
    ("first", "second", "paired"),
    [
        (["x/a_seed1.npy", "x/a_seed10.npy"], ["x/b_seed10.npy", "x/b_seed1.npy"], True),
        (["a10.npy", "a11.npy"], ["b20.npy", "b21.npy"], False),
        (["a/one.npy", "a/two.npy"], ["b/one.npy", "b/two.npy"], True),
        (["a/one.npy", "a/two.npy"], ["b/one.npy", "b/deep/two.npy"], False),
        (["a/one.npy", "a/deep/two.npy"], ["b/deep/two.npy", "b/one.npy"], True),
        (["a/1.npy", "a/2.npy", "a/3.npy"], ["b/1.npy", "b/2.npy"], False),
    ],
)
def test_pairs(first: list[str], second: list[str], *, paired: bool, tmp_path: Path) -> None:
    """Partners are runs whose paths differ from those of their name in the same words or numbers."""
    for place, name in enumerate(first + second):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, run(place))
    runs = {name: [str(tmp_path / file) for file in files] for name, files in (("a", first), ("b", second))}
    assert compare_runs(runs, dataset="mnist-5k").differences[0].paired == paired


def test_one_run_against_several(folder: Path) -> None:
    """t needs two runs a name: there is the interval over examples only, and the verdict says so."""
    result = compare_runs({"a": names("a", 1), "b": names("b")}, dataset="mnist-5k")
    (d,) = result.differences
    assert (d.ci_runs, d.p_runs, d.stderr_runs, d.ci_examples is None) == (None, None, None, False)
    assert "on these examples; t needs two runs of each name, so this says nothing of another" in str(result.parts())


def test_runs_that_are_not_told_apart() -> None:
    """Two runs each that scatter more than they differ: the verdict says what the examples say nevertheless."""
    runs = {"a": [run(1, -0.2), run(2, 0.2)], "b": [run(3, -0.1), run(4, 0.32)]}
    result = compare_runs(runs, dataset="mnist-5k")
    lines = result.parts()[0]
    assert isinstance(lines, Lines)
    assert lines.lines[0].startswith("b and a are not told apart over 2 runs each: b minus a is ")
    assert "though on these examples b is lower. The runs are not paired" in lines.lines[0]
    assert "not adjusted" not in lines.lines[-1]
    three = compare_runs({**runs, "c": [run(5)]}, dataset="mnist-5k").parts()[0]
    assert isinstance(three, Lines)
    assert three.lines[-1] == "p and intervals are not adjusted for the number of names."
    same = compare_runs({"a": [run(1), run(1)], "b": [run(1), run(1)]}, dataset="mnist-5k").differences[0]
    assert (same.p_runs, same.p_examples, same.ci_runs) == (None, None, (0.0, 0.0))


def test_refusals(folder: Path) -> None:
    """Runs of another length, split or input name the file; no runs, one name and infinite losses are refused."""
    np.save("train.npy", np.full((4000, 10), 0.1))
    with pytest.raises(InputError, match=r"^train\.npy: n is 4000, but 1000 in a/seed0/preds\.npy"):
        evaluate_runs({"a": [*names("a"), "train.npy"]}, dataset="mnist-5k")
    np.save("classes.npy", LABELS)
    with pytest.raises(InputError, match=r"^classes\.npy: input is labels, but probs in a/seed0/preds\.npy"):
        evaluate_runs({"a": names("a"), "b": ["classes.npy"]}, dataset="mnist-5k", losses="error")
    np.save("hard.npy", np.eye(10)[(LABELS + 1) % 10])
    with pytest.raises(InputError, match=r"^hard\.npy: the nll of 1,000 examples is infinite"):
        compare_runs({"a": names("a"), "b": ["hard.npy"]}, dataset="mnist-5k", loss="nll")
    infinite = evaluate_runs({"a": [*names("a"), "hard.npy"]}, dataset="mnist-5k", losses="nll")[0]
    assert infinite.as_dict()["losses"]["nll"] == {"mean": None, "sd_runs": None, "stderr_examples": None}
    with pytest.raises(ArgumentError, match="a has no runs"):
        evaluate_runs({"a": []}, dataset="mnist-5k")
    with pytest.raises(ArgumentError, match="needs two or more"):
        compare_runs({"a": names("a")}, dataset="mnist-5k")


def test_names_on_the_command_line(cli: Cli, folder: Path) -> None:
    """NAME=GLOB, NAME=FOLDER and repeated NAME=FILE give the same; a path that exists is a file, whatever its signs."""
    ways = [["a=a/*/*.npy"], ["a=a"], [f"a={file}" for file in names("a")], ["a=a", "a=a/seed1/preds.npy"]]
    outputs = {cli("eval", *way, *ON_5K, "--format", "json").stdout for way in ways}
    assert len(outputs) == 1
    (recipe,) = json.loads(outputs.pop())["recipes"]
    assert [one["predictions"] for one in recipe["runs"]] == names("a")
    odd = folder / "lr=0.4 [x]"
    odd.mkdir()
    np.save(odd / "p.npy", run(5))
    assert json.loads(cli("eval", "lr=0.4 [x]/p.npy", *ON_5K, "--format", "json").stdout)["evaluations"]
    (recipe,) = json.loads(cli("eval", "my model=lr=0.4 [x]", *ON_5K, "--format", "json").stdout)["recipes"]
    assert (recipe["name"], recipe["runs"][0]["predictions"]) == ("my model", "lr=0.4 [x]/p.npy")
    missing = cli("eval", "a=nothing/*.npy", *ON_5K)
    assert (missing.exit_code, "no file has this name or matches nothing/*.npy" in missing.stderr) == (1, True)
    mixed = cli("eval", "a=a", "b/seed0/preds.npy", *ON_5K)
    assert (mixed.exit_code, "b/seed0/preds.npy has no name" in mixed.stderr) == (2, True)
    assert cli("eval", "a=a", *ON_5K, "--per-class").exit_code == 2
    assert cli("eval", "a=a", *ON_5K, "--format", "scores").exit_code == 2
    assert cli("compare", "a=a", "b=b", *ON_5K, "--no-worse-than", 0).exit_code == 2


def test_formats(cli: Cli, folder: Path) -> None:
    """The table names each number in words; CSV and JSON have a row for the name and one for each run."""
    text = cli("eval", "a=a", "b=b", *ON_5K).stdout
    for words in ("mean over runs", "std. deviation over runs", "std. error over examples", "the runs", "accuracy"):
        assert words in text
    rows = list(csv.DictReader(io.StringIO(cli("eval", "a=a", *ON_5K, "--format", "csv").stdout)))
    (recipe,) = evaluate_runs({"a": names("a")}, dataset="mnist-5k")
    assert [row["run"] for row in rows] == ["", *names("a")]
    assert float(rows[0]["cee"]) == recipe.losses["cee"].mean
    assert [float(row["cee"]) for row in rows[1:]] == values(names("a"))
    document = json.loads(cli("compare", "a=a", "b=b", *ON_5K, "--format", "json").stdout, parse_constant=pytest.fail)
    expected = compare_runs({"a": names("a"), "b": names("b")}, dataset="mnist-5k").as_dict()
    assert document["comparison"] == json.loads(json.dumps(expected))


def test_hints_of_runs(cli: Cli, folder: Path) -> None:
    """A hint about a run stands below the tables under the name of its file."""
    np.save("b/seed1/preds.npy", np.roll(run(1, 0.3), 3, axis=0))
    text = cli("eval", "b=b", *ON_5K).stdout
    (recipe,) = json.loads(cli("eval", "b=b", *ON_5K, "--format", "json").stdout)["recipes"]
    hint, *_ = recipe["runs"][1]["hints"]
    assert f"Hint: b/seed1/preds.npy: {hint['evidence']}; {hint['advice']}" in text


def test_page(cli: Cli, folder: Path) -> None:
    """A page of runs has the verdict, the tables and one strip of points, with the mean and interval of each name."""
    report = report_runs({"a": names("a"), "b": names("b")}, dataset="mnist-5k")
    page = Page(html.render(report))
    assert any(text.startswith("b is better than a by ") for text in page.text["p"])
    assert page.text["h1"] == ["8 training runs"]
    assert len(page.named("svg")) == 1
    chart = strip(report.recipes, "cee", 0.95)
    points, mean = chart.curves
    assert (chart.y.names, points.y) == (("a", "b"), (1,) * 4 + (2,) * 4)
    assert points.x == pytest.approx((*values(names("a")), *values(names("b"))))
    interval = stats.ttest_1samp(points.x[:4], 0).confidence_interval(0.95)
    assert mean.x[:3] == pytest.approx((interval.low, statistics.fmean(points.x[:4]), interval.high))
    assert cli("report", "a=a", "-o", "page.html", *ON_5K).exit_code == 0
    printed = json.loads(cli("report", "a=a", "b=b", "--format", "json", *ON_5K).stdout)["report"]
    assert printed == json.loads(json.dumps(report.as_dict()))
