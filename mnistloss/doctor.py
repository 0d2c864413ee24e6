"""Hints that something is wrong with predictions. One function a hint: evidence or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from mnistloss.statistics import Moments


@dataclass(frozen=True)
class Hint:
    """Something that looks wrong: what, by which evidence, and what to do."""

    name: str
    evidence: str
    advice: str

    def as_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What one pass over predictions has seen. hard: every value is 0 or 1, `losses`: moments by name."""

    classes: int
    accuracy: float
    hard: bool
    losses: Mapping[str, Moments]


def worse_than_uniform(facts: Facts) -> Hint | None:
    """A cross-entropy or squared error above the uniform guess by 1 % and by three standard errors."""
    k = facts.classes
    uniform = {"cee": math.log(k), "nll": math.log(k), "mse": (1 - 1 / k) / 2, "brier": 1 - 1 / k}
    for name, guess in uniform.items():
        moments = facts.losses.get(name)
        if moments is not None and moments.stderr is not None and moments.mean > 1.01 * guess + 3 * moments.stderr:
            return Hint(
                "worse-than-uniform",
                f"{name} {moments.mean:.4f} is above {guess:.4f}, what 1/{k} for every class costs",
                "check that row i belongs to example i, and column k to class k",
            )
    return None


def hard_predictions(facts: Facts) -> Hint | None:
    """Every row is one-hot, so that the cross-entropy is a multiple of the error rate."""
    if not facts.hard or facts.accuracy == 1 or not {"cee", "nll"} & facts.losses.keys():
        return None
    return Hint(
        "hard-predictions",
        "every value is 0 or 1, so that each wrong row costs -log delta, and nll is infinite",
        "save the model's probabilities instead of its decisions, or score these with --loss error",
    )


HINTS: tuple[Callable[[Facts], Hint | None], ...] = (worse_than_uniform, hard_predictions)


def examine(facts: Facts) -> tuple[Hint, ...]:
    """All hints for which there is evidence."""
    return tuple(hint for check in HINTS if (hint := check(facts)) is not None)
