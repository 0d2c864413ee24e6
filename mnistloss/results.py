"""What an evaluation found: frozen, and the same in every report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistloss.arrays import Floats
from mnistloss.doctor import Hint
from mnistloss.numbers import finite
from mnistloss.signature import Signature
from mnistloss.statistics import Interval


@dataclass(frozen=True)
class LossResult:
    """One loss of an evaluation; `values` are the per-example losses, kept for the reduction none.

    value: infinite where a per-example loss is, NaN for the reduction none. infinite: how many are.
    stderr, ci: of the value; None where not defined. confidence: of the interval, which is the normal one, or
    the percentile one of a bootstrap where that was asked for. references: what constant predictions cost by
    formula, "uniform" (1/K for every class) and "prior" (the share of each class among the targets), empty for
    soft targets and for predicted classes. skill: 1 - value / prior, None without a reference.
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

    @property
    def skill(self) -> float | None:
        """What share of the loss of the class prior is saved: 1 is perfect, 0 is the prior, less is worse."""
        prior = self.references.get("prior")
        return 1 - self.value / prior if prior and math.isfinite(self.value) else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: full precision, null instead of infinity and NaN, without the per-example losses."""
        return {
            "value": finite(self.value),
            "reduction": self.reduction,
            "stderr": self.stderr,
            "ci": list(self.ci) if self.ci else None,
            "confidence": self.confidence,
            "infinite": self.infinite,
            "signature": str(self.signature),
            "references": {name: finite(value) for name, value in self.references.items()},
            "skill": self.skill,
        }


@dataclass(frozen=True)
class Accuracy:
    """A share of examples that are right, with Wilson's interval: by the predicted class, or among the top k."""

    value: float
    ci: Interval

    def __float__(self) -> float:
        return self.value

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"value": self.value, "ci": list(self.ci)}


@dataclass(frozen=True)
class BatchResult:
    """One batch of the partition: its first row, its size and its losses, reduced like the whole."""

    start: int
    n: int
    losses: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: null instead of infinity."""
        return {
            "start": self.start,
            "n": self.n,
            "losses": {name: finite(value) for name, value in self.losses.items()},
        }


@dataclass(frozen=True)
class ClassResult:
    """The examples of one class: how many, their mean losses, the share of the total of each loss, the accuracy."""

    label: int
    n: int
    losses: Mapping[str, float]
    shares: Mapping[str, float]
    accuracy: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: null instead of infinity and NaN."""
        return {
            "class": self.label,
            "n": self.n,
            "losses": {name: finite(value) for name, value in self.losses.items()},
            "shares": {name: finite(value) for name, value in self.shares.items()},
            "accuracy": finite(self.accuracy),
        }


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; `dataset` and `split` are None for targets of the user's own.

    signature: one for all losses together, their names joined by +; each loss has its own too.
    top: the accuracy among the k most probable classes, by k. per_class, batches: where asked for.
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

    def shares(self) -> dict[str, Accuracy]:
        """The accuracy, and `top-K` where asked for, by name."""
        return {"accuracy": self.accuracy, **{f"top-{k}": top for k, top in self.top.items()}}

    def numbers(self) -> dict[str, float]:
        """Every number that has a name: the losses, `accuracy`, and `top-K` where asked for."""
        losses = {name: result.value for name, result in self.losses.items()}
        return {**losses, **{name: share.value for name, share in self.shares().items()}}

    def reported(self) -> dict[str, float]:
        """`numbers`, and what else is reported, as far as it is defined.

        NAME.stderr, NAME.low and NAME.high (of the interval), NAME.infinite, NAME.skill; by class NAME[3], and
        NAME.share[3] of the total; n, and hints: how many there are.
        """
        found: dict[str, float | None] = {**self.numbers(), "n": self.n, "hints": len(self.hints)}
        for name, loss in self.losses.items():
            found |= {f"{name}.stderr": loss.stderr, f"{name}.infinite": loss.infinite, f"{name}.skill": loss.skill}
        intervals = {name: loss.ci for name, loss in self.losses.items()}
        intervals |= {name: share.ci for name, share in self.shares().items()}
        for name, ci in intervals.items():
            found |= {f"{name}.low": ci[0], f"{name}.high": ci[1]} if ci else {}
        for row in self.per_class or ():
            found |= {f"{name}[{row.label}]": value for name, value in row.losses.items()}
            found |= {f"{name}.share[{row.label}]": share for name, share in row.shares.items()}
            found[f"accuracy[{row.label}]"] = row.accuracy
        return {name: value for name, value in found.items() if value is not None and not math.isnan(value)}

    def as_dict(self) -> dict[str, Any]:
        """One evaluation as JSON has it."""
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
