"""The benchmarks, without a clock: what is promised is measured, judged, and shown in benchmarks/README.md."""

import io

import pytest
from rich.console import Console

from benchmarks.__main__ import README, RESULTS
from benchmarks.figures import FIGURES
from benchmarks.growth import CURVES, Curve
from benchmarks.measuring import Budget, Goal, Result, Row
from benchmarks.report import Report, insert

PROMISED = {
    "help": "≤ 1.4 ×",
    "version": "≤ 1.4 ×",
    "completion": "≤ 1.4 ×",
    "eval-json": "≤ 1.3 ×",
    "eval-table": "≤ 1.3 ×",
    "eval-script": "≥ 5 × faster",
    "pass-one": "≥ 8 × faster",
    "pass-bare": "≥ 8 × faster",
    "logits": "≥ 3 × faster",
    "memory": "≤ +64 MB",
    "files": "≥ 12 × faster",
    "epoch-torch": "≥ 15 × faster",
    "epoch-numpy": "≤ 1.5 ×",
    "load": "≥ 4 × faster",
    "compare": "≥ 10 × faster",
}
MADE_UP = Report(
    "Abacus, 2 processors",
    {"Python": "3.11.7", "numpy": "2.4.6"},
    "2018-01-02",
    (
        Result.of(Row("help", "`mnistloss --help`", "`click`", Goal("at most", 1.4)), [(0.05, 0.04), (0.06, 0.04)]),
        Result.of(Row("load", "load", "gunzip", Goal("faster", 4)), [(1.0, 3.0), (0.5, 2.0), (2.0, 10.0)]),
        Result.of(Row("memory", "peak", "before", Goal("more", 64)), [(165.0, 100.0)]),
        Result.of(Row("gain", "gain", "gain of exp", Goal("share", 0.85)), [(1.7, 2.0)]),
    ),
    (Curve("rows", (100, 10_000, 1_000_000), (0.002, 0.2, 20.0)),),
)
MARKDOWN = """\
| what | against | ours | theirs | ratio (middle half) | goal | met |
| --- | --- | --- | --- | --- | --- | --- |
| `mnistloss --help` | `click` | 55.0 ms | 40.0 ms | 1.38 × (1.31 to 1.44) | ≤ 1.4 × | yes |
| load | gunzip | 1.00 s | 3.00 s | 4 × (3.5 to 4.5) | ≥ 4 × faster | yes |
| peak | before | 165 MB | 100 MB | +65 MB | ≤ +64 MB | no |
| gain | gain of exp | 1.70 × | 2.00 × | 0.85 | ≥ 0.85 of it | yes |

| rows | time ~ rows^1.00 | rows a second |
| --- | --- | --- |
| 100 | 2.00 ms | 50,000 |
| 10,000 | 200 ms | 50,000 |
| 1,000,000 | 20.0 s | 50,000 |

Abacus, 2 processors; Python 3.11.7, numpy 2.4.6; 2018-01-02.
"""
TERMINAL = """\

 figure   ours      theirs    ratio (middle half)     goal           met
 ───────────────────────────────────────────────────────────────────────
 help     55.0 ms   40.0 ms   1.38 × (1.31 to 1.44)   ≤ 1.4 ×        yes
 load     1.00 s    3.00 s    4 × (3.5 to 4.5)        ≥ 4 × faster   yes
 memory   165 MB    100 MB    +65 MB                  ≤ +64 MB       no
 gain     1.70 ×    2.00 ×    0.85                    ≥ 0.85 of it   yes


 rows        time ~ rows^1.00   rows a second
 ────────────────────────────────────────────
 100         2.00 ms            50,000
 10,000      200 ms             50,000
 1,000,000   20.0 s             50,000

Abacus, 2 processors; Python 3.11.7, numpy 2.4.6; 2018-01-02."""


def test_all_that_is_promised_is_measured() -> None:
    """Every figure is there with its goal, and growth against rows and files."""
    assert {name: str(row.goal) for name, (row, _) in FIGURES.items()} == PROMISED
    assert set(CURVES) == {"growth-rows", "growth-files"}


@pytest.mark.parametrize(
    ("goal", "ours", "theirs", "value", "met"),
    [
        (Goal("at most", 1.5), 3.0, 2.0, 1.5, True),
        (Goal("at most", 1.5), 3.1, 2.0, 1.55, False),
        (Goal("faster", 8), 0.5, 4.0, 8.0, True),
        (Goal("faster", 8), 4.0, 0.5, 0.125, False),
        (Goal("more", 64), 100.0, 36.0, 64.0, True),
        (Goal("more", 64), 101.0, 36.0, 65.0, False),
        (Goal("share", 0.75), 1.5, 2.0, 0.75, True),
        (Goal("share", 0.75), 1.0, 2.0, 0.5, False),
    ],
)
def test_goals(goal: Goal, ours: float, theirs: float, value: float, met: bool) -> None:
    """A goal is a bound on the right ratio, in the right direction, and holds at the bound itself."""
    assert goal.value(ours, theirs) == value
    assert goal.met(value) is met


def test_sides_take_turns() -> None:
    """Ours and theirs are measured A B A B, and the first pair does not count."""
    turns: list[str] = []

    def side(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    pairs = Budget(seconds=0, fewest=2).quantities(lambda: side("ours"), lambda: side("theirs"))
    assert turns == ["ours", "theirs"] * 3
    assert pairs == [(3.0, 4.0), (5.0, 6.0)]


def test_markdown() -> None:
    """A report as benchmarks/README.md shows it, to the letter."""
    assert MADE_UP.markdown() == MARKDOWN


def test_terminal() -> None:
    """A report on a terminal of 80 columns, to the letter: rows go by their names."""
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(MADE_UP.renderable())
    assert [line.rstrip() for line in captured.get().splitlines()] == TERMINAL.split("\n")


def test_json_and_back() -> None:
    """A report written as JSON and read again shows the same."""
    assert Report.from_json(MADE_UP.to_json()).markdown() == MARKDOWN


def test_readme_shows_the_results() -> None:
    """benchmarks/README.md shows between its markers what results.json holds, of every figure and both curves."""
    report = Report.from_json(RESULTS.read_text("utf-8"))
    readme = README.read_text("utf-8")
    assert insert(readme, report.markdown()) == readme
    assert [result.name for result in report.figures] == list(PROMISED)
    assert [curve.what for curve in report.growth] == ["rows", "files"]


def test_a_readme_without_its_place() -> None:
    """Results are not lost silently where the markers are missing."""
    with pytest.raises(SystemExit, match=r"benchmarks/README\.md has no lines <!-- bench --> and <!-- /bench -->"):
        insert("# Speed\n", MARKDOWN)
