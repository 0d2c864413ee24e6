"""The result of an evaluation, which every report shows."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mnistloss.arrays.checks import Floats
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.hints import Fingerprint, Hint
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import Printable, finite, options_in, shown
from mnistloss.stats import Interval

HINT_SEPARATOR = " | "
"""What stands between the hints of a row."""


def hints_in_a_row(hints: Sequence[Hint]) -> str:
    """Return the hints as one text, each after its name."""
    return HINT_SEPARATOR.join(f"{hint.name}: {hint}".replace(HINT_SEPARATOR, " / ") for hint in hints)


@dataclass(frozen=True)
class LossResult:
    """One loss of an evaluation.

    value: the mean or the sum, or NaN for the reduction "none". It is infinite if the loss of an example is infinite.
    values: the losses of single examples (N,), only for the reduction "none".
    infinite: the number of infinite losses. stderr, ci: standard error and confidence interval of the value, or None
    if they are not defined. confidence: the level of the interval. interval: its kind, "hall" (P. Hall's, for skewed
    losses), "wilson" (for the error), or "bootstrap" (bootstrap-t with `draws` resamples and `seed`).
    reliability: why the interval is not reliable, or None if it is.
    references: the losses of two constant predictions, "uniform" (1/K for every class) and "prior" (the share of each
    class among the targets). Empty for soft targets, predicted classes and more than 1,000 classes.
    """

    value: float
    reduction: str
    stderr: float | None
    ci: Interval | None
    confidence: float
    infinite: int
    signature: Signature
    references: Mapping[str, float] = field(default_factory=dict)
    values: Floats | None = field(default=None, repr=False, compare=False)
    draws: int | None = None
    seed: int | None = None
    interval: str = "hall"
    reliability: str | None = None

    @property
    def skill(self) -> float | None:
        """1 - value / prior, where prior is `references["prior"]`; None if prior is missing or 0, or value infinite.

        scikit-learn calls this number d2_log_loss_score (for cee with delta 0) and d2_brier_score.
        """
        prior = self.references.get("prior")
        return 1 - self.value / prior if prior is not None and prior > 0 and math.isfinite(self.value) else None

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON, without `values`: full precision, and None instead of infinity and NaN."""
        return {
            "value": finite(self.value),
            "reduction": self.reduction,
            "stderr": self.stderr,
            "ci": list(self.ci) if self.ci else None,
            "confidence": self.confidence,
            "infinite": self.infinite,
            "signature": str(self.signature),
            "references": finite(self.references),
            "skill": self.skill,
            "interval": self.interval,
            "reliability": self.reliability,
            **({} if self.draws is None else {"draws": self.draws, "seed": self.seed}),
        }


class Accuracy(NamedTuple):
    """The share of examples whose predicted class, or one of the k most probable classes, is the true class.

    ci: Wilson's interval, or Hall's for soft targets. A single example with a soft target has no interval: None.
    """

    value: float
    ci: Interval | None
    signature: Signature
    interval: str = "wilson"

    def __float__(self) -> float:
        return self.value

    def as_dict(self) -> dict[str, Any]:
        ci = list(self.ci) if self.ci else None
        return {"value": self.value, "ci": ci, "signature": str(self.signature), "interval": self.interval}


class BatchResult(NamedTuple):
    """One batch of consecutive rows: the first row, the number of rows, and the mean or the sum of each loss."""

    start: int
    n: int
    losses: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        return finite(self._asdict())


class ClassResult(NamedTuple):
    """One class: the number of examples, the mean or sum of each loss, the share of each total, and the accuracy."""

    label: int
    n: int
    losses: Mapping[str, float]
    shares: Mapping[str, float]
    accuracy: float

    def as_dict(self) -> dict[str, Any]:
        content = finite(self._asdict())
        return {"class": content.pop("label"), **content}


@dataclass(frozen=True, repr=False)
class Evaluation(Printable):
    """The result of `evaluate`.

    predictions: the name of the file as the user gave it; `formatting.shown` makes this name safe to print.
    dataset, split: None for targets of the user's own.
    signature: of all losses together, with names joined by +. Each loss also has a signature of its own.
    top: the accuracy among the k most probable classes, by k. per_class, batches: None unless requested.
    """

    predictions: str
    dataset: str | None
    split: str | None
    n: int
    classes: int
    input: str
    losses: Mapping[str, LossResult]
    accuracy: Accuracy
    signature: Signature
    hints: tuple[Hint, ...]
    top: Mapping[int, Accuracy] = field(default_factory=dict)
    per_class: tuple[ClassResult, ...] | None = None
    batches: tuple[BatchResult, ...] | None = None
    fingerprint: Fingerprint | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        numbers = (f"{name}={value:.7g}" for name, value in self.numbers().items())
        return f"Evaluation({self.predictions!r}, n={self.n}, {', '.join(numbers)})"

    def shares(self) -> dict[str, Accuracy]:
        """Return by name the accuracy and each requested top-K accuracy."""
        return {"accuracy": self.accuracy, **{f"top-{k}": top for k, top in self.top.items()}}

    def numbers(self) -> dict[str, float]:
        """Return by name the losses, the accuracy, and each requested top-K accuracy."""
        losses = {name: result.value for name, result in self.losses.items()}
        return {**losses, **{name: share.value for name, share in self.shares().items()}}

    def reported(self) -> dict[str, float | None]:
        """Return every number by the names of `reported_names`. A number that is not defined is None."""
        numbers: dict[str, float | None] = {"n": self.n}
        for name, loss in self.losses.items():
            low, high = loss.ci or (None, None)
            parts = {"stderr": loss.stderr, "low": low, "high": high, "skill": loss.skill, "infinite": loss.infinite}
            numbers |= {name: loss.value, **{f"{name}.{part}": value for part, value in parts.items()}}
            numbers |= {f"{name}.{reference}": loss.references.get(reference) for reference in ("uniform", "prior")}
            numbers |= {f"{name}.{row.label}": row.losses[name] for row in self.per_class or ()}
            numbers |= {f"{name}.share.{row.label}": row.shares[name] for row in self.per_class or ()}
        for name, share in self.shares().items():
            low, high = share.ci or (None, None)
            numbers |= {name: share.value, f"{name}.low": low, f"{name}.high": high}
        numbers |= {f"accuracy.{row.label}": row.accuracy for row in self.per_class or ()}
        numbers["hints"] = len(self.hints)
        return {name: None if value is None or math.isnan(value) else value for name, value in numbers.items()}

    def row(self) -> dict[str, Any]:
        """Return one flat row: the name, every number by its name, the hints as text, and the signature."""
        hints = hints_in_a_row(self.hints)
        start = {"predictions": self.predictions, "status": "scored", "reason": ""}
        return {**start, **self.reported(), "hints": hints, "signature": str(self.signature)}

    def rows(self) -> list[dict[str, Any]]:
        """Return a list of the one flat row, for pandas.DataFrame."""
        return [self.row()]

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON."""
        return {
            "predictions": self.predictions,
            "dataset": self.dataset,
            "split": self.split,
            "n": self.n,
            "classes": self.classes,
            "input": self.input,
            "losses": {name: result.as_dict() for name, result in self.losses.items()},
            "accuracy": self.accuracy.as_dict(),
            "hints": [hint.as_dict() for hint in self.hints],
            **({"top": {str(k): top.as_dict() for k, top in self.top.items()}} if self.top else {}),
            **({} if self.per_class is None else {"per_class": [row.as_dict() for row in self.per_class]}),
            **({} if self.batches is None else {"batches": [batch.as_dict() for batch in self.batches]}),
        }


def sort_key(result: Evaluation) -> tuple[float, str]:
    """Return what several files are sorted by: the first loss, then the name."""
    return next(iter(result.losses.values())).value, result.predictions


@dataclass(frozen=True)
class Refused:
    """Predictions that are not scored.

    predictions: the name of the file as the user gave it. reason: the message that says why. advice: the options that
    would mend it, as the reason names them, such as `input="logits"`; may be empty.
    """

    predictions: str
    reason: str
    advice: str

    @classmethod
    def because(cls, predictions: str, reason: str) -> Refused:
        return cls(predictions, reason, " or ".join(options_in(reason)))

    @property
    def cause(self) -> str:
        """The reason without the name of the file, with which it begins."""
        return self.reason.removeprefix(f"{shown(self.predictions)}: ")

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON."""
        return dict(vars(self))

    def row(self) -> dict[str, Any]:
        """Return one flat row, without numbers; the hints are the options that would mend it."""
        hints = f"add {self.advice}" if self.advice else ""
        return {"predictions": self.predictions, "status": "refused", "reason": self.cause, "hints": hints}

    def rows(self) -> list[dict[str, Any]]:
        """Return a list of the one flat row, for pandas.DataFrame."""
        return [self.row()]


_PARTS = ("stderr", "low", "high", "skill", "infinite", "uniform", "prior")


def reported_names(losses: Sequence[str], top: Sequence[int] = (), *, per_class: bool = False) -> list[str]:
    """List the names of all numbers that an evaluation of these losses reports.

    NAME is a loss, accuracy or top-K. NAME.low and NAME.high are the ends of the interval. Losses also have
    NAME.stderr, NAME.skill, NAME.infinite, and the losses of constant predictions, NAME.uniform and NAME.prior.
    By class, there are NAME.CLASS and the share of the total loss, NAME.share.CLASS. n counts the examples, and
    hints counts the hints.
    """
    shares = ["accuracy", *(f"top-{k}" for k in top)]
    names = [*losses, *shares, "n", "hints", *(f"{name}.{part}" for name in losses for part in _PARTS)]
    names += [f"{name}.{end}" for name in shares for end in ("low", "high")]
    if per_class:
        names += [f"{name}.CLASS" for name in (*losses, "accuracy")] + [f"{name}.share.CLASS" for name in losses]
    return names


def save_losses(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """Save the losses of single examples, which reduction "none" keeps: a single loss as .npy, or by name as .npz."""
    from mnistloss.arrays.save import save_array, save_arrays

    values = {name: result.values for name, result in evaluation.losses.items() if result.values is not None}
    suffix = os.path.splitext(path)[1]
    if suffix == ".npy" and len(values) == 1:
        save_array(path, *values.values())
    elif suffix == ".npz":
        save_arrays(path, values)
    else:
        expected = ".npy or .npz" if len(values) == 1 else ".npz, or one loss and .npy"
        raise ArgumentError(f"{shown(path)} for {' and '.join(values)}: expected {expected}")
