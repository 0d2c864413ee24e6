"""Evaluations on the test split of mnist-5k, whose labels are 0 to 9 in turn."""

from typing import Any

import numpy as np
import pytest

import mnistloss
from mnistloss.errors import InputError

LABELS = np.arange(1000) % 10


def on_5k(predictions: Any, **options: Any) -> mnistloss.Evaluation:
    return mnistloss.evaluate(predictions, dataset="mnist-5k", **options)


def refused(predictions: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        on_5k(predictions, **options)
    return str(caught.value)
