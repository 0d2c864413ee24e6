"""Write results in full precision as JSON, CSV, flat scores, Markdown or LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistloss.evaluation.results import Evaluation, Refused
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import finite, shown

if TYPE_CHECKING:
    from mnistloss.document import Table


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
    return rows_csv([finite(row) for row in (*(one.row() for one in evaluations), *(one.row() for one in refused))])


def to_scores(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return the finite numbers of a file as one flat JSON object; of several files, one such object by each name."""
    scores = {
        result.predictions: {name: number for name, number in finite(result.reported()).items() if number is not None}
        for result in evaluations
    }
    several = len(evaluations) + len(refused) > 1
    return _json(scores if several else next(iter(scores.values()), {}))


def columns_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return a CSV of columns (n,) under their names; None becomes an empty field."""
    return _csv(columns, zip(*columns.values(), strict=True))


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV with a column for each name in any of the rows; a value that a row lacks becomes an empty field."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    return _csv(header, ([row.get(name) for name in header] for row in rows))


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return lines of CSV. A carriage return in a field is quoted, because csv writes with a line end of its own."""
    import csv
    import io

    lines = []
    for row in (header, *rows):
        text = io.StringIO()
        csv.writer(text).writerow(map(_without_formula, row))
        lines.append(text.getvalue().removesuffix("\r\n"))
    return "\n".join(lines)


def _without_formula(field: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{field}" if isinstance(field, str) and field.startswith(("=", "+", "-", "@", "\t", "\r")) else field


def to_markdown(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a table of all evaluations, the other tables of each, and the hints, refusals and signatures as a list."""
    tables = [line for title, table in _tables(evaluations) for line in _markdown_table(title, table)]
    notes = [f"- {_markdown(note)}" for note in _notes(evaluations, refused)]
    return "\n".join([*tables, *notes, *(f"- {_markdown(name)}`{one}`" for name, one in _signatures(evaluations))])


def _markdown_table(title: str, table: Table) -> Iterator[str]:
    """Yield the lines of a table under its title."""
    if title:
        yield from (_markdown(title), "")
    yield f"| {' | '.join(heading.removeprefix('>') for heading in table.columns)} |"
    yield f"|{'|'.join('---:' if heading.startswith('>') else '---' for heading in table.columns)}|"
    yield from (f"| {' | '.join(map(_markdown, row))} |" for row in table.rows)
    yield ""


def _markdown(text: str) -> str:
    """Escape the characters that have a meaning in Markdown."""
    return "".join(f"\\{c}" if c in "\\|`*_<[" else c for c in shown(text))


def to_latex(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a tabular of all evaluations, the other tables of each, and hints, refusals, signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    notes = [f"% {shown(note)}" for note in _notes(evaluations, refused)]
    return "\n".join([*tables, *notes, *(f"% {shown(name)}{one}" for name, one in _signatures(evaluations))])


def _latex_table(title: str, table: Table) -> Iterator[str]:
    """Yield the lines of a tabular under its title."""
    if title:
        yield from (rf"\par {_latex(title)}", "")
    yield rf"\begin{{tabular}}{{{''.join('r' if heading.startswith('>') else 'l' for heading in table.columns)}}}"
    yield rf"{' & '.join(_latex(heading.removeprefix('>')) for heading in table.columns)} \\ \hline"
    yield from (rf"{' & '.join(map(_latex, row))} \\" for row in table.rows)
    yield r"\end{tabular}"


_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}",
})  # fmt: skip
"""Escapes of characters that have a meaning in LaTeX; a bracket after the end of a row would be an option."""


def _latex(text: str) -> str:
    """Escape the characters that have a meaning in LaTeX."""
    return shown(text).translate(_LATEX)


def _tables(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Table]]:
    """Yield each table with a title; of several files, the title names the file."""
    from mnistloss.report.details import details, summary

    if evaluations:
        yield "", summary(evaluations)
    for evaluation in evaluations:
        for table in details(evaluation, exact=True):
            yield f"{_prefix(evaluation, evaluations)}{table.title}".removesuffix(": "), table


def _notes(evaluations: Sequence[Evaluation], refused: Sequence[Refused]) -> Iterator[str]:
    """Yield each hint after the name of the file, and why files are not scored."""
    yield from (f"{evaluation.predictions}: {hint}" for evaluation in evaluations for hint in evaluation.hints)
    yield from (f"not scored: {one.reason}" for one in refused)


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Signature]]:
    """Yield the signature of each number; of several files, each after the name of the file."""
    for evaluation in evaluations:
        signatures = [loss.signature for loss in evaluation.losses.values()]
        signatures += [share.signature for share in evaluation.shares().values()]
        yield from ((_prefix(evaluation, evaluations), signature) for signature in signatures)


def _prefix(evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> str:
    """Return what to put before a title or a signature: the name of the file, if there are several files."""
    return f"{evaluation.predictions}: " if len(evaluations) > 1 else ""


FORMATS: Mapping[str, Callable[[Sequence[Evaluation], Sequence[Refused]], str]]
FORMATS = {"json": to_json, "csv": to_csv, "scores": to_scores, "markdown": to_markdown, "latex": to_latex}
"""The functions that write evaluations and refusals, by the names of --format."""
