"""What a comparison of predictions found: frozen, as JSON has it and as people read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss import numbers
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import InputError, shown
from mnistloss.examples import Examples
from mnistloss.hints import Hint, hint_lines
from mnistloss.signature import Signature
from mnistloss.statistics import Interval


@dataclass(frozen=True)
class File:
    """Predictions, and what they score: the mean loss, with its signature, and the accuracy; hints of mistakes."""

    predictions: str
    loss: float
    accuracy: float
    signature: Signature
    hints: tuple[Hint, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "signature": str(self.signature), "hints": [hint.as_dict() for hint in self.hints]}


@dataclass(frozen=True)
class McNemar:
    """The examples that only one of two models gets right, and McNemar's test of equal accuracy."""

    only_baseline: int
    only_other: int
    p: float
    p_holm: float


@dataclass(frozen=True)
class Case:
    """An example on which two models differ; label: None for soft targets."""

    index: int
    label: int | None
    baseline: float
    other: float

    @property
    def difference(self) -> float:
        """The loss of the other predictions less that of the baseline."""
        return self.other - self.baseline


@dataclass(frozen=True)
class Difference:
    """The losses of some predictions less those of the baseline, example by example; below zero is better.

    stderr, ci: of the mean, None for one example. bootstrap_ci: the percentile interval. p: of the sign-flip test,
    by all sign patterns if exact; p_holm: adjusted for the number of comparisons. effect_size: the mean over the
    standard deviation of the differences, None without one. mcnemar: None for soft targets. rows: where the cases
    are among the examples.
    """

    predictions: str
    mean: float
    stderr: float | None
    ci: Interval | None
    bootstrap_ci: Interval
    p: float
    exact: bool
    p_holm: float
    effect_size: float | None
    mcnemar: McNemar | None
    differ_most: tuple[Case, ...]
    rows: tuple[int, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self)
        del found["rows"]
        return found

    def within(self, margin: float) -> bool:
        """Whether the upper end of the interval is at most the margin; without an interval it is not."""
        return self.ci is not None and self.ci[1] <= margin


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: files and differences by loss, the least first, ties by name."""

    baseline: str
    loss: str
    delta: float | None
    n: int
    confidence: float
    flips: int
    bootstrap: int
    seed: int
    files: tuple[File, ...]
    differences: tuple[Difference, ...]
    examples: Examples = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "baseline": self.baseline,
            "dataset": self.examples.dataset,
            "split": self.examples.split,
            "n": self.n,
            "input": self.examples.input,
            "loss": self.loss,
            "delta": self.delta,
            "confidence": self.confidence,
            "flips": self.flips,
            "bootstrap": self.bootstrap,
            "seed": self.seed,
            "files": [file.as_dict() for file in self.files],
            "differences": [difference.as_dict() for difference in self.differences],
        }

    def worse_than(self, margin: float) -> list[Difference]:
        """The differences that may be above the margin: the upper end of their interval is."""
        return [difference for difference in self.differences if not difference.within(margin)]

    def parts(self) -> list[Part]:
        """The ranking, the differences, their tests, and the examples on which each pair differs most."""
        parts = [self._ranking(), self._means(), self._tests(), *self._accuracies(), Lines(self._notes())]
        for difference in self.differences:
            parts += [self._cases(difference), *self._pictures(difference)] if difference.differ_most else []
        return parts

    def _ranking(self) -> Part:
        where = self.examples
        data = numbers.data(where.dataset, where.split)
        rows = (
            (str(place), shown(file.predictions), numbers.loss(file.loss), numbers.share(file.accuracy, self.n), role)
            for place, file in enumerate(self.files, 1)
            for role in ["baseline" if file.predictions == self.baseline else ""]
        )
        columns = (">", "predictions", f">{self.loss}", ">accuracy", "")
        return Table(f"{self.loss} on {data}, n = {self.n:,}", columns, tuple(rows))

    def _table(self, title: str, columns: tuple[str, ...], cells: Callable[[Difference], tuple[str, ...]]) -> Part:
        """A row for each difference, under the name of its file."""
        rows = tuple((shown(difference.predictions), *cells(difference)) for difference in self.differences)
        return Table(title, ("predictions", *columns), rows)

    def _means(self) -> Part:
        columns = (">difference", ">std. error", f">{numbers.level(self.confidence)} interval", ">bootstrap")
        return self._table(
            f"{self.loss} less that of the baseline; below zero is better",
            columns,
            lambda d: difference_cells(d.mean, d.stderr, d.ci, d.bootstrap_ci),
        )

    def _tests(self) -> Part:
        return self._table(
            "could it be chance? The difference in its own standard deviations, and the sign-flip test",
            (">effect size", ">p", ">Holm"),
            lambda d: ("-" if d.effect_size is None else f"{d.effect_size:+z.3f}", _p(d.p), _p(d.p_holm)),
        )

    def _accuracies(self) -> list[Part]:
        if any(difference.mcnemar is None for difference in self.differences):
            return []
        columns = (">baseline", ">this", ">McNemar p", ">Holm")
        return [self._table("examples that only one of them gets right", columns, _mcnemar_cells)]

    def _notes(self) -> tuple[str, ...]:
        exact = all(d.exact for d in self.differences)
        flips = "all sign patterns" if exact else f"{self.flips:,} sign flips"
        method = f"p by {flips}, bootstrap of {self.bootstrap:,} samples, seed {self.seed}; Holm for all comparisons"
        hints = (line for file in self.files for line in hint_lines(file.predictions, file.hints))
        signatures = (f"{shown(file.predictions)}: {file.signature}" for file in self.files)
        return (method, *signatures, *hints)

    def _cases(self, difference: Difference) -> Part:
        rows = (
            (str(c.index), "-" if c.label is None else str(c.label), *_losses(c.baseline, c.other, c.difference))
            for c in difference.differ_most
        )
        title = f"where {shown(difference.predictions)} differs most from {shown(self.baseline)}"
        return Table(title, (">index", ">label", ">baseline", ">this", ">difference"), tuple(rows))

    def _pictures(self, difference: Difference) -> list[Part]:
        captions = tuple(f"{case.index}: {case.difference:+.3f}" for case in difference.differ_most)
        return self.examples.pictures(np.array(difference.rows, np.intp), captions)


def check_finite(predictions: str, loss: str, infinite: int) -> None:
    """Refuse a loss of which some examples' values are infinite: a difference of these is no number."""
    if infinite:
        count = numbers.counted(infinite, "example", "examples")
        raise InputError(
            f"{shown(predictions)}: the {loss} of {count} is infinite, so that there is no difference;"
            " use --loss cee with a --delta above 0, such as 1e-7"
        )


def difference_cells(mean: float, stderr: float | None, *intervals: Interval | None) -> tuple[str, ...]:
    """A difference, its standard error and intervals of it as text, with the decimals of the error's two digits."""
    places = numbers.decimals(stderr) if stderr else 7
    spans = ("-" if ends is None else f"{ends[0]:z.{places}f} to {ends[1]:z.{places}f}" for ends in intervals)
    return f"{mean:+z.{places}f}", "-" if stderr is None else f"{stderr:.{places}f}", *spans


def _mcnemar_cells(difference: Difference) -> tuple[str, ...]:
    found = difference.mcnemar
    return () if found is None else (f"{found.only_baseline:,}", f"{found.only_other:,}", _p(found.p), _p(found.p_holm))


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.001 else f"{p:.1e}" if p > 1e-300 else "< 1e-300"


def _losses(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:z.4f}" for value in values)
