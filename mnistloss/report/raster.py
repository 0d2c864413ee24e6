"""Digits as PNG pictures, made by Pillow, which is imported only here and only when something is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from mnistloss.arrays import Array
from mnistloss.errors import ArgumentError, check_installed
from mnistloss.files import replacing

_MOST = 2500
_ZOOM = 3
_SIDE = 28 * _ZOOM
_GAP = 14
_CAPTION = 18
_FONT = 12
_WHITE, _INK = 255, 60


def png(image: Array) -> bytes:
    """One image (28, 28) of bytes as a file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def save_sheet(path: Path, images: Array, captions: Sequence[str]) -> None:
    """Images (N, 28, 28) of bytes in ink on paper, each above its caption; more than 2,500 raise ArgumentError."""
    if len(images) > _MOST:
        raise ArgumentError(f"a contact sheet has room for {_MOST:,} digits, not for {len(images):,}; draw fewer")
    check_installed("a contact sheet", "PIL")
    from PIL import Image, ImageDraw, ImageFont

    across = math.ceil(math.sqrt(2 * len(images)))
    wide, high = _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    sheet = Image.new("L", (_GAP + across * wide, _GAP + math.ceil(len(images) / across) * high), _WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = _GAP + place % across * wide, _GAP + place // across * high
        sheet.paste(Image.fromarray(_WHITE - image).resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (left, top))
        draw.rectangle((left - 1, top - 1, left + _SIDE, top + _SIDE), outline=200)
        draw.text((left + _SIDE / 2, top + _SIDE + 3), caption, _INK, font, anchor="ma")
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)
