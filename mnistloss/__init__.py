"""mnistloss answers one question exactly: what is the loss of these predictions on MNIST?

A public name is imported when it is used first, so that `import mnistloss` takes little time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mnistloss.version import __version__ as __version__

if TYPE_CHECKING:
    from mnistloss.analysis.compare import compare as compare
    from mnistloss.analysis.example import explain_example as explain_example
    from mnistloss.analysis.gap import gap as gap
    from mnistloss.analysis.inspect import inspect as inspect
    from mnistloss.analysis.runs import compare_runs as compare_runs
    from mnistloss.analysis.runs import evaluate_runs as evaluate_runs
    from mnistloss.analysis.verify import verify as verify
    from mnistloss.arrays.checks import one_hot as one_hot
    from mnistloss.datasets.load import load_mnist as load_mnist
    from mnistloss.errors import MnistLossError as MnistLossError
    from mnistloss.evaluation.evaluate import evaluate as evaluate
    from mnistloss.evaluation.many import evaluate_many as evaluate_many
    from mnistloss.evaluation.results import Evaluation as Evaluation
    from mnistloss.evaluation.results import Refused as Refused
    from mnistloss.evaluation.signature import Signature as Signature
    from mnistloss.losses.losses import LOSSES as LOSSES
    from mnistloss.losses.losses import cross_entropy_error as cross_entropy_error
    from mnistloss.losses.losses import mean_squared_error as mean_squared_error
    from mnistloss.losses.losses import softmax as softmax
    from mnistloss.models.baselines import baseline as baseline
    from mnistloss.models.learning_curve import explain_learning as explain_learning
    from mnistloss.models.loss_landscape import explain_accuracy as explain_accuracy
    from mnistloss.report.html import report as report
    from mnistloss.sampling.sampling import batches as batches
    from mnistloss.sampling.sampling import mini_batch as mini_batch

_HOMES = {
    "LOSSES": "losses.losses",
    "Evaluation": "evaluation.results",
    "MnistLossError": "errors",
    "Refused": "evaluation.results",
    "Signature": "evaluation.signature",
    "baseline": "models.baselines",
    "batches": "sampling.sampling",
    "compare": "analysis.compare",
    "compare_runs": "analysis.runs",
    "cross_entropy_error": "losses.losses",
    "evaluate": "evaluation.evaluate",
    "evaluate_many": "evaluation.many",
    "evaluate_runs": "analysis.runs",
    "explain_accuracy": "models.loss_landscape",
    "explain_example": "analysis.example",
    "explain_learning": "models.learning_curve",
    "gap": "analysis.gap",
    "inspect": "analysis.inspect",
    "load_mnist": "datasets.load",
    "mean_squared_error": "losses.losses",
    "mini_batch": "sampling.sampling",
    "one_hot": "arrays.checks",
    "report": "report.html",
    "softmax": "losses.losses",
    "verify": "analysis.verify",
}

# `report` is the function: the package of this name is imported here, so that no later import takes the name.
importlib.import_module("mnistloss.report")
globals().pop("report", None)

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
