"""How results show themselves in print and in a notebook."""

from __future__ import annotations

import importlib
from dataclasses import fields
from typing import Any

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
        values = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)  # type: ignore[arg-type]  # a dataclass
        short = (f"{name}={value!r}" for name, value in values if isinstance(value, (str, int, float)))
        return f"{type(self).__name__}({', '.join(short)})"

    def _repr_html_(self) -> str | None:
        return self._render("html")

    def _repr_markdown_(self) -> str:
        return self._render("markdown")

    def _render(self, name: str) -> Any:
        module, _, function = _RENDERERS[name].partition(":")
        return getattr(importlib.import_module(module), function)(self)
