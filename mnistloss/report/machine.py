"""Evaluations for machines: JSON, CSV and Markdown, at full precision and without rich."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss.datasets.cache import Entry, State
from mnistloss.datasets.catalog import SPLITS, Dataset, File
from mnistloss.evaluation import Evaluation
from mnistloss.examples import Examples
from mnistloss.report import numbers
from mnistloss.views.view import Result

_COLUMNS = (
    "predictions",
    "dataset",
    "split",
    "input",
    "measure",
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


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    common = {
        "predictions": evaluation.predictions,
        "dataset": evaluation.dataset,
        "split": evaluation.split,
        "input": evaluation.input,
    }
    for name, result in evaluation.losses.items():
        fields = result.as_dict()
        low, high = fields.pop("ci") or (None, None)
        yield {**common, "measure": name, "n": evaluation.n, "ci_low": low, "ci_high": high, **fields}
    low, high = evaluation.accuracy.ci
    confidence = next(iter(evaluation.losses.values())).confidence
    yield {
        **common,
        "measure": "accuracy",
        "n": evaluation.n,
        "value": evaluation.accuracy.value,
        "ci_low": low,
        "ci_high": high,
        "confidence": confidence,
    }
    for number, batch in enumerate(evaluation.batches or ()):
        for name, value in batch.as_dict()["losses"].items():
            reduction = evaluation.losses[name].reduction
            yield {**common, "measure": name, "batch": number, "n": batch.n, "value": value, "reduction": reduction}


def to_markdown(evaluations: Sequence[Evaluation]) -> str:
    """A table of all evaluations and a list of their signatures."""
    lines = ["| predictions | data | n | measure | value | std. error | interval |", "|---|---|---:|---|---:|---:|---|"]
    signatures = []
    for evaluation in evaluations:
        data = f"{evaluation.dataset} {evaluation.split}" if evaluation.dataset else "own targets"
        start = f"| {_cell(evaluation.predictions)} | {data} | {evaluation.n:,} |"
        for name, result in evaluation.losses.items():
            cells = (
                numbers.loss(result.value),
                numbers.spread(result.stderr),
                numbers.interval(result.ci, result.stderr),
            )
            lines.append(f"{start} {name} | {' | '.join(cells)} |")
            signatures.append(f"- `{result.signature}`")
        accuracy = numbers.share(evaluation.accuracy.value, evaluation.n)
        lines.append(f"{start} accuracy | {accuracy} | - | {numbers.interval(evaluation.accuracy.ci)} |")
    return "\n".join([*lines, "", *signatures])


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {"json": to_json, "csv": to_csv, "markdown": to_markdown}
