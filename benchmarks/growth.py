"""How time grows with rows and with files, and the exponent of that growth."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.material import Material, some_labels
from benchmarks.measuring import Call, seconds
from mnistloss import evaluate
from mnistloss.cli import main


@dataclass(frozen=True)
class Curve:
    """Seconds against a count of `what`."""

    what: str
    counts: Sequence[int]
    seconds: Sequence[float]

    @property
    def exponent(self) -> float:
        """e where seconds are proportional to count^e: the slope of a least-squares line through the logarithms."""
        slope, _ = np.polyfit(np.log(self.counts), np.log(self.seconds), 1)
        return float(slope)


def rows(made: Material, quick: bool) -> Curve:
    """A file of 10^4 to 10^8 rows of logits, 4 GB, streamed."""

    def call(n: int) -> Call:
        path, t = made.zeros(n), some_labels(n)
        return lambda: evaluate(path, targets=t, input="logits")

    return _curve("rows", 4, 6 if quick else 8, call)


def files(made: Material, quick: bool) -> Curve:
    """1 to 1,000 files in one call of the command, without its start."""
    os.environ["MNISTLOSS_CACHE"] = str(made.cache())

    def call(n: int) -> Call:
        words = ["eval", *(str(made.predictions(number)) for number in range(n)), "--format", "json"]
        return lambda: main(words, standalone_mode=False)

    with contextlib.redirect_stdout(io.StringIO()):
        return _curve("files", 0, 2 if quick else 3, call)


CURVES: dict[str, Callable[[Material, bool], Curve]] = {"growth-rows": rows, "growth-files": files}


def _curve(what: str, first: int, last: int, call: Callable[[int], Call]) -> Curve:
    counts = tuple(10**power for power in range(first, last + 1))
    return Curve(what, counts, tuple(_median(call(n)) for n in counts))


def _median(call: Call) -> float:
    """The median of three calls after one; that one alone where it takes seconds."""
    first = seconds(call)
    return first if first > 2 else statistics.median(seconds(call) for _ in range(3))
