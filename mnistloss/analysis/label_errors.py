"""What the labels of the MNIST test set that are known to be wrong do to the loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistloss.analysis.view import View, main_loss
from mnistloss.datasets.catalog import RULE, SOURCE, LabelError, known_errors
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import finite, nats, percent, ratio
from mnistloss.losses.losses import LOSSES
from mnistloss.stats import Moments

_WAYS = ("as labelled", "without these", "as suggested")
_ONLY = "Only the MNIST test set has such a list here."
_RULE = f"A label counts as wrong where {RULE}"
_SOURCE = f"Source: {SOURCE}."


@dataclass(frozen=True)
class KnownLabelError:
    """One example whose label is known to be wrong: what it costs as labelled and as suggested."""

    error: LabelError
    predicted: int
    as_labelled: float
    as_suggested: float

    def as_dict(self) -> dict[str, Any]:
        votes = dict(zip(("label", "suggestion", "neither"), self.error.votes, strict=True))
        losses = {"as_labelled": finite(self.as_labelled), "as_suggested": finite(self.as_suggested)}
        return {**asdict(self.error), "votes": votes, "predicted": self.predicted, **losses}


@dataclass(frozen=True)
class Labels:
    """The mean of each loss as labelled, without the known errors and as suggested, and what the errors carry.

    known: how many errors are known for the split. means: by loss, in that order; None where no example is left.
    noise: the share of the main loss that the known errors carry; None where that is infinite or 0.
    """

    known: int
    n: int
    cases: tuple[KnownLabelError, ...]
    means: dict[str, tuple[float | None, ...]]
    noise: float | None

    def as_dict(self) -> dict[str, Any]:
        keys = [way.replace(" ", "_") for way in _WAYS]
        means = finite({name: dict(zip(keys, values, strict=True)) for name, values in self.means.items()})
        found = {"known": self.known, "among_these": len(self.cases), "means": means, "share_of_loss": self.noise}
        return {**found, "errors": [case.as_dict() for case in self.cases], "source": SOURCE, "rule": RULE}

    def parts(self) -> list[Part]:
        """The means, a row for each error, and where that is known from."""
        if not self.known:
            return [Lines(("No label errors are known for these labels.", _ONLY, f"{_RULE}.", _SOURCE))]
        if not self.cases:
            return [Lines((f"None of these {self.n:,} examples is among the {self.known} whose labels are wrong.",))]
        return [self._means(), self._errors(), self._sentences()]

    def _means(self) -> Table:
        counts = (self.n, self.n - len(self.cases), self.n)
        rows = [
            (way, f"{n:,}", *(nats(values[i], 7) for values in self.means.values()))
            for i, (way, n) in enumerate(zip(_WAYS, counts, strict=True))
        ]
        title = f"the mean loss, and the {len(self.cases)} labels that are known to be wrong"
        return Table(title, ("labels", ">examples", *(f">{name}" for name in self.means)), tuple(rows))

    def _errors(self) -> Table:
        heads = (">index", ">label", ">suggested", ">predicted", ">loss as labelled", ">loss as suggested")
        rows = tuple(
            (
                *map(str, (c.error.index, c.error.label, c.error.suggestion, c.predicted)),
                *(nats(c.as_labelled), nats(c.as_suggested), "-".join(map(str, c.error.votes))),
            )
            for c in self.cases
        )
        return Table("each of them (votes: label, suggestion, neither)", (*heads, ">votes"), rows)

    def _sentences(self) -> Lines:
        name = next(iter(self.means))
        carried = f"These {len(self.cases)} of {self.n:,} examples carry {percent(self.noise)} of the {name}."
        return Lines((carried, f"{_RULE}; the suggestion is not always what most of them chose.", _SOURCE))


def labels(scores: Scores) -> Labels:
    """Score the examples without the labels that are known to be wrong, and with the suggested ones instead."""
    known = known_errors(scores.dataset, scores.split)
    if not known:
        return Labels(0, scores.n, (), {}, None)
    errors = [known.get(int(index)) for index in scores.positions()]
    wrong = np.array([error is not None for error in errors])
    suggested = np.array([t if e is None else e.suggestion for e, t in zip(errors, scores.labels, strict=True)])
    main = main_loss(scores)
    losses = {
        name: (scores.losses(name), LOSSES[name](scores.outputs, suggested, scores.delta))
        for name in dict.fromkeys((main, "error"))
    }
    means = {
        name: tuple(Moments.over(values).mean if len(values) else None for values in (given, given[~wrong], new))
        for name, (given, new) in losses.items()
    }
    given, new = losses[main]
    cases = tuple(
        KnownLabelError(error, int(scores.predicted[row]), float(given[row]), float(new[row]))
        for row, error in enumerate(errors)
        if error is not None
    )
    return Labels(len(known), scores.n, cases, means, ratio(float(given[wrong].sum()), float(given.sum())))


VIEW = View("labels", "what the labels that are known to be wrong do to the loss (MNIST test set)", ALL_COLUMNS, labels)
