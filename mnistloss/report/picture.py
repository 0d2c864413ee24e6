"""Digits drawn with characters: two pixels a cell in half blocks, or shades of plain characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

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
