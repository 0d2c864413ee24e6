"""Results in Python: what print, repr and a notebook show, flat rows, and `report` as a function."""

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from conftest import Cli
from nbclient import NotebookClient
from planted import honest

import mnistloss
from mnistloss import compare, compare_runs, evaluate, evaluate_runs, explain_example, inspect
from mnistloss.evaluation.hints import Hint

ON_5K = ("--dataset", "mnist-5k")
NOTEBOOK = Path(mnistloss.__file__).parents[1] / "docs" / "notebook.ipynb"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """a.npy, an honest file; b.npy, a smoother one; x/0.npy to y/1.npy, two runs of two recipes."""
    monkeypatch.chdir(tmp_path)
    probs = honest().probs
    np.save("a.npy", probs)
    np.save("b.npy", 0.9 * probs + 0.01)
    for name, share in (("x", 0.99), ("y", 0.8)):
        (tmp_path / name).mkdir()
        for seed in range(2):
            weight = share - seed / 100
            np.save(f"{name}/{seed}.npy", weight * probs + (1 - weight) / 10)


RUNS = {name: [f"{name}/{seed}.npy" for seed in range(2)] for name in "xy"}
CALLS: dict[str, Any] = {
    "eval a.npy --per-class --top 3": lambda: evaluate("a.npy", dataset="mnist-5k", per_class=True, top=[3]),
    "compare a.npy b.npy": lambda: compare("a.npy", "b.npy", dataset="mnist-5k"),
    "eval x=x y=y": lambda: evaluate_runs(RUNS, dataset="mnist-5k"),
    "compare x=x y=y": lambda: compare_runs(RUNS, dataset="mnist-5k"),
    "inspect all a.npy": lambda: inspect("a.npy", dataset="mnist-5k"),
    "inspect worst a.npy": lambda: inspect("a.npy", "worst", dataset="mnist-5k"),
    "explain example a.npy --index 3": lambda: explain_example("a.npy", 3, dataset="mnist-5k"),
    "explain accuracy --steps 20": lambda: mnistloss.explain_accuracy(steps=20),
    "explain learning --epochs 2": lambda: mnistloss.explain_learning(epochs=2),
}
"""Calls of the library by the command that prints the same."""


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", CALLS)
def test_what_a_result_shows(command: str, cli: Cli) -> None:
    """print gives what the command prints, repr one line; HTML has no command-line options."""
    result = CALLS[command]()
    words = [*command.split(), *ON_5K]
    printed = "\n".join(line.rstrip() for line in cli(*words).stdout.rstrip().split("\n"))
    assert str(result) == printed
    assert len(repr(result)) < 220
    assert "\n" not in repr(result)
    html = result._repr_html_()
    assert html.count("<table") >= 1
    assert "Heading(" not in html


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", list(CALLS)[:4])
def test_markdown_and_rows_are_those_of_the_formats(command: str, cli: Cli) -> None:
    """A notebook without the extra shows `--format markdown`; rows() are the rows of `--format csv`."""
    result = CALLS[command]()
    words = [*command.split(), *ON_5K, "--format"]
    assert f"{result._repr_markdown_()}\n" == cli(*words, "markdown").stdout
    rows = list(csv.DictReader(io.StringIO(cli(*words, "csv").stdout)))
    assert len(rows) == len(result.rows())
    for row, expected in zip(rows, result.rows(), strict=True):
        assert {k: v for k, v in row.items() if v} == {k: str(v) for k, v in expected.items() if v not in (None, "")}


@pytest.mark.usefixtures("files")
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib there is no HTML, and so a notebook shows the Markdown."""
    result = inspect("a.npy", "calibration", dataset="mnist-5k")
    assert "<svg" in (result._repr_html_() or "")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert result._repr_html_() is None
    lines = result._repr_markdown_().splitlines()
    assert lines[0] == "a.npy on mnist-5k test, n = 1,000"
    assert sum(line.startswith("|") for line in lines) > 10


@pytest.mark.usefixtures("files")
def test_rows_of_other_results() -> None:
    """A view has a row for each item of its lists, an example for each class, a path for each position."""
    rows = inspect("a.npy", "worst", options={"k": 3}, dataset="mnist-5k").rows()
    assert [(row["view"], set(row) > {"index", "loss"}) for row in rows] == [("worst", True)] * 3
    assert {row["view"] for row in inspect("a.npy", dataset="mnist-5k").rows()} > {"confusion", "calibration", "delta"}
    example = explain_example("a.npy", 3, dataset="mnist-5k")
    assert [row["class"] for row in example.rows()] == list(range(10))
    path = mnistloss.explain_accuracy(steps=4)
    assert [row["loss"] for row in path.rows()] == path.loss.tolist()
    refused = next(mnistloss.evaluate_many(["missing.npy"], dataset="mnist-5k"))
    assert refused.rows() == [refused.row()]


@pytest.mark.usefixtures("files")
def test_outputs_in_one_notebook() -> None:
    """Views have headings, ids of tables occur once in a notebook, and texts name Python keywords, not options."""
    a, b = (evaluate(path, dataset="mnist-5k")._repr_html_() or "" for path in ("a.npy", "b.npy"))
    views = inspect("a.npy", dataset="mnist-5k")._repr_html_() or ""
    assert "<h3>calibration</h3>" in views
    ids = re.findall(r' id="([^"]+)"', a + b + views)
    assert len(set(ids)) == len(ids) > 10
    hint = Hint("a-hint", "these look like logits", 'score these with input="logits"')
    assert "with input=&#34;logits&#34;" in (
        replace(evaluate("a.npy", dataset="mnist-5k"), hints=(hint,))._repr_html_() or ""
    )


@pytest.mark.usefixtures("files")
def test_report() -> None:
    """`report` writes the page of the command: of one file, of several, or of training runs."""
    for predictions, text in (("a.npy", "a.npy"), (["a.npy", "b.npy"], "2 files"), (RUNS, "4 training runs")):
        mnistloss.report(predictions, "page.html", note="a note", dataset="mnist-5k")
        page = Path("page.html").read_text("utf-8")
        assert f"<title>{text}" in page
        assert "a note" in page


@pytest.mark.parametrize(
    "code",
    [
        "import mnistloss.report.formats; mnistloss.report('x.npy', 'x.html')",
        "from mnistloss.report import formats; from mnistloss import report; report('x.npy', 'x')",
        "from mnistloss import report; import mnistloss.report.charts; mnistloss.report('x.npy', 'x.html')",
        "import mnistloss; print(mnistloss.evaluate([0.1] * 10, targets=[3])); mnistloss.report('x', 'y')",
    ],
)
def test_report_is_a_function_and_a_package(code: str, tmp_path: Path) -> None:
    """The function has the name in whatever order it and the package of the same name are imported."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=tmp_path, check=False
    )
    assert done.stderr.splitlines()[-1].startswith("mnistloss.errors.InputError: x"), done.stderr


def test_notebook(tmp_path: Path) -> None:
    """The notebook in docs/ runs without warnings, and each result in it has HTML, Markdown and a short text."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not stored"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    kinds = [output.get("name", output.output_type) for found in outputs.values() for output in found]
    assert set(kinds) == {"execute_result", "stdout"}
    shown = [output.data for found in outputs.values() for output in found if "data" in output]
    results = [data for data in shown if "text/markdown" in data]
    assert len(results) >= 9
    assert all("<table" in data["text/html"] and len(data["text/plain"]) < 220 for data in results)
    assert sum("<svg" in data["text/html"] for data in results) >= 3
    assert (tmp_path / "report.html").exists()
