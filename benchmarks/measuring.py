"""Ours beside theirs: time and memory in turns, the ratio of the two, and whether it meets the goal."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Call = Callable[[], object]
Cost = tuple[float, float]
"""Seconds of wall time and of CPU time; or megabytes, and 0."""

# A kind of goal: the unit of ours and theirs, how a value reads, how the bound reads, and whether more is better.
_KINDS = {
    "at most": ("s", "{:.2f} ×", "≤ {:g} ×", False),
    "faster": ("s", "{:.3g} ×", "≥ {:g} × faster", True),
    "shown": ("s", "{:.3g} ×", "none, shown", True),
    "more": ("MB", "{:+.0f} MB", "≤ +{:g} MB", False),
    "more CPU": ("ms", "{:+.2f} ms", "≤ +{:g} ms", False),
}


@dataclass(frozen=True)
class Measurement:
    """The costs of ours and theirs, and the seconds of limits by name, all in turns in one run.

    missing: why nothing could be measured, or empty.
    """

    ours: Sequence[Cost] = ()
    theirs: Sequence[Cost] = ()
    limits: Mapping[str, Sequence[float]] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class Goal:
    """A bound: "at most" so many times theirs, so many times "faster", so much "more" or "more CPU"; or "shown"."""

    kind: str
    bound: float

    def value(self, ours: float, theirs: float) -> float:
        """What the bound is on."""
        if self.kind.startswith("more"):
            return ours - theirs
        return ours / theirs if self.kind == "at most" else theirs / ours

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
    """What came of it: medians of ours and theirs, of their ratio the median and the middle half, and the verdict.

    limits: what each limit takes, and how many times that ours takes. missing: why nothing was measured, or empty.
    """

    runs: int = 0
    ours: Cost = (0.0, 0.0)
    theirs: Cost = (0.0, 0.0)
    ratio: float = 0.0
    middle: Sequence[float] = (0.0, 0.0)
    limits: Mapping[str, Sequence[float]] = field(default_factory=dict)
    met: bool = False
    missing: str = ""

    @classmethod
    def of(cls, row: Row, measurement: Measurement) -> Result:
        """The result of a row from what was measured."""
        if measurement.missing:
            return cls(**vars(row), missing=measurement.missing)
        ours, theirs = (np.array(costs) for costs in (measurement.ours, measurement.theirs))
        ratios = [row.goal.value(*pair) for pair in zip(ours[:, 0], theirs[:, 0], strict=True)]
        low, ratio, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        return cls(
            **vars(row),
            runs=len(ours),
            ours=tuple(np.median(ours, axis=0).tolist()),
            theirs=tuple(np.median(theirs, axis=0).tolist()),
            ratio=ratio,
            middle=(low, high),
            limits={
                name: (float(np.median(times)), float(np.median(ours[:, 0] / times)))
                for name, times in measurement.limits.items()
            },
            met=row.goal.met(ratio),
        )


@dataclass(frozen=True)
class Budget:
    """How long a figure may take: A B A B ... for so many seconds, but so many rounds at least and at most."""

    seconds: float = 10.0
    fewest: int = 3
    most: int = 25

    def times(self, ours: Call, theirs: Call, limits: Mapping[str, Call] | None = None) -> Measurement:
        """Measure what the calls take in turns, after one round that is not counted."""
        calls = (ours, theirs, *(limits or {}).values())
        for call in calls:
            call()
        end, rounds = time.perf_counter() + self.seconds, list[list[Cost]]()
        while len(rounds) < self.fewest or (len(rounds) < self.most and time.perf_counter() < end):
            rounds.append([cost(call) for call in calls])
        ours_costs, theirs_costs, *others = map(list, zip(*rounds, strict=True))
        named = zip(limits or {}, others, strict=True)
        return Measurement(ours_costs, theirs_costs, {name: [wall for wall, _ in costs] for name, costs in named})


FULL, QUICK = Budget(), Budget(seconds=0.5, fewest=1)


def seconds(call: Call) -> float:
    """How long a call takes."""
    return cost(call)[0]


def cost(call: Call) -> Cost:
    """The wall time and the CPU time of a call, in this process and in those that it starts."""
    start, before = time.perf_counter(), _cpu()
    answer = call()
    wall, cpu = time.perf_counter() - start, _cpu() - before
    return answer if isinstance(answer, Remote) else (wall, cpu)


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Remote(tuple[float, float]):
    """The cost of a call as another process measured it there."""


def process(*words: str | Path, **variables: str) -> Call:
    """A whole process, from its start to its end, whose output nobody reads; with more variables than this one's."""
    return lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env={**os.environ, **variables})


def warm_allocator() -> None:
    """Let glibc keep all memory that is freed: else the time of a call depends on what ran before it.

    Sets M_MMAP_MAX to 0 and M_TRIM_THRESHOLD to its largest value, for this process, ours and theirs alike.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-4, 0)
        libc.mallopt(-1, 2**31 - 1)


def peak_memory() -> float:
    """The most memory that this process has held so far, in MB, as Linux says it."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    return int(kilobytes) * 1024 / 1e6
