"""Effect of known label errors on the loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnistloss.analysis.view import View, main_loss
from mnistloss.datasets.catalog import LABEL_ERROR_RULE, LABEL_ERROR_SOURCE, LabelError, known_errors
from mnistloss.document import Lines, Part, Table
from mnistloss.evaluation.scoring import ALL_COLUMNS, Scores
from mnistloss.formatting import counted, finite, nats, percent, ratio
from mnistloss.losses.losses import LOSSES
from mnistloss.stats import Moments

_LABELLINGS = ("as_labelled", "without_these", "as_suggested")
_RULE = f"A label counts as wrong if {LABEL_ERROR_RULE}"
_SOURCE = f"Source: {LABEL_ERROR_SOURCE}."


@dataclass(frozen=True)
class KnownLabelError:
    """An example with a wrong label: the predicted class, and the losses with the label and with the suggested one."""

    error: LabelError
    predicted: int
    as_labelled: float
    as_suggested: float

    def as_dict(self) -> dict[str, Any]:
        content = asdict(self)
        votes = dict(zip(("label", "suggestion", "neither"), self.error.votes, strict=True))
        return {**vars(content.pop("error")), "votes": votes, **content}


@dataclass(frozen=True)
class Labels:
    """The effect of known label errors on the mean losses of n examples.

    listed: the number of label errors known in the whole split. errors: the label errors among the n examples.
    means: by loss, three means: with the labels as they are, without `errors`, and with the suggested labels; None if
    no example is left. share: the part of the total main loss that `errors` carry; None if the total is infinite or 0.
    """

    listed: int
    n: int
    errors: tuple[KnownLabelError, ...]
    means: dict[str, tuple[float | None, ...]]
    share: float | None

    def as_dict(self) -> dict[str, Any]:
        content = {
            "known": self.listed,
            "among_these": len(self.errors),
            "means": {name: dict(zip(_LABELLINGS, values, strict=True)) for name, values in self.means.items()},
            "share_of_loss": self.share,
            "errors": [error.as_dict() for error in self.errors],
        }
        return {**finite(content), "source": LABEL_ERROR_SOURCE, "rule": LABEL_ERROR_RULE}

    def parts(self) -> list[Part]:
        if not self.listed:
            lists = "Only the label errors of the MNIST test set are listed."
            return [Lines(("No label errors are known for these labels.", lists, f"{_RULE}.", _SOURCE))]
        if not self.errors:
            return [Lines((f"None of the {self.listed} known label errors is among these examples (n = {self.n:,}).",))]
        count, means, errors = len(self.errors), [], []
        for i, n in enumerate((self.n, self.n - count, self.n)):
            values = (nats(by_labelling[i], 7) for by_labelling in self.means.values())
            means.append((_LABELLINGS[i].replace("_", " "), f"{n:,}", *values))
        for e in self.errors:
            classes = map(str, (e.error.index, e.error.label, e.error.suggestion, e.predicted))
            votes = "-".join(map(str, e.error.votes))
            errors.append((*classes, nats(e.as_labelled), nats(e.as_suggested), votes))
        effect = f"mean loss, and the effect of {counted(count, 'known label error', 'known label errors')}"
        heads = (">index", ">label", ">suggested", ">predicted", ">loss as labelled", ">loss as suggested", ">votes")
        of = f"{count} of {counted(self.n, 'example', 'examples')}"
        share = f"The label errors, {of}, make up {percent(self.share)} of the {next(iter(self.means))}."
        rule = f"{_RULE}; the suggestion is not always the majority's choice."
        return [
            Table(effect, ("labels", ">examples", *(f">{name}" for name in self.means)), tuple(means)),
            Table("known label errors (votes: label-suggestion-neither)", heads, tuple(errors)),
            Lines((share, rule, _SOURCE)),
        ]


def labels(scores: Scores) -> Labels:
    """Score the examples with the labels as they are, without the label errors, and with the suggested labels."""
    listed = known_errors(scores.dataset, scores.split)
    if not listed:
        return Labels(0, scores.n, (), {}, None)
    rows = np.flatnonzero([int(index) in listed for index in scores.positions()])
    errors = [listed[int(index)] for index in scores.positions()[rows]]
    suggested = scores.labels.copy()
    suggested[rows] = [error.suggestion for error in errors]
    main = main_loss(scores)
    losses = {
        name: (scores.losses(name), LOSSES[name](scores.outputs, suggested, scores.delta))
        for name in dict.fromkeys((main, "error"))
    }
    means = {
        name: tuple(Moments.over(values).mean if len(values) else None for values in (old, np.delete(old, rows), new))
        for name, (old, new) in losses.items()
    }
    old, new = losses[main]
    columns = zip(errors, scores.predicted[rows].tolist(), old[rows].tolist(), new[rows].tolist(), strict=True)
    share = ratio(float(old[rows].sum()), float(old.sum()))
    return Labels(len(listed), scores.n, tuple(KnownLabelError(*row) for row in columns), means, share)


VIEW = View("labels", "effect of known label errors on the loss (MNIST test set)", ALL_COLUMNS, labels)
