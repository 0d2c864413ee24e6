"""The shape of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mnistloss.document import Part


class Result(Protocol):
    """What a view found, frozen."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: full precision, null instead of infinity and NaN."""
        ...

    def parts(self) -> list[Part]:
        """As people read it."""
        ...


@dataclass(frozen=True)
class Option:
    """A number that a view takes: its default, which also says its type, its least value and its meaning."""

    name: str
    default: int | float
    least: float
    meaning: str


@dataclass(frozen=True)
class View:
    """A view of the registry: what it is called, what it shows, and the function that takes Examples and options.

    charted: whether there is a chart among what it shows.
    """

    name: str
    meaning: str
    run: Callable[..., Result]
    options: tuple[Option, ...] = ()
    charted: bool = False
