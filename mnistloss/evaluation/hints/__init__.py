"""Hints: evidence that predictions which can be scored are nevertheless a mistake, and what mends it.

What cannot be scored is refused before. An honest model, however bad, gets no hint: where a hint rests on chance, its
docstring bounds how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from mnistloss.evaluation.hints import order, places, unfilled
from mnistloss.evaluation.hints.evidence import (
    Evidence,
    Fingerprint,
    Hint,
    HintInputs,
    Place,
    hint_lines,
    softmax_twice_bound,
)
from mnistloss.formatting import shown

__all__ = [
    "Evidence",
    "Fingerprint",
    "Hint",
    "HintInputs",
    "Place",
    "find_hints",
    "hint_lines",
    "identical_predictions",
]

_Z = 6.0


def find_hints(inputs: HintInputs) -> tuple[Hint, ...]:
    """Return every hint for which there is evidence."""
    hints = (
        softmax_over_examples(inputs) or probabilities_as_logits(inputs),
        softmax_twice(inputs),
        *_rows(inputs),
        hard_predictions(inputs),
        worse_than_prior(inputs),
    )
    return tuple(hint for hint in hints if hint is not None)


def _rows(inputs: HintInputs) -> tuple[Hint, ...]:
    """Return the hints about rows and columns: those that are no predictions first, as they explain the rest."""
    repeated = unfilled.rows_repeated(inputs) or unfilled.rows_of_zeros(inputs)
    if repeated is not None:
        return (repeated,)
    moved = order.rows_moved(inputs)
    if moved is not None:
        return (moved,)
    return () if inputs.counts is None else places.misplaced(inputs, inputs.counts)


def softmax_over_examples(inputs: HintInputs) -> Hint | None:
    """Raw scores that are a softmax, or its log, over the wrong axis: every class sums to the same whole number."""
    if inputs.evidence.wrong_axis is None or (inputs.predicted is not None and len(set(inputs.predicted.tolist())) < 2):
        return None
    name, batches = inputs.evidence.wrong_axis
    values = "values" if name == "softmax" else "exponentials"
    return Hint(
        "softmax-over-examples",
        f"the {values} of each class sum to {batches:,}: this is a {name} over the examples (axis 0), of"
        f" {batches:,} batch{'es' if batches > 1 else ''}, which cannot be undone",
        f"predict again with the {name} over the classes (axis 1)",
    )


def probabilities_as_logits(inputs: HintInputs) -> Hint | None:
    """Raw scores of which nearly every row is a distribution already, perhaps in percent or as bytes."""
    scale = inputs.evidence.scale
    if scale is None:
        return None
    save = "" if scale == 1 else "save predictions / predictions.sum(axis=1, keepdims=True), and "
    return Hint(
        "probabilities-as-logits",
        f"nearly every row lies in [0, {scale}] and sums to {scale}, yet it was read as raw scores",
        f'{save}score these with input="probs"',
    )


def softmax_twice(inputs: HintInputs) -> Hint | None:
    """A softmax of something that is a confident distribution itself."""
    confidence, k = inputs.evidence.inner_confidence, inputs.classes
    if confidence is None or not inputs.enough or confidence < (1 + 1 / k) / 2:
        return None
    logs = "np.float64(predictions)" if inputs.input == "logprobs" else "np.log(np.float64(predictions))"
    return Hint(
        "softmax-twice",
        f"no probability exceeds {softmax_twice_bound(k):.3f}, the most that a softmax of probabilities can give, and"
        f" undoing it leaves distributions with a mean confidence of {confidence:.2f}",
        "softmax was applied twice: leave one out; or, without the model, save y / y.sum(axis=1, keepdims=True) of"
        f" y = np.maximum(0, z + (1 - z.sum(axis=1, keepdims=True)) / {k}) of z = {logs},"
        ' which is what went into the last softmax, and score it with input="probs"',
    )


def hard_predictions(inputs: HintInputs) -> Hint | None:
    """Every row is one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not inputs.evidence.hard or inputs.accuracy == 1 or not {"cee", "nll"} & inputs.losses.keys():
        return None
    return Hint(
        "hard-predictions",
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        'save the model\'s probabilities instead of its decisions, or score these with losses="error"',
    )


def worse_than_prior(inputs: HintInputs) -> Hint | None:
    """A loss above that of the uniform guess, and so of the class prior, by 1 % and by six standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, costs = inputs.losses.get(name), inputs.references.get(name)
        if moments is None or not costs or costs["prior"] <= 0 or moments.stderr is None:
            continue
        if moments.mean > 1.01 * costs["uniform"] + _Z * moments.stderr:
            return Hint(
                "worse-than-prior",
                f"{name} {moments.mean:.4f} is above {costs['uniform']:.4f}, the cost of the uniform guess, and"
                f" {costs['prior']:.4f}, that of the class prior",
                "check that row i belongs to example i, and column k to class k: `mnistloss inspect confusion` shows"
                " which classes are predicted for which",
            )
    return None


def identical_predictions(files: Sequence[Fingerprint]) -> list[tuple[Hint, ...]]:
    """Return for each file the hint that an earlier one has the same numbers; none if there is no such file."""
    hints: list[tuple[Hint, ...]] = []
    for place, file in enumerate(files):
        earlier = next((other for other in files[:place] if file.equals(other)), None)
        evidence = earlier and f"every row has the same numbers as in {shown(earlier.name)}"
        advice = "check that each file holds the predictions of its own model"
        hints.append((Hint("identical-predictions", evidence, advice),) if evidence else ())
    return hints
