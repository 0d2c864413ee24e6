"""Turn numbers, names and results into text; numbers have no more digits than the data support."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_ROUNDING = 1e-12
"""The standard error of equal losses, which differ only by rounding, is below this."""


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return a question about the name that is closest to a mistyped one, or an empty text if none is close."""
    import difflib

    close = difflib.get_close_matches(str(name).lower(), names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def loss(value: float) -> str:
    """Format a loss with seven decimals, or in scientific notation if it is below 1e-4."""
    return f"{value:.6e}" if 0 < abs(value) < 1e-4 else nats(value, 7)


def nats(value: float | None, decimals: int = 4) -> str:
    """Format a loss with a fixed number of decimals; None and NaN become -."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:z.{decimals}f}" if math.isfinite(value) else "infinite" if value > 0 else "-infinite"


def share(value: float, n: int, largest_n: int = 0) -> str:
    """Format a share of n examples, such as an accuracy, with the decimals that one example changes.

    A share that is not a count divided by n has seven decimals. largest_n: the largest n in the same column, so that
    all shares of the column have the same decimals.
    """
    is_count = abs(value * n - round(value * n)) < 1e-3
    return f"{value:.{max(2, math.ceil(math.log10(max(n, largest_n)))) if is_count else 7}f}"


def percent(value: float | None) -> str:
    """Format a share in percent; None and NaN become -."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole, or None if one of them is infinite or the whole is 0."""
    return part / whole if whole and math.isfinite(part) and math.isfinite(whole) else None


def stderr(value: float | None) -> str:
    """Format a standard error with two significant digits; a rounding error becomes 0, None becomes -."""
    if value is None:
        return "-"
    return f"{value:.{decimals(value)}f}" if not noise(value) else "0"


def with_error(value: float, stderr: float | None) -> str:
    """Format a number ± its standard error, or its standard deviation, with the digits that mean something."""
    if stderr is None:
        return loss(value)
    return (
        f"{value:z.{decimals(stderr)}f} ± {stderr:.{decimals(stderr)}f}"
        if stderr and not noise(stderr)
        else f"{loss(value)} ± 0"
    )


def noise(stderr: float) -> bool:
    """Return whether a standard error is so small that it is only a rounding error."""
    return stderr < _ROUNDING


def decimals(stderr: float) -> int:
    """Return how many decimals show two digits of a standard error; 7 for a rounding error."""
    return 7 if noise(stderr) else min(12, max(0, 1 - math.floor(math.log10(stderr))))


def interval(ci: tuple[float, float] | None, stderr: float | None = None) -> str:
    """Format an interval with the decimals of the standard error; without one, a quarter of the width replaces it."""
    if ci is None:
        return "-"
    places = decimals(stderr if stderr else (ci[1] - ci[0]) / 4)
    return f"{ci[0]:z.{places}f} to {ci[1]:z.{places}f}"


def difference_cells(mean: float, stderr: float | None, *intervals: tuple[float, float] | None) -> tuple[str, ...]:
    """Format a difference with a sign, the standard error and intervals, all with the same decimals."""
    places = decimals(stderr or 0.0)
    error = "-" if stderr is None else f"{stderr:.{places}f}"
    return f"{mean:+z.{places}f}", error, *(interval(ci, stderr) for ci in intervals)


def level(confidence: float) -> str:
    """Format a confidence level in percent, not rounded."""
    return f"{100 * confidence:.12g} %"


def delta(value: float) -> str:
    """Format a delta, the number that is added to probabilities, in short form, such as 1e-7."""
    return f"{value:g}".replace("e-0", "e-")


def counted(n: int, one: str, many: str) -> str:
    """Format a count with a noun in singular or plural."""
    return f"{n:,} {one if n == 1 else many}"


def data(dataset: str | None, split: str | None) -> str:
    """Format the name of a dataset and a split; None stands for the user's own targets."""
    return f"{dataset} {split}" if dataset else "own targets"


def shown(name: object) -> str:
    r"""Replace control characters in a name, mostly of a file, by escapes; hide passwords and queries of an address.

    >>> print(shown("runs/[v2]/p\x1b.npy"))
    runs/[v2]/p\x1b.npy
    >>> print(shown("https:/user:secret@host/p.npy?token=secret"))
    https:/host/p.npy?...
    """
    text = str(name)
    if ":/" in text:
        text = re.sub(r"^(\w+:/+)(?:[^/@]*@)?([^?]*)(\?.*)?", _without_secrets, text, flags=re.DOTALL)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _without_secrets(address: re.Match[str]) -> str:
    return f"{address[1]}{address[2]}{'?...' if address[3] else ''}"


_OPTIONS = {"losses": "--loss", "allow_unnormalized": "--allow-unnormalized", "cache_dir": "--cache-dir"} | {
    name: f"--{name}"
    for name in ("input", "split", "dataset", "targets", "indices", "delta", "loss", "array", "reduction")
}
_KEYWORD = (
    rf"""(?<![^\s(])({"|".join(_OPTIONS)})=(?:True|"([^"]*)"|([A-Z]+(?:\.npy)?|\d[\d.e-]*))(?=[,;:.)]*(?:\s|$))"""
)


def as_options(text: str) -> str:
    """Replace Python keywords in a message of the library by the options of the command line.

    >>> as_options('score these with split="train" and indices=FILE, or add allow_unnormalized=True')
    'score these with --split train and --indices FILE, or add --allow-unnormalized'
    """

    return re.sub(_KEYWORD, _option, text)


def options_in(text: str) -> list[str]:
    """Return the Python keywords that a message of the library names, each once; those that go together are one entry.

    >>> options_in('score these with split="train" and indices=FILE, or add allow_unnormalized=True')
    ['split="train" indices=FILE', 'allow_unnormalized=True']
    """
    options: dict[str, None] = {}
    end, last = -1, ""
    for match in re.finditer(_KEYWORD, text):
        together = last and text[end : match.start()] in (" and ", " with ")
        if together:
            del options[last]
        last, end = f"{last} {match[0]}" if together else match[0], match.end()
        options[last] = None
    return list(options)


def _option(match: re.Match[str]) -> str:
    import shlex

    name, quoted, bare = match.groups()
    value = bare if quoted is None else shlex.quote(quoted)
    return f"{_OPTIONS[name]} {value}" if value else _OPTIONS[name]


def finite(value: Any) -> Any:
    """Return a value for JSON, with None instead of infinity and NaN, also in mappings and sequences."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_RENDERERS = {
    "text": "mnistloss.report.notebook:to_text",
    "html": "mnistloss.report.notebook:to_html",
    "markdown": "mnistloss.report.notebook:to_markdown",
}
"""The functions that draw a result. They stand in a room above, so they are named here, and imported at first use."""


class Printable:
    """A result that print and a notebook show as the command does, and whose repr has only numbers and short texts."""

    def __str__(self) -> str:
        return self._render("text")

    def __repr__(self) -> str:
        from dataclasses import fields

        values = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)  # type: ignore[arg-type]  # a dataclass
        short = (f"{name}={value!r}" for name, value in values if isinstance(value, (str, int, float)))
        return f"{type(self).__name__}({', '.join(short)})"

    def _repr_html_(self) -> str | None:
        return self._render("html")

    def _repr_markdown_(self) -> str:
        return self._render("markdown")

    def _render(self, name: str) -> Any:
        import importlib

        module, _, function = _RENDERERS[name].partition(":")
        return getattr(importlib.import_module(module), function)(self)
