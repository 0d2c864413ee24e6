"""The benchmarks, without a clock: what is promised is measured, judged, and shown in benchmarks/README.md."""

import io
import sys

import pytest
from rich.console import Console

from benchmarks.__main__ import README, RESULTS
from benchmarks.figures import FIGURES
from benchmarks.growth import CURVES, Curve
from benchmarks.measuring import Budget, Goal, Measurement, Remote, Result, Row, cost, process
from benchmarks.report import Report, insert

PROMISED = {
    "help": "≤ 1.15 ×",
    "version": "≤ 1.15 ×",
    "completion": "≤ 1.15 ×",
    "eval-json": "≤ 1.15 ×",
    "eval-table": "≤ 1.15 ×",
    "sklearn": "≥ 5 × faster",
    "torchmetrics": "≥ 5 × faster",
    "keras": "≥ 5 × faster",
    "torch": "≥ 10 × faster",
    "pass-before": "≥ 1.8 × faster",
    "pass-sha": "≤ 1.6 ×",
    "pass-bare": "≥ 5 × faster",
    "logits": "≥ 1 × faster",
    "logits-float32": "none, shown",
    "files": "≥ 6 × faster",
    "files-refused": "≤ 1.3 ×",
    "files-cluster": "≥ 1.7 × faster",
    "files-overhead": "≤ +0.1 ms",
    "files-memory": "≤ +4 MB",
    "epoch": "≤ 1.1 ×",
    "load": "≤ 1.25 ×",
    "memory": "≤ +64 MB",
    "compare": "≥ 10 × faster",
}
MADE_UP = Report(
    "Abacus, 2 processors",
    {"Python": "3.11.7", "numpy": "2.4.6"},
    "2018-01-02",
    (
        Result.of(
            Row("help", "`mnistloss --help`", "`click`", Goal("at most", 1.4)),
            Measurement([(0.05, 0.05), (0.06, 0.05)], [(0.04, 0.03), (0.04, 0.03)]),
        ),
        Result.of(
            Row("load", "load", "gunzip", Goal("faster", 4)),
            Measurement(
                [(1.0, 1.5), (0.5, 1.0), (2.0, 2.5)],
                [(3.0, 3.0), (2.0, 2.0), (10.0, 10.0)],
                {"SHA-256": [0.5, 0.4, 0.5], "one read": [0.1, 0.1, 0.2]},
            ),
        ),
        Result.of(Row("memory", "peak", "before", Goal("more", 64)), Measurement([(165.0, 0.0)], [(100.0, 0.0)])),
        Result.of(Row("single", "cee", "float32", Goal("shown", 0)), Measurement([(2.0, 2.0)], [(1.0, 2.0)])),
        Result.of(Row("older", "pass", "before", Goal("faster", 2)), Measurement(missing="no such commit")),
    ),
    (Curve("rows", (100, 10_000, 1_000_000), (0.002, 0.2, 20.0)),),
)
MARKDOWN = """\
| what | against | ours (CPU) | theirs (CPU) | ratio (middle half) | goal | met | ours to the limits |
| --- | --- | --- | --- | --- | --- | --- | --- |
| `mnistloss --help` | `click` | 55.0 ms (50.0 ms) | 40.0 ms (30.0 ms) | 1.38 × (1.31 to 1.44) | ≤ 1.4 × | yes |  |
| load | gunzip | 1.00 s (1.50 s) | 3.00 s (3.00 s) | 4 × (3.5 to 4.5) | ≥ 4 × faster | yes | LIMITS |
| peak | before | 165 MB | 100 MB | +65 MB | ≤ +64 MB | no |  |
| cee | float32 | 2.00 s (2.00 s) | 1.00 s (2.00 s) | 0.5 × | none, shown |  |  |
| pass | before | - | - | - | ≥ 2 × faster | - | no such commit |

| rows | time ~ rows^1.00 | rows a second |
| --- | --- | --- |
| 100 | 2.00 ms | 50,000 |
| 10,000 | 200 ms | 50,000 |
| 1,000,000 | 20.0 s | 50,000 |

Abacus, 2 processors; Python 3.11.7, numpy 2.4.6; 2018-01-02.
""".replace("LIMITS", "2.00 × SHA-256 (500 ms), 10.00 × one read (100 ms)")
TERMINAL = """\

 figure   ours (CPU)          theirs (CPU)        ratio (middle half)     goal           met
 ───────────────────────────────────────────────────────────────────────────────────────────
 help     55.0 ms (50.0 ms)   40.0 ms (30.0 ms)   1.38 × (1.31 to 1.44)   ≤ 1.4 ×        yes
 load     1.00 s (1.50 s)     3.00 s (3.00 s)     4 × (3.5 to 4.5)        ≥ 4 × faster   yes
 memory   165 MB              100 MB              +65 MB                  ≤ +64 MB       no
 single   2.00 s (2.00 s)     1.00 s (2.00 s)     0.5 ×                   none, shown
 older    -                   -                   -                       ≥ 2 × faster   -


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
        (Goal("shown", 0), 2.0, 1.0, 0.5, True),
        (Goal("more CPU", 0.25), 1.5, 1.25, 0.25, True),
    ],
)
def test_goals(goal: Goal, ours: float, theirs: float, value: float, met: bool) -> None:
    """A goal is a bound on the right ratio, in the right direction, and holds at the bound itself."""
    assert goal.value(ours, theirs) == value
    assert goal.met(value) is met


def test_sides_take_turns() -> None:
    """Ours, theirs and the limits are measured A B C A B C, and the first round does not count."""
    turns: list[str] = []

    def side(name: str) -> Remote:
        turns.append(name)
        return Remote((float(len(turns)), 0.5))

    measured = Budget(seconds=0, fewest=2).times(
        lambda: side("ours"), lambda: side("theirs"), {"read": lambda: side("read")}
    )
    assert turns == ["ours", "theirs", "read"] * 3
    assert (measured.ours, measured.theirs) == ([(4.0, 0.5), (7.0, 0.5)], [(5.0, 0.5), (8.0, 0.5)])
    assert measured.limits == {"read": [6.0, 9.0]}


def test_cost_counts_the_processes_that_a_call_starts() -> None:
    """The CPU time of a child that has ended is part of the cost of a call."""
    wall, cpu = cost(process(sys.executable, "-c", "sum(range(3_000_000))"))
    assert 0.01 < cpu < 3 * wall


def test_markdown() -> None:
    """A report as benchmarks/README.md shows it, to the letter."""
    assert MADE_UP.markdown() == MARKDOWN


def test_terminal() -> None:
    """A report on a terminal of 100 columns, to the letter: rows go by their names."""
    console = Console(width=100, file=io.StringIO())
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
