"""What can go wrong, as one tree.

    MnistLossError
    ├── ArgumentError (ValueError)     an argument outside of what is defined
    ├── InputError (ValueError)        predictions, targets or indices that are refused
    ├── WorkerError                    a process that shared the work and was ended from outside
    ├── OutputError (OSError)          a result that could not be written
    ├── MissingExtraError (ImportError)  an optional package that is not installed
    └── DataError                      the dataset itself
        ├── IdxError (ValueError)      bytes that are not an IDX array
        ├── IntegrityError             content that is not the published content
        ├── DownloadError              one address that did not deliver
        └── UnavailableError           neither in the cache nor to be had

The command line turns each of them into a message, with exit status 2 for an ArgumentError and 1 for the others;
any other exception is a bug of ours and stays a traceback.
"""

from __future__ import annotations

import sys


class MnistLossError(Exception):
    """The root: catch it to catch every refusal of this package."""


class ArgumentError(MnistLossError, ValueError):
    """An argument outside of what is defined, such as a batch size of 0."""


class InputError(MnistLossError, ValueError):
    """Predictions, targets or indices that are refused; the message says what, where and what to do."""


class WorkerError(MnistLossError):
    """A process that shared the work was ended from outside."""


class OutputError(MnistLossError, OSError):
    """A result that could not be written; nothing half-written is left behind."""


class MissingExtraError(MnistLossError, ImportError):
    """An optional package is not installed; the message says how to install it."""


class DataError(MnistLossError):
    """The dataset itself is at fault: its bytes, its address, or its absence."""


class IdxError(DataError, ValueError):
    """Bytes that are not an IDX array."""


class IntegrityError(DataError):
    """Content that is not the published content, byte for byte."""


class DownloadError(DataError):
    """One address did not deliver."""


class UnavailableError(DataError):
    """A file of a dataset is neither in the cache nor to be had."""


def check_installed(what: str, *packages: str) -> None:
    """Raise MissingExtraError where a package that `what` needs is not installed."""
    import importlib.util

    for package in packages:
        if sys.modules.get(package, ...) is None or importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"{what} needs {package}; install it with: pip install 'mnistloss[report]'")
