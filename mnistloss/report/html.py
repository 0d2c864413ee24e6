"""A report as one page of HTML that needs nothing else: no request, no script to be read, no style from elsewhere.

What the page may load is in its content security policy: pictures within it, and its own style and script by hash.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mnistloss import errors
from mnistloss.analysis.overview import FileReport, Overview
from mnistloss.arrays.files import replacing
from mnistloss.document import Part, Pictures
from mnistloss.formatting import shown
from mnistloss.losses.losses import LOSSES
from mnistloss.report import charts, details
from mnistloss.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

    from mnistloss.arrays.checks import Array


_TEMPLATES = Path(__file__).parent / "templates"
_LEVELS = 10

_HEADS = {
    "together": (
        "Side by side",
        "Differences are paired, example by example: the loss of each file less that of the first one named.",
    ),
    "classes": (
        "By class",
        "The mean loss of the examples of each class, and what part of the whole loss they make.",
    ),
    "confusion": (
        "Confusions",
        "Rows are true classes, columns are predicted ones, and the numbers count examples. The stronger the shade of"
        " a cell, the more of the loss it makes; shades go by the root of the cost.",
    ),
    "calibration": (
        "Calibration",
        "Is it as sure as it is right? Examples in bins by the probability of the predicted class: above the dashed"
        " line they are right more often than that, below it less often.",
    ),
    "histogram": (
        "Single examples",
        "Which examples make the loss? On a logarithmic axis: how many cost so much, and what part of the whole they"
        " make.",
    ),
    "lens": (
        "Mini-batches",
        "The mean over a few random examples is a guess at the mean over all. This is how far such guesses lie apart.",
    ),
    "worst": (
        "The costliest examples",
        "Each with its index, its label, and the class that was predicted instead.",
    ),
}


class Section(NamedTuple):
    """A part of the page under a heading of its own; the lead says what is to be seen."""

    key: str
    title: str
    lead: str
    parts: Sequence[Part]


def check_installed() -> None:
    """Raise MissingExtraError where a package that a page needs is not installed."""
    errors.check_installed("a report", "jinja2", "matplotlib", "PIL")


def save(found: Overview, path: Path, *, title: str | None = None, note: str | None = None) -> None:
    """Write the page to a file, whole or not at all."""
    content = render(found, title=title, note=note).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def render(found: Overview, *, title: str | None = None, note: str | None = None) -> str:
    """The page as text: the same bytes for the same overview. title: instead of the files' names."""
    check_installed()
    style = (_TEMPLATES / "page.css").read_text() + charts.STYLE
    script = (_TEMPLATES / "page.js").read_text()
    names = [shown(file.evaluation.predictions) for file in found.files]
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title or (names[0] if len(names) == 1 else f"{len(names)} files of predictions"),
            note=note,
            files=[(file.evaluation, list(_sections(file))) for file in found.files],
            together=list(_together(found)),
            losses=[LOSSES[name] for name in found.files[0].evaluation.losses],
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)};"
            " base-uri 'none'; form-action 'none'",
            version=__version__,
        )
    )


def _section(key: str, parts: Sequence[Part]) -> Section:
    return Section(key, *_HEADS[key], parts)


def _together(found: Overview) -> Iterator[Section]:
    """What several files are against each other."""
    if found.comparison is not None:
        table = details.files([file.evaluation for file in found.files])
        yield _section("together", [table, *found.comparison.parts()])


def _sections(file: FileReport) -> Iterator[Section]:
    """What the page says of one file, below its scores; pictures come first."""
    if classes := details.classes(file.evaluation):
        yield _section("classes", classes)
    for key, view in file.views.items():
        yield _section(key, sorted(view.parts(), key=lambda part: not isinstance(part, Pictures)))


def _environment() -> Environment:
    import jinja2
    from markupsafe import Markup

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = itertools.count(1)
    made.tests["a"] = lambda part, kind: type(part).__name__ == kind
    made.filters["shown"] = shown
    made.filters["own"] = Markup
    made.filters["png"] = _data_uri
    made.filters["level"] = lambda shade: round(_LEVELS * shade)
    made.filters["svg"] = lambda chart: Markup(charts.svg([chart], str(next(drawn))))
    made.globals |= {"details": details, "next_id": itertools.count(1).__next__}
    return made


def _hash(text: str) -> str:
    """A source of a content security policy: just this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data_uri(image: Array) -> str:
    """An image (28, 28) of bytes as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(charts.digit_png(image)).decode()}"
