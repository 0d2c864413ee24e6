"""Gates: conditions such as `cee>0.05`. If a gate holds for an evaluation, the check fails."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mnistloss.errors import ArgumentError
from mnistloss.evaluation.results import HINT_SEPARATOR, reported_names
from mnistloss.formatting import shown

_PATTERN = re.compile(r"\s*([\w.\[\]-]+)\s*(>=|<=|>|<)\s*(\S+)\s*")
_OPERATORS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Gate:
    """A condition: the name of a number, an operator, and a bound, as the user wrote them; cee[7] stands for cee.7.

    >>> str(Gate.parse("accuracy < 0.90"))
    'accuracy<0.90'
    """

    name: str
    comparison: str
    bound: str

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read a gate from text. Raises ArgumentError if the text is not a gate."""
        match = _PATTERN.fullmatch(text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or math.isnan(bound):
            raise ArgumentError(f"{text!r} is not a gate; expected NAME, one of > < >= <=, and a number: cee>0.05")
        return cls(re.sub(r"\[(\d+)\]$", r".\1", match[1]), match[2], match[3])

    def crossed(self, row: Mapping[str, Any]) -> str | None:
        """Return a message if the condition holds for a row of scores or if the number is not defined, else None."""
        value = row.get(self.name)
        if self.name == "hints":
            value = len(value.split(HINT_SEPARATOR)) if value else 0
        if value is None and row.get(f"{self.name}.infinite"):
            value = math.inf
        if value is not None and not _OPERATORS[self.comparison](value, float(self.bound)):
            return None
        reason = "which is not defined" if value is None else f"with {self.name} {value!r}"
        return f"{shown(row['predictions'])}: {self}, {reason}"

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.bound}"


def parse_gates(texts: Sequence[str], losses: Sequence[str], top: Sequence[int], *, per_class: bool) -> list[Gate]:
    """Read gates from texts. Raises ArgumentError if a gate names a number that will not be reported."""
    gates = [Gate.parse(text) for text in texts]
    names = reported_names(losses, top, per_class=per_class)
    for gate in gates:
        if re.sub(r"\.(0|[1-9]\d*)$", ".CLASS", gate.name) not in names:
            raise ArgumentError(
                f"the gate {gate} needs {gate.name!r}, which is not reported; these are reported: {', '.join(names)}"
            )
    return gates
