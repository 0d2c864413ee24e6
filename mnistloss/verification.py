"""Does this file give this number? A signature taken apart and held against the file."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from mnistloss.datasets.access import Access
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError
from mnistloss.evaluation import Wanted, score
from mnistloss.results import Evaluation
from mnistloss.scoring import Predictions, Selection
from mnistloss.signature import Signature
from mnistloss.targets import Source


@dataclass(frozen=True)
class Verification:
    """What a signature says and what the file gives; `differences` are (field, in the signature, of the file).

    value: the number that was claimed, if one was, and `agrees` whether the file gives it to the digits claimed.
    """

    claimed: Signature
    found: Evaluation
    differences: tuple[tuple[str, str, str], ...]
    value: str | None = None
    agrees: bool = True

    @property
    def verified(self) -> bool:
        """Whether nothing differs but, perhaps, the version of mnistloss."""
        return self.agrees and all(field == "version" for field, _, _ in self.differences)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        rows = [dict(zip(("field", "signature", "file"), row, strict=True)) for row in self.differences]
        claim = {"signature": str(self.claimed), "value": self.value}
        return {"verified": self.verified, **claim, "differences": rows, "evaluation": self.found.as_dict()}

    def parts(self) -> list[Part]:
        """As people read it."""
        numbers = self.found.numbers()
        lines = [f"{name} {numbers[name]:.12g}" for name in self.claimed.loss.split("+")]
        verdict = "this file gives this number" if self.verified else "this file does not give this number"
        lines.append(f"{self.found.predictions}: {verdict}")
        if not self.agrees:
            lines.append(f"the number claimed was {self.value}")
        table = Table("what differs", ("field", "in the signature", "of the file"), self.differences)
        return [Lines(tuple(lines)), *([table] if self.differences else [])]


def verify(
    signature: Signature | str,
    predictions: Predictions,
    *,
    value: str | None = None,
    targets: Source | None = None,
    indices: Source | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Verification:
    """Score predictions the way a signature says, and compare all that it says with what was found.

    value: the number that was quoted with the signature, as it was written: it must agree to its last digit.
    targets, indices: the user's own, where the signature is of such.
    Raises ArgumentError for a text that is no signature, and otherwise as `evaluate` does.
    """
    claimed = Signature.parse(signature) if isinstance(signature, str) else signature
    dataset, split = _place(claimed, targets, indices)
    selection = Selection(
        targets=targets,
        indices=indices,
        dataset=dataset,
        split=split,
        input=claimed.input,
        delta=claimed.delta,
        allow_unnormalized=claimed.unnormalized,
        access=Access(cache_dir, download),
    )
    found = score(predictions, selection, Wanted(claimed.loss.split("+"), claimed.reduction))
    ours, theirs = asdict(found.signature), asdict(claimed)
    differences = tuple((name, str(theirs[name]), str(ours[name])) for name in theirs if theirs[name] != ours[name])
    return Verification(claimed, found, differences, value, _agrees(found, claimed, value))


def _place(claimed: Signature, targets: Source | None, indices: Source | None) -> tuple[str, str]:
    """The dataset and split that a signature names."""
    where = claimed.targets.partition("@")[0]
    if (where == "targets") != (targets is not None):
        own = "is of targets of the user's own: name them" if targets is None else f"is of {where}, not of own targets"
        raise ArgumentError(f"the signature {own} (--targets)")
    if (claimed.indices is None) != (indices is None):
        raise ArgumentError(
            f"the signature is of {'all' if claimed.indices is None else 'chosen'} examples:"
            f" {'leave out' if claimed.indices is None else 'name'} the indices (--indices)"
        )
    dataset, _, split = where.partition(":")
    return ("mnist", "auto") if targets is not None else (dataset, split)


def _agrees(found: Evaluation, claimed: Signature, value: str | None) -> bool:
    """Whether the number, written with as many digits, is the one that was claimed."""
    if value is None:
        return True
    try:
        float(value)
    except ValueError:
        raise ArgumentError(f"{value!r} is no number") from None
    number = found.numbers()[claimed.loss.split("+")[0]]
    if "e" in value.lower():
        digits = len(value.lower().partition("e")[0].partition(".")[2])
        return float(f"{number:.{digits}e}") == float(value)
    return f"{number:.{len(value.partition('.')[2])}f}" == value
