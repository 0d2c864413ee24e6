"""What a comparison of predictions found: frozen, as JSON has it and as people read it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mnistloss.document import Lines, Part, Pictures, Table
from mnistloss.errors import UnavailableError, shown
from mnistloss.examples import Examples
from mnistloss.statistics import Interval


@dataclass(frozen=True)
class File:
    """Predictions, and what they score: the mean loss and the accuracy."""

    predictions: str
    loss: float
    accuracy: float


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
        """As JSON has it."""
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
        """As JSON has it."""
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
            "files": [asdict(file) for file in self.files],
            "differences": [difference.as_dict() for difference in self.differences],
        }

    def worse_than(self, margin: float) -> list[Difference]:
        """The differences that may be above the margin: the upper end of their interval is."""
        return [difference for difference in self.differences if not difference.within(margin)]

    def parts(self, *, pictures: bool = True) -> list[Part]:
        """The ranking, the differences, their tests, and the examples on which each pair differs most."""
        parts = [self._ranking(), self._means(), self._tests(), Lines((self._method(),))]
        for difference in self.differences:
            parts += [self._cases(difference), *(self._pictures(difference) if pictures else ())]
        return parts

    def _ranking(self) -> Part:
        where = self.examples
        data = f"{where.dataset} {where.split}" if where.dataset else "own targets"
        rows = (
            (shown(file.predictions), f"{file.loss:z.7f}", f"{file.accuracy:.4f}", role)
            for file in self.files
            for role in ["baseline" if file.predictions == self.baseline else ""]
        )
        columns = ("predictions", f">{self.loss}", ">accuracy", "")
        return Table(f"{self.loss} on {data}, n = {self.n:,}", columns, tuple(rows))

    def _means(self) -> Part:
        columns = ("predictions", ">difference", ">std. error", f">{100 * self.confidence:g} % interval", ">bootstrap")
        rows = []
        for d in self.differences:
            places = _places(d.stderr)
            stderr = "-" if d.stderr is None else f"{d.stderr:.{places}f}"
            intervals = (_interval(ends, places) for ends in (d.ci, d.bootstrap_ci))
            rows.append((shown(d.predictions), f"{d.mean:z.{places}f}", stderr, *intervals))
        return Table(f"{self.loss} less that of the baseline; below zero is better", columns, tuple(rows))

    def _tests(self) -> Part:
        columns = (">effect size", ">p", ">Holm", ">right: only baseline", ">only this", ">McNemar p", ">Holm")
        rows = []
        for d in self.differences:
            effect = "-" if d.effect_size is None else f"{d.effect_size:z.3f}"
            m = d.mcnemar
            counts = ("-",) * 4 if m is None else (f"{m.only_baseline:,}", f"{m.only_other:,}", _p(m.p), _p(m.p_holm))
            rows.append((shown(d.predictions), effect, _p(d.p), _p(d.p_holm), *counts))
        return Table("tests of no difference", ("predictions", *columns), tuple(rows))

    def _method(self) -> str:
        exact = all(d.exact for d in self.differences)
        flips = "all sign patterns" if exact else f"{self.flips:,} sign flips"
        return f"p by {flips}, bootstrap of {self.bootstrap:,} samples, seed {self.seed}; Holm: for several comparisons"

    def _cases(self, difference: Difference) -> Part:
        rows = (
            (str(c.index), "-" if c.label is None else str(c.label), *_losses(c.baseline, c.other, c.difference))
            for c in difference.differ_most
        )
        title = f"where {shown(difference.predictions)} differs most from {shown(self.baseline)}"
        return Table(title, (">index", ">label", ">baseline", ">this", ">difference"), tuple(rows))

    def _pictures(self, difference: Difference) -> list[Part]:
        try:
            images = self.examples.images(np.array(difference.rows, np.intp))
        except UnavailableError as error:
            return [Lines((f"No pictures: {error}",))]
        captions = tuple(f"{case.index}: {case.difference:+.3f}" for case in difference.differ_most)
        return [] if images is None else [Pictures(images, captions)]


def _places(stderr: float | None) -> int:
    """The decimals that show two digits of a standard error."""
    return min(12, max(0, 1 - math.floor(math.log10(stderr)))) if stderr else 7


def _interval(ci: Interval | None, places: int) -> str:
    return "-" if ci is None else f"{ci[0]:z.{places}f} to {ci[1]:z.{places}f}"


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.001 else f"{p:.1e}"


def _losses(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:z.4f}" for value in values)
