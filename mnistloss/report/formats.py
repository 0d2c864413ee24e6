"""Results as text in other formats, in full precision and without rich: JSON, CSV, Markdown and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss.document import Table
from mnistloss.evaluation.hints import Hint
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import shown
from mnistloss.report.details import details, summary

_COLUMNS = (
    "predictions", "dataset", "split", "input", "measure", "class", "batch", "n", "value", "reduction", "stderr",
    "ci_low", "ci_high", "confidence", "infinite", "signature", "uniform", "prior", "skill", "share", "interval",
    "draws", "seed", "reliability", "hints",
)  # fmt: skip


def document(**content: Any) -> str:
    """Return one JSON object, {"schema": 1, ...}; NaN or infinity in it raises ValueError.

    Bytes of a file name that are not UTF-8 become escapes, from which Python's json restores the name.
    """
    text = json.dumps({"schema": 1, **content}, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def to_json(evaluations: Sequence[Evaluation]) -> str:
    """Return {"schema": 1, "evaluations": [...]}; instead of NaN or infinity it has null and a count."""
    return document(evaluations=[evaluation.as_dict() for evaluation in evaluations])


def to_csv(evaluations: Sequence[Evaluation]) -> str:
    """Return a row for each loss and accuracy of each evaluation, followed by those of its classes and batches."""
    rows = []
    for evaluation in evaluations:
        common = {key: getattr(evaluation, key) for key in ("predictions", "dataset", "split", "input", "n")}
        common["hints"] = " | ".join(map(str, evaluation.hints))
        rows += [{**common, **row} for row in _rows(evaluation)]
    return _csv(_COLUMNS, ([row.get(column, "") for column in _COLUMNS] for row in rows))


def columns_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns of equal length under their names; None becomes an empty field."""
    return _csv(columns, zip(*columns.values(), strict=True))


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return flat rows under the names of all of them; a value that a row lacks becomes an empty field."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    return _csv(header, ([row.get(name) for name in header] for row in rows))


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return rows that end in a newline; with csv's own line end, a carriage return in a field is quoted too."""
    import csv
    import io

    lines = []
    for row in (header, *rows):
        text = io.StringIO()
        csv.writer(text).writerow(map(_without_formula, row))
        lines.append(text.getvalue().removesuffix("\r\n"))
    return "\n".join(lines)


def _without_formula(field: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{field}" if isinstance(field, str) and field.startswith(("=", "+", "-", "@", "\t", "\r")) else field


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield the rows of one evaluation; values without a column of their own are left out."""
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
    hints = [f"- {_markdown(f'{evaluation.predictions}: {hint}')}" for evaluation, hint in _hints(evaluations)]
    signatures = [f"- {_markdown(name)}`{signature}`" for name, signature in _signatures(evaluations)]
    return "\n".join([*tables, *hints, *signatures])


def _markdown_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (_markdown(title), "")
    yield f"| {' | '.join(heading.removeprefix('>') for heading in table.columns)} |"
    yield f"|{'|'.join('---:' if heading.startswith('>') else '---' for heading in table.columns)}|"
    yield from (f"| {' | '.join(map(_markdown, row))} |" for row in table.rows)
    yield ""


def _markdown(text: str) -> str:
    """Escape what Markdown would interpret."""
    return "".join(f"\\{c}" if c in "\\|`*_<[" else c for c in shown(text))


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """Return a tabular of all evaluations, the other tables of each, and the hints and signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    hints = [f"% {shown(f'{evaluation.predictions}: {hint}')}" for evaluation, hint in _hints(evaluations)]
    signatures = [f"% {shown(name)}{signature}" for name, signature in _signatures(evaluations)]
    return "\n".join([*tables, *hints, *signatures])


def _latex_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (rf"\par {_latex(title)}", "")
    yield rf"\begin{{tabular}}{{{''.join('r' if heading.startswith('>') else 'l' for heading in table.columns)}}}"
    yield rf"{' & '.join(_latex(heading.removeprefix('>')) for heading in table.columns)} \\ \hline"
    yield from (rf"{' & '.join(map(_latex, row))} \\" for row in table.rows)
    yield r"\end{tabular}"


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    c: f"\\text{name}{{}}"
    for c, name in {
        "\\": "backslash", "~": "asciitilde", "^": "asciicircum", "|": "bar", "<": "less", ">": "greater"
    }.items()
} | {"[": "{[}"}  # fmt: skip
"""Escapes of what LaTeX would interpret; a bracket after a line end would be an option of it."""


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in shown(text))


def _tables(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Table]]:
    """Yield each table with its title, which names the file where there are several."""
    yield "", summary(evaluations)
    for evaluation in evaluations:
        for table in details(evaluation, exact=True):
            yield f"{_prefix(evaluation, evaluations)}{table.title}".removesuffix(": "), table


def _hints(evaluations: Sequence[Evaluation]) -> Iterator[tuple[Evaluation, Hint]]:
    return ((evaluation, hint) for evaluation in evaluations for hint in evaluation.hints)


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Signature]]:
    """Yield the signature of each number, after the name of the file where there are several."""
    for evaluation in evaluations:
        signatures = [loss.signature for loss in evaluation.losses.values()]
        signatures += [share.signature for share in evaluation.shares().values()]
        yield from ((_prefix(evaluation, evaluations), signature) for signature in signatures)


def _prefix(evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> str:
    return f"{evaluation.predictions}: " if len(evaluations) > 1 else ""


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
    "latex": to_latex,
}
"""How evaluations are written, by the names of --format."""
