"""Views of the same predictions, one file each, all in the same shape.

A view is a pure function from `Examples` (and options of its own) to a frozen result, which says itself as
JSON (`as_dict`) and as parts of a document (`parts`); and a `View` that describes it.
"""

from __future__ import annotations

from mnistloss.errors import ArgumentError
from mnistloss.views import calibration, confusion, delta, histogram, labels, lens, others, power, worst
from mnistloss.views.view import View

VIEWS: dict[str, View] = {
    module.VIEW.name: module.VIEW
    for module in (confusion, worst, labels, calibration, histogram, delta, lens, power, others)
}


def find(name: str) -> View:
    """The view of that name; an unknown one raises ArgumentError, which lists the known ones."""
    try:
        return VIEWS[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"no view is named {name!r}; the views are {', '.join(VIEWS)}") from None
