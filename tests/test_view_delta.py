"""The view `delta`: the mean cee with other deltas, also where all predictions are 0 or 1."""

import math

import numpy as np
import pytest
from conftest import scores_of

from mnistloss import evaluate
from mnistloss.analysis.delta import Delta, delta
from mnistloss.document import Lines
from mnistloss.errors import InputError
from mnistloss.evaluation.targets import DataOptions

LABELS = np.arange(1000) % 10
OWN = DataOptions(dataset="mnist-5k")


def sentence(result: Delta) -> str:
    lines = result.parts()[-1]
    assert isinstance(lines, Lines)
    return lines.lines[0]


def test_rows_are_those_of_evaluate(probs: np.ndarray) -> None:
    """Each row equals `evaluate` with that delta, and a plain loop; the deltas are 0 and 1e-15 to 1e-2."""
    rows = delta(scores_of(probs, OWN)).rows
    assert [row.delta for row in rows] == [0, *(float(f"1e-{k}") for k in range(15, 1, -1))]
    for row in rows:
        assert row.cee == evaluate(probs, dataset="mnist-5k", losses=["cee"], delta=row.delta).losses["cee"].value
        costs = [-math.log(float(y[t]) + row.delta) for y, t in zip(probs, LABELS, strict=True)]
        assert row.cee == pytest.approx(math.fsum(costs) / 1000, rel=1e-12)
    assert [row.cee for row in rows] == sorted((row.cee for row in rows), reverse=True)
    (course,) = (row for row in rows if row.of_the_course)
    assert (course.delta, course.change) == (1e-7, 0)
    assert all(row.change == row.cee - course.cee for row in rows)


def test_infinite_terms() -> None:
    """Infinite terms occur at delta 0 only, are counted, and are null in JSON."""
    y = [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.25, 0.75]]
    result = delta(scores_of(y, DataOptions(targets=[0, 1, 0, 1])))
    assert [row.infinite for row in result.rows] == [2] + [0] * 14
    first = result.as_dict()["rows"][0]
    assert (first["cee"], first["change"], first["infinite"]) == (None, None, 2)
    assert sentence(result).startswith("2 terms are infinite without delta and -log(delta) with it")


def test_hard_predictions_are_all_delta() -> None:
    """If every prediction is 0 or 1, cee is -log(delta) * (1 - accuracy), up to accuracy * delta."""
    y = np.eye(10)[LABELS]
    y[:70] = np.roll(y[:70], 3, axis=1)
    result = delta(scores_of(y, OWN))
    assert result.hard
    assert result.accuracy == pytest.approx(0.93, rel=1e-12)
    for row in result.rows[1:]:
        assert abs(row.cee - -math.log(row.delta) * 0.07) <= row.delta + 1e-14
    assert "at 1e-7 16.118 * 0.0700 = 1.1283," in sentence(result)


def test_soft_targets_and_classes() -> None:
    """Soft targets are used as given; predicted classes are an InputError."""
    result = delta(scores_of([[0.5, 0.5]], DataOptions(targets=[[0.5, 0.5]])))
    assert result.rows[0].cee == pytest.approx(math.log(2), rel=1e-15)
    assert not result.hard
    assert sentence(result).startswith("No term is infinite")
    with pytest.raises(InputError, match="predicted classes"):
        delta(scores_of(LABELS, DataOptions(dataset="mnist-5k", input="labels")))
