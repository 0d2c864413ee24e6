"""Write results as JSON, CSV or flat scores, in full precision, or for people as Markdown or LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mnistloss.evaluation.results import Evaluation, Refused
from mnistloss.formatting import finite


def document(**content: Any) -> str:
    """Return one JSON object, {"schema": 1, ...}; NaN or infinity in the content raises ValueError.

    Bytes of a file name that are not UTF-8 become escapes; Python's json.loads turns the escapes into bytes again.
    """
    return _json({"schema": 1, **content})


def _json(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def to_json(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return {"schema": 1, "evaluations": [...], "refused": [...]}; infinity and NaN are null, with a count."""
    return document(
        evaluations=[evaluation.as_dict() for evaluation in evaluations], refused=[one.as_dict() for one in refused]
    )


def to_csv(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file: name, status, reason, the numbers by the names of gates, hints, signature."""
    return rows_csv([*(one.row() for one in evaluations), *(one.row() for one in refused)])


def to_scores(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return the finite numbers of a file as one flat JSON object; of several files, one such object by each name."""
    scores = {
        result.predictions: {name: number for name, number in finite(result.reported()).items() if number is not None}
        for result in evaluations
    }
    several = len(evaluations) + len(refused) > 1
    return _json(scores if several else next(iter(scores.values()), {}))


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV with a column for each name in any of the rows; a value that a row lacks becomes an empty field.

    A carriage return in a field is quoted, because csv writes with a line end of its own.
    """
    import csv
    import io

    header = list(dict.fromkeys(name for row in rows for name in row))
    lines = []
    for fields in (header, *([finite(row.get(name)) for name in header] for row in rows)):
        text = io.StringIO()
        csv.writer(text).writerow(map(_without_formula, fields))
        lines.append(text.getvalue().removesuffix("\r\n"))
    return "\n".join(lines)


def _without_formula(field: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{field}" if isinstance(field, str) and field.startswith(("=", "+", "-", "@", "\t", "\r")) else field


def to_markdown(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file, then classes, batches, hints and refusals; the signatures are folded away."""
    from mnistloss.report import details, markup

    return markup.markdown(details.paper(evaluations, refused))


def to_latex(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file, then classes and batches; hints, refusals and signatures are comments."""
    from mnistloss.report import details, markup

    return markup.latex(details.paper(evaluations, refused))


FORMATS: Mapping[str, Callable[[Sequence[Evaluation], Sequence[Refused]], str]]
FORMATS = {"json": to_json, "csv": to_csv, "scores": to_scores, "markdown": to_markdown, "latex": to_latex}
"""The functions that write evaluations and refusals, by the names of --format."""
