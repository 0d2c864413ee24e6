"""What a tally of predictions says: means with their intervals, references, classes and batches."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mnistloss import doctor
from mnistloss.arrays import whole
from mnistloss.datasets.access import Access
from mnistloss.errors import ArgumentError
from mnistloss.hints import Facts, Hint
from mnistloss.losses import LOSSES, Loss
from mnistloss.results import Accuracy, BatchResult, ClassResult, LossResult
from mnistloss.scoring import Scoring
from mnistloss.signature import Signature
from mnistloss.statistics import Interval, normal_interval, quantile, wilson_interval
from mnistloss.tally import Tally
from mnistloss.targets import labels_elsewhere

REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True)
class Wanted:
    """What is to be found out about predictions; see `evaluate` for each field."""

    losses: Sequence[str] | None = None
    reduction: str = "mean"
    batch_size: int | None = None
    confidence: float = 0.95
    top: Sequence[int] = ()
    per_class: bool = False
    bootstrap: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ArgumentError(f"no reduction is named {self.reduction!r}; the reductions are {', '.join(REDUCTIONS)}")
        for what, value in (("losses", self.losses), ("top", self.top)):
            if value is not None and (isinstance(value, str) or not isinstance(value, Collection)):
                raise ArgumentError(f"{what} is {value!r}; expected a list, even of one")
        if self.batch_size is not None:
            whole(self.batch_size, "batch_size")
        if self.batch_size is not None and self.reduction == "none":
            raise ArgumentError("reduction none gives no losses of batches; choose mean or sum, or no batch_size")
        for k in self.top:
            whole(k, "top")
        whole(self.bootstrap, "bootstrap", least=0)
        whole(self.seed, "seed", least=0)
        quantile(self.confidence)

    def tally(self, scoring: Scoring, losses: Sequence[Loss]) -> Tally:
        """An empty tally that gathers this."""
        kept = [loss.name for loss in losses] if self.keep else []
        return Tally(scoring, losses, keep=kept, top=self.top, by_class=self.per_class)

    @property
    def keep(self) -> bool:
        """Whether per-example losses are needed."""
        return self.reduction == "none" or self.batch_size is not None or self.bootstrap > 0


@dataclass(frozen=True)
class Findings:
    """A tally of all rows, with what it is a tally of and what was wanted of it."""

    scoring: Scoring
    wanted: Wanted
    losses: Sequence[Loss]
    tally: Tally

    @property
    def n(self) -> int:
        return self.scoring.layout.n

    @property
    def right(self) -> float:
        """How many examples are predicted right; not whole for soft targets."""
        return self.n - self.tally.moments["error"].total

    def share(self, name: str, hits: float, signature: Signature) -> Accuracy:
        """So many examples as a share of all; signature: of all losses."""
        signature = replace(signature.of(name, uses_delta=False), reduction="mean")
        share = min(1.0, hits / self.n)  # rows of soft targets may sum to a little more than 1
        if self.scoring.targets.t.ndim == 1:
            return Accuracy(share, wilson_interval(share, self.n, self.wanted.confidence), signature)
        ci = normal_interval(share, self.tally.moments["error"].stderr, self.wanted.confidence)
        return Accuracy(share, ci and (max(0.0, ci[0]), min(1.0, ci[1])), signature, "normal")

    def loss(self, loss: Loss, signature: Signature) -> LossResult:
        """One of the losses, reduced; signature: of all of them."""
        found, wanted = self.tally.moments[loss.name], self.wanted
        scale = found.count if wanted.reduction == "sum" else 1
        value = found.sum if wanted.reduction == "sum" else found.mean
        stderr = None if found.stderr is None else scale * found.stderr
        ci, resampled = normal_interval(value, stderr, wanted.confidence), self._resampled.get(loss.name)
        if resampled is not None:
            ci = scale * resampled[0], scale * resampled[1]
        none = wanted.reduction == "none"
        return LossResult(
            value=math.nan if none else value,
            reduction=wanted.reduction,
            stderr=None if none else stderr,
            ci=None if none else ci,
            confidence=wanted.confidence,
            infinite=found.infinite,
            signature=signature.of(loss.name, uses_delta=loss.uses_delta),
            references={name: scale * cost for name, cost in self._references(loss).items()},
            values=self.tally.values.get(loss.name) if none else None,
            draws=None if resampled is None else wanted.bootstrap,
            seed=None if resampled is None else wanted.seed,
        )

    @cached_property
    def _resampled(self) -> dict[str, Interval]:
        """Bootstrap intervals of the mean of each loss that is finite, where they are asked for."""
        moments = self.tally.moments
        finite = {name: values for name, values in self.tally.values.items() if not moments[name].infinite}
        wanted = self.wanted
        if not wanted.bootstrap or not finite or self.n < 2:
            return {}
        from mnistloss.resampling import bootstrap_intervals

        rows = np.stack(list(finite.values()))
        found = bootstrap_intervals(rows, wanted.bootstrap, wanted.seed, wanted.confidence)
        return dict(zip(finite, found, strict=True))

    def _references(self, loss: Loss) -> dict[str, float]:
        """What the uniform guess and the class prior cost, by formula; nothing where the targets are soft."""
        if self.scoring.layout.input == "labels":
            return {}
        return self.scoring.targets.references(loss, self.scoring.delta)

    def per_class(self) -> tuple[ClassResult, ...]:
        """The losses of the examples of each class, summed or else their means, and what share of all they carry."""
        sums = {
            name: [math.fsum(column) for column in zip(*parts, strict=True)] for name, parts in self.tally.sums.items()
        }
        totals = {name: math.fsum(column) for name, column in sums.items()}
        names, mean = [loss.name for loss in self.losses], self.wanted.reduction != "sum"
        return tuple(
            ClassResult(
                label,
                int(n),
                {name: sums[name][label] / (n if mean else 1) if n else math.nan for name in names},
                {name: _share(sums[name][label], totals[name]) for name in names},
                1 - sums["error"][label] / n if n else math.nan,
            )
            for label, n in enumerate(self.scoring.targets.counts.tolist())
        )

    def batches(self, size: int) -> tuple[BatchResult, ...]:
        """The losses of each batch of the partition in row order; weighted by size, their mean is the whole's."""
        reduce = np.mean if self.wanted.reduction == "mean" else np.sum
        return tuple(
            BatchResult(
                start,
                min(size, self.n - start),
                {name: float(reduce(kept[start : start + size])) for name, kept in self.tally.values.items()},
            )
            for start in range(0, self.n, size)
        )

    def hints(self, access: Access) -> tuple[Hint, ...]:
        """What looks like a mistake."""
        tally, signs, targets = self.tally, self.tally.signs, self.scoring.targets
        facts = Facts(
            input=self.scoring.layout.input,
            classes=targets.classes,
            accuracy=self.right / self.n,
            losses=tally.moments,
            references={name: self._references(LOSSES[name]) for name in tally.moments},
            hard=signs.hard,
            scale=min(signs.scales, default=None),
            confidence=signs.confidence,
            twice=signs.twice,
            labels=None if tally.predicted is None else targets.t,
            predicted=tally.predicted,
            elsewhere=lambda: labels_elsewhere(targets, access),
        )
        return doctor.examine(facts)


def _share(part: float, whole: float) -> float:
    """A part of a whole, 0 of nothing; NaN where the whole is infinite."""
    if not whole:
        return 0.0
    return part / whole if math.isfinite(whole) else math.nan
