"""Work on one item after another, by several processes where they can be forked, which is on Linux, else by this one.

Threads would do, were the interpreter not locked between NumPy's many short calls: measured, two are as fast as one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from mnistloss.arrays import whole
from mnistloss.errors import WorkerError

Item = TypeVar("Item")
Done = TypeVar("Done")

_PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h: which signal this process gets when its parent ends."""

_inherited: Callable[[Any], Any] = len
"""What this process works with, if it was forked to work: handed over by the fork, so that it need not be pickled."""

_CHUNK = 4
"""The most items that a process is handed at once: as long does it take to stop."""


def processors(jobs: int | None = None) -> int:
    """How many processes are worth having: `jobs`, or the processors that this process may use.

    Only one on other systems than Linux; where other threads run, as what they are in the midst of would stand still
    for ever in a forked process; and in a daemonic process, which may have no children.
    """
    several = (jobs is None or whole(jobs, "jobs") > 1) and sys.platform == "linux"
    used = sys.modules.get("multiprocessing")
    if not several or threading.active_count() > 1 or (used is not None and used.current_process().daemon):
        return 1
    return jobs or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def in_order(work: Callable[[Item], Done], items: Sequence[Item], jobs: int) -> Iterator[Iterator[Done]]:
    """The results for all items, in their order: `jobs` of them are in work while the block runs; with 1, on demand.

    Items and results are pickled. What `work` raises is raised where its result is asked for, and WorkerError where
    a process was ended from outside.
    """
    if jobs == 1:
        yield map(work, items)
        return
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("fork"), initializer=_follow, initargs=(os.getpid(), work))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # on forking beside BLAS's threads, which are idle
            results = pool.map(_work, items, chunksize=min(_CHUNK, max(1, len(items) // (8 * jobs))))
        yield results
    except BrokenProcessPool:
        raise WorkerError(
            "a process that shared the work was ended from outside, perhaps for want of memory; try --jobs 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _work(item: Any) -> Any:
    return _inherited(item)


def _follow(leader: int, work: Callable[[Any], Any]) -> None:
    """Leave it to the process that forked this one to be interrupted, and end when it ends, however it does."""
    import ctypes
    import signal

    global _inherited
    _inherited = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != leader:
        os._exit(1)
