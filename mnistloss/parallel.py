"""Work on one item after another, by several processes where they can be forked, else by threads.

Threads would do, were the interpreter not locked between NumPy's many short calls: measured, two are as fast as one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mnistloss.arrays import whole

if TYPE_CHECKING:
    from concurrent.futures import Executor

Item = TypeVar("Item")
Done = TypeVar("Done")

_PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h: which signal this process gets when its parent ends."""

_inherited: Callable[[Any], Any] = len
"""What a forked process works with: set before it is forked, so that nothing but items and results is pickled."""


def processors(jobs: int | None = None) -> int:
    """How many processes are worth having: `jobs`, or the processors that this process may use."""
    if jobs is not None:
        return whole(jobs, "jobs")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def in_order(work: Callable[[Item], Done], items: Sequence[Item], jobs: int) -> Iterator[Iterator[Done]]:
    """The results for all items, in their order: `jobs` of them are in work while the block runs; with 1, on demand.

    Items and results are pickled. What `work` raises is raised where its result is asked for.
    """
    if jobs == 1:
        yield map(work, items)
        return
    global _inherited
    _inherited = work
    pool = _pool(jobs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # on forking beside BLAS's threads, which are idle
            results = pool.map(_work, items, chunksize=max(1, len(items) // (8 * jobs)))
        yield results
    finally:
        pool.shutdown(cancel_futures=True)


def _work(item: Any) -> Any:
    return _inherited(item)


def _pool(jobs: int) -> Executor:
    if not sys.platform.startswith("linux"):
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(jobs)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(jobs, get_context("fork"), initializer=_follow, initargs=(os.getpid(),))


def _follow(leader: int) -> None:
    """Leave it to the process that forked this one to be interrupted, and end when it ends, however it does."""
    import ctypes
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != leader:
        os._exit(1)
