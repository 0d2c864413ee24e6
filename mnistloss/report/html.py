"""A report as one HTML page that is complete in itself: it requests nothing, and is readable without scripts.

Its content security policy allows embedded images, and its own style and script by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mnistloss import errors
from mnistloss.analysis.overview import FileReport, Overview, build_report
from mnistloss.analysis.runs import RunComparison, report_runs, strip
from mnistloss.arrays.files import replacing
from mnistloss.document import Part, Pictures
from mnistloss.evaluation.scoring import Predictions
from mnistloss.evaluation.targets import DataKeywords
from mnistloss.formatting import as_options, shown
from mnistloss.losses.losses import LOSSES
from mnistloss.report import charts, details
from mnistloss.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


_TEMPLATES = Path(__file__).parent / "templates"
_SHADES = 10
_SIGNATURE = re.compile(r"[^\s|]+\|\S+\|n:\d+\|\S+")
_HEADINGS = {
    "together": (
        "Comparison",
        "Differences are paired, example by example: the loss of each file minus the loss of the first file.",
    ),
    "runs": (
        "Training runs",
        "Each name is one way of training with several runs. A point is the loss of a run; the line is their mean with"
        " its interval by Student's t.",
    ),
    "classes": ("By class", "The mean loss of each class, and its share of the total loss."),
    "confusion": (
        "Confusions",
        "Rows are true classes, columns are predicted classes, numbers count examples. The stronger the shade of a"
        " cell, the larger its share of the loss; shades follow the square root of the cost.",
    ),
    "calibration": (
        "Calibration",
        "Does the confidence match the accuracy? Examples are grouped by the probability of the predicted class."
        " Above the dashed line the model is underconfident, below it overconfident.",
    ),
    "histogram": (
        "Losses of single examples",
        "Which examples make up the loss? The number of examples by the size of their loss, on a logarithmic axis, and"
        " their share of the total loss.",
    ),
    "lens": (
        "Mini-batches",
        "The mean loss of a few random examples estimates the mean over all examples. This is the spread of such"
        " estimates.",
    ),
    "worst": ("The costliest examples", "Each with its index, its label, and the class that was predicted instead."),
}
"""The headings of sections by their keys, each with the sentence below it."""


def report(
    predictions: Predictions | Sequence[Predictions] | Mapping[str, Sequence[Predictions]],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    note: str | None = None,
    confidence: float = 0.95,
    **data: Unpack[DataKeywords],
) -> None:
    """Write a page about predictions, which is complete in itself. Needs the extra [report].

    predictions: of one model; or a list or tuple of several, which are compared with the first; or a mapping of
        training runs, see `evaluate_runs`.
    path: the file to write, such as report.html.
    title: of the page; the default is the name of the file. note: a sentence below the title.
    confidence: level of the intervals. data: see `DataKeywords`.

    Raises as `evaluate` does, and MissingExtraError for a package that is not installed.
    """
    check_installed()
    if isinstance(predictions, Mapping):
        save(report_runs(predictions, confidence=confidence, **data), Path(path), title=title, note=note)
        return
    several: Any = predictions if isinstance(predictions, (list, tuple)) else [predictions]
    save(build_report(several, confidence=confidence, **data), Path(path), title=title, note=note)


def save(report: Overview | RunComparison, path: Path, *, title: str | None = None, note: str | None = None) -> None:
    """Write the page to a file, whole or not at all."""
    content = render(report, title=title, note=note).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def render(report: Overview | RunComparison, *, title: str | None = None, note: str | None = None) -> str:
    """Return the page, the same text for the same report; the default title is the name of the file."""
    style = (_TEMPLATES / "page.css").read_text("utf-8") + charts.STYLE
    script = (_TEMPLATES / "page.js").read_text("utf-8")
    files: Sequence[FileReport] = ()
    together: dict[str, list[Part]] = {}
    if isinstance(report, RunComparison):
        evaluations = [run for recipe in report.recipes for run in recipe.runs]
        together["runs"] = [*report.parts(), strip(report.recipes, report.loss, report.confidence)]
    else:
        files, evaluations = report.files, [file.evaluation for file in report.files]
        if report.comparison is not None:
            together["together"] = [*details.leaderboards(evaluations), *report.comparison.parts()]
    first = evaluations[0]
    of = f"{len(evaluations)} {'files of predictions' if files else 'training runs'}"
    own = f"style-src {_hash(style)}; script-src {_hash(script)}"
    template = _environment().get_template("page.html")
    return template.render(
        title=title or (shown(first.predictions) if len(files) == 1 else of),
        note=note,
        first=first,
        files=[(file.evaluation, _file_sections(file)) for file in files],
        together=together,
        headings=_HEADINGS,
        losses=[LOSSES[name] for name in first.losses],
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; {own}; base-uri 'none'; form-action 'none'",
        version=__version__,
    )


def fragment(parts: Sequence[Part]) -> str:
    """Return parts of a document for the cell of a notebook, in the style of a page, legible on light and dark paper.

    Texts name Python keywords, not options of the command line. Raises MissingExtraError as `render` does.
    """
    check_installed()
    style = (_TEMPLATES / "page.css").read_text("utf-8").replace(":root", "&")  # nested in a rule for this cell
    environment = _environment(f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}-", str)
    return environment.get_template("notebook.html").render(parts=parts, style=style)


def check_installed() -> None:
    """Raise MissingExtraError where a package that a page needs is not installed."""
    errors.check_installed("a report", "jinja2", "matplotlib", "PIL")


def _file_sections(file: FileReport) -> dict[str, list[Part]]:
    """Return the parts below the scores of one file by the keys of their sections, with pictures before tables."""
    classes = details.classes(file.evaluation)
    sections: dict[str, list[Part]] = {"classes": [*classes]} if classes else {}
    for key, view in file.views.items():
        sections[key] = sorted(view.parts(), key=lambda part: not isinstance(part, Pictures))
    return sections


def _environment(prefix: str = "", options: Callable[[str], str] = as_options) -> Environment:
    """Return the templates with their filters; prefix: of the ids on a page. options: how texts name keywords."""
    import jinja2
    from markupsafe import Markup, escape

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    chart_ids = itertools.count(1)
    environment.tests["a"] = lambda part, kind: type(part).__name__ == kind
    environment.filters |= {"shown": shown, "options": options}
    environment.filters["line"] = lambda line: Markup(
        _SIGNATURE.sub(r"<code>\g<0></code>", str(escape(shown(options(line)))))
    )
    environment.filters["png"] = lambda image: f"data:image/png;base64,{_base64(charts.digit_png(image))}"
    environment.filters["level"] = lambda shade: round(_SHADES * shade)
    environment.filters["svg"] = lambda chart: Markup(charts.svg([chart], str(next(chart_ids))))
    ids = itertools.count(1)
    environment.globals |= {"details": details, "next_id": lambda: f"{prefix}{next(ids)}"}
    return environment


def _hash(text: str) -> str:
    """Return the source of a content security policy that allows this text only."""
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
