"""Draw charts and digits as SVG and PNG, by matplotlib and Pillow, which are imported only when something is drawn.

The bytes of a picture depend on the input and on the releases of these packages, not on date or user settings.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mnistloss.arrays.checks import Array
from mnistloss.arrays.files import replacing
from mnistloss.document import Chart
from mnistloss.errors import ArgumentError
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MplAxis

INK, FAINT, PAPER = "#222222", "#cccccc", "#ffffff"
CURVES = ("#0b5fa5", "#b3460b", "#1c7a3e", "#7a3fa0")

_VARIABLES = {INK: "ink", FAINT: "faint", PAPER: "paper"} | {c: f"curve-{i}" for i, c in enumerate(CURVES, 1)}

STYLE = "\n".join(
    f'svg.chart [{attribute}="{colour}"] {{ {attribute}: var(--{variable}, {colour}) }}'
    for colour, variable in _VARIABLES.items()
    for attribute in ("fill", "stroke")
)
"""CSS rules that give charts the colours of a page's variables --ink, --faint, --paper and --curve-1 to --curve-4."""

_SVG = "http://www.w3.org/2000/svg"
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))
_STYLES: dict[str, dict[str, Any]] = {
    "line": {"linewidth": 1.4},
    "joined": {"linewidth": 1.4, "marker": "o", "markersize": 4},
    "steps": {"linewidth": 1.4, "drawstyle": "steps-post"},
    "points": {"linestyle": "none", "marker": ".", "markersize": 3},
}
_WIDTH, _HEIGHT = 5.0, 2.8
_DOTS_PER_INCH = 200
_TICKS, _FEW_DECADES = 5, 200.0
_SILENT = logging.NullHandler()
_SETTINGS: dict[Any, Any] = {
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.formatter.useoffset", "axes.spines.right", "axes.spines.top"), False),
    **dict.fromkeys(("legend.frameon", "text.parse_math"), False),
    "figure.facecolor": PAPER, "grid.color": FAINT, "font.family": "DejaVu Sans",
    "legend.borderaxespad": 0.2, "legend.columnspacing": 1, "legend.fontsize": 8.5, "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5, "savefig.dpi": _DOTS_PER_INCH, "svg.fonttype": "none",
}  # fmt: skip
_MAX_DIGITS = 2500
_DIGIT_SIZE, _GAP = 84, 14
_CAPTION_HEIGHT, _FONT_SIZE = 18, 12
_WHITE, _GREY, _BLACK = 255, 200, 60


def svg(charts: Sequence[Chart], name: str = "") -> str:
    """Draw charts one below the other as one <svg class="chart">, for a file or a page; none raise ArgumentError.

    Text stays text. Colours are attributes, such as fill="#222222", which the CSS of a page can override by `STYLE`.
    The SVG has no styles of its own, which a content security policy would block. Ids depend on the charts and on
    `name`, so that a page can hold several pictures. <title> and <desc> describe the picture.
    """
    salt = hashlib.sha256(f"{name}{list(charts)}".encode()).hexdigest()
    content = _savefig(charts, "svg", without="Date", salt=salt)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(content)
    _move_styles_to_attributes(root)
    _describe(root, charts, f"chart-{salt[:8]}")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def save(charts: Sequence[Chart], path: Path) -> None:
    """Write charts to a file, as SVG or PNG by the suffix of the path."""
    content = svg(charts).encode() if path.suffix == ".svg" else _savefig(charts, "png", without="Software")
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _savefig(charts: Sequence[Chart], format_: str, *, without: str, salt: str = "") -> bytes:
    """Return charts as a file, drawn with our settings of matplotlib and none of the user's, and without warnings.

    without: an entry of the metadata to leave out. salt: a text from which matplotlib makes the ids in an SVG.
    """
    logging.getLogger("matplotlib").addHandler(_SILENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib
        from matplotlib.figure import Figure

        if not charts:
            raise ArgumentError("there is no chart to draw")
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_SETTINGS | {"svg.hashsalt": salt})
            figure = Figure((_WIDTH, _HEIGHT * len(charts)), layout="constrained")
            for axes, chart in zip(figure.subplots(len(charts), squeeze=False)[:, 0], charts, strict=True):
                _draw(axes, chart)
            stream = io.BytesIO()
            figure.savefig(stream, format=format_, metadata={without: None})
    return stream.getvalue()


def _draw(axes: Axes, chart: Chart) -> None:
    """Draw one chart, with a legend if it has several curves."""
    axes.set_title(shown(chart.title), loc="left", fontsize=11, pad=22 if len(chart.curves) > 1 else 6)
    axes.set(xlabel=shown(chart.x.label), xscale="log" if chart.x.log else "linear")
    axes.set(ylabel=shown(chart.y.label), yscale="log" if chart.y.log else "linear")
    axes.grid(linewidth=0.5)
    axes.set_axisbelow(True)
    lines = []
    for i, curve in enumerate(chart.curves):
        dashes = _DASHES[sum(other.style != "points" for other in chart.curves[:i]) % len(_DASHES)]
        style = {"linestyle": dashes, "color": CURVES[i % len(CURVES)], **_STYLES[curve.style]}
        lines += axes.plot(curve.x, curve.y, **style)
    _tick(axes.xaxis, log=chart.x.log)
    if chart.y.names:
        axes.set_yticks(range(1, len(chart.y.names) + 1), [shown(name) for name in chart.y.names])
    else:
        _tick(axes.yaxis, log=chart.y.log)
    if len(lines) > 1:
        names = ["-"] * len(lines)  # matplotlib 3.9 leaves out names that start with _
        legend = axes.legend(lines, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(lines))
        for text, curve in zip(legend.get_texts(), chart.curves, strict=True):
            text.set_text(shown(curve.name))


def _tick(axis: MplAxis, *, log: bool) -> None:
    """Set few ticks, so that no numbers overlap. On a log axis, a range below 200 also has ticks at 2 and 5."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if not log:
        axis.set_major_locator(MaxNLocator(_TICKS))
        return
    low, high = axis.get_view_interval()
    few = high < _FEW_DECADES * low
    axis.set_major_locator(LogLocator(numticks=_TICKS))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(LogLocator(subs=(2, 5) if few else "auto"))
    axis.set_minor_formatter("{x:g}" if few else "")


def _move_styles_to_attributes(root: ElementTree.Element) -> None:
    """Turn styles into attributes. Remove what could affect the page around the SVG: CSS, metadata, unused ids."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}style", f"{{{_SVG}}}metadata") or not isinstance(child.tag, str):
                parent.remove(child)
    references = set(re.findall(r"#([\w-]+)", " ".join(v for e in root.iter() for v in e.attrib.values())))
    for element in root.iter():
        if element.get("id") not in references:
            element.attrib.pop("id", None)
        for rule in filter(None, element.attrib.pop("style", "").split(";")):
            name, value = (text.strip() for text in rule.split(":", 1))
            if name == "font":  # matplotlib before 3.11 writes size and family as one
                name, value = "font-size", re.findall(r"[\d.]+px", value)[0]
            if name != "font-family":
                element.set(name, value)
    for element in (inner for defs in root.iter(f"{{{_SVG}}}defs") for inner in defs.iter()):
        for colour in ("fill", "stroke"):  # the CSS of a page reaches the colours of a <use>, not those of <defs>
            element.attrib.pop(colour, None)


def _describe(root: ElementTree.Element, charts: Sequence[Chart], name: str) -> None:
    """Add a title and a description for screen readers."""
    root.attrib |= {
        "class": "chart",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "font-family": "DejaVu Sans, Verdana, sans-serif",
        "stroke-linejoin": "round",
    }
    title = "; ".join(shown(chart.title) for chart in charts)
    sentences = [
        f"{', '.join(shown(curve.name) for curve in chart.curves)}: {shown(chart.y.label)} by {shown(chart.x.label)}."
        for chart in charts
    ]
    for kind, text in (("desc", " ".join([*sentences, "Drawn by mnistloss."])), ("title", title)):
        element = ElementTree.Element(f"{{{_SVG}}}{kind}", {"id": f"{name}-{kind}"})
        element.text = text
        root.insert(0, element)


def digit_png(image: Array) -> bytes:
    """Encode one image (28, 28) of bytes as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def save_sheet(path: Path, images: Array, captions: Sequence[str]) -> None:
    """Write at most 2,500 images (N, 28, 28) of bytes to a PNG, each above a caption; more raise ArgumentError."""
    if len(images) > _MAX_DIGITS:
        raise ArgumentError(f"a contact sheet has room for {_MAX_DIGITS:,} digits, not for {len(images):,}; draw fewer")
    from PIL import Image, ImageDraw, ImageFont

    across = math.ceil(math.sqrt(2 * len(images)))
    width, height = _DIGIT_SIZE + _GAP, _DIGIT_SIZE + _CAPTION_HEIGHT + _GAP
    sheet = Image.new("L", (_GAP + across * width, _GAP + math.ceil(len(images) / across) * height), _WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = _GAP + i % across * width, _GAP + i // across * height
        digit = Image.fromarray(_WHITE - image).resize((_DIGIT_SIZE, _DIGIT_SIZE), Image.Resampling.NEAREST)
        sheet.paste(digit, (left, top))
        draw.rectangle((left - 1, top - 1, left + _DIGIT_SIZE, top + _DIGIT_SIZE), outline=_GREY)
        draw.text((left + _DIGIT_SIZE / 2, top + _DIGIT_SIZE + 3), caption, _BLACK, font, anchor="ma")
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)
