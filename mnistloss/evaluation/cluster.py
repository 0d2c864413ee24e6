"""Dask clusters, and files in object stores: the only module that imports distributed and fsspec."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from mnistloss.arrays.files import NamedFile
from mnistloss.errors import InputError, MissingExtraError, UnavailableError, WorkerError, check_installed
from mnistloss.evaluation.canary import bits_digest, check_worker
from mnistloss.formatting import shown
from mnistloss.version import __version__

_CONNECT_SECONDS, _GREET_SECONDS, _LOST_SECONDS = 5, 5, 60
_AGAIN = "run the same command again, with -o FILE.jsonl it goes on where it stopped"
_ASK_SECONDS = 1.0
"""How old the list of workers may be: to ask the scheduler for it takes as long as some files."""

_FETCHERS = 16
_RETRIES = 2


def fetch_objects(addresses: Sequence[str]) -> list[NamedFile | InputError]:
    """Fetch the objects at these addresses at the same time; an object that is not there gives its refusal.

    Each object is read by one request, so that it is never a mixture of two versions. Raises MissingExtraError if a
    package is not installed, and UnavailableError if a store cannot be reached.
    """
    _check_fsspec()
    with ThreadPoolExecutor(_FETCHERS) as pool:
        return list(pool.map(_fetch, addresses))


def expand_address(address: str) -> list[str]:
    """Return the addresses that a pattern such as s3://bucket/run-*/preds.npy matches, or the address itself."""
    _check_fsspec()
    with _named_errors(address):
        import fsspec

        store, path = fsspec.url_to_fs(address)
        if not fsspec.core.has_magic(path) or store.exists(path):
            return [address]
        return sorted(map(store.unstrip_protocol, store.glob(path)))


def _check_fsspec() -> None:
    check_installed("an address", "fsspec", extra="cluster")


def _fetch(address: str) -> NamedFile | InputError:
    try:
        with _named_errors(address):
            import fsspec

            store, path = fsspec.url_to_fs(address)
            return NamedFile(address, content=store.cat_file(path))
    except InputError as error:
        return error


@contextlib.contextmanager
def _named_errors(address: str) -> Iterator[None]:
    """Turn the errors of fsspec and of the packages that it uses into errors of this package."""
    name = shown(address)
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such object") from None
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"{name}: {error.strerror or error}") from None
    except ImportError as error:
        raise MissingExtraError(f"{name}: {error}") from error
    except Exception as error:  # each kind of store has exceptions of its own
        raise UnavailableError(f"{name}: cannot be read ({type(error).__name__}: {error})") from error


@contextlib.contextmanager
def connect(address: str) -> Iterator[Executor]:
    """Yield an executor on the Dask cluster at an address, or, for "local", on the processors of this machine.

    Raises MissingExtraError without the extra [cluster], UnavailableError if no worker is reached, and WorkerError if
    all workers compute other bits than this process.
    """
    check_installed("--cluster", "distributed", "fsspec", extra="cluster")
    from distributed import Client

    for logger in ("distributed", "tornado.application"):  # what they tell of lost workers is no news here
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        try:
            where = stack.enter_context(_local_cluster()) if address == "local" else address
            client = stack.enter_context(Client(where, timeout=_CONNECT_SECONDS, set_as_default=False))
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError, RuntimeError) as error:  # a TimeoutError is an OSError
            raise UnavailableError(f"--cluster {shown(address)}: no worker answers ({error})") from error
        yield _ClusterExecutor(client)


def _local_cluster() -> Any:
    """Start a worker for each processor. An interrupt is for this process alone, which then ends the workers."""
    import dask
    from distributed import LocalCluster

    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None  # the workers inherit it
    try:
        dask.config.set(
            {"distributed.worker.profile.enabled": False}
        )  # which would look at each worker 100 times a second
        return LocalCluster(
            n_workers=processors(), threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        )
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _ClusterExecutor(Executor):
    """Submits to those workers of a Dask cluster that compute the same bits as this process."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._greeted: set[str] = set()
        self._refused: dict[str, str] = {}
        self._last_workers: dict[str, Any] = {}
        self._asked_at = -math.inf
        self._alive_at = time.monotonic()
        self._max_workers = sum(worker["nthreads"] for worker in self.workers().values())

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a call. Once a worker is refused, only those that are known by then may run the call."""
        alive = self.workers()
        workers = list(alive.keys() - self._refused.keys()) if self._refused else None
        future = self._client.submit(function, *args, pure=False, retries=_RETRIES, workers=workers, **kwargs)
        return _Task(future, self, workers)

    def workers(self) -> dict[str, Any]:
        """Return the workers by address, after a check of the bits of new ones. Raises WorkerError if none is left."""
        if time.monotonic() < self._asked_at + _ASK_SECONDS:
            return self._last_workers
        self._last_workers = alive = self._client.scheduler_info(n_workers=-1)["workers"]
        self._asked_at = time.monotonic()
        if new := list(alive.keys() - self._greeted):
            self._greet(new)
        if alive and not alive.keys() - self._refused.keys():
            raise WorkerError("every worker is refused: " + "; ".join(self._refused.values()))
        if alive:
            self._alive_at = time.monotonic()
        if time.monotonic() - self._alive_at > _LOST_SECONDS:
            raise WorkerError(f"the cluster has had no worker for {_LOST_SECONDS} seconds; {_AGAIN}")
        return alive

    def _greet(self, workers: list[str]) -> None:
        """Check the bits of workers, all at the same time; if some are silent, one after another, to name those."""
        try:
            answers = self._ask(workers)
        except TimeoutError:
            answers = {}
            for worker in workers:
                try:
                    answers |= self._ask([worker])
                except TimeoutError:
                    answers[worker] = f"does not answer within {_GREET_SECONDS} seconds"
        self._greeted |= set(workers)
        for worker, answer in answers.items():
            if answer is not None:
                self._refused[worker] = f"{worker}: {answer}"
                logging.getLogger("mnistloss").warning("refused: %s", self._refused[worker])

    def _ask(self, workers: list[str]) -> dict[str, Any]:
        answers: dict[str, Any] = self._client.run(
            check_worker, __version__, bits_digest(), workers=workers, on_error="return",
            callback_timeout=_GREET_SECONDS,
        )  # fmt: skip
        return answers


class _Task:
    """A call on a cluster, with what is used of a concurrent.futures.Future."""

    def __init__(self, future: Any, executor: _ClusterExecutor, workers: list[str] | None) -> None:
        self._future, self._executor, self._workers = future, executor, workers

    def result(self) -> Any:
        """Wait for the result. Raises WorkerError if no worker is left that may run the call."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError

        while True:
            try:
                return self._future.result(timeout=_GREET_SECONDS)
            except TimeoutError:
                if self._future.done():  # since then, or the error is the task's own
                    return self._future.result()
            except (KilledWorker, FutureCancelledError, CommClosedError) as error:
                raise WorkerError(f"the cluster lost a task ({type(error).__name__}: {error}); {_AGAIN}") from error
            alive = self._executor.workers()
            if self._workers is not None and not alive.keys() & set(self._workers):
                raise WorkerError(f"the workers that may run a task are lost; {_AGAIN}")

    def cancel(self) -> None:
        self._future.cancel()
