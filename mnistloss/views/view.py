"""The shape of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mnistloss.document import Lines, Part, Result


@dataclass(frozen=True)
class Refused:
    """In place of what a view would have found: why it does not see these predictions."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"refused": self.reason}

    def parts(self) -> list[Part]:
        """As people read it."""
        return [Lines((f"Not to be seen: {self.reason}",))]


@dataclass(frozen=True)
class Option:
    """A number that a view takes: its default, which also says its type, its least value and its meaning."""

    name: str
    default: int | float
    least: float
    meaning: str


@dataclass(frozen=True)
class View:
    """A view of the registry: what it is called, what it shows, and the function that takes Examples and options."""

    name: str
    meaning: str
    run: Callable[..., Result]
    options: tuple[Option, ...] = ()
