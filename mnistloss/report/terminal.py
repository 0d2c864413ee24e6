"""How our tables, headings and sentences look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.color import Color
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from mnistloss import document, formatting
from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Chart, Curve


def grid(*columns: str) -> Table:
    """A table; a column whose heading starts with > is of numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for text in columns:
        right = text.startswith(">")
        table.add_column(
            Text(text.removeprefix(">")), justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    return table


def heading(text: str) -> Text:
    """What stands above a table."""
    return Text(text, style="bold", overflow="fold")


def sentences(*texts: str) -> Iterator[Text]:
    """Lines that are folded rather than cut."""
    return (Text(text, overflow="fold") for text in texts)


def supported(value: str, stderr: float | None) -> Text:
    """A cell with the digits of its number that the standard error supports as they are, and the further ones dim."""
    text, number = Text(value), value.partition(" ")[0]
    if stderr and "." in number and "e" not in number:
        text.stylize("dim", number.index(".") + 1 + formatting.decimals(stderr), len(number))
    return text


_SHADES = " .:-=+*#%@"
_GAP = 2


def digits(images: NDArray[np.uint8], captions: Sequence[str], width: int, *, colour: bool) -> Text:
    """Images (N, 28, 28) side by side, each 14 cells wide and 7 high under its caption, in lines of `width`."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    draw = _half_blocks if colour else _plain
    across = max(1, (width + _GAP) // (14 + _GAP))
    text = Text(no_wrap=True)
    for start in range(0, len(small), across):
        row = [draw(image) for image in small[start : start + across]]
        heads = [Text(caption[:14].ljust(14)) for caption in captions[start : start + across]]
        for cells in (heads, *zip(*row, strict=True)):
            text.append_text(Text(" " * _GAP).join(cells)).append("\n")
    text.rstrip()
    return text


def _half_blocks(image: NDArray[np.float64]) -> list[Text]:
    """Each cell an upper half block: the foreground is the upper pixel, the background the lower."""
    lines = []
    for upper, lower in zip(image[::2], image[1::2], strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            line.append("▀", Style(color=_grey(above), bgcolor=_grey(below)))
        lines.append(line)
    return lines


def _plain(image: NDArray[np.float64]) -> list[Text]:
    """Each cell the shade of its two pixels."""
    shades = (image[::2] + image[1::2]) / 2 * (len(_SHADES) - 1) / 255
    return [Text("".join(_SHADES[round(shade)] for shade in line)) for line in shades]


def _grey(value: float) -> Color:
    level = int(value)
    return Color.from_rgb(level, level, level)


_ROWS = 8
_WIDEST = 80
_NARROWEST = 20
_BRAILLE = 0x2800
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_DASHES = ("1", "1111000", "100", "11111001000")
_COLOURS = ("cyan", "yellow", "magenta", "green")

Dots = list[tuple[int, int]]
"""Places (column, row) in dots, row 0 at the bottom."""


@dataclass(frozen=True)
class _Scale:
    """From the values on an axis to shares of its length, which runs from `low` to `high`."""

    axis: Axis
    low: float
    high: float

    @classmethod
    def over(cls, axis: Axis, curves: list[tuple[float, ...]]) -> _Scale:
        values = _finite(axis, np.concatenate([np.empty(0), *(np.asarray(curve, float) for curve in curves)]))
        low, high = (float(np.nanmin(values)), float(np.nanmax(values))) if np.isfinite(values).any() else (0.0, 0.0)
        margin = 0.0 if low < high else abs(low) / 10 or 1.0
        return cls(axis, low - margin, high + margin)

    def dots(self, values: tuple[float, ...], length: int) -> Floats:
        """Places among `length` dots, NaN for what cannot stand on the axis."""
        return (_finite(self.axis, np.asarray(values, float)) - self.low) / (self.high - self.low) * (length - 1)

    def ends(self) -> tuple[str, str]:
        """What stands at both ends, with digits enough to tell them apart."""
        if self.axis.log:
            return f"{10**self.low:.3g}", f"{10**self.high:.3g}"
        most, ends = formatting.decimals((self.high - self.low) / 10), (self.low, self.high)
        places = next(p for p in range(most + 1) if all(round(end, p) == round(end, most) for end in ends))
        return f"{self.low:z.{places}f}", f"{self.high:z.{places}f}"


def _finite(axis: Axis, values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log10(values) if axis.log else values
    return np.where(np.isfinite(scaled), scaled, np.nan)


def chart(chart: Chart, width: int) -> Group:
    """The curves at a width in columns, at most 100, with the ends of the axes and, of several, a legend."""
    x = _Scale.over(chart.x, [curve.x for curve in chart.curves])
    y = _Scale.over(chart.y, [curve.y for curve in chart.curves])
    bottom, top = y.ends()
    margin = max(len(bottom), len(top))
    columns = max(_NARROWEST, min(width, _WIDEST) - margin - 2)
    drawn = []
    for curve, dashes in _dashed(chart.curves):
        dots = x.dots(curve.x, 2 * columns), y.dots(curve.y, 4 * _ROWS)
        drawn.append(_stroke(*dots, curve.style, dashes))
    ticks = {0: top, _ROWS - 1: bottom}
    lines = [
        Text(f"{ticks.get(row, ''):>{margin}} │", no_wrap=True).append_text(cells)
        for row, cells in enumerate(_braille(drawn, columns, _ROWS))
    ]
    under = [f"└{'─' * columns}", *(f" {text}" for text in _under(x, columns))]
    feet = (Text(" " * (margin + 1) + text, no_wrap=True) for text in under)
    legend = [_legend(chart.curves)] if len(chart.curves) > 1 else []
    return Group(heading(chart.title), *sentences(_named(chart.y)), *lines, *feet, *legend, Text())


def _named(axis: Axis) -> str:
    return f"{axis.label}, log scale" if axis.log else axis.label


def _under(x: _Scale, columns: int) -> list[str]:
    """The ends of the x axis with its name between them, or below where there is no room."""
    low, high = x.ends()
    name, room = _named(x.axis), columns - len(low) - len(high)
    if len(name) + 2 <= room:
        return [f"{low}{name:^{room}}{high}"]
    return [f"{low}{high:>{columns - len(low)}}", name]


def _dashed(curves: tuple[Curve, ...]) -> Iterator[tuple[Curve, str]]:
    """Each curve with its dashes; points, which are told apart by being points, use none up."""
    lines = 0
    for curve in curves:
        yield curve, _DASHES[lines % len(_DASHES)]
        lines += curve.style != "points"


def _stroke(x: Floats, y: Floats, drawn: str, dashes: str) -> Dots:
    """The dots of a curve through places (n,), (n,); a gap where a place is NaN."""
    if drawn == "points":
        return [(round(a), round(b)) for a, b in zip(x, y, strict=True) if math.isfinite(a + b)]
    if drawn == "steps":
        x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    path = dict.fromkeys(_walk(x, y))
    return [dot for place, dot in enumerate(path) if dashes[place % len(dashes)] == "1"]


def _walk(x: Floats, y: Floats) -> Iterator[tuple[int, int]]:
    """Every dot from place to place."""
    for at in np.flatnonzero(np.isfinite(x + y)):
        yield round(x[at]), round(y[at])
        if at + 1 < len(x) and math.isfinite(x[at + 1] + y[at + 1]):
            count = math.ceil(max(abs(x[at + 1] - x[at]), abs(y[at + 1] - y[at])))
            yield from (
                (round(a), round(b))
                for a, b in zip(*(np.linspace(v[at], v[at + 1], count + 1) for v in (x, y)), strict=True)
            )


def _braille(curves: list[Dots], columns: int, rows: int) -> list[Text]:
    """Rows of cells; a cell that several curves share has the colour of the last."""
    codes = np.zeros((rows, columns), int)
    owners: NDArray[np.intp] = np.zeros((rows, columns), np.intp)
    for owner, dots in enumerate(curves):
        for column, height in dots:
            down = 4 * rows - 1 - height
            codes[down // 4, column // 2] |= _BITS[down % 4, column % 2]
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
    """A piece of each curve beside its name."""
    text = Text()
    for owner, (curve, dashes) in enumerate(_dashed(curves)):
        points = curve.style == "points"
        x, y = np.array([0.0, 2.0, 5.0, 7.0]), np.array([0.0, 2.0, 1.0, 3.0]) if points else np.full(4, 1.0)
        (piece,) = _braille([[]] * owner + [_stroke(x, y, curve.style, dashes)], 4, 1)
        text.append("   " if owner else "").append_text(piece).append(f" {curve.name}")
    return text


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
            return digits(part.images, part.captions, width, colour=colour) if pictures else Group()
        case document.Chart():
            return chart(part, width)


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
