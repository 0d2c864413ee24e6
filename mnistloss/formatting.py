"""Numbers as people read them: the digits that mean something, and no more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_NOISE = 1e-12
"""A standard error below this is what rounding leaves of equal losses."""


def loss(value: float) -> str:
    """A loss with seven decimals, or with seven digits where it is tiny."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "infinite"
    return f"{value:.6e}" if 0 < abs(value) < 1e-4 else f"{value:z.7f}"


def share(value: float, n: int, most: int = 0) -> str:
    """A share of n examples, with the decimals that one example can move; seven where it is of no whole number.

    most: of how many examples the shares are that stand beside it, if of more.
    """
    counted = abs(value * n - round(value * n)) < 1e-3
    return f"{value:.{max(2, math.ceil(math.log10(max(n, most)))) if counted else 7}f}"


def noise(stderr: float) -> bool:
    """Whether a standard error, or another spread, is what rounding leaves of equal losses."""
    return stderr < _NOISE


def percent(value: float | None) -> str:
    """A part of a whole; - where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"


def level(confidence: float) -> str:
    """A confidence, as the heading of an interval has it."""
    return f"{100 * confidence:.12g} %"


def exact(value: float | None) -> str:
    """A number with all of its digits."""
    return "-" if value is None or math.isnan(value) else repr(value) if math.isfinite(value) else "infinite"


def spread(stderr: float | None) -> str:
    """A standard error with two digits; what is mere rounding is 0."""
    if stderr is None:
        return "-"
    return f"{stderr:.{decimals(stderr)}f}" if not noise(stderr) else "0"


def interval(ci: tuple[float, float] | None, stderr: float | None = None) -> str:
    """An interval, each end with the decimals of the standard error's two digits."""
    if ci is None:
        return "-"
    places = decimals(stderr if stderr else (ci[1] - ci[0]) / 4)
    return f"{ci[0]:z.{places}f} to {ci[1]:z.{places}f}"


def decimals(stderr: float) -> int:
    """The decimals that show two digits of a standard error; those of a loss where there is no spread."""
    return 7 if noise(stderr) else min(12, max(0, 1 - math.floor(math.log10(stderr))))


def delta(value: float) -> str:
    """A delta as people write it: 1e-7."""
    return f"{value:g}".replace("e-0", "e-")


def counted(n: int, one: str, many: str) -> str:
    """A count of things by their name, of one or of many."""
    return f"{n:,} {one if n == 1 else many}"


def examples(n: int) -> str:
    """A count of examples."""
    return f"n = {n:,}"


def data(dataset: str | None, split: str | None) -> str:
    """What predictions are of; None for targets of the user's own."""
    return f"{dataset} {split}" if dataset else "own targets"


def finite(value: Any) -> Any:
    """Something as JSON can have it: None instead of infinity and NaN, as values of mappings too."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None where that means nothing, because either is infinite or the whole is 0."""
    return part / whole if whole and math.isfinite(part) and math.isfinite(whole) else None


def nats(value: float | None, decimals: int = 4) -> str:
    """A loss as text; - where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:z.{decimals}f}" if math.isfinite(value) else "infinite" if value > 0 else "-infinite"


def shown(name: object) -> str:
    r"""A name (of a file, mostly) made safe to print: control characters become escapes.

    >>> print(shown("runs/[v2]/p\x1b.npy"))
    runs/[v2]/p\x1b.npy
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


def difference_cells(mean: float, stderr: float | None, *intervals: tuple[float, float] | None) -> tuple[str, ...]:
    """A difference, its standard error and intervals of it as text, with the decimals of the error's two digits."""
    places = decimals(stderr) if stderr else 7
    spans = ("-" if ends is None else f"{ends[0]:z.{places}f} to {ends[1]:z.{places}f}" for ends in intervals)
    return f"{mean:+z.{places}f}", "-" if stderr is None else f"{stderr:.{places}f}", *spans
