"""Write results in full precision as JSON, CSV, Markdown or LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.document import Table

_COLUMNS = (
    "predictions", "dataset", "split", "input", "measure", "class", "batch", "n", "value", "reduction", "stderr",
    "ci_low", "ci_high", "confidence", "infinite", "signature", "uniform", "prior", "skill", "share", "interval",
    "draws", "seed", "reliability", "hints",
)  # fmt: skip


def document(**content: Any) -> str:
    """Return one JSON object, {"schema": 1, ...}; NaN or infinity in the content raises ValueError.

    Bytes of a file name that are not UTF-8 become escapes; Python's json.loads turns the escapes into bytes again.
    """
    text = json.dumps({"schema": 1, **content}, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def to_json(evaluations: Sequence[Evaluation]) -> str:
    """Return {"schema": 1, "evaluations": [...]}, with null and a count instead of NaN or infinity."""
    return document(evaluations=[evaluation.as_dict() for evaluation in evaluations])


def to_csv(evaluations: Sequence[Evaluation]) -> str:
    """Return a row for each loss and accuracy of each evaluation, and then of each class and each batch."""
    rows = []
    for evaluation in evaluations:
        common = {key: getattr(evaluation, key) for key in ("predictions", "dataset", "split", "input", "n")}
        common["hints"] = " | ".join(map(str, evaluation.hints))
        rows += [{**common, **row} for row in _rows(evaluation)]
    return _csv(_COLUMNS, ([row.get(column, "") for column in _COLUMNS] for row in rows))


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


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield the rows of one evaluation as dictionaries; values without a column are ignored later."""
    for name, loss in evaluation.losses.items():
        fields = loss.as_dict()
        low, high = loss.ci or (None, None)
        yield {"measure": name, "ci_low": low, "ci_high": high, **fields, **fields["references"]}
    confidence = next(iter(evaluation.losses.values())).confidence
    for name, share in evaluation.shares().items():
        low, high = share.ci or (None, None)
        yield {"measure": name, "ci_low": low, "ci_high": high, "confidence": confidence, **share.as_dict()}
    for entry in (item.as_dict() for item in evaluation.per_class or ()):
        for name, value in {**entry["losses"], "accuracy": entry["accuracy"]}.items():
            row = {"measure": name, "class": entry["class"], "n": entry["n"], "value": value}
            if name in evaluation.losses:
                row["reduction"] = "sum" if evaluation.losses[name].reduction == "sum" else "mean"
            yield {**row, "share": entry["shares"].get(name)}
    for number, batch in enumerate(evaluation.batches or ()):
        for name, value in batch.as_dict()["losses"].items():
            reduction = evaluation.losses[name].reduction
            yield {"measure": name, "batch": number, "n": batch.n, "value": value, "reduction": reduction}


def to_markdown(evaluations: Sequence[Evaluation]) -> str:
    """Return a table of all evaluations, the other tables of each, and the hints and signatures as a list."""
    tables = [line for title, table in _tables(evaluations) for line in _markdown_table(title, table)]
    hints = [f"- {_markdown(hint)}" for hint in _hints(evaluations)]
    return "\n".join([*tables, *hints, *(f"- {_markdown(name)}`{one}`" for name, one in _signatures(evaluations))])


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


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """Return a tabular of all evaluations, the other tables of each, and the hints and signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    hints = [f"% {shown(hint)}" for hint in _hints(evaluations)]
    return "\n".join([*tables, *hints, *(f"% {shown(name)}{one}" for name, one in _signatures(evaluations))])


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

    yield "", summary(evaluations)
    for evaluation in evaluations:
        for table in details(evaluation, exact=True):
            yield f"{_prefix(evaluation, evaluations)}{table.title}".removesuffix(": "), table


def _hints(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield each hint after the name of the file."""
    return (f"{evaluation.predictions}: {hint}" for evaluation in evaluations for hint in evaluation.hints)


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Signature]]:
    """Yield the signature of each number; of several files, each after the name of the file."""
    for evaluation in evaluations:
        signatures = [loss.signature for loss in evaluation.losses.values()]
        signatures += [share.signature for share in evaluation.shares().values()]
        yield from ((_prefix(evaluation, evaluations), signature) for signature in signatures)


def _prefix(evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> str:
    """Return what to put before a title or a signature: the name of the file, if there are several files."""
    return f"{evaluation.predictions}: " if len(evaluations) > 1 else ""


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]]
FORMATS = {"json": to_json, "csv": to_csv, "markdown": to_markdown, "latex": to_latex}
"""The functions that write evaluations, by the names of --format."""
