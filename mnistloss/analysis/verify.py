"""Check a quoted number against a predictions file, by the signature that was quoted with it."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

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
from mnistloss.formatting import Printable, shown

_MIN_DIGITS = 3
"""Numbers with fewer digits fit too many conventions."""

_BATCH_SIZES = (32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000)
_DELTAS = (0.0, 1e-7, 1e-8, 1e-12, 1e-15)
_CLIPS = {"1e-7": 1e-7, "1e-15": 1e-15, "the eps of float32": 2.0**-23, "the eps of float64": 2.0**-52}


@dataclass(frozen=True, repr=False)
class Verification(Printable):
    """The result of `verify`.

    claimed: the signature. predictions: name of the file. found: the evaluation of the file; None where the file cannot
    be scored as the signature says. differences: (field, value in the signature, value of the file); where `found` is
    None, the one difference says why. value: the quoted number, if there is one. agreeing: the names of the numbers
    that equal the quoted number to its last digit. conventions: where no number is equal, other conventions in which
    the file gives the quoted digits.
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
        """Whether the quoted number, if there is one, is right and nothing differs, except perhaps the version."""
        right = self.found is not None and (self.value is None or bool(self.agreeing))
        return right and all(field == "version" for field, _, _ in self.differences)

    def as_dict(self) -> dict[str, Any]:
        rows = [dict(zip(("field", "signature", "file"), row, strict=True)) for row in self.differences]
        document: dict[str, Any] = {"verified": self.verified, "signature": str(self.claimed), "value": self.value}
        document["agreeing"] = list(self.agreeing)
        if self.conventions:
            document["conventions"] = list(self.conventions)
        return {**document, "differences": rows, "evaluation": self.found and self.found.as_dict()}

    def parts(self) -> list[Part]:
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

    value: the number that was quoted with the signature, as text; the file must give it to its last digit.
    targets, indices: those of the signature, if it names any. cache_dir, download: as in `load_mnist`.
    array: as in `evaluate`.
    Raises ArgumentError for a text that is no signature, InputError for a file that cannot be opened, and otherwise as
    `evaluate` does.
    """
    claimed = Signature.parse(signature) if isinstance(signature, str) else signature
    may_have_index = isinstance(predictions, (str, os.PathLike)) and is_csv(predictions)
    dataset, split = _dataset_and_split(claimed, targets, indices, may_have_index=may_have_index)
    data = DataOptions(
        targets, indices, dataset, split,
        claimed.input, claimed.delta, claimed.unnormalized, cache_dir, download, array,
    )  # fmt: skip
    if value is not None and claimed.reduction == "none":
        raise ArgumentError("the signature is of every example's loss, reduction none: there is no number to compare")
    quoted = None if value is None else _parse_number(value)
    options, name = _score_options(claimed), name_of(predictions)
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
    agreeing, others = [], []
    if quoted is not None:
        agreeing = [loss for loss, number in _numbers(evaluation, claimed).items() if _agrees(number, quoted)]
        if not agreeing and len(quoted.as_tuple().digits) >= _MIN_DIGITS:
            named = _numbers(evaluation, claimed)
            rest = [(f"the {other}", n) for other, n in evaluation.numbers().items() if other not in named]
            pairs = [*rest, *(pair for loss in names for pair in _conventions(scores, loss, claimed.reduction))]
            others = [convention for convention, number in pairs if _agrees(number, quoted)]
    return Verification(claimed, name, evaluation, differences, value, tuple(agreeing), tuple(others))


def _dataset_and_split(
    claimed: Signature, targets: Source | None, indices: Source | None, *, may_have_index: bool
) -> tuple[str, str]:
    """Return dataset and split of a signature; targets or indices that do not go with it raise ArgumentError."""
    where = claimed.targets.partition("@")[0]
    if (where == "targets") != (targets is not None):
        own = "is of targets of the user's own: name them" if targets is None else f"is of {where}, not of own targets"
        raise ArgumentError(f"the signature {own} (targets=FILE)")
    if (claimed.indices is None) != (indices is None) and not (indices is None and may_have_index):
        of, do = ("chosen", "name") if indices is None else ("all", "leave out")
        raise ArgumentError(f"the signature is of {of} examples: {do} the indices (indices=FILE)")
    dataset, _, split = where.partition(":")
    return ("mnist", "auto") if targets is not None else (dataset, split)


def _score_options(claimed: Signature) -> ScoreOptions:
    """Return the options that compute the numbers of a signature; of accuracies only, the loss is the error."""
    names = claimed.loss.split("+")
    top = tuple(int(name.removeprefix("top-")) for name in names if name.startswith("top-"))
    losses = [name for name in names if name != "accuracy" and not name.startswith("top-")]
    return ScoreOptions(losses or ("error",), claimed.reduction, top=top)


def _numbers(evaluation: Evaluation, claimed: Signature) -> dict[str, float]:
    """Return the numbers of an evaluation that the signature names, by name."""
    numbers = evaluation.numbers()
    return {name: numbers[name] for name in claimed.loss.split("+")}


def _parse_number(value: str) -> Decimal:
    """Return the quoted number with the digits as written; a text that is no number raises ArgumentError."""
    with contextlib.suppress(InvalidOperation):
        number = Decimal(value)
        if not number.is_nan():
            return number
    raise ArgumentError(f"{value!r} is no number")


def _agrees(number: float, quoted: Decimal) -> bool:
    """Whether a number is within half a unit of the last quoted digit, or within two units of the last bit."""
    exponent = quoted.as_tuple().exponent
    if not (isinstance(exponent, int) and math.isfinite(number) and -400 < exponent <= quoted.adjusted() < 400):
        return number == float(quoted)
    return abs(Decimal(number) - quoted) <= Decimal(5).scaleb(exponent - 1) + 2 * Decimal(math.ulp(number))


def _conventions(scores: Scores, loss: str, reduction: str) -> Iterator[tuple[str, float]]:
    """Yield what a loss would be in the conventions of other tools: name of the convention, and the number."""
    values, n, k = scores.columns[loss], scores.n, scores.classes
    total, mean = float(values.sum()), float(values.mean())
    other, number = ("mean", mean) if reduction == "sum" else ("sum", total)
    yield f"{loss}, the {other} over the examples", number
    for size in (size for size in _BATCH_SIZES if size < n):
        starts = np.arange(0, n, size)
        means = float((np.add.reduceat(values, starts) / np.diff([*starts, n])).sum())
        yield f"{loss}, the mean of batch means (batches of {size})", means / len(starts)
        yield f"{loss}, the sum of batch means divided by N (batches of {size})", means / n
        yield f"{loss}, the sum of batch means (batches of {size})", means
    if loss in ("mse", "brier"):
        factor = 2 if loss == "mse" else 1
        name = f"the mean over the K = {k} classes too, {factor}/K of {loss}, as torch's MSELoss"
        yield name, factor * mean / k
    if loss in ("cee", "nll"):
        yield f"{loss} in bits instead of nats", mean / math.log(2)
        p = scores.columns.get("label_probability")
        if p is None:
            return
        for delta in _DELTAS:
            if delta != scores.delta:
                with np.errstate(divide="ignore"):
                    yield f"cee with delta={delta:g}", float(-np.log(np.maximum(p, 0) + delta).mean())
        for name, eps in _CLIPS.items():
            yield f"cee of probabilities clipped to {name}", float(-np.log(np.clip(p, eps, 1 - eps)).mean())
