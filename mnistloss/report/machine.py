"""Evaluations for machines: JSON, CSV and Markdown, at full precision and without rich."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss import numbers
from mnistloss.compared import Comparison
from mnistloss.datasets.cache import Entry, State
from mnistloss.datasets.catalog import SPLITS, Dataset, File
from mnistloss.errors import shown
from mnistloss.examples import Examples
from mnistloss.findings import Findings
from mnistloss.generalisation import Gap
from mnistloss.results import Evaluation
from mnistloss.verification import Verification
from mnistloss.views.view import Result

_COLUMNS = (
    "predictions",
    "dataset",
    "split",
    "input",
    "measure",
    "class",
    "batch",
    "n",
    "value",
    "reduction",
    "stderr",
    "ci_low",
    "ci_high",
    "confidence",
    "infinite",
    "signature",
)


def to_json(evaluations: Sequence[Evaluation]) -> str:
    """One object: {"schema": 1, "evaluations": [...]}; never NaN or Infinity, but null and a count."""
    document = {"schema": 1, "evaluations": [evaluation.as_dict() for evaluation in evaluations]}
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)


def inspection_json(examples: Examples, results: Mapping[str, Result]) -> str:
    """What views found: {"schema": 1, "predictions": ..., "views": {NAME: ...}}."""
    found = {name: result.as_dict() for name, result in results.items()}
    where = {"predictions": examples.name, "dataset": examples.dataset, "split": examples.split, "n": examples.n}
    return json.dumps({"schema": 1, **where, "views": found}, indent=2, allow_nan=False, ensure_ascii=False)


def comparison_json(found: Comparison) -> str:
    """Predictions against predictions: {"schema": 1, "comparison": {...}}."""
    return json.dumps({"schema": 1, "comparison": found.as_dict()}, indent=2, allow_nan=False, ensure_ascii=False)


def findings_json(found: Findings) -> str:
    """All that a report page says: {"schema": 1, "report": {...}}."""
    return json.dumps({"schema": 1, "report": found.as_dict()}, indent=2, allow_nan=False, ensure_ascii=False)


def gap_json(found: Gap) -> str:
    """What `gap` found: {"schema": 1, "gap": {...}}."""
    return json.dumps({"schema": 1, "gap": found.as_dict()}, indent=2, allow_nan=False, ensure_ascii=False)


def explanation_json(name: str, found: Result) -> str:
    """What was explained: {"schema": 1, NAME: {...}}."""
    return json.dumps({"schema": 1, name: found.as_dict()}, indent=2, allow_nan=False, ensure_ascii=False)


def verification_json(found: Verification) -> str:
    """Whether a file gives a number: {"schema": 1, "verification": {...}}."""
    return json.dumps({"schema": 1, "verification": found.as_dict()}, indent=2, allow_nan=False, ensure_ascii=False)


def datasets_json(datasets: Sequence[Dataset]) -> str:
    """The catalog: {"schema": 1, "datasets": [...]}."""
    listed = [
        {
            "name": dataset.name,
            "title": dataset.title,
            "examples": {split: dataset.examples(split) for split in SPLITS},
            "classes": list(dataset.class_names),
            "files": [_file(file) for file in dataset.select()],
            "mirrors": dataset.mirrors,
            "licence": dataset.licence,
            "bibtex": dataset.bibtex,
        }
        for dataset in datasets
    ]
    return json.dumps({"schema": 1, "datasets": listed}, indent=2, ensure_ascii=False)


def _file(file: File) -> dict[str, Any]:
    digests = {"sha256": file.sha256, "gz_sha256": file.archive_sha256}
    return {"name": file.name, "bytes": file.size, "shape": file.shape, **digests}


def cache_json(entries: Sequence[Entry]) -> str:
    """What is cached: {"schema": 1, "files": [...]}."""
    listed = [
        {
            "dataset": entry.dataset.name,
            "file": entry.file.name,
            "bytes": entry.file.size if entry.state is State.VERIFIED else None,
            "verified": entry.state is State.VERIFIED,
            "reason": entry.reason or None,
            "path": str(entry.path),
        }
        for entry in entries
    ]
    return json.dumps({"schema": 1, "files": listed}, indent=2, ensure_ascii=False)


def to_csv(evaluations: Sequence[Evaluation]) -> str:
    """A row for each loss and the accuracy of each evaluation, then for each loss of each batch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for evaluation in evaluations:
        writer.writerows(_rows(evaluation))
    return text.getvalue().removesuffix("\n")


def columns_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns of equal length under their names; None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().removesuffix("\n")


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    common = {
        "predictions": evaluation.predictions,
        "dataset": evaluation.dataset,
        "split": evaluation.split,
        "input": evaluation.input,
        "n": evaluation.n,
    }
    for name, result in evaluation.losses.items():
        fields = {key: value for key, value in result.as_dict().items() if key in _COLUMNS}
        low, high = result.ci or (None, None)
        yield {**common, "measure": name, "ci_low": low, "ci_high": high, **fields}
    confidence = next(iter(evaluation.losses.values())).confidence
    for name, share in evaluation.shares().items():
        low, high = share.ci
        row = {"measure": name, "value": share.value, "ci_low": low, "ci_high": high, "confidence": confidence}
        yield {**common, **row}
    for entry in (item.as_dict() for item in evaluation.per_class or ()):
        for name, value in {**entry["losses"], "accuracy": entry["accuracy"]}.items():
            yield {**common, "measure": name, "class": entry["class"], "n": entry["n"], "value": value}
    for number, batch in enumerate(evaluation.batches or ()):
        for name, value in batch.as_dict()["losses"].items():
            reduction = evaluation.losses[name].reduction
            yield {**common, "measure": name, "batch": number, "n": batch.n, "value": value, "reduction": reduction}


def to_markdown(evaluations: Sequence[Evaluation]) -> str:
    """A table of all evaluations, their hints, and a list of their signatures."""
    lines = ["| predictions | data | n | measure | value | std. error | interval |", "|---|---|---:|---|---:|---:|---|"]
    lines += [f"| {' | '.join(_escaped(cell, '|') for cell in row)} |" for row in _cells(evaluations)]
    hints = [f"- {hint.evidence}: {hint.advice}" for evaluation in evaluations for hint in evaluation.hints]
    signatures = [f"- `{result.signature}`" for evaluation in evaluations for result in evaluation.losses.values()]
    return "\n".join([*lines, "", *hints, *signatures])


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """A tabular of all evaluations, with the signatures as comments."""
    lines = [r"\begin{tabular}{llrlrrl}", r"predictions & data & n & measure & value & std. error & interval \\ \hline"]
    lines += [rf"{' & '.join(_escaped(cell, '&%$#_{}') for cell in row)} \\" for row in _cells(evaluations)]
    signatures = [f"% {result.signature}" for evaluation in evaluations for result in evaluation.losses.values()]
    return "\n".join([*lines, r"\end{tabular}", *signatures])


def _cells(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, ...]]:
    """A row of text for each number of each evaluation, values at full precision."""
    for evaluation in evaluations:
        start = (shown(evaluation.predictions), numbers.data(evaluation.dataset, evaluation.split), f"{evaluation.n:,}")
        for name, result in evaluation.losses.items():
            value = "infinite" if result.infinite else repr(result.value)
            yield (*start, name, value, numbers.spread(result.stderr), numbers.interval(result.ci, result.stderr))
        for name, share in evaluation.shares().items():
            yield (*start, name, repr(share.value), "-", numbers.interval(share.ci))


def _escaped(text: str, special: str) -> str:
    text = text.replace("\\", r"\textbackslash{}" if "{" in special else r"\\")
    return "".join(f"\\{c}" if c in special else c for c in text)


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
    "latex": to_latex,
}
