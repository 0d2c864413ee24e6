"""The exceptions of this package.

    MnistLossError
    ├── ArgumentError (ValueError)     an argument outside its range
    ├── InputError (ValueError)        predictions, targets or indices that are refused
    ├── OutputError (OSError)          a result that could not be written
    ├── MissingExtraError (ImportError)  an optional package that is not installed
    ├── WorkerError                    a worker that is lost, sees other files, or computes other bits
    └── DataError                      the dataset itself
        ├── IdxError (ValueError)      bytes that are not an IDX array, or labels outside 0..K-1
        ├── IntegrityError             content that is not the published content
        ├── DownloadError              one address that did not deliver the file
        └── UnavailableError           neither in the cache nor downloadable

The command line turns each of these exceptions into a message. The exit status is 2 for an ArgumentError and 1 for the
others. Any other exception is a bug of this package and stays a traceback.
"""

from __future__ import annotations

import sys


class MnistLossError(Exception):
    """The base class of all exceptions of this package."""


class ArgumentError(MnistLossError, ValueError):
    """An argument outside its range, such as a batch size of 0."""


class InputError(MnistLossError, ValueError):
    """Predictions, targets or indices that are refused; the message says what, where and what to do."""


class OutputError(MnistLossError, OSError):
    """A result that could not be written; nothing half-written is left behind."""


class MissingExtraError(MnistLossError, ImportError):
    """An optional package is not installed; the message says how to install it."""


class WorkerError(MnistLossError):
    """A worker of an executor that is lost, sees other files, or computes other bits; the message names it."""


class DataError(MnistLossError):
    """A dataset whose bytes are wrong, or that is not available."""


class IdxError(DataError, ValueError):
    """Bytes that are not an IDX array, or labels of a dataset outside 0..K-1."""


class IntegrityError(DataError):
    """Content that differs from the published content."""


class DownloadError(DataError):
    """One address did not deliver the file."""


class UnavailableError(DataError):
    """A file of a dataset is neither in the cache nor downloadable."""


def check_installed(what: str, *packages: str, extra: str = "report") -> None:
    """Raise MissingExtraError if one of the packages of an extra, which `what` needs, is not installed."""
    import importlib.util

    for package in packages:
        if sys.modules.get(package, ...) is None or importlib.util.find_spec(package) is None:
            named = f"'mnistloss[{extra}]'"
            ways = f"pip install {named}, or pipx install --force {named}, or run it by uvx --from {named} mnistloss"
            raise MissingExtraError(f"{what} needs {package}; install it with: {ways}")
