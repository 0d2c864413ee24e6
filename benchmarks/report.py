"""One run as JSON, as Markdown in benchmarks/README.md, and on the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.growth import Curve
from benchmarks.measuring import Goal, Result

Cells = tuple[str, ...]

HEADINGS = ("what", "against", "ours (CPU)", "theirs (CPU)", "ratio (middle half)", "goal", "met", "ours to the limits")
_PLACE = re.compile(r"(<!-- bench -->\n).*(<!-- /bench -->)", re.DOTALL)


@dataclass(frozen=True)
class Report:
    """The results of one run: machine, versions of the packages, date, figures and growth curves."""

    machine: str
    versions: dict[str, str]
    taken: str
    figures: tuple[Result, ...]
    growth: tuple[Curve, ...]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report from its JSON."""
        fields = json.loads(text)
        figures = tuple(Result(**{**row, "goal": Goal(**row["goal"])}) for row in fields.pop("figures"))
        growth = tuple(Curve(**curve) for curve in fields.pop("growth"))
        return cls(**fields, figures=figures, growth=growth)

    def markdown(self) -> str:
        """Return the tables of benchmarks/README.md."""
        tables = [_markdown(HEADINGS, map(cells, self.figures))]
        tables += [_markdown(headings(curve), points(curve)) for curve in self.growth]
        return "\n\n".join([*tables, self.conditions()]) + "\n"

    def renderable(self) -> Group:
        """Return the tables for a terminal, without limits, with names of figures instead of descriptions."""
        rows = [(result.name, *cells(result)[2:7]) for result in self.figures]
        tables = [_table(("figure", *HEADINGS[2:7]), rows)]
        tables += [_table(headings(curve), points(curve)) for curve in self.growth]
        return Group(*tables, Text(self.conditions()))

    def conditions(self) -> str:
        """Return machine, versions and date in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.machine}; {versions}; {self.taken}."


def cells(result: Result) -> Cells:
    """Return a result as a row of text."""
    goal = result.goal
    if result.missing:
        return result.what, result.against, "-", "-", "-", str(goal), "-", result.missing
    low, high = (goal.show(value).split()[0] for value in result.middle)
    ratio = goal.show(result.ratio) + (f" ({low} to {high})" if result.runs > 1 else "")
    ours, theirs = (
        quantity(wall, goal.unit) + (f" ({quantity(cpu, 's')})" if goal.unit == "s" else "")
        for wall, cpu in (result.ours, result.theirs)
    )
    limits = ", ".join(f"{times:.2f} × {name} ({quantity(s, 's')})" for name, (s, times) in result.limits.items())
    met = "" if goal.kind == "shown" else "yes" if result.met else "no"
    return result.what, result.against, ours, theirs, ratio, str(goal), met, limits


def headings(curve: Curve) -> Cells:
    """Return the headings of a curve; one shows its exponent."""
    return curve.what, f"time ~ {curve.what}^{curve.exponent:.2f}", f"{curve.what} a second"


def points(curve: Curve) -> list[Cells]:
    """Return the points of a curve as rows of text."""
    return [(f"{n:,}", quantity(s, "s"), f"{n / s:,.0f}") for n, s in zip(curve.counts, curve.seconds, strict=True)]


def quantity(value: float, unit: str) -> str:
    """Return a quantity with three digits and its unit; times below a second are in milliseconds."""
    if unit == "s" and value < 1:
        value, unit = 1000 * value, "ms"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:#.3g} {unit}"


def insert(readme: str, markdown: str) -> str:
    """Return the text of benchmarks/README.md with this between its two markers."""
    if not _PLACE.search(readme):
        raise SystemExit("benchmarks/README.md has no lines <!-- bench --> and <!-- /bench --> around the results")
    return _PLACE.sub(lambda match: f"{match[1]}{markdown}{match[2]}", readme)


def _markdown(headings: Cells, rows: Iterable[Cells]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ("---",) * len(headings), *rows))


def _table(headings: Cells, rows: Iterable[Cells]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(heading))
    for row in rows:
        table.add_row(*map(Text, row))
    return table
