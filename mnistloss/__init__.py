"""mnistloss answers one question exactly: what is the loss of these predictions on MNIST?

The public names below are imported on first use, so that `import mnistloss` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnistloss.arrays import one_hot
    from mnistloss.baselines import baseline
    from mnistloss.comparison import compare
    from mnistloss.datasets.load import load_mnist
    from mnistloss.errors import MnistLossError
    from mnistloss.evaluation import evaluate
    from mnistloss.explain.accuracy import explain_accuracy
    from mnistloss.explain.example import explain_example
    from mnistloss.explain.learning import explain_learning
    from mnistloss.generalisation import gap
    from mnistloss.losses import LOSSES, cross_entropy_error, mean_squared_error, softmax
    from mnistloss.results import Evaluation
    from mnistloss.sampling import batches, mini_batch
    from mnistloss.signature import Signature
    from mnistloss.verification import verify

_HOMES = {
    "LOSSES": "losses",
    "Evaluation": "results",
    "MnistLossError": "errors",
    "Signature": "signature",
    "baseline": "baselines",
    "batches": "sampling",
    "compare": "comparison",
    "cross_entropy_error": "losses",
    "evaluate": "evaluation",
    "explain_accuracy": "explain.accuracy",
    "explain_example": "explain.example",
    "explain_learning": "explain.learning",
    "gap": "generalisation",
    "load_mnist": "datasets.load",
    "mean_squared_error": "losses",
    "mini_batch": "sampling",
    "one_hot": "arrays",
    "softmax": "losses",
    "verify": "verification",
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
