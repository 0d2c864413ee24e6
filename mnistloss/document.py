"""What a report says, without how it looks: tables, lines, bars and pictures of digits."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnistloss.arrays import Array


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; a heading that starts with > is of a column of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lines:
    """Sentences, one a line."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Bars:
    """A horizontal bar for each label, as long as its value; `notes` stand behind the bars."""

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Pictures:
    """Digits (N, 28, 28) of bytes, each under its caption."""

    images: Array = field(repr=False)
    captions: tuple[str, ...]


Part = Table | Lines | Bars | Pictures
