"""Ours beside theirs: time and memory in turns, the ratio of the two, and whether it meets the goal."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Call = Callable[[], object]
Pairs = Sequence[tuple[float, float]]
"""Ours and theirs, measured in turns in one run: seconds, megabytes, or gains."""

# A kind of goal: the unit of ours and theirs, how a value reads, how the bound reads, and whether more is better.
_KINDS = {
    "at most": ("s", "{:.2f} ×", "≤ {:g} ×", False),
    "faster": ("s", "{:.3g} ×", "≥ {:g} × faster", True),
    "more": ("MB", "{:+.0f} MB", "≤ +{:g} MB", False),
    "share": ("×", "{:.2f}", "≥ {:g} of it", True),
}


@dataclass(frozen=True)
class Goal:
    """A bound: "at most" or at least a "share" of theirs, so many times "faster", or so much "more" at most."""

    kind: str
    bound: float

    def value(self, ours: float, theirs: float) -> float:
        """What the bound is on."""
        if self.kind == "more":
            return ours - theirs
        return theirs / ours if self.kind == "faster" else ours / theirs

    def met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return value >= self.bound if _KINDS[self.kind][3] else value <= self.bound

    @property
    def unit(self) -> str:
        """Of ours and theirs."""
        return _KINDS[self.kind][0]

    def show(self, value: float) -> str:
        """A value as people read it."""
        return _KINDS[self.kind][1].format(value)

    def __str__(self) -> str:
        return _KINDS[self.kind][2].format(self.bound)


@dataclass(frozen=True)
class Row:
    """What is promised: `what` of ours, `against` what, and the goal."""

    name: str
    what: str
    against: str
    goal: Goal


@dataclass(frozen=True)
class Result(Row):
    """What came of it: medians of ours and theirs, of their ratio the median and the middle half, and the verdict."""

    runs: int
    ours: float
    theirs: float
    ratio: float
    middle: Sequence[float]
    met: bool

    @classmethod
    def of(cls, row: Row, pairs: Pairs) -> Result:
        """The result of a row from what was measured."""
        ours, theirs = np.median(pairs, axis=0).tolist()
        low, ratio, high = np.quantile([row.goal.value(*pair) for pair in pairs], [0.25, 0.5, 0.75]).tolist()
        return cls(
            **vars(row),
            runs=len(pairs),
            ours=ours,
            theirs=theirs,
            ratio=ratio,
            middle=(low, high),
            met=row.goal.met(ratio),
        )


@dataclass(frozen=True)
class Budget:
    """How long a figure may take: A B A B ... for so many seconds, but so many pairs at least and at most."""

    seconds: float = 10.0
    fewest: int = 3
    most: int = 25

    def quantities(self, ours: Callable[[], float], theirs: Callable[[], float]) -> Pairs:
        """Pairs of two quantities, after one pair that is not counted."""
        ours(), theirs()
        end = time.perf_counter() + self.seconds
        pairs: list[tuple[float, float]] = []
        while len(pairs) < self.fewest or (len(pairs) < self.most and time.perf_counter() < end):
            pairs.append((ours(), theirs()))
        return pairs

    def times(self, ours: Call, theirs: Call) -> Pairs:
        """Pairs of the seconds that two calls take."""
        return self.quantities(lambda: seconds(ours), lambda: seconds(theirs))


FULL, QUICK = Budget(), Budget(seconds=0.5, fewest=1)


def seconds(call: Call) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def process(*words: str | Path, **variables: str) -> Call:
    """A whole process, from its start to its end, whose output nobody reads; with more variables than this one's."""
    return lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env={**os.environ, **variables})


def peak_memory() -> float:
    """The most memory that this process has held so far, in MB, as Linux says it."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    return int(kilobytes) * 1024 / 1e6
