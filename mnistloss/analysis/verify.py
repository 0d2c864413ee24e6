"""Does this file give this number? A signature taken apart and held against the file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from mnistloss.arrays.npy import CHANGED, Source
from mnistloss.datasets.settings import CacheOptions
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.evaluate import ScoreOptions, score
from mnistloss.evaluation.predictions import name_of
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import DataOptions, Predictions
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import shown


@dataclass(frozen=True)
class Verification:
    """What a signature says and what the file gives; `differences` are (field, in the signature, of the file).

    found: None where the file cannot be scored as the signature says, of which the one difference is why.
    value: the number that was claimed, if one was; agreeing: which of the signature's numbers are that, to the digits
    claimed.
    """

    claimed: Signature
    predictions: str
    found: Evaluation | None
    differences: tuple[tuple[str, str, str], ...]
    value: str | None = None
    agreeing: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the number, if one was claimed, is right, and nothing differs but, perhaps, the version."""
        right = self.found is not None and (self.value is None or bool(self.agreeing))
        return right and all(field == "version" for field, _, _ in self.differences)

    def as_dict(self) -> dict[str, Any]:
        rows = [dict(zip(("field", "signature", "file"), row, strict=True)) for row in self.differences]
        claim = {"signature": str(self.claimed), "value": self.value, "agreeing": list(self.agreeing)}
        return {
            "verified": self.verified,
            **claim,
            "differences": rows,
            "evaluation": self.found and self.found.as_dict(),
        }

    def parts(self) -> list[Part]:
        """As people read it: what was checked, and what differs."""
        verdict = Lines((f"{shown(self.predictions)} {self._verdict()}",))
        table = Table("what differs", ("field", "in the signature", "of the file"), self.differences)
        return [verdict, *([table] if self.differences else [])]

    def _verdict(self) -> str:
        if self.found is None:
            return "does not give this number; it cannot be scored as the signature says"
        numbers = _numbers(self.found, self.claimed)
        right = self.agreeing or numbers
        found = " and ".join(f"{name} {numbers[name]:.12g}" for name in right)
        if self.verified and self.value is not None:
            return f"gives this number, {self.value}: {found}"
        if self.verified:
            number = "it keeps every example's loss" if self.claimed.reduction == "none" else f"the number is {found}"
            return f"is what this signature is of; {number}"
        if self.value is not None and not self.agreeing:
            return f"does not give this number, {self.value}, but {found}"
        return "does not give this number; the signature is of something else"


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
    Raises ArgumentError for a text that is no signature, InputError for a file that is not to be had, and otherwise as
    `evaluate` does.
    """
    claimed = Signature.parse(signature) if isinstance(signature, str) else signature
    dataset, split = _place(claimed, targets, indices)
    selection = DataOptions(
        targets=targets,
        indices=indices,
        dataset=dataset,
        split=split,
        input=claimed.input,
        delta=claimed.delta,
        allow_unnormalized=claimed.unnormalized,
        cache_options=CacheOptions(cache_dir, download),
    )
    if value is not None and claimed.reduction == "none":
        raise ArgumentError("the signature is of every example's loss, reduction none: there is no number to compare")
    written, wanted, name = _written(value), _wanted(claimed), name_of(predictions)
    try:
        found = score(predictions, selection, wanted)
    except InputError as error:
        of_predictions = str(error).startswith(f"{shown(name)}: ") and CHANGED not in str(error)
        if isinstance(error.__cause__, OSError) or not of_predictions:
            raise
        said = f"{claimed.input}, n = {claimed.n:,}"
        return Verification(claimed, name, None, (("predictions", said, str(error)),), value)
    ours, theirs = asdict(replace(found.signature, loss=claimed.loss)), asdict(claimed)
    differences = tuple((name, str(theirs[name]), str(ours[name])) for name in theirs if theirs[name] != ours[name])
    agreeing = _agreeing(_numbers(found, claimed), written)
    return Verification(claimed, found.predictions, found, differences, value, agreeing)


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


def _wanted(claimed: Signature) -> ScoreOptions:
    """What gives the numbers of a signature; the error, where it is of the accuracy or the top K only."""
    names = claimed.loss.split("+")
    top = tuple(int(name.removeprefix("top-")) for name in names if name.startswith("top-"))
    losses = [name for name in names if name != "accuracy" and not name.startswith("top-")]
    return ScoreOptions(losses or ("error",), claimed.reduction, top=top)


def _numbers(found: Evaluation, claimed: Signature) -> dict[str, float]:
    """What the signature is of, by name."""
    numbers = found.numbers()
    return {name: numbers[name] for name in claimed.loss.split("+")}


def _written(value: str | None) -> Decimal | None:
    """The number that was quoted, in its digits."""
    if value is None:
        return None
    try:
        written = Decimal(value)
    except InvalidOperation:
        written = Decimal("nan")
    if written.is_nan():
        raise ArgumentError(f"{value!r} is no number")
    return written


def _agreeing(numbers: Mapping[str, float], written: Decimal | None) -> tuple[str, ...]:
    """Which of the numbers are the one that was written, to its last digit; or to the last bits of all digits."""
    if written is None:
        return ()
    return tuple(name for name, number in numbers.items() if _agrees(number, written))


def _agrees(number: float, written: Decimal) -> bool:
    """Whether the number is within half a unit of the last digit written, or within two units of its own last bit."""
    exponent = written.as_tuple().exponent
    if not (isinstance(exponent, int) and math.isfinite(number) and -400 < exponent <= written.adjusted() < 400):
        return number == float(written)
    return abs(Decimal(number) - written) <= Decimal(5).scaleb(exponent - 1) + 2 * Decimal(math.ulp(number))
