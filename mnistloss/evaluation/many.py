"""Evaluate many files, in this process or on the workers of an executor: results and refusals, in the given order."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import pickle
import platform
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.arrays.files import NamedFile, is_address
from mnistloss.arrays.npy import Given, given
from mnistloss.datasets.load import Labels
from mnistloss.errors import ArgumentError, InputError, UnavailableError, WorkerError
from mnistloss.evaluation.canary import bits_digest, check_worker
from mnistloss.evaluation.evaluate import EvaluateKeywords, Job, evaluate_job, make_job
from mnistloss.evaluation.hints import identical_predictions
from mnistloss.evaluation.predictions import name_of
from mnistloss.evaluation.results import Evaluation, Refused
from mnistloss.evaluation.scoring import Predictions
from mnistloss.evaluation.targets import SavedIndices, TargetLoader, load_indices, split_of
from mnistloss.formatting import as_options, finite, shown
from mnistloss.version import __version__

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_BATCH_SECONDS = 0.2
_FIRST_BATCH, _MAX_BATCH = 16, 128
_FETCHED_AT_ONCE = 64
_UNKNOWN_WORKERS = 64
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _LARGEST_KEPT = -1, -3, 1 << 25


def evaluate_many(
    paths: Iterable[Predictions], *, executor: Executor | None = None, **keywords: Unpack[EvaluateKeywords]
) -> Iterator[Evaluation | Refused]:
    """Evaluate many files. Yield for each, in order, an Evaluation or a Refused, which says why it is not scored.

    paths: what `evaluate` takes; addresses such as s3://bucket/preds.npy need the extra [cluster]. Paths are taken as
        results are asked for, so that memory does not grow with their number.
    executor: any concurrent.futures.Executor; its workers must see the files, and get the labels from here. Only
        paths and addresses can be evaluated there. If None, the files are evaluated in this process.
    keywords: see `evaluate`; reduction="none" is refused.

    Bad arguments raise ArgumentError at once, and targets or indices that cannot be read raise InputError. Labels that
    are not available raise UnavailableError, and a worker that is lost or gives other bits raises WorkerError.

    >>> guess = np.full((1000, 10), 0.1)
    >>> [type(one).__name__ for one in evaluate_many([guess, 2 * guess], dataset="mnist-5k")]
    ['Evaluation', 'Refused']
    """
    job = make_job(**keywords)
    if isinstance(paths, (str, os.PathLike)):
        raise ArgumentError(f"paths is {str(paths)!r}, one path; expected several, such as [{str(paths)!r}]")
    if job.options.reduction == "none":
        raise ArgumentError('reduction="none" keeps the losses of single examples; evaluate one file at a time')
    return results_of(paths, read_targets(job), executor)


def read_targets(job: Job) -> Job:
    """Return a job whose own targets or indices are read; raises the errors of `evaluate` about them."""
    data = job.data
    if data.targets is not None:
        return job._replace(data=replace(data, targets=given(data.targets, "targets")))
    if data.indices is not None:
        batch = load_indices(data.indices)
        return job._replace(data=replace(data, indices=batch, split=split_of(batch, data.dataset, data.split)))
    return job


def results_of(
    paths: Iterable[Predictions], job: Job, executor: Executor | None = None, *, as_lines: bool = False
) -> Iterator[Any]:
    """Yield the result of each path in order, or, if `as_lines` is true, the line of JSON of each result."""
    if executor is not None:
        return _on_executor(paths, job, executor, as_lines)
    results = _evaluate_all(paths, job, TargetLoader(job.data))
    return map(to_line, results) if as_lines else results


def with_copies_named(results: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the evaluations, with a hint in each whose predictions have the same numbers as an earlier one."""
    fingerprints = [result.fingerprint for result in results if result.fingerprint is not None]
    hints = identical_predictions([result.predictions for result in results], fingerprints)
    return [replace(result, hints=result.hints + more) for result, more in zip(results, hints, strict=True)]


def to_line(result: Evaluation | Refused) -> str:
    """Return the flat row of a result as a line of JSON in ASCII, whose texts name options of the command line."""
    row = {key: as_options(value) if isinstance(value, str) else finite(value) for key, value in result.row().items()}
    row["predictions"] = result.predictions
    return json.dumps(row, allow_nan=False)


def _evaluate_all(
    paths: Iterable[Predictions], job: Job, loader: TargetLoader, *, hash_inline: bool = False
) -> Iterator[Evaluation | Refused]:
    for name, source in _fetched(paths):
        try:
            if isinstance(source, InputError):
                raise source
            yield evaluate_job(source, job, loader, hash_inline=hash_inline)
        except (InputError, ArgumentError) as error:  # `make_job` has checked what does not depend on the file
            yield Refused.because(name, str(error))
        except UnavailableError:
            if not loader.has_labels:
                raise
            missing = f"the labels of its split are not on this machine; run `mnistloss fetch {job.data.dataset}`"
            yield Refused.because(name, f"{shown(name)}: {missing}")


def _fetched(paths: Iterable[Predictions]) -> Iterator[tuple[str, Predictions | InputError]]:
    """Yield the name and the source of each path; addresses are fetched some at a time."""
    for is_remote, group in itertools.groupby(paths, is_address):
        if not is_remote:
            yield from ((name_of(path), path) for path in group)
            continue
        from mnistloss.evaluation.cluster import fetch_objects

        addresses = map(str, group)
        while some := list(itertools.islice(addresses, _FETCHED_AT_ONCE)):
            yield from zip(some, fetch_objects(some), strict=True)


def _on_executor(paths: Iterable[Predictions], job: Job, executor: Executor, as_lines: bool) -> Iterator[Any]:
    """Yield the results of batches of paths, of which only a window is submitted at a time."""
    from concurrent.futures import BrokenExecutor

    packed, folder, names, size = _pack(job), os.path.abspath(""), map(_path, paths), _FIRST_BATCH
    most = 2 * (getattr(executor, "_max_workers", None) or _UNKNOWN_WORKERS)
    window: deque[tuple[list[str], Future[Any]]] = deque()
    try:
        while True:
            while len(window) < most and (batch := list(itertools.islice(names, size))):
                window.append((batch, executor.submit(evaluate_batch, packed, folder, batch, as_lines)))
            if not window:
                return
            batch, future = window.popleft()
            results, seconds = future.result()
            for name, result in zip(batch, results, strict=True):
                yield result if result is not None else _missing(name, job, as_lines)
            size = max(1, min(_MAX_BATCH, int(_BATCH_SECONDS * len(batch) / max(seconds, 1e-6))))
    except BrokenExecutor as error:
        raise WorkerError(f"a worker of the executor was lost ({error}); start it again") from error
    finally:
        for _, future in window:
            future.cancel()


def _path(path: Predictions) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"an executor takes paths, found {type(path).__name__}; save it, or leave executor out")
    return os.fspath(path)


def _missing(name: str, job: Job, as_lines: bool) -> Any:
    """Return the refusal of a file that a worker did not see; raises WorkerError if it is seen here."""
    if os.path.exists(name):
        raise WorkerError(f"a worker does not see {shown(name)}, which is here; give the workers the same folders")
    return next(results_of([name], job, as_lines=as_lines))


def _pack(job: Job) -> bytes:
    """Return a job with its labels as bytes, without arrays, which another version of NumPy could not read."""
    data: Any = job.data
    targets, batch = data.targets, data.indices
    content = {
        "data": replace(data, targets=None, indices=None, cache_dir=None),
        "options": job.options,
        "targets": targets and (targets.name, *_as_bytes(targets.array)),
        "indices": batch and (batch.name, *_as_bytes(batch.indices), batch.dataset, batch.split),
        "labels": {} if targets else Labels(data.cache_options).pack(data.dataset, data.split),
        "version": __version__,
        "bits": bits_digest(),
        "leader": (platform.node(), os.getpid()),
    }
    return pickle.dumps(content)


def _as_bytes(array: Array) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def _as_array(dtype: str, shape: tuple[int, ...], content: bytes) -> Array:
    return np.frombuffer(content, dtype).reshape(shape)


def evaluate_batch(packed: bytes, folder: str, paths: Sequence[str], as_lines: bool) -> tuple[list[Any], float]:
    """Evaluate files on a worker; return the results, or their lines, and the seconds that this took.

    folder: the folder to which paths are relative. A file that this worker does not see has the result None.
    """
    start = time.perf_counter()
    job, loader = _unpack(packed)
    sources = [path if is_address(path) else NamedFile(path, os.path.join(folder, path)) for path in paths]
    visible = [is_address(source) or os.path.exists(source) for source in sources]
    results = _evaluate_all(itertools.compress(sources, visible), job, loader, hash_inline=True)
    answers = map(to_line, results) if as_lines else results
    return [next(answers) if is_visible else None for is_visible in visible], time.perf_counter() - start


@functools.lru_cache(maxsize=4)
def _unpack(packed: bytes) -> tuple[Job, TargetLoader]:
    """Return the job and a loader of its targets; a worker that computes other bits raises WorkerError."""
    content = pickle.loads(packed)  # made by `_pack`, and sent by the executor, which pickles everything itself
    if content["leader"] != (platform.node(), os.getpid()):
        _keep_freed_memory()
    check_worker(content["version"], content["bits"])
    targets, indices = content["targets"], content["indices"]
    data = replace(
        content["data"],
        targets=targets and Given(_as_array(*targets[1:]), targets[0]),
        indices=indices and SavedIndices(indices[0], _as_array(*indices[1:4]), *indices[4:]),
    )
    return Job(data, content["options"]), TargetLoader(data, Labels(data.cache_options, content["labels"]))


def _keep_freed_memory() -> None:
    """Let glibc reuse freed buffers, even where the environment of a worker says otherwise, as that of Dask does."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        libc = ctypes.CDLL(None)
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(option, _LARGEST_KEPT)
