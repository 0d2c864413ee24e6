"""How the parts of a document look in a terminal: tables, bars, digits in characters, charts in braille dots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.color import Color
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.rule import Rule
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Heading, Lines, Part, Pictures, Table
from mnistloss.formatting import decimals

_RULE_WIDTH = 80
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
            rule = Rule(Text(part.text, style="bold"), align="left", style="dim")
            return Group(Text(), Constrain(rule, min(width, _RULE_WIDTH)))
        case Table():
            return render_table(part) if _least_width(part) <= width else _too_wide(part)
        case Lines():
            return Group(*sentences(*part.lines))
        case Bars():
            return _render_bars(part, width)
        case Pictures():
            return render_digits(part.images, part.captions, width, colour=colour) if pictures else Group()
        case Chart():
            return render_chart(part, width)


def heading(text: str) -> Text:
    """Return the title of a table."""
    return Text(text, style="bold", overflow="fold")


def sentences(*texts: str) -> Iterator[Text]:
    """Return lines that are wrapped, never cut."""
    return (Text(text, overflow="fold") for text in texts)


def grid(*columns: str) -> Grid:
    """Return a table without rows; a column of numbers has a heading that starts with >."""
    table = Grid(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for text in columns:
        right = text.startswith(">")
        table.add_column(
            Text(text.removeprefix(">")), justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    return table


def render_table(table: Table, stderrs: Sequence[Sequence[float | None]] = (), *, bold: bool = False) -> RenderableType:
    """Render a table under its title; bold: the first column is.

    stderrs: the standard errors of the cells, row by row; digits of a cell beyond two of its error are dim.
    """
    lines = grid(*table.columns)
    for row, errors in zip_longest(table.rows, stderrs, fillvalue=()):
        cells = [_cell(text, stderr) for text, stderr in zip_longest(row, errors)]
        if bold:
            cells[0].stylize("bold")
        lines.add_row(*cells)
    return Group(*([heading(table.title)] if table.title else []), lines)


def _cell(value: str, stderr: float | None) -> Text:
    text, number = Text(value), value.partition(" ")[0]
    if stderr and "." in number and "e" not in number:
        text.stylize("dim", number.index(".") + 1 + decimals(stderr), len(number))
    return text


def _least_width(table: Table) -> int:
    """Return the width of the columns of numbers, which are not wrapped, with one character of each other column."""
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(2 + (max(map(len, column)) - 1 if column[0].startswith(">") else 1) for column in columns)


def _too_wide(table: Table) -> RenderableType:
    text = f"{len(table.columns):,} columns are too wide for this terminal; --format json prints them"
    return Group(heading(table.title), *sentences(text))


def _render_bars(bars: Bars, width: int) -> RenderableType:
    room = width - max(map(len, bars.labels)) - max(map(len, bars.notes)) - 6
    length = max(_MIN_BAR_LENGTH, min(_BAR_LENGTH, room))
    top = max(bars.values, default=0.0) or 1.0
    lines = grid(">", "", "")
    lines.show_header = False
    for label, value, note in zip(bars.labels, bars.values, bars.notes, strict=True):
        lines.add_row(Text(label), Text("█" * round(length * value / top)), Text(note))
    return Group(heading(bars.title), lines)


def render_digits(images: NDArray[np.uint8], captions: Sequence[str], width: int, *, colour: bool) -> Text:
    """Render images (N, 28, 28) side by side under their captions, each 14 columns wide and 7 lines high."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    draw = _half_blocks if colour else _shades
    across = max(1, (width + _DIGIT_GAP) // (_DIGIT_WIDTH + _DIGIT_GAP))
    text = Text(no_wrap=True)
    for start in range(0, len(small), across):
        row = [draw(image) for image in small[start : start + across]]
        heads = [Text(caption[:_DIGIT_WIDTH].ljust(_DIGIT_WIDTH)) for caption in captions[start : start + across]]
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
    columns = max(_MIN_CHART_WIDTH, min(width, _CHART_WIDTH) - margin - 2)
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
    return [f"{low}{high:>{columns - len(low)}}", x.label]


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
