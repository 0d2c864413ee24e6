"""What an evaluation found: frozen, and the same in every report."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mnistloss.arrays.checks import Floats
from mnistloss.arrays.save import save_array, save_arrays
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.hints import Hint
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import finite, shown
from mnistloss.stats import Interval


@dataclass(frozen=True)
class LossResult:
    """One loss of an evaluation; `values` are the per-example losses, kept for the reduction none.

    value: infinite where a per-example loss is, NaN for the reduction none. infinite: how many are.
    stderr, ci: of the value; None where not defined. confidence: of the interval, which is the normal one; where
    `draws` says of how many resamples, and `seed` of which, it is the percentile one of a bootstrap.
    references: what constant predictions cost by formula, "uniform" (1/K for every class) and "prior" (the share of
    each class among the targets), empty for soft targets, predicted classes and more than 1,000 classes. skill:
    1 - value / prior, None without a prior that costs anything.
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

    @property
    def skill(self) -> float | None:
        """What share of the loss of the class prior is saved: 1 is perfect, 0 is the prior, less is worse."""
        prior = self.references.get("prior")
        return 1 - self.value / prior if prior is not None and prior > 0 and math.isfinite(self.value) else None

    @property
    def interval(self) -> str:
        """How the interval was found: normal or bootstrap."""
        return "normal" if self.draws is None else "bootstrap"

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
            "references": finite(self.references),
            "skill": self.skill,
            "interval": self.interval,
            **({} if self.draws is None else {"draws": self.draws, "seed": self.seed}),
        }


class Accuracy(NamedTuple):
    """A share of examples that are right, by the predicted class or among the top k.

    ci: Wilson's interval; of soft targets, where examples are right in part, the normal one, None for one example.
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
    """One batch of the partition: its first row, its size and its losses, reduced like the whole."""

    start: int
    n: int
    losses: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        return finite(self._asdict())


class ClassResult(NamedTuple):
    """The examples of one class: how many, their losses, reduced, the share of each loss's total, the accuracy."""

    label: int
    n: int
    losses: Mapping[str, float]
    shares: Mapping[str, float]
    accuracy: float

    def as_dict(self) -> dict[str, Any]:
        found = finite(self._asdict())
        return {"class": found.pop("label"), **found}


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; `dataset` and `split` are None for targets of the user's own.

    predictions: the name of the file as it was given; to be printed, `errors.shown` makes it safe.
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

    def reported(self) -> dict[str, float | None]:
        """Every number by its name, see `reported_names`; None where it is not defined for these predictions."""
        found: dict[str, float | None] = {**self.numbers(), "n": self.n, "hints": len(self.hints)}
        for name, loss in self.losses.items():
            of_loss = {"stderr": loss.stderr, "infinite": loss.infinite, "skill": loss.skill, **loss.references}
            found |= {f"{name}.{part}": of_loss.get(part) for part in _PARTS}
        intervals = {name: loss.ci for name, loss in self.losses.items()}
        intervals |= {name: share.ci for name, share in self.shares().items()}
        for name, ci in intervals.items():
            found |= dict(zip((f"{name}.low", f"{name}.high"), ci or (None, None), strict=True))
        for row in self.per_class or ():
            found |= {f"{name}[{row.label}]": value for name, value in row.losses.items()}
            found |= {f"{name}.share[{row.label}]": share for name, share in row.shares.items()}
            found[f"accuracy[{row.label}]"] = row.accuracy
        return {name: None if value is None or math.isnan(value) else value for name, value in found.items()}

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


_PARTS = ("stderr", "infinite", "skill", "uniform", "prior")


def reported_names(losses: Sequence[str], top: Sequence[int] = (), *, per_class: bool = False) -> list[str]:
    """The names of all numbers that an evaluation of these losses reports.

    The losses, accuracy and top-K; their intervals' ends NAME.low and NAME.high; of a loss also NAME.stderr,
    NAME.infinite, NAME.skill and what constant predictions cost, NAME.uniform and NAME.prior; by class
    NAME[CLASS], and NAME.share[CLASS] of the total; n, and hints: how many there are.
    """
    shares = ["accuracy", *(f"top-{k}" for k in top)]
    names = [*losses, *shares, "n", "hints", *(f"{name}.{part}" for name in losses for part in _PARTS)]
    names += [f"{name}.{end}" for name in (*losses, *shares) for end in ("low", "high")]
    if per_class:
        names += [f"{name}[CLASS]" for name in (*losses, "accuracy")] + [f"{name}.share[CLASS]" for name in losses]
    return names


def save_losses(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """The per-example losses of an evaluation with reduction none: of one loss as .npy, of several as .npz by name."""
    values = {name: result.values for name, result in evaluation.losses.items() if result.values is not None}
    if Path(path).suffix == ".npy" and len(values) == 1:
        save_array(path, *values.values())
    elif Path(path).suffix == ".npz":
        save_arrays(path, values)
    else:
        expected = ".npy or .npz" if len(values) == 1 else ".npz, or one --loss and .npy"
        raise ArgumentError(f"{shown(path)} for {' and '.join(values)}: expected {expected}")
