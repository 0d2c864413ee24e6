"""What a report says, without how it looks: tables, lines, bars, curves and pictures of digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mnistloss.arrays.checks import Array


@dataclass(frozen=True)
class Heading:
    """What stands above the parts of one result among several."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the title may be empty; a heading that starts with > is of a column of numbers.

    shades: where there are any, how dark each cell of each row is, from 0 to 1, for those who can show it.
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
    """A horizontal bar for each label, as long as its value; `notes` stand behind the bars.

    chart: the same over axes, for those who can draw it.
    """

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...]
    chart: Chart | None = None


@dataclass(frozen=True)
class Pictures:
    """Digits (N, 28, 28) of bytes, each under its caption; `alts` say them to those who do not see them."""

    images: Array = field(repr=False)
    captions: tuple[str, ...]
    alts: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """What an axis says: a quantity with its unit, and whether its scale is logarithmic."""

    label: str
    log: bool = False


@dataclass(frozen=True)
class Curve:
    """Points (n,), (n,) under a name; `drawn` says how: a "line", "steps", separate "points", or "joined" ones."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    drawn: str = "line"


@dataclass(frozen=True)
class Chart:
    """Curves over common axes."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]


Part = Heading | Table | Lines | Bars | Pictures | Chart


class Result(Protocol):
    """Something that was found, frozen, which says itself to machines and to people."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: full precision, null instead of infinity and NaN."""
        ...

    def parts(self) -> list[Part]:
        """As people read it."""
        ...


def charts(parts: Iterable[Part]) -> list[Chart]:
    """The charts among parts of a document, and those that stand behind bars."""
    found = (part.chart if isinstance(part, Bars) else part for part in parts)
    return [part for part in found if isinstance(part, Chart)]
