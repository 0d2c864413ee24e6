"""Gates: conditions on reported numbers, such as `cee>0.05`, under which a check fails."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mnistloss.errors import ArgumentError
from mnistloss.evaluation.results import Evaluation, reported_names
from mnistloss.formatting import shown

_PATTERN = re.compile(r"\s*([\w.\[\]-]+)\s*(>=|<=|>|<)\s*(\S+)\s*")
_OPERATORS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Gate:
    """The name of a number, a comparison and a bound, as the user wrote them.

    >>> str(Gate.parse("accuracy < 0.90"))
    'accuracy<0.90'
    """

    name: str
    comparison: str
    bound: str

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Return the gate that a user typed; any other text raises ArgumentError."""
        match = _PATTERN.fullmatch(text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or math.isnan(bound):
            raise ArgumentError(f"{text!r} is no gate; expected NAME, one of > < >= <=, and a number: cee>0.05")
        return cls(match[1], match[2], match[3])

    def crossed(self, evaluation: Evaluation) -> str | None:
        """Return what is wrong if the evaluation fails, else None; a number that is not defined fails."""
        value = evaluation.reported().get(self.name)
        if value is not None and not _OPERATORS[self.comparison](value, float(self.bound)):
            return None
        reason = "which is not defined" if value is None else f"with {self.name} {value!r}"
        return f"{shown(evaluation.predictions)}: {self}, {reason}"

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.bound}"


def parse_gates(texts: Sequence[str], losses: Sequence[str], top: Sequence[int], *, per_class: bool) -> list[Gate]:
    """Return the gates that a user typed; one on a number that is not reported raises ArgumentError."""
    gates = [Gate.parse(text) for text in texts]
    names = reported_names(losses, top, per_class=per_class)
    for gate in gates:
        if re.sub(r"\[(0|[1-9]\d*)\]$", "[CLASS]", gate.name) not in names:
            raise ArgumentError(
                f"the gate {gate} needs {gate.name!r}, which is not reported; reported are {', '.join(names)}"
            )
    return gates
