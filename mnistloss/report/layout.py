"""How our tables, headings and sentences look."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from mnistloss import numbers


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
        text.stylize("dim", number.index(".") + 1 + numbers.decimals(stderr), len(number))
    return text
