"""Results for machines: JSON and CSV, at full precision and without rich."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss.document import Table
from mnistloss.evaluation.results import Evaluation
from mnistloss.formatting import shown
from mnistloss.report.details import details, summary

_COLUMNS = (
    "predictions", "dataset", "split", "input", "measure", "class", "batch", "n", "value", "reduction", "stderr",
    "ci_low", "ci_high", "confidence", "infinite", "signature", "uniform", "prior", "skill", "share", "interval",
    "draws", "seed",
)  # fmt: skip


def document(**content: Any) -> str:
    """One JSON object, {"schema": 1, ...}; what is NaN or infinite raises ValueError.

    Bytes of a file name that are no text become escapes, from which Python's json makes the same name again.
    """
    text = json.dumps({"schema": 1, **content}, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def to_json(evaluations: Sequence[Evaluation]) -> str:
    """One object: {"schema": 1, "evaluations": [...]}; never NaN or Infinity, but null and a count."""
    return document(evaluations=[evaluation.as_dict() for evaluation in evaluations])


def to_csv(evaluations: Sequence[Evaluation]) -> str:
    """A row for each loss and the accuracy of each evaluation, then those of each class and each batch."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for evaluation in evaluations:
        common = {
            "predictions": evaluation.predictions,
            "dataset": evaluation.dataset,
            "split": evaluation.split,
            "input": evaluation.input,
            "n": evaluation.n,
        }
        writer.writerows({**common, **row} for row in _rows(evaluation))
    return text.getvalue().removesuffix("\n")


def columns_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns of equal length under their names; None is empty."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().removesuffix("\n")


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for name, result in evaluation.losses.items():
        fields = {key: value for key, value in result.as_dict().items() if key in _COLUMNS}
        low, high = result.ci or (None, None)
        references = result.as_dict()["references"]
        yield {"measure": name, "ci_low": low, "ci_high": high, **fields, **references}
    confidence = next(iter(evaluation.losses.values())).confidence
    for name, share in evaluation.shares().items():
        low, high = share.ci or (None, None)
        fields = {key: value for key, value in share.as_dict().items() if key in _COLUMNS}
        yield {"measure": name, "ci_low": low, "ci_high": high, "confidence": confidence, **fields}
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
    """A table of all evaluations, then the further tables of each, the hints, and the signatures as a list."""
    hints = [
        f"- {_markdown(f'{evaluation.predictions}: {hint}')}" for evaluation in evaluations for hint in evaluation.hints
    ]
    tables = [line for title, table in _tables(evaluations) for line in _markdown_table(title, table)]
    signatures = (f"- {_markdown(name)}`{signature}`" for name, signature in _signatures(evaluations))
    return "\n".join([*tables, *hints, *signatures])


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """A tabular of all evaluations, then the further ones of each, with hints and signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    hints = [f"% {shown(evaluation.predictions)}: {hint}" for evaluation in evaluations for hint in evaluation.hints]
    signatures = (f"% {shown(name)}{signature}" for name, signature in _signatures(evaluations))
    return "\n".join([*tables, *hints, *signatures])


def _tables(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Table]]:
    """Each table under its title, which names the file where there are several."""
    yield "", summary(evaluations)
    for evaluation in evaluations:
        for table in details(evaluation, exact=True):
            yield f"{_name(evaluation, evaluations)}{table.title}".removesuffix(": "), table


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, str]]:
    """Each signature behind the name of the file, where there are several."""
    for evaluation in evaluations:
        name = _name(evaluation, evaluations)
        yield from ((name, str(number.signature)) for number in evaluation.losses.values())
        yield from ((name, str(share.signature)) for share in evaluation.shares().values())


def _name(evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> str:
    return f"{evaluation.predictions}: " if len(evaluations) > 1 else ""


def _markdown_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (_markdown(title), "")
    yield f"| {' | '.join(heading.removeprefix('>') for heading in table.columns)} |"
    yield f"|{'|'.join('---:' if heading.startswith('>') else '---' for heading in table.columns)}|"
    yield from (f"| {' | '.join(map(_markdown, row))} |" for row in table.rows)
    yield ""


def _latex_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (rf"\par {_latex(title)}", "")
    yield rf"\begin{{tabular}}{{{''.join('r' if heading.startswith('>') else 'l' for heading in table.columns)}}}"
    yield rf"{' & '.join(_latex(heading.removeprefix('>')) for heading in table.columns)} \\ \hline"
    yield from (rf"{' & '.join(map(_latex, row))} \\" for row in table.rows)
    yield r"\end{tabular}"


def _markdown(text: str) -> str:
    return _escaped(shown(text), "\\|`*_<[")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in shown(text))


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special else c for c in text)


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    c: f"\\text{name}{{}}"
    for c, name in {
        "\\": "backslash", "~": "asciitilde", "^": "asciicircum", "|": "bar", "<": "less", ">": "greater"
    }.items()
} | {"[": "{[}"}  # fmt: skip
"""What LaTeX would take for more than itself; after a line end, a bracket too."""

FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
    "latex": to_latex,
}
