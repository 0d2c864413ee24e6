"""Numbers and names as text: the digits that the data support, and no more."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from typing import Any

_ROUNDING = 1e-12
"""Equal losses differ by rounding alone; their standard error is below this."""


def loss(value: float) -> str:
    """A loss with seven decimals; in scientific notation below 1e-4."""
    return f"{value:.6e}" if 0 < abs(value) < 1e-4 else nats(value, 7)


def nats(value: float | None, decimals: int = 4) -> str:
    """A loss with a fixed number of decimals; - for none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:z.{decimals}f}" if math.isfinite(value) else "infinite" if value > 0 else "-infinite"


def exact(value: float | None) -> str:
    """A number in full precision; - for none."""
    return "-" if value is None or math.isnan(value) else repr(value) if math.isfinite(value) else "infinite"


def share(value: float, n: int, largest_n: int = 0) -> str:
    """A share of n examples, with the decimals that one example changes; seven where it is not a count over n.

    largest_n: the largest n in the same column, which sets the decimals of all its shares.
    """
    is_count = abs(value * n - round(value * n)) < 1e-3
    return f"{value:.{max(2, math.ceil(math.log10(max(n, largest_n)))) if is_count else 7}f}"


def percent(value: float | None) -> str:
    """A share in percent; - for none."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None where either is infinite or the whole is 0."""
    return part / whole if whole and math.isfinite(part) and math.isfinite(whole) else None


def stderr(value: float | None) -> str:
    """A standard error with two significant digits; 0 for a rounding error."""
    if value is None:
        return "-"
    return f"{value:.{decimals(value)}f}" if not noise(value) else "0"


def noise(stderr: float) -> bool:
    """Whether a standard error or other spread is a rounding error."""
    return stderr < _ROUNDING


def decimals(stderr: float) -> int:
    """The number of decimals that shows two digits of a standard error; 7 for a rounding error."""
    return 7 if noise(stderr) else min(12, max(0, 1 - math.floor(math.log10(stderr))))


def interval(ci: tuple[float, float] | None, stderr: float | None = None) -> str:
    """An interval with the decimals of its standard error, which is estimated from its width where not given."""
    if ci is None:
        return "-"
    places = decimals(stderr if stderr else (ci[1] - ci[0]) / 4)
    return f"{ci[0]:z.{places}f} to {ci[1]:z.{places}f}"


def difference_cells(mean: float, stderr: float | None, *intervals: tuple[float, float] | None) -> tuple[str, ...]:
    """A difference with its sign, its standard error and intervals, with the same decimals."""
    places = decimals(stderr or 0.0)
    error = "-" if stderr is None else f"{stderr:.{places}f}"
    return f"{mean:+z.{places}f}", error, *(interval(ci, stderr) for ci in intervals)


def level(confidence: float) -> str:
    """A confidence level in percent, unrounded."""
    return f"{100 * confidence:.12g} %"


def delta(value: float) -> str:
    """A delta in short form, such as 1e-7."""
    return f"{value:g}".replace("e-0", "e-")


def counted(n: int, one: str, many: str) -> str:
    """A count with its noun in singular or plural."""
    return f"{n:,} {one if n == 1 else many}"


def data(dataset: str | None, split: str | None) -> str:
    """A dataset and its split; without them, the user's own targets."""
    return f"{dataset} {split}" if dataset else "own targets"


def shown(name: object) -> str:
    r"""A name, mostly of a file, with control characters as escapes, so that it is safe to print.

    >>> print(shown("runs/[v2]/p\x1b.npy"))
    runs/[v2]/p\x1b.npy
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


_OPTIONS = {"losses": "--loss", "allow_unnormalized": "--allow-unnormalized", "cache_dir": "--cache-dir"} | {
    name: f"--{name}"
    for name in ("input", "split", "dataset", "targets", "indices", "delta", "loss", "array", "reduction")
}
_KEYWORD = re.compile(
    rf"""(?<![^\s(])({"|".join(_OPTIONS)})=(?:True|"([^"]*)"|([A-Z]+(?:\.npy)?|\d[\d.e-]*))(?=[,;:.)]*(?:\s|$))"""
)


def as_options(text: str) -> str:
    """A message of the library, with the options that it names by keyword as the command line has them.

    >>> as_options('score these with split="train" and indices=FILE, or add allow_unnormalized=True')
    'score these with --split train and --indices FILE, or add --allow-unnormalized'
    """

    def option(match: re.Match[str]) -> str:
        name, quoted, bare = match.groups()
        value = bare if quoted is None else shlex.quote(quoted)
        return f"{_OPTIONS[name]} {value}" if value else _OPTIONS[name]

    return _KEYWORD.sub(option, text)


def finite(value: Any) -> Any:
    """A value for JSON: None instead of infinity and NaN, in mappings and sequences too."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
