"""mnistloss answers one question exactly: what is the loss of these predictions on MNIST?

The public names below are imported on first use, so that `import mnistloss` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mnistloss.version import __version__

if TYPE_CHECKING:
    from mnistloss.analysis.compare import compare
    from mnistloss.analysis.example import explain_example
    from mnistloss.analysis.gap import gap
    from mnistloss.analysis.verify import verify
    from mnistloss.arrays.checks import one_hot
    from mnistloss.datasets.load import load_mnist
    from mnistloss.errors import MnistLossError
    from mnistloss.evaluation.evaluate import evaluate
    from mnistloss.evaluation.results import Evaluation
    from mnistloss.evaluation.signature import Signature
    from mnistloss.losses.losses import LOSSES, cross_entropy_error, mean_squared_error, softmax
    from mnistloss.models.baselines import baseline
    from mnistloss.models.learning_curve import explain_learning
    from mnistloss.models.loss_landscape import explain_accuracy
    from mnistloss.sampling.sampling import batches, mini_batch

_HOMES = {
    "LOSSES": "losses.losses",
    "Evaluation": "evaluation.results",
    "MnistLossError": "errors",
    "Signature": "evaluation.signature",
    "baseline": "models.baselines",
    "batches": "sampling.sampling",
    "compare": "analysis.compare",
    "cross_entropy_error": "losses.losses",
    "evaluate": "evaluation.evaluate",
    "explain_accuracy": "models.loss_landscape",
    "explain_example": "analysis.example",
    "explain_learning": "models.learning_curve",
    "gap": "analysis.gap",
    "load_mnist": "datasets.load",
    "mean_squared_error": "losses.losses",
    "mini_batch": "sampling.sampling",
    "one_hot": "arrays.checks",
    "softmax": "losses.losses",
    "verify": "analysis.verify",
}

__all__ = [
    "LOSSES",
    "Evaluation",
    "MnistLossError",
    "Signature",
    "__version__",
    "baseline",
    "batches",
    "compare",
    "cross_entropy_error",
    "evaluate",
    "explain_accuracy",
    "explain_example",
    "explain_learning",
    "gap",
    "load_mnist",
    "mean_squared_error",
    "mini_batch",
    "one_hot",
    "softmax",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
