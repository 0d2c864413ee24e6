"""Hints that something is wrong with predictions: evidence or nothing.

What cannot be scored at all is refused before it comes here. A hint is about what can be, and looks like a
mistake all the same; an honest model, however bad, should get none.
"""

from __future__ import annotations

import math

from mnistloss.hints import Facts, Hint
from mnistloss.placement import placement


def examine(facts: Facts) -> tuple[Hint, ...]:
    """All hints for which there is evidence."""
    first = (probabilities_as_logits(facts), softmax_twice(facts))
    last = (hard_predictions(facts), worse_than_prior(facts))
    return tuple(hint for hint in (*first, *placement(facts), *last) if hint is not None)


def probabilities_as_logits(facts: Facts) -> Hint | None:
    """Scores of which nearly every row is a distribution already, perhaps in percent or as bytes."""
    if facts.input != "logits" or facts.scale is None:
        return None
    scaled = "" if facts.scale == 1 else "save predictions / predictions.sum(axis=1, keepdims=True), and "
    return Hint(
        "probabilities-as-logits",
        f"nearly every row lies in [0, {facts.scale}] and sums to {facts.scale}, yet it was read as raw scores",
        f"{scaled}score these with --input probs",
    )


def softmax_twice(facts: Facts) -> Hint | None:
    """A softmax of something that is a confident distribution itself."""
    if facts.twice is None or not facts.enough or facts.twice < facts.sure:
        return None
    top = math.e / (math.e + facts.classes - 1)
    logs = "np.float64(predictions)" if facts.input == "logprobs" else "np.log(np.float64(predictions))"
    return Hint(
        "softmax-twice",
        f"no probability exceeds {top:.3f}, the most that a softmax of probabilities can give, and undoing it"
        f" leaves distributions with a mean confidence of {facts.twice:.2f}",
        "save y / y.sum(axis=1, keepdims=True) of"
        f" y = np.maximum(0, z + (1 - z.sum(axis=1, keepdims=True)) / {facts.classes}) of z = {logs},"
        " which is what went into the last softmax, and score it with --input probs",
    )


def hard_predictions(facts: Facts) -> Hint | None:
    """Every row is one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not facts.hard or facts.accuracy == 1 or not {"cee", "nll"} & facts.losses.keys():
        return None
    return Hint(
        "hard-predictions",
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        "save the model's probabilities instead of its decisions, or score these with --loss error",
    )


def worse_than_prior(facts: Facts) -> Hint | None:
    """A loss above that of the uniform guess, and so of the class prior, by 1 % and by six standard errors."""
    for name in ("cee", "nll", "mse", "brier"):
        moments, costs = facts.losses.get(name), facts.references.get(name)
        if moments is None or not costs or costs["prior"] <= 0 or moments.stderr is None:
            continue
        if moments.mean > 1.01 * costs["uniform"] + 6 * moments.stderr:
            return Hint(
                "worse-than-prior",
                f"{name} {moments.mean:.4f} is above {costs['uniform']:.4f}, what the uniform guess costs, and"
                f" {costs['prior']:.4f}, what the class prior does",
                "check that row i belongs to example i, and column k to class k: `mnistloss inspect confusion` shows"
                " which classes are taken for which",
            )
    return None
