"""Work on one item after another, by threads: NumPy and hashlib let go of the interpreter while they compute."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mnistloss.arrays import whole

Item = TypeVar("Item")
Done = TypeVar("Done")


def processors(jobs: int | None = None) -> int:
    """How many threads are worth having: `jobs`, or the processors that this process may use."""
    if jobs is not None:
        return whole(jobs, "jobs")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(jobs: int) -> int:
    """How many items `in_order` takes before it hands out the first result."""
    return 1 if jobs == 1 else jobs + 1


def in_order(work: Callable[[Item], Done], items: Iterable[Item], jobs: int) -> Iterator[Done]:
    """The results for all items, in their order, by `jobs` threads; with 1, here and now.

    Items are taken one by one in the calling thread, never more than `ahead(jobs)` before their results are asked
    for: what an item holds may be used again as soon as its result is out and the next one is asked for.
    """
    if jobs == 1:
        yield from map(work, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[Done]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == ahead(jobs):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
