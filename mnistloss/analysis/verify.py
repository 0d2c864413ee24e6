"""Check a quoted number against a predictions file, by the signature that was quoted with it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from mnistloss.analysis.conventions import conventions
from mnistloss.arrays.files import CHANGED, is_csv
from mnistloss.arrays.npy import Source
from mnistloss.document import Lines, Part, Table
from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.evaluate import ScoreOptions, summarize
from mnistloss.evaluation.predictions import name_of
from mnistloss.evaluation.results import Evaluation
from mnistloss.evaluation.scoring import Predictions, Scores, score
from mnistloss.evaluation.signature import Signature
from mnistloss.evaluation.targets import DataOptions
from mnistloss.formatting import shown

_MIN_DIGITS = 3


@dataclass(frozen=True)
class Verification:
    """The result of `verify`; each of `differences` is (field, value in the signature, value of the file).

    found: the evaluation of the file; None where it cannot be scored as the signature says, and the one difference
    says why. value: the quoted number, if there is one. agreeing: the names of the signature's numbers that equal it
    to its last digit. conventions: where none does, other conventions in which the file gives the quoted digits.
    """

    claimed: Signature
    predictions: str
    found: Evaluation | None
    differences: tuple[tuple[str, str, str], ...]
    value: str | None = None
    agreeing: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the quoted number, if there is one, is right, and nothing but the version differs."""
        right = self.found is not None and (self.value is None or bool(self.agreeing))
        return right and all(field == "version" for field, _, _ in self.differences)

    def as_dict(self) -> dict[str, Any]:
        rows = [dict(zip(("field", "signature", "file"), row, strict=True)) for row in self.differences]
        claim: dict[str, Any] = {"signature": str(self.claimed), "value": self.value, "agreeing": list(self.agreeing)}
        if self.conventions:
            claim["conventions"] = list(self.conventions)
        return {
            "verified": self.verified,
            **claim,
            "differences": rows,
            "evaluation": self.found and self.found.as_dict(),
        }

    def parts(self) -> list[Part]:
        """Return the verdict, and a table of what differs."""
        verdict = Lines((f"{shown(self.predictions)} {self._verdict()}",))
        table = Table("what differs", ("field", "in the signature", "of the file"), self.differences)
        return [verdict, *([table] if self.differences else [])]

    def _verdict(self) -> str:
        if self.found is None:
            return "does not give this number: it cannot be scored as the signature says"
        numbers = _numbers(self.found, self.claimed)
        right = self.agreeing or numbers
        values = " and ".join(f"{name} {numbers[name]:.12g}" for name in right)
        if self.verified and self.value is not None:
            return f"gives this number, {self.value}: {values}"
        if self.verified:
            number = "it is of every example's loss" if self.claimed.reduction == "none" else f"the number is {values}"
            return f"matches this signature; {number}"
        if self.value is not None and not self.agreeing:
            which = f"; {self.value} is {', or '.join(self.conventions)}" if self.conventions else ""
            return f"does not give this number, {self.value}, but {values}{which}"
        return "does not give this number: the signature is of something else"


def verify(
    signature: Signature | str,
    predictions: Predictions,
    *,
    value: str | None = None,
    targets: Source | None = None,
    indices: Source | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    array: str | None = None,
) -> Verification:
    """Score predictions as a signature says, and compare everything in the signature with the result.

    value: the number that was quoted with the signature, as it was written: it must agree to its last digit.
    targets, indices: the user's own, where the signature is of such. cache_dir, download: as in `load_mnist`.
    array: as in `evaluate`.
    Raises ArgumentError for a text that is no signature, InputError for a file that cannot be opened, and otherwise as
    `evaluate` does.
    """
    claimed = Signature.parse(signature) if isinstance(signature, str) else signature
    may_have_index = isinstance(predictions, (str, os.PathLike)) and is_csv(predictions)
    dataset, split = _dataset_and_split(claimed, targets, indices, may_have_index=may_have_index)
    data = DataOptions(
        targets=targets,
        indices=indices,
        dataset=dataset,
        split=split,
        input=claimed.input,
        delta=claimed.delta,
        allow_unnormalized=claimed.unnormalized,
        cache_dir=cache_dir,
        download=download,
        array=array,
    )
    if value is not None and claimed.reduction == "none":
        raise ArgumentError("the signature is of every example's loss, reduction none: there is no number to compare")
    quoted, options, name = _parse_number(value), _score_options(claimed), name_of(predictions)
    try:
        names = options.loss_names(data.input)
        keep = (*names, "label_probability") if quoted is not None or options.needs_columns else ()
        scores = score(predictions, data, losses=names, keep=keep, top=options.top)
    except InputError as error:
        of_predictions = str(error).startswith(f"{shown(name)}: ") and CHANGED not in str(error)
        if isinstance(error.__cause__, OSError) or not of_predictions:
            raise
        expected = f"{claimed.input}, n = {claimed.n:,}"
        return Verification(claimed, name, None, (("predictions", expected, str(error)),), value)
    evaluation = summarize(scores, options)
    ours, theirs = asdict(replace(evaluation.signature, loss=claimed.loss)), asdict(claimed)
    differences = tuple((name, str(theirs[name]), str(ours[name])) for name in theirs if theirs[name] != ours[name])
    agreeing = _agreeing(_numbers(evaluation, claimed), quoted)
    others = () if agreeing or quoted is None else _other_conventions(scores, names, claimed.reduction, quoted)
    return Verification(claimed, evaluation.predictions, evaluation, differences, value, agreeing, others)


def _other_conventions(scores: Scores, losses: Sequence[str], reduction: str, quoted: Decimal) -> tuple[str, ...]:
    """Return the conventions that give the quoted number; two digits or fewer would fit too many of them."""
    if len(quoted.as_tuple().digits) < _MIN_DIGITS:
        return ()
    pairs = (pair for loss in losses for pair in conventions(scores, loss, reduction))
    return tuple(name for name, number in pairs if _agrees(number, quoted))


def _dataset_and_split(
    claimed: Signature, targets: Source | None, indices: Source | None, *, may_have_index: bool
) -> tuple[str, str]:
    """Return the dataset and split of a signature; targets or indices that do not go with it raise ArgumentError."""
    where = claimed.targets.partition("@")[0]
    if (where == "targets") != (targets is not None):
        own = "is of targets of the user's own: name them" if targets is None else f"is of {where}, not of own targets"
        raise ArgumentError(f"the signature {own} (targets=FILE)")
    if (claimed.indices is None) != (indices is None) and not (indices is None and may_have_index):
        raise ArgumentError(
            f"the signature is of {'all' if claimed.indices is None else 'chosen'} examples:"
            f" {'leave out' if claimed.indices is None else 'name'} the indices (indices=FILE)"
        )
    dataset, _, split = where.partition(":")
    return ("mnist", "auto") if targets is not None else (dataset, split)


def _score_options(claimed: Signature) -> ScoreOptions:
    """Return the options that give the numbers of a signature; the error, where it is of accuracies only."""
    names = claimed.loss.split("+")
    top = tuple(int(name.removeprefix("top-")) for name in names if name.startswith("top-"))
    losses = [name for name in names if name != "accuracy" and not name.startswith("top-")]
    return ScoreOptions(losses or ("error",), claimed.reduction, top=top)


def _numbers(evaluation: Evaluation, claimed: Signature) -> dict[str, float]:
    """Return the numbers that the signature is of, by name."""
    numbers = evaluation.numbers()
    return {name: numbers[name] for name in claimed.loss.split("+")}


def _parse_number(value: str | None) -> Decimal | None:
    """Return the quoted number with the digits as written; a text that is no number raises ArgumentError."""
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("nan")
    if number.is_nan():
        raise ArgumentError(f"{value!r} is no number")
    return number


def _agreeing(numbers: Mapping[str, float], quoted: Decimal | None) -> tuple[str, ...]:
    """Return the names of the numbers that equal the quoted one to its last digit."""
    if quoted is None:
        return ()
    return tuple(name for name, number in numbers.items() if _agrees(number, quoted))


def _agrees(number: float, quoted: Decimal) -> bool:
    """Whether the number is within half a unit of the last digit quoted, or within two units of its own last bit."""
    exponent = quoted.as_tuple().exponent
    if not (isinstance(exponent, int) and math.isfinite(number) and -400 < exponent <= quoted.adjusted() < 400):
        return number == float(quoted)
    return abs(Decimal(number) - quoted) <= Decimal(5).scaleb(exponent - 1) + 2 * Decimal(math.ulp(number))
