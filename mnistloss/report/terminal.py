"""Draw the parts of a document in a terminal: tables, bars, digits in characters, charts in braille dots."""

from __future__ import annotations

import itertools
import math
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType
from rich.constrain import Constrain
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from mnistloss.arrays.checks import Floats
from mnistloss.document import Axis, Bars, Chart, Curve, Heading, Lines, Part, Pictures, Table
from mnistloss.formatting import as_options, decimals

_MIN_WIDTH, _TERMINAL_WIDTH, _FILE_WIDTH = 20, 80, 100_000
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


def console(stream: TextIO, **options: Any) -> Console:
    """Return a console of the width COLUMNS, or else of the terminal; a file or a pipe has room for any table.

    options: of `rich.console.Console`.
    """
    columns = _columns(stream)
    # with TERM=dumb, rich uses the width only if a height is given too
    return Console(width=max(_MIN_WIDTH, columns), height=25, highlight=False, markup=False, emoji=False, **options)


def _columns(stream: TextIO) -> int:
    """Return the width COLUMNS, or that of the terminal; what is closed, or stands in for a stream, is no terminal."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return (os.get_terminal_size(stream.fileno()).columns if stream.isatty() else _FILE_WIDTH) or _TERMINAL_WIDTH
    except OSError:
        return _TERMINAL_WIDTH
    except (AttributeError, ValueError):
        return _FILE_WIDTH


def render(part: Part, width: int, *, pictures: bool, colour: bool) -> RenderableType:
    """Draw one part of a document at a width in columns. If `pictures` is false, leave out digits."""
    match part:
        case Heading(text):
            rule = Rule(Text(text, style="bold"), align="left", style="dim")
            room = min(width, _RULE_WIDTH)  # a rule would cut a text that is longer
            return Group(Text(), Constrain(rule, room) if cell_len(text) + 2 <= room else heading(text))
        case Table():
            return render_table(part)
        case Lines(lines):
            return Group(*sentences(*lines))
        case Bars():
            return _render_bars(part, width)
        case Pictures(images, captions):
            return render_digits(images, captions, width, colour=colour) if pictures else Group()
        case Chart():
            return render_chart(part, width)


def heading(text: str) -> RenderableType:
    """Return the title of a table as a bold line."""
    return _Sentence(text, "bold")


def sentences(*texts: str, style: str = "") -> Iterator[RenderableType]:
    """Yield lines of text, wrapped between words. A word that is wider than the terminal, such as a signature, is kept.

    Python keywords in the texts become options of the command line, such as `--split train`.
    """
    return (_Sentence(as_options(text), style) for text in texts)


class _Sentence(NamedTuple):
    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.text.split("\n"):
            wrapped = textwrap.wrap(line, options.max_width, break_long_words=False, break_on_hyphens=False)
            yield from (Text(part, self.style, no_wrap=True, overflow="ignore") for part in wrapped or [""])


def render_table(
    table: Table, stderrs: Sequence[Sequence[float | None]] = (), *, bold: bool = False, lines: bool = False
) -> RenderableType:
    """Draw a table under its title. If `bold` is true, the first column is bold.

    lines: whether each row is one line: texts that are too wide are shortened in the middle, and columns that do not
    fit are left out and named.

    stderrs: the standard errors of the cells, row by row. Of a number, only digits beyond the second digit of its
    standard error are dim.
    """
    rows = [tuple(zip_longest(row, errors)) for row, errors in zip_longest(table.rows, stderrs, fillvalue=())]
    title = _Title(table.title) if lines else heading(table.title)
    return Group(*([title] if table.title else []), _Grid(table.columns, rows, bold, lines))


class _Title(NamedTuple):
    """A title whose lines are shortened in the middle where they are too wide."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.text.split("\n"):
            yield Text(_shorten(line, options.max_width), "bold", no_wrap=True)


class _Grid(NamedTuple):
    """A table whose numbers stay whole at any width; each cell is a text with the standard error of its number.

    In a narrow terminal, columns of text are wrapped between words, and long words are shortened. Columns that do not
    fit side by side are printed below, each group after a copy of the first column.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[tuple[str, float | None]]]
    bold: bool
    lines: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        least = [self._least_width(column) for column in range(len(self.columns))]
        if self.lines:
            yield from self._whole_lines(least, options.max_width)
            return
        groups = [[0]]
        for column in range(1, len(least)):
            if len(groups[-1]) > 1 and _total_width(least, [*groups[-1], column]) > options.max_width:
                groups.append([0])
            groups[-1].append(column)
        if len(groups) > 1 and len(groups) * len(self.rows) > _MAX_LINES:
            reason = f"{len(least):,} columns do not fit into a width of {options.max_width}"
            yield from sentences(f"{reason}; --format json prints them")
            return
        for group in groups:
            if _total_width(least, group) > options.max_width:
                yield from sentences(*self._lines(group))
            else:
                yield self._grid(group, self._widths(group, least, options.max_width))

    def _whole_lines(self, least: Sequence[int], width: int) -> Iterator[RenderableType]:
        """Yield the table with a line for each row: the first columns that fit, and the names of the others."""
        shown = [c for c in range(len(least)) if _total_width(least, range(c + 1)) <= width] or [0]
        yield self._grid(shown, self._widths(shown, least, width))
        if left_out := [self.columns[c].removeprefix(">") for c in range(len(shown), len(least))]:
            yield from sentences(f"not shown at this width: {', '.join(filter(None, left_out)) or 'the rest'}")

    def _texts(self, column: int) -> list[str]:
        """Return the heading and the cells of a column."""
        return [self.columns[column].removeprefix(">"), *(row[column][0] for row in self.rows)]

    def _least_width(self, column: int) -> int:
        """Return the width of the longest cell of a column of numbers, or of the longest word of a column of text.

        A word that is no number counts as at most 16, because it can be shortened.
        """
        head, *cells = self._texts(column)
        if self.columns[column].startswith(">"):
            return max(map(cell_len, [*head.split(), *cells]), default=0)
        words = [word for text in (head, *cells) for word in text.split()]
        name = _MIN_NAME // 2 if self.lines else _MIN_NAME
        return max((cell_len(w) if _NUMBER.fullmatch(w) else min(cell_len(w), name) for w in words), default=0)

    def _widths(self, group: Sequence[int], least: Sequence[int], most: int) -> dict[int, int]:
        """Narrow the widest columns of a group until the group fits into `most`; return the width of each column."""
        widths = {column: max(map(cell_len, self._texts(column))) for column in group}
        while _total_width(widths, group) > most:
            widths[max((c for c in group if widths[c] > least[c]), key=widths.__getitem__)] -= 1
        return widths

    def _grid(self, group: Sequence[int], widths: Mapping[int, int]) -> Grid:
        """Return the table of a group of columns."""
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        grid.show_header = any(self.columns[column].strip(">") for column in group)
        for column in group:
            justify: JustifyMethod = "right" if self.columns[column].startswith(">") else "left"
            head = _shorten_words(self.columns[column].removeprefix(">"), widths[column])
            grid.add_column(Text(head), justify=justify, width=widths[column])
        names = next((column for column in group if not self.columns[column].startswith(">")), -1)
        for row in self.rows:
            cells = [
                _cell(self._shorten(row[column][0], widths[column], is_name=column == names), row[column][1])
                for column in group
            ]
            if self.bold:
                cells[0].stylize("bold")
            grid.add_row(*cells)
        return grid

    def _shorten(self, text: str, width: int, *, is_name: bool) -> str:
        if not self.lines:
            return _shorten_words(text, width)
        return _shorten(text, width) if is_name else _cut(text, width)

    def _lines(self, group: Sequence[int]) -> Iterator[str]:
        """Yield a line of text for each row, where even the narrowest table is too wide."""
        for row in self.rows:
            parts = [f"{self.columns[c].removeprefix('>')} {row[c][0]}".strip() for c in group[1:] if row[c][0]]
            yield ": ".join((row[0][0], *parts))


def _total_width(widths: Mapping[int, int] | Sequence[int], group: Sequence[int]) -> int:
    """Return the width of a group of columns with the gaps between them."""
    return sum(widths[column] + _COLUMN_GAP for column in group)


def _shorten_words(text: str, width: int) -> str:
    """Shorten the words of a cell that are wider than the column."""
    words = text.split()
    return text if all(cell_len(word) <= width for word in words) else " ".join(_shorten(word, width) for word in words)


def _shorten(name: str, width: int) -> str:
    """Replace the middle of a name that is too wide by an ellipsis."""
    head, tail = name[: len(name) // 2], name[len(name) // 2 :]
    while cell_len(head) + cell_len(tail) + 1 > width and (head or tail):
        head, tail = (head[:-1], tail) if cell_len(head) > cell_len(tail) else (head, tail[1:])
    return name if cell_len(name) <= width else f"{head}…{tail}"


def _cut(text: str, width: int) -> str:
    """Cut the end of a text that is too wide, and put an ellipsis there."""
    cut = text
    while cell_len(cut) > width - (cut != text):
        cut = cut[:-1]
    return text if cut == text else f"{cut}…"


def _cell(value: str, stderr: float | None) -> Text:
    """Return a cell in which the digits beyond the precision of the number are dim."""
    text, number = Text(value), value.partition(" ")[0]
    if stderr and "." in number and "e" not in number:
        text.stylize("dim", number.index(".") + 1 + decimals(stderr), len(number))
    return text


def _render_bars(bars: Bars, width: int) -> RenderableType:
    """Draw bars as a table; in a narrow terminal, draw only their labels and notes."""
    room = width - max(map(len, bars.labels)) - max(map(len, bars.notes)) - 3 * _COLUMN_GAP
    length = min(_BAR_LENGTH, room) if room >= _MIN_BAR_LENGTH else 0
    top = max(bars.values, default=0.0) or 1.0
    blocks = ("█" * round(length * value / top) for value in bars.values)
    return render_table(Table(bars.title, (">", "", ""), tuple(zip(bars.labels, blocks, bars.notes, strict=True))))


def render_digits(images: NDArray[np.uint8], captions: Sequence[str], width: int, *, colour: bool) -> Text:
    """Draw images (N, 28, 28) side by side under their captions, each 14 columns wide and 7 lines high."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    heads = [Text(_shorten(caption, _DIGIT_WIDTH).ljust(_DIGIT_WIDTH)) for caption in captions]
    digits = [
        (head, *(_half_blocks(image) if colour else _shades(image))) for head, image in zip(heads, small, strict=True)
    ]
    across = max(1, (width + _DIGIT_GAP) // (_DIGIT_WIDTH + _DIGIT_GAP))
    rows = (zip(*digits[start : start + across], strict=True) for start in range(0, len(digits), across))
    text = Text("\n", no_wrap=True).join(Text(" " * _DIGIT_GAP).join(cells) for row in rows for cells in row)
    text.rstrip()
    return text


def _half_blocks(image: Floats) -> list[Text]:
    """Draw two pixels in each cell: an upper half block in the upper grey, on a background of the lower grey."""
    colours = [[f"#{3 * f'{int(value):02x}'}" for value in row] for row in image]
    return [
        Text.assemble(*(("▀", f"{above} on {below}") for above, below in zip(upper, lower, strict=True)))
        for upper, lower in zip(colours[::2], colours[1::2], strict=True)
    ]


def _shades(image: Floats) -> list[Text]:
    """Draw the mean of two pixels in each cell as a character: the brighter the pixels, the denser the character."""
    shades = (image[::2] + image[1::2]) / 2 * (len(_SHADES) - 1) / 255
    return [Text("".join(_SHADES[round(shade)] for shade in line)) for line in shades]


def render_chart(chart: Chart, width: int) -> Group:
    """Draw curves at a width in columns, at most 80, with the ends of both axes. Several curves have a legend."""
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
    ends = [top, *[""] * (_CHART_HEIGHT - 2), bottom]
    lines = [
        Text(f"{end:>{margin}} │", no_wrap=True).append_text(cells)
        for end, cells in zip(ends, _braille(curves, columns, _CHART_HEIGHT), strict=True)
    ]
    for text in (f"└{'─' * columns}", *(f" {text}" for text in _x_labels(x, columns))):
        lines.append(Text(" " * (margin + 1) + text, no_wrap=True))
    legend = [_legend(chart.curves)] if len(chart.curves) > 1 else []
    return Group(heading(chart.title), *sentences(y.label), *lines, *legend, Text())


class _Scale(NamedTuple):
    """The scale of an axis from `low` to `high`; on a logarithmic axis, both are logarithms to base 10."""

    axis: Axis
    low: float
    high: float

    @classmethod
    def over(cls, axis: Axis, curves: list[tuple[float, ...]]) -> _Scale:
        """Return the scale that holds all finite values; it never has length 0."""
        values = _scaled(axis, [value for curve in curves for value in curve])
        values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        margin = 0.0 if low < high else abs(low) / 10 or 1.0
        return cls(axis, low - margin, high + margin)

    @property
    def label(self) -> str:
        """The label of the axis, which names a logarithmic scale."""
        return f"{self.axis.label}, log scale" if self.axis.log else self.axis.label

    def positions(self, values: Sequence[float], length: int) -> Floats:
        """Map values to positions from 0 to length - 1, and a value that the axis cannot show to NaN."""
        return (_scaled(self.axis, values) - self.low) / (self.high - self.low) * (length - 1)

    def ends(self) -> tuple[str, str]:
        """Return both ends as text, with enough digits to tell one from the other."""
        if self.axis.log:
            return f"{10**self.low:.3g}", f"{10**self.high:.3g}"
        most, ends = decimals((self.high - self.low) / 10), (self.low, self.high)
        places = next(p for p in range(most + 1) if all(round(end, p) == round(end, most) for end in ends))
        return f"{self.low:z.{places}f}", f"{self.high:z.{places}f}"


def _scaled(axis: Axis, values: Sequence[float]) -> Floats:
    """Return the values as an array; for a logarithmic axis, their logarithms. Infinite values become NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log10(np.asarray(values, float)) if axis.log else np.asarray(values, float)
    return np.where(np.isfinite(scaled), scaled, np.nan)


def _x_labels(x: _Scale, columns: int) -> list[str]:
    """Return the ends of the x axis with the label between them, or on the lines below if the label is too long."""
    low, high = x.ends()
    room = columns - len(low) - len(high)
    if len(x.label) + 2 <= room:
        return [f"{low}{x.label:^{room}}{high}"]
    return [f"{low}{high:>{columns - len(low)}}", *textwrap.wrap(x.label, columns)]


def _with_dashes(curves: Sequence[Curve]) -> Iterator[tuple[Curve, str]]:
    """Pair each curve with a pattern of dashes; curves of separate points have none."""
    patterns = itertools.cycle(_DASHES)
    return ((curve, "1" if curve.style == "points" else next(patterns)) for curve in curves)


def _dots(x: Floats, y: Floats, style: str, dashes: str) -> Dots:
    """Return the dots of a curve through positions (n,), (n,), joined by straight lines; NaN leaves a gap."""
    if style == "steps":
        x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    path: dict[tuple[int, int], None] = {}
    for i in np.flatnonzero(np.isfinite(x + y)):
        j = i if style == "points" or not np.isfinite(x[i + 1 : i + 2] + y[i + 1 : i + 2]).any() else i + 1
        count = math.ceil(max(abs(x[j] - x[i]), abs(y[j] - y[i]))) + 1
        line = (np.linspace(values[i], values[j], count).round().astype(int).tolist() for values in (x, y))
        path |= dict.fromkeys(zip(*line, strict=True))
    return [dot for i, dot in enumerate(path) if dashes[i % len(dashes)] == "1"]


def _braille(curves: Sequence[Dots], columns: int, rows: int) -> list[Text]:
    """Draw dots as rows of braille cells, 2 dots wide and 4 high; a shared cell has the colour of the last curve."""
    codes, owners = np.zeros((rows, columns), int), np.zeros((rows, columns), int)
    for owner, dots in enumerate(curves):
        for column, height in dots:
            down = 4 * rows - 1 - height
            codes[down // 4, column // 2] |= _BRAILLE_BITS[down % 4, column % 2]
            owners[down // 4, column // 2] = owner % len(_COLOURS)
    return [
        Text.assemble(*((chr(_BRAILLE + code), _COLOURS[owner]) if code else " " for code, owner in cells))
        for cells in map(zip, codes.tolist(), owners.tolist())
    ]


def _legend(curves: Sequence[Curve]) -> Text:
    """Draw a piece of each curve before its name."""
    pieces = []
    for owner, (curve, dashes) in enumerate(_with_dashes(curves)):
        x, y = np.array([0.0, 2.0, 5.0, 7.0]), np.array([0.0, 2.0, 1.0, 3.0]) if curve.style == "points" else np.ones(4)
        (piece,) = _braille([[]] * owner + [_dots(x, y, curve.style, dashes)], 4, 1)
        pieces.append(piece.append(f" {curve.name}"))
    return Text("   ").join(pieces)
