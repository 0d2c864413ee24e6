"""Results for machines: JSON and CSV, at full precision and without rich."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss.results import Evaluation

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


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {"json": to_json, "csv": to_csv}
