"""The signature of a number: one line of text that names everything on which the number depends."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from mnistloss.errors import ArgumentError

_COUNT = r"[1-9][0-9]{,17}"
_NAME = rf"[a-z]+(-{_COUNT})?"
_PATTERN = (
    rf"(?P<loss>{_NAME}(\+{_NAME})*)"
    r"\|(?P<targets>[\w:-]+@[0-9a-f]{8})"
    r"(\|indices:(?P<indices>[0-9a-f]{8}))?"
    rf"\|n:(?P<n>{_COUNT})"
    r"\|y:(?P<predictions>[0-9a-f]{8})"
    r"\|input:(?P<input>probs|logits|logprobs|labels)(?P<unnormalized>,unnormalized)?"
    r"(\|delta:(?P<delta>[^|]{1,30}))?"
    r"\|(?P<reduction>mean|sum|none)"
    r"\|mnistloss:(?P<version>[^|\s]+)"
)
_MAX_SHOWN = 200


@dataclass(frozen=True)
class Signature:
    """Everything on which a number depends; `str` writes it as one line of text, and `parse` reads this line.

    loss: a loss of the registry, accuracy or top-K; several names are joined by +.
    targets: dataset:split, or `targets` for targets of the user's own, then @ and 8 hex digits of the SHA-256 of the
    labels. n: the number of examples. predictions, indices: 8 hex digits of the SHA-256 of the bytes, row by row.
    delta: the number that cee adds inside the log; None if the loss does not use delta.

    >>> s = Signature.parse("cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0")
    >>> s.n, s.delta, Signature.parse(str(s)) == s
    (10000, 1e-07, True)
    """

    loss: str
    targets: str
    n: int
    predictions: str
    input: str
    delta: float | None
    reduction: str
    version: str
    indices: str | None = None
    unnormalized: bool = False

    def __str__(self) -> str:
        parts = [self.loss, self.targets]
        parts += [f"indices:{self.indices}"] if self.indices else []
        parts += [f"n:{self.n}", f"y:{self.predictions}"]
        parts += [f"input:{self.input}{',unnormalized' if self.unnormalized else ''}"]
        parts += [f"delta:{self.delta!r}"] if self.delta is not None else []
        return "|".join([*parts, self.reduction, f"mnistloss:{self.version}"])

    def of(self, loss: str, *, uses_delta: bool) -> Signature:
        """Return a copy for a single loss."""
        return replace(self, loss=loss, delta=self.delta if uses_delta else None)

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read a signature from text; white space is ignored. Raises ArgumentError if the text is not a signature."""
        match = re.fullmatch(_PATTERN, "".join(str(text).split()))
        try:
            if match is None:
                raise ValueError
            fields: dict[str, Any] = match.groupdict()
            delta = None if fields["delta"] is None else float(fields["delta"])
            if delta is not None and not 0 <= delta < math.inf:
                raise ValueError
        except ValueError:
            start = repr(text) if len(repr(text)) <= _MAX_SHOWN else f"{repr(text)[:_MAX_SHOWN]}..."
            raise ArgumentError(f"{start} is not a signature such as cee|mnist:test@ff7bcfd4|n:10000|...") from None
        exact = {"n": int(fields["n"]), "delta": delta, "unnormalized": bool(fields["unnormalized"])}
        return cls(**(fields | exact))
