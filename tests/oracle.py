"""An independent oracle for every loss: its formula in plain Python, computed in floats or with fifty digits."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mpmath

mpmath.mp.dps = 50


class Arithmetic(NamedTuple):
    """What the formulas need of floats or of fifty-digit numbers; the log of 0 is -inf."""

    log: Callable[[Any], Any]
    fsum: Callable[..., Any]


FLOATS = Arithmetic(lambda x: math.log(x) if x > 0 else -math.inf, math.fsum)
DIGITS = Arithmetic(mpmath.log, mpmath.fsum)

FORMULAS: dict[str, Callable[[Arithmetic, Sequence[Any], Sequence[Any], float], Any]] = {
    "cee": lambda a, y, t, delta: -a.fsum(t_k * a.log(y_k + delta) for y_k, t_k in zip(y, t, strict=True) if t_k),
    "mse": lambda a, y, t, _: a.fsum((y_k - t_k) ** 2 for y_k, t_k in zip(y, t, strict=True)) / 2,
    "nll": lambda a, y, t, _: -a.fsum(t_k * a.log(y_k) for y_k, t_k in zip(y, t, strict=True) if t_k),
    "brier": lambda a, y, t, _: a.fsum((y_k - t_k) ** 2 for y_k, t_k in zip(y, t, strict=True)),
    "error": lambda a, y, t, _: 1 - t[max(range(len(y)), key=lambda k: (y[k], -k))],
}
"""The loss of one example with probabilities y and targets t, by the loss's name: a new loss is added here."""


def plain(name: str, y: Sequence[float], t: Sequence[float], delta: float) -> float:
    """Return one per-example loss, computed in Python floats."""
    return float(_formula(name)(FLOATS, y, t, delta))


def exact(name: str, y: Sequence[float], t: Sequence[float], delta: float, input: str = "probs") -> mpmath.mpf:
    """Return one per-example loss with fifty digits, computed from the exact values of the floats."""
    p = [mpmath.mpf(float(y_k)) for y_k in y]
    if input != "probs":
        p = [mpmath.exp(z_k) for z_k in p]
    if input == "logits":
        total = mpmath.fsum(p)
        p = [p_k / total for p_k in p]
    return _formula(name)(DIGITS, p, [mpmath.mpf(float(t_k)) for t_k in t], delta)


def _formula(name: str) -> Callable[..., Any]:
    if name not in FORMULAS:
        raise LookupError(f"the loss {name} has no oracle: add its formula to FORMULAS in tests/oracle.py")
    return FORMULAS[name]
