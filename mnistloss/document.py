"""The parts of a document: what a result shows, but not how this looks in a terminal, in a file or on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from mnistloss.arrays.checks import Array


class Heading(NamedTuple):
    """The heading of a result, in a document of several results."""

    text: str


class Table(NamedTuple):
    """Rows of text under column headings. The title may be empty. A heading that starts with > is of numbers.

    shades: how dark the background of each cell is, from 0 to 1, or empty. Only a page shows shades.
    best: the cells (row, column) with the best number of their column. Markdown and LaTeX show them in bold.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float, ...], ...] = ()
    best: frozenset[tuple[int, int]] = frozenset()


class Lines(NamedTuple):
    """Sentences, each on a line. fold: the heading of signatures, each after a name, or empty."""

    lines: tuple[str, ...]
    fold: str = ""


class Bars(NamedTuple):
    """A horizontal bar for each label: the value is the length, the note is printed after the bar.

    chart: the same data as a chart, for a page and for --plot.
    """

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...]
    chart: Chart | None = None


class Pictures(NamedTuple):
    """Images (N, 28, 28) of bytes with captions. alts: texts for screen readers."""

    images: Array
    captions: tuple[str, ...]
    alts: tuple[str, ...]


class Axis(NamedTuple):
    """A quantity with a unit, on a linear or logarithmic scale. names: texts at 1, 2, ... instead of numbers."""

    label: str
    log: bool = False
    names: tuple[str, ...] = ()


class Curve(NamedTuple):
    """Points with coordinates x (n,) and y (n,). style: "line", "steps", "points", or "joined" for points on a line."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: str = "line"


class Chart(NamedTuple):
    """Curves with the same axes."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]


Part = Heading | Table | Lines | Bars | Pictures | Chart


class Result(Protocol):
    """What every result can do: return data for JSON, and parts of a document."""

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON, with all digits, and None instead of infinity and NaN."""
        ...

    def parts(self) -> list[Part]:
        """Return the parts of a document for people."""
        ...


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table as flat dictionaries; columns: the values of each column by its name."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def charts(parts: Iterable[Part]) -> list[Chart]:
    """Return the charts of a document, and the charts of bars."""
    candidates = (part.chart if isinstance(part, Bars) else part for part in parts)
    return [part for part in candidates if isinstance(part, Chart)]
