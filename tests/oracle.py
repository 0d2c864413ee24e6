"""The losses once more: in plain loops, and with fifty digits."""

import math
from collections.abc import Sequence

import mpmath
import numpy as np

mpmath.mp.dps = 50


def rows_of(t: int, k: int) -> list[float]:
    return [1.0 if i == t else 0.0 for i in range(k)]


def plain(name: str, y: Sequence[float], t: Sequence[float], delta: float) -> float:
    """One per-example loss in plain Python floats."""
    if name in ("mse", "brier"):
        total = math.fsum((a - b) ** 2 for a, b in zip(y, t, strict=True))
        return total / 2 if name == "mse" else total
    if name == "error":
        return 1.0 - t[max(range(len(y)), key=lambda k: (y[k], -k))]
    added = delta if name == "cee" else 0.0
    return math.fsum(-b * (math.log(a + added) if a + added > 0 else -math.inf) for a, b in zip(y, t, strict=True) if b)


def exact(name: str, y: Sequence[float], t: Sequence[float], delta: float, input: str = "probs") -> mpmath.mpf:
    """One per-example loss with fifty digits, from what the floats say exactly."""
    z = [mpmath.mpf(float(a)) for a in y]
    if input == "logits":
        total = mpmath.fsum(mpmath.exp(a) for a in z)
        p = [mpmath.exp(a) / total for a in z]
    else:
        p = [mpmath.exp(a) for a in z] if input == "logprobs" else z
    s = [mpmath.mpf(float(b)) for b in t]
    if name in ("mse", "brier"):
        squares = mpmath.fsum((a - b) ** 2 for a, b in zip(p, s, strict=True))
        return squares / 2 if name == "mse" else squares
    if name == "error":
        return 1 - s[int(np.argmax(np.asarray(y)))]
    added = mpmath.mpf(delta) if name == "cee" else 0
    return -mpmath.fsum(b * mpmath.log(a + added) for a, b in zip(p, s, strict=True) if b)
