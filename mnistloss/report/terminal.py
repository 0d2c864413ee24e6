"""How the parts of a document look in a terminal: tables, bars, digits in characters, charts in braille dots."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType
from rich.constrain import Constrain
from rich.rule import Rule
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Heading, Lines, Part, Pictures, Table
from mnistloss.formatting import as_options, decimals

_RULE_WIDTH = 80
_COLUMN_GAP, _MIN_NAME, _MAX_LINES = 2, 16, 500
_NUMBER = re.compile(r"\W*[\d.,:e+-]*\d\W*")
_BAR_LENGTH, _MIN_BAR_LENGTH = 30, 10
_DIGIT_WIDTH, _DIGIT_GAP = 14, 2
_SHADES = " .:-=+*#%@"
_CHART_HEIGHT, _CHART_WIDTH, _MIN_CHART_WIDTH = 8, 80, 20
_BRAILLE = 0x2800
_BRAILLE_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_DASHES = ("1", "1111000", "100", "11111001000")
_COLOURS = ("cyan", "yellow", "magenta", "green")

Dots = list[tuple[int, int]]
"""Dots (column, row) of a curve; row 0 is at the bottom."""


def render(part: Part, width: int, *, pictures: bool, colour: bool) -> RenderableType:
    """Render one part at a width in columns; digits only if pictures is set."""
    match part:
        case Heading():
            if cell_len(part.text) + 2 > min(width, _RULE_WIDTH):  # where a rule would cut it
                return Group(Text(), heading(part.text))
            rule = Rule(Text(part.text, style="bold"), align="left", style="dim")
            return Group(Text(), Constrain(rule, min(width, _RULE_WIDTH)))
        case Table():
            return render_table(part)
        case Lines():
            return Group(*sentences(*part.lines))
        case Bars():
            return _render_bars(part, width)
        case Pictures():
            return render_digits(part.images, part.captions, width, colour=colour) if pictures else Group()
        case Chart():
            return render_chart(part, width)


def heading(text: str) -> RenderableType:
    """Return the title of a table."""
    return _Sentence(text, "bold")


def sentences(*texts: str, style: str = "") -> Iterator[RenderableType]:
    """Return lines that are wrapped between words; a longer word, such as a signature, stays in one piece.

    Options are named as the command line does.
    """
    return (_Sentence(as_options(text), style) for text in texts)


class _Sentence(NamedTuple):
    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.text.split("\n"):
            wrapped = textwrap.wrap(line, options.max_width, break_long_words=False, break_on_hyphens=False)
            yield from (Text(part, self.style, no_wrap=True, overflow="ignore") for part in wrapped or [""])


def render_table(table: Table, stderrs: Sequence[Sequence[float | None]] = (), *, bold: bool = False) -> RenderableType:
    """Render a table under its title, at any width with whole numbers; bold: the first column is.

    stderrs: the standard errors of the cells, row by row; digits of a cell beyond two of its error are dim.
    """
    rows = [tuple(zip_longest(row, errors)) for row, errors in zip_longest(table.rows, stderrs, fillvalue=())]
    return Group(*([heading(table.title)] if table.title else []), _Grid(table.columns, rows, bold))


class _Grid(NamedTuple):
    """Rows of cells with their standard errors.

    Columns of text are wrapped between words, and names shortened, where the width asks for it. Columns that do not
    fit beside each other follow below, each time after the first column.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[tuple[str, float | None]]]
    bold: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        least = [self._least_width(column) for column in range(len(self.columns))]
        groups = [[0]]
        for column in range(1, len(least)):
            if len(groups[-1]) > 1 and _total_width(least, [*groups[-1], column]) > options.max_width:
                groups.append([0])
            groups[-1].append(column)
        if len(groups) > 1 and len(groups) * len(self.rows) > _MAX_LINES:
            yield from sentences(f"{len(least):,} columns are too wide for this terminal; --format json prints them")
            return
        for group in groups:
            if _total_width(least, group) > options.max_width:
                yield from sentences(*self._lines(group))
            else:
                yield self._grid(group, self._widths(group, least, options.max_width))

    def _least_width(self, column: int) -> int:
        """Return the width of a column of numbers, or of the longest word of one of text, a name shortened."""
        head, cells = self.columns[column], [row[column][0] for row in self.rows]
        if head.startswith(">"):
            return max(map(cell_len, [*head[1:].split(), *cells]), default=0)
        words = [word for text in (head, *cells) for word in text.split()]
        return max((cell_len(w) if _NUMBER.fullmatch(w) else min(cell_len(w), _MIN_NAME) for w in words), default=0)

    def _widths(self, group: Sequence[int], least: Sequence[int], most: int) -> dict[int, int]:
        """Return the widths of the columns of a group: the widest are narrowed first."""
        widths = {}
        for column in group:
            cells = [self.columns[column].removeprefix(">"), *(row[column][0] for row in self.rows)]
            widths[column] = max(map(cell_len, cells))
        while _total_width(widths, group) > most:
            widths[max((c for c in group if widths[c] > least[c]), key=widths.__getitem__)] -= 1
        return widths

    def _grid(self, group: Sequence[int], widths: Mapping[int, int]) -> Grid:
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        grid.show_header = any(self.columns[column].strip(">") for column in group)
        for column in group:
            justify: JustifyMethod = "right" if self.columns[column].startswith(">") else "left"
            head = _shorten_words(self.columns[column].removeprefix(">"), widths[column])
            grid.add_column(Text(head), justify=justify, width=widths[column])
        for row in self.rows:
            cells = [_cell(_shorten_words(row[column][0], widths[column]), row[column][1]) for column in group]
            if self.bold:
                cells[0].stylize("bold")
            grid.add_row(*cells)
        return grid

    def _lines(self, group: Sequence[int]) -> Iterator[str]:
        """Say in a line for each row what the table cannot show at this width."""
        for row in self.rows:
            parts = [f"{self.columns[c].removeprefix('>')} {row[c][0]}".strip() for c in group[1:] if row[c][0]]
            yield ": ".join((row[0][0], *parts))


def _total_width(widths: Mapping[int, int] | Sequence[int], group: Sequence[int]) -> int:
    return sum(widths[column] + _COLUMN_GAP for column in group)


def _shorten_words(text: str, width: int) -> str:
    """Shorten the words of a cell that are wider than its column."""
    if all(cell_len(word) <= width for word in text.split()):
        return text
    return " ".join(_shorten(word, width) for word in text.split())


def _shorten(name: str, width: int) -> str:
    """Replace the middle of a name that is too wide by an ellipsis."""
    head, tail = name[: len(name) // 2], name[len(name) // 2 :]
    while cell_len(head) + cell_len(tail) + 1 > width and (head or tail):
        head, tail = (head[:-1], tail) if cell_len(head) > cell_len(tail) else (head, tail[1:])
    return name if cell_len(name) <= width else f"{head}…{tail}"


def _cell(value: str, stderr: float | None) -> Text:
    text, number = Text(value), value.partition(" ")[0]
    if stderr and "." in number and "e" not in number:
        text.stylize("dim", number.index(".") + 1 + decimals(stderr), len(number))
    return text


def _render_bars(bars: Bars, width: int) -> RenderableType:
    room = width - max(map(len, bars.labels)) - max(map(len, bars.notes)) - 3 * _COLUMN_GAP
    length = min(_BAR_LENGTH, room) if room >= _MIN_BAR_LENGTH else 0
    top = max(bars.values, default=0.0) or 1.0
    rows = tuple(
        (label, *(["█" * round(length * value / top)] if length else []), note)
        for label, value, note in zip(bars.labels, bars.values, bars.notes, strict=True)
    )
    return render_table(Table(bars.title, (">", "", "") if length else (">", ""), rows))


def render_digits(images: NDArray[np.uint8], captions: Sequence[str], width: int, *, colour: bool) -> Text:
    """Render images (N, 28, 28) side by side under their captions, each 14 columns wide and 7 lines high."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    draw = _half_blocks if colour else _shades
    across = max(1, (width + _DIGIT_GAP) // (_DIGIT_WIDTH + _DIGIT_GAP))
    text = Text(no_wrap=True)
    for start in range(0, len(small), across):
        row = [draw(image) for image in small[start : start + across]]
        heads = [
            Text(_shorten(caption, _DIGIT_WIDTH).ljust(_DIGIT_WIDTH)) for caption in captions[start : start + across]
        ]
        for cells in (heads, *zip(*row, strict=True)):
            text.append_text(Text(" " * _DIGIT_GAP).join(cells)).append("\n")
    text.rstrip()
    return text


def _half_blocks(image: Floats) -> list[Text]:
    """Draw two pixels in each cell: an upper half block in the upper grey, on a background of the lower grey."""
    lines = []
    for upper, lower in zip(image[::2], image[1::2], strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            line.append("▀", Style(color=_grey(above), bgcolor=_grey(below)))
        lines.append(line)
    return lines


def _grey(value: float) -> Color:
    level = int(value)
    return Color.from_rgb(level, level, level)


def _shades(image: Floats) -> list[Text]:
    """Draw the mean of two pixels in each cell, as a character that is the denser the brighter they are."""
    shades = (image[::2] + image[1::2]) / 2 * (len(_SHADES) - 1) / 255
    return [Text("".join(_SHADES[round(shade)] for shade in line)) for line in shades]


def render_chart(chart: Chart, width: int) -> Group:
    """Render curves at a width in columns, at most 80, with the ends of both axes; several curves have a legend."""
    x = _Scale.over(chart.x, [curve.x for curve in chart.curves])
    y = _Scale.over(chart.y, [curve.y for curve in chart.curves])
    bottom, top = y.ends()
    margin = max(len(bottom), len(top))
    columns = min(width, _CHART_WIDTH) - margin - 2
    if columns < _MIN_CHART_WIDTH:
        ranges = f"{y.label}: {bottom} to {top}", f"{x.label}: {' to '.join(x.ends())}"
        return Group(heading(chart.title), *sentences(*ranges, "a wider terminal shows the chart"), Text())
    curves = [
        _dots(x.positions(curve.x, 2 * columns), y.positions(curve.y, 4 * _CHART_HEIGHT), curve.style, dashes)
        for curve, dashes in _with_dashes(chart.curves)
    ]
    ends = {0: top, _CHART_HEIGHT - 1: bottom}
    lines = [
        Text(f"{ends.get(row, ''):>{margin}} │", no_wrap=True).append_text(cells)
        for row, cells in enumerate(_braille(curves, columns, _CHART_HEIGHT))
    ]
    for text in (f"└{'─' * columns}", *(f" {text}" for text in _x_labels(x, columns))):
        lines.append(Text(" " * (margin + 1) + text, no_wrap=True))
    legend = [_legend(chart.curves)] if len(chart.curves) > 1 else []
    return Group(heading(chart.title), *sentences(y.label), *lines, *legend, Text())


@dataclass(frozen=True)
class _Scale:
    """The values of an axis from `low` to `high`; both are logarithms to base 10 on a logarithmic axis."""

    axis: Axis
    low: float
    high: float

    @classmethod
    def over(cls, axis: Axis, curves: list[tuple[float, ...]]) -> _Scale:
        """Span all finite values; an axis without an extent gets one."""
        values = _scaled(axis, np.concatenate([np.empty(0), *(np.asarray(curve, float) for curve in curves)]))
        low, high = (float(np.nanmin(values)), float(np.nanmax(values))) if np.isfinite(values).any() else (0.0, 0.0)
        margin = 0.0 if low < high else abs(low) / 10 or 1.0
        return cls(axis, low - margin, high + margin)

    @property
    def label(self) -> str:
        return f"{self.axis.label}, log scale" if self.axis.log else self.axis.label

    def positions(self, values: tuple[float, ...], length: int) -> Floats:
        """Map values to positions from 0 to length - 1; NaN for a value that the axis cannot show."""
        return (_scaled(self.axis, np.asarray(values, float)) - self.low) / (self.high - self.low) * (length - 1)

    def ends(self) -> tuple[str, str]:
        """Return both ends as text, with enough digits to tell them apart."""
        if self.axis.log:
            return f"{10**self.low:.3g}", f"{10**self.high:.3g}"
        most, ends = decimals((self.high - self.low) / 10), (self.low, self.high)
        places = next(p for p in range(most + 1) if all(round(end, p) == round(end, most) for end in ends))
        return f"{self.low:z.{places}f}", f"{self.high:z.{places}f}"


def _scaled(axis: Axis, values: Floats) -> Floats:
    """Take logarithms on a logarithmic axis; NaN for what is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log10(values) if axis.log else values
    return np.where(np.isfinite(scaled), scaled, np.nan)


def _x_labels(x: _Scale, columns: int) -> list[str]:
    """Return the ends of the x axis with its label between them, or below where there is no room."""
    low, high = x.ends()
    room = columns - len(low) - len(high)
    if len(x.label) + 2 <= room:
        return [f"{low}{x.label:^{room}}{high}"]
    return [f"{low}{high:>{columns - len(low)}}", *textwrap.wrap(x.label, columns)]


def _with_dashes(curves: tuple[Curve, ...]) -> Iterator[tuple[Curve, str]]:
    """Pair each curve with dashes; separate points use none up."""
    lines = 0
    for curve in curves:
        yield curve, _DASHES[lines % len(_DASHES)]
        lines += curve.style != "points"


def _dots(x: Floats, y: Floats, style: str, dashes: str) -> Dots:
    """Draw a curve through positions (n,), (n,); NaN leaves a gap."""
    if style == "points":
        return [(round(a), round(b)) for a, b in zip(x, y, strict=True) if math.isfinite(a + b)]
    if style == "steps":
        x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    path = dict.fromkeys(_walk(x, y))
    return [dot for i, dot in enumerate(path) if dashes[i % len(dashes)] == "1"]


def _walk(x: Floats, y: Floats) -> Iterator[tuple[int, int]]:
    """Yield every dot on the straight lines between neighbouring positions."""
    for i in np.flatnonzero(np.isfinite(x + y)):
        yield round(x[i]), round(y[i])
        if i + 1 < len(x) and math.isfinite(x[i + 1] + y[i + 1]):
            count = math.ceil(max(abs(x[i + 1] - x[i]), abs(y[i + 1] - y[i]))) + 1
            line = (np.linspace(values[i], values[i + 1], count) for values in (x, y))
            yield from ((round(a), round(b)) for a, b in zip(*line, strict=True))


def _braille(curves: list[Dots], columns: int, rows: int) -> list[Text]:
    """Render dots as rows of braille cells, 2 dots wide and 4 high; a shared cell has the colour of the last curve."""
    codes, owners = np.zeros((rows, columns), int), np.zeros((rows, columns), int)
    for owner, dots in enumerate(curves):
        for column, height in dots:
            down = 4 * rows - 1 - height
            codes[down // 4, column // 2] |= _BRAILLE_BITS[down % 4, column % 2]
            owners[down // 4, column // 2] = owner
    return [
        Text.assemble(
            *(
                (chr(_BRAILLE + code), _COLOURS[owner % len(_COLOURS)]) if code else " "
                for code, owner in zip(*row, strict=True)
            )
        )
        for row in zip(codes, owners, strict=True)
    ]


def _legend(curves: tuple[Curve, ...]) -> Text:
    """Draw a piece of each curve beside its name."""
    text = Text()
    for owner, (curve, dashes) in enumerate(_with_dashes(curves)):
        x, y = np.array([0.0, 2.0, 5.0, 7.0]), np.array([0.0, 2.0, 1.0, 3.0]) if curve.style == "points" else np.ones(4)
        (piece,) = _braille([[]] * owner + [_dots(x, y, curve.style, dashes)], 4, 1)
        text.append("   " if owner else "").append_text(piece).append(f" {curve.name}")
    return text
