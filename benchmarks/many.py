"""The figures of many files: refused ones among them, on the workers of a cluster, and the memory of the leader."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import Material
from benchmarks.measuring import Budget, Measurement, cost, warm_allocator
from mnistloss.cli import main
from mnistloss.evaluation.evaluate import make_job
from mnistloss.evaluation.many import results_of

CLASS, WRONG, SWEEP = 200, 20, 2000
_TICK = os.sysconf("SC_CLK_TCK")


def refused(made: Material, budget: Budget) -> Measurement:
    """Our command on 200 files, of which 20 are wrong in the usual ways, against the 180 good ones alone."""
    warm_allocator()
    os.environ["MNISTLOSS_CACHE"] = str(made.cache())
    good = [str(made.predictions(number)) for number in range(CLASS - WRONG)]
    wrong = [str(made.once(f"wrong-{number}.npy", _wrong(made, number))) for number in range(WRONG)]

    def run(paths: list[str]) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            main(["eval", *paths], standalone_mode=False)

    return budget.times(lambda: run([*good, *wrong]), lambda: run(good))


def _wrong(made: Material, number: int) -> Callable[[Path], object]:
    y = np.load(made.predictions(number))
    kinds = [np.log(y), y[:-1], np.where(y == y[7, 3], np.nan, y), y.argmax(axis=1) + 1, y.T]
    return lambda path: np.save(path, kinds[number % len(kinds)])


@contextlib.contextmanager
def workers() -> Iterator[tuple[Any, list[int]]]:
    """Yield an executor on two Dask workers of this machine, and the numbers of their processes."""
    from mnistloss.evaluation import cluster

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with cluster.connect("local") as executor:
        pids = {pid for _ in range(50) for pid in [executor.submit(os.getpid).result()]}
        yield executor, sorted(pids)


def sweep(made: Material, budget: Budget) -> Measurement:
    """Lines of 2,000 files by two Dask workers, which are there already, against one process held to one processor."""
    return _on_workers(made, budget)


def overhead(made: Material, budget: Budget) -> Measurement:
    """The same in milliseconds of CPU time a file, of the leader and the workers."""
    measurement = _on_workers(made, budget)
    ours, theirs = ([(1000 * cpu / SWEEP, 0.0) for _, cpu in costs] for costs in (measurement.ours, measurement.theirs))
    return Measurement(ours, theirs)


def _on_workers(made: Material, budget: Budget) -> Measurement:
    warm_allocator()
    os.environ["MNISTLOSS_CACHE"] = str(made.cache())
    paths, job = [str(made.predictions(number)) for number in range(SWEEP)], make_job()
    ours, theirs = [], []
    with workers() as (executor, pids):

        def on_workers() -> None:
            deque(results_of(paths, job, executor, as_lines=True), maxlen=0)

        def alone() -> None:
            deque(results_of(paths, job, as_lines=True), maxlen=0)

        every = os.sched_getaffinity(0)
        on_workers()
        for _ in range(max(3, budget.fewest)):
            before = _cpu_of(pids)
            wall, cpu = cost(on_workers)
            ours.append((wall, cpu + _cpu_of(pids) - before))
            os.sched_setaffinity(0, {min(every)})
            theirs.append(cost(alone))
            os.sched_setaffinity(0, every)
    return Measurement(ours, theirs)


def _cpu_of(pids: list[int]) -> float:
    """Return the seconds of CPU time of processes."""
    fields = (Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2].split() for pid in pids)
    return sum(int(values[11]) + int(values[12]) for values in fields) / _TICK


# Prints the peak of a process that ran our command.
_PEAK = """
import sys
from benchmarks.measuring import peak_memory
from mnistloss.cli import main
main(sys.argv[1:], standalone_mode=False)
print(peak_memory())
"""


def leader(made: Material, budget: Budget) -> Measurement:
    """The peak of our command that writes the rows of 100,000 files against that of 1,000; all files are empty."""
    empty, root = made.once("empty.npy", lambda path: path.touch()), Path(__file__).resolve().parents[1]

    def peak(count: int) -> float:
        names = f"{empty}\n" * count
        listed = made.once(f"list-{count}.txt", lambda path: path.write_text(names, "utf-8"))
        words = ("eval", "--manifest", listed, "-o", made.folder / f"rows-{count}.jsonl")
        done = subprocess.run([sys.executable, "-c", _PEAK, *words], cwd=root, stdout=subprocess.PIPE, check=True)
        return float(done.stdout)

    return Measurement([(peak(100_000), 0.0)], [(peak(1000), 0.0)])
