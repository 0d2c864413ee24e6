"""Gates: conditions on reported numbers under which a check fails, such as `cee>0.05`."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass

from mnistloss.errors import ArgumentError
from mnistloss.results import Evaluation

_PATTERN = re.compile(r"\s*([\w.\[\]-]+)\s*(>=|<=|>|<)\s*(\S+)\s*")
_OPERATORS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Gate:
    """A number by its name, a comparison and a bound.

    >>> str(Gate.parse("accuracy < 0.9"))
    'accuracy<0.9'
    """

    name: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """The gate that a user typed; another text raises ArgumentError."""
        match = _PATTERN.fullmatch(text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or math.isnan(bound):
            raise ArgumentError(f"{text!r} is no gate; expected NAME, one of > < >= <=, and a number: cee>0.05")
        return cls(match[1], match[2], bound)

    def value(self, evaluation: Evaluation) -> float:
        """The number that the gate looks at; one that is not reported raises ArgumentError."""
        reported = evaluation.reported()
        if self.name not in reported:
            raise ArgumentError(f"the gate {self} looks at {self.name!r}; reported are {', '.join(reported)}")
        return reported[self.name]

    def crossed(self, evaluation: Evaluation) -> bool:
        """Whether the evaluation fails."""
        return bool(_OPERATORS[self.comparison](self.value(evaluation), self.bound))

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.bound:g}"
