"""The parts of a report: what it shows, but not how it looks in a terminal, in a file or on a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mnistloss.arrays.checks import Array


@dataclass(frozen=True)
class Heading:
    """The heading of one result among several."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text under column headings; the title may be empty, and a heading with > marks a column of numbers.

    shades: optional, how dark the background of each cell is, from 0 to 1; not every renderer shows it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Lines:
    """Sentences, one a line."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Bars:
    """A horizontal bar for each label, with its value as length and a note behind it.

    chart: the same data as a chart, for renderers that draw one.
    """

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...]
    chart: Chart | None = None


@dataclass(frozen=True)
class Pictures:
    """Digits (N, 28, 28) of bytes with captions, and with alternative texts for screen readers."""

    images: Array = field(repr=False)
    captions: tuple[str, ...]
    alts: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """A quantity with its unit, on a linear or logarithmic scale, or names at the places 1, 2 and so on."""

    label: str
    log: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """Points (n,), (n,) under a name; style: "line", "steps", "points" without a line, or "joined" points."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: str = "line"


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]


Part = Heading | Table | Lines | Bars | Pictures | Chart


class Result(Protocol):
    """A result, frozen, which turns itself into JSON and into a document."""

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON: full precision, None instead of infinity and NaN."""
        ...

    def parts(self) -> list[Part]:
        """Return the parts of a document for people."""
        ...


def charts(parts: Iterable[Part]) -> list[Chart]:
    """Return the charts of a document, those of bars included."""
    candidates = (part.chart if isinstance(part, Bars) else part for part in parts)
    return [part for part in candidates if isinstance(part, Chart)]
