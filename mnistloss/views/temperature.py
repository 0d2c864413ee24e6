"""The temperature at which predictions cost least: y becomes softmax(log(y) / T)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays import Array, Floats
from mnistloss.examples import Examples
from mnistloss.losses import LOSSES
from mnistloss.outputs import Logits
from mnistloss.statistics import Moments

FLOOR = 1e-300
"""What stands for smaller probabilities inside the log, so that 0 has a finite one."""

LIMIT = 1000.0
"""Temperatures are looked for between 1 / LIMIT and LIMIT."""


@dataclass(frozen=True)
class Tempering:
    """The best temperature, the nll there, and the nll where each half is scored at the other half's temperature.

    halves: the temperatures of the even and of the odd rows; they and `crossed` are None for a single example.
    """

    temperature: float
    in_sample: float
    halves: tuple[float, float] | None
    crossed: float | None


def temper(examples: Examples) -> Tempering:
    """Fit the temperature to all examples, and to the even and the odd rows for each other."""
    z, t = np.maximum(examples.outputs.log(None, 0.0), math.log(FLOOR)), examples.labels
    whole = fit(z, t)
    in_sample = Moments.over(nll(z, t, whole)).mean
    if examples.n < 2:
        return Tempering(whole, in_sample, None, None)
    even, odd = (fit(z[:, start::2], t[start::2]) for start in (0, 1))
    crossed = np.empty(examples.n)
    crossed[::2], crossed[1::2] = nll(z[:, ::2], t[::2], odd), nll(z[:, 1::2], t[1::2], even)
    return Tempering(whole, in_sample, (even, odd), Moments.over(crossed).mean)


def nll(z: Floats, t: Array, temperature: float) -> Floats:
    """The per-example nll (n,) of log-probabilities (K, n) at a temperature."""
    return LOSSES["nll"](Logits(z / temperature), t)


def fit(z: Floats, t: NDArray[np.intp]) -> float:
    """The temperature of least mean nll for log-probabilities (K, n).

    The mean nll is convex in b = 1 / T: Newton's method on its slope, with a bisection of log b where a step
    leaves the bracket. A minimum outside of the range gives its end; a slope of 0 at T = 1 gives 1.
    """
    low, high, b = 1 / LIMIT, LIMIT, 1.0
    if abs(_slope(z, t, b)[0]) <= 1e-15 * np.abs(z).max():
        return 1.0
    if _slope(z, t, high)[0] <= 0:
        return 1 / high
    if _slope(z, t, low)[0] >= 0:
        return 1 / low
    for _ in range(200):
        slope, curvature = _slope(z, t, b)
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curvature if curvature > 0 else low
        found = step if low < step < high else math.sqrt(low * high)
        if abs(found - b) <= 1e-12 * b:
            return 1 / found
        b = found
    return 1 / b


def _slope(z: Floats, t: NDArray[np.intp], b: float) -> tuple[float, float]:
    """First and second derivative of the mean nll by b: the mean of E[z] - z_t, and of the variance of z."""
    p = Logits(b * z).p
    expected = np.einsum("kn,kn->n", p, z)
    variance = np.einsum("kn,kn->n", p, (z - expected) ** 2)
    return float((expected - z[t, np.arange(len(t))]).mean()), float(variance.mean())
