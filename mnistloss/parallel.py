"""Work on one item after another, shared by forked processes, which is on Linux, or done by this one alone.

Threads would do, were the interpreter not locked between NumPy's many short calls: measured, two are as fast as one.
The processes take turns, each has a pipe of its own, and nothing is locked: so nothing is left to wait for when one
of them ends, however it does.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, NoReturn, TypeVar

from mnistloss.arrays.checks import whole
from mnistloss.errors import WorkerError

Item = TypeVar("Item")
Done = TypeVar("Done")

_MOST = 256
_PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h: which signal this process gets when its parent ends."""


def processors(jobs: int | None = None) -> int:
    """How many processes are worth having: `jobs`, or the processors that this process may use.

    Only one on other systems than Linux, and where other threads run, as what they are in the midst of would stand
    still for ever in a forked process.
    """
    several = (jobs is None or whole(jobs, "jobs") > 1) and sys.platform == "linux"
    if not several or threading.active_count() > 1:
        return 1
    return jobs or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def in_order(work: Callable[[Item], Done], items: Sequence[Item], jobs: int) -> Iterator[Iterator[Done]]:
    """The results for all items, in their order: `jobs` of them are in work while the block runs; with 1, on demand.

    Results are pickled. What `work` raises is raised where its result is asked for, and WorkerError where a process
    was ended from outside. Where the system has no processes to give, this one does the work.
    """
    workers: list[_Worker] = []
    try:
        if jobs > 1 and threading.active_count() == 1:
            _start(workers, work, items, min(jobs, len(items), _MOST))
        yield _results(workers, len(items)) if workers else map(work, items)
    finally:
        try:
            _end(workers)
        finally:
            _end(workers)  # which is nothing, unless it was interrupted before it began


class _Worker(NamedTuple):
    """A forked process, and the pipe on which it sends a pickle of each of its results."""

    process: int
    results: BinaryIO


def _start(workers: list[_Worker], work: Callable[[Any], Any], items: Sequence[Any], count: int) -> None:
    """Fork so many processes, of which each does every count-th item; or none, where there are not so many."""
    with _undisturbed():
        try:
            for place in range(count):
                workers.append(_forked(work, items[place::count]))
        except OSError:
            _end(workers)


def _forked(work: Callable[[Any], Any], items: Sequence[Any]) -> _Worker:
    leader = os.getpid()
    source, sink = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # on forking beside BLAS's threads, which are idle
            process = os.fork()
    except OSError:
        os.close(source)
        os.close(sink)
        raise
    if not process:
        _serve(work, items, sink, leader)
    os.close(sink)
    return _Worker(process, open(source, "rb"))


def _serve(work: Callable[[Any], Any], items: Sequence[Any], sink: int, leader: int) -> NoReturn:
    """Send what comes of each item, leave it to the leader to be interrupted, and end when it ends, however it does."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _follow(leader)
        with open(sink, "wb") as results:
            for item in items:
                results.write(_answer(work, item))
                results.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _follow(leader: int) -> None:
    """Be ended by the system when the leader ends, where it does such; elsewhere the next result finds no reader."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != leader:
        os._exit(1)


def _answer(work: Callable[[Any], Any], item: Any) -> bytes:
    """A pickle of the result and None, or of None and what was raised: in words, if it cannot be pickled."""
    try:
        return pickle.dumps((work(item), None))
    except BaseException as error:
        import traceback

        text = f"In a process that shared the work:\n{traceback.format_exc()}"
        try:
            error.add_note(text)
            answer = pickle.dumps((None, error))
            pickle.loads(answer)
        except Exception:
            return pickle.dumps((None, RuntimeError(text)))
        return answer


def _results(workers: Sequence[_Worker], count: int) -> Iterator[Any]:
    for place in range(count):
        try:
            result, error = pickle.load(workers[place % len(workers)].results)
        except (EOFError, pickle.UnpicklingError):
            raise WorkerError(
                "a process that shared the work was ended from outside, perhaps for want of memory; try --jobs 1"
            ) from None
        if error is not None:
            raise error
        yield result


def _end(workers: list[_Worker]) -> None:
    """End them whatever they are at, and forget them."""
    with _undisturbed():
        for worker in workers:
            with contextlib.suppress(ChildProcessError, ProcessLookupError):
                os.waitid(os.P_PID, worker.process, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # is it still ours?
                os.kill(worker.process, signal.SIGKILL)
        while workers:
            worker = workers.pop()
            worker.results.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.process, 0)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until this is over; to block them would leave them to the threads of BLAS."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    interrupt, terminate = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: waiting.append(number))
        yield
    finally:
        try:
            signal.signal(signal.SIGINT, interrupt)
        finally:
            signal.signal(signal.SIGTERM, terminate)
    if waiting:
        signal.raise_signal(waiting[0])
