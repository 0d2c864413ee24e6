"""Parts of a document as rich renderables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.rule import Rule
from rich.text import Text

from mnistloss import document
from mnistloss.report import curve, picture
from mnistloss.report.layout import grid, heading, sentences

_BAR, _SHORTEST = 30, 10
_RULE = 80


def render(part: document.Part, width: int, *, pictures: bool, colour: bool) -> RenderableType:
    """One part at a width in columns; pictures only where they are wanted."""
    match part:
        case document.Heading():
            rule = Rule(Text(part.text, style="bold"), align="left", style="dim")
            return Group(Text(), Constrain(rule, min(width, _RULE)))
        case document.Table():
            return render_table(part) if _least_width(part) <= width else Group(*_too_wide(part))
        case document.Lines():
            return Group(*sentences(*part.lines))
        case document.Bars():
            return _bars(part, width)
        case document.Pictures():
            return picture.digits(part.images, part.captions, width, colour=colour) if pictures else Group()
        case document.Chart():
            return curve.chart(part, width)


def _least_width(table: document.Table) -> int:
    """How wide the columns of numbers are, which are not folded, beside a character of each other one."""
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(2 + (max(map(len, column)) - 1 if column[0].startswith(">") else 1) for column in columns)


def _too_wide(table: document.Table) -> Iterator[Text]:
    yield heading(table.title)
    yield from sentences(f"{len(table.columns):,} columns, which are too wide to be shown here: --format json has them")


def render_table(table: document.Table) -> RenderableType:
    """A table under its title."""
    drawn = grid(*table.columns)
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return Group(*([heading(table.title)] if table.title else []), drawn)


def _bars(bars: document.Bars, width: int) -> RenderableType:
    room = width - max(map(len, bars.labels)) - max(map(len, bars.notes)) - 6
    longest = max(_SHORTEST, min(_BAR, room))
    top = max(bars.values, default=0.0) or 1.0
    drawn = grid(">", "", "")
    drawn.show_header = False
    for label, value, note in zip(bars.labels, bars.values, bars.notes, strict=True):
        drawn.add_row(Text(label), Text("█" * round(longest * value / top)), Text(note))
    return Group(heading(bars.title), drawn)
