"""Draw results of the library where they are printed and in a notebook, as the command and a page show them.

`Printable` names these functions. They are imported when a result is shown first.
"""

from __future__ import annotations

import io
import sys
from typing import Any

from mnistloss.analysis.runs import RunComparison, strip
from mnistloss.document import Part
from mnistloss.errors import MissingExtraError
from mnistloss.evaluation.results import Evaluation
from mnistloss.report import details, html, markup, tables, terminal
from mnistloss.report.papers import paper


def to_text(result: Any) -> str:
    """Return what the command prints of a result, without colours."""
    text = io.StringIO()
    out = terminal.console(sys.stdout or text, file=text, color_system=None, force_jupyter=False)
    if isinstance(result, Evaluation):
        out.print(tables.evaluation(result), crop=False)
    else:
        for part in result.parts():
            out.print(terminal.render(part, out.width, pictures=False, colour=False), crop=False)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().split("\n"))


def to_html(result: Any) -> str | None:
    """Return a result as HTML with its charts and pictures; without the extra [report], None: Markdown is shown."""
    try:
        return html.fragment(_parts(result))
    except MissingExtraError:
        return None


def to_markdown(result: Any) -> str:
    """Return what `--format markdown` prints of a result."""
    return markup.markdown(paper(result))


def _parts(result: Any) -> list[Part]:
    if isinstance(result, Evaluation):
        return details.parts(result)
    charts = [strip(result.recipes, result.loss, result.confidence)] if isinstance(result, RunComparison) else []
    return [*result.parts(), *charts]
