"""A file of scores, scores.jsonl: the settings in the first line, then the row of each file, as it comes.

The same command goes on where it was stopped. The file holds the same bytes whether it was stopped or not.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from mnistloss.errors import ArgumentError, MnistLossError, OutputError
from mnistloss.evaluation.evaluate import Job
from mnistloss.evaluation.file_lists import Shard
from mnistloss.evaluation.gates import Gate
from mnistloss.evaluation.many import read_targets, results_of
from mnistloss.formatting import shown
from mnistloss.version import __version__

_MAX_MESSAGES = 10


@dataclass
class Totals:
    """What a file of scores holds: the numbers of files and of refused ones, and of crossed gates.

    resumed: how many files were done before. messages: of the first gates that are crossed.
    """

    files: int = 0
    refused: int = 0
    crossed: int = 0
    resumed: int = 0
    messages: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any], gates: Sequence[Gate]) -> None:
        """Count a row."""
        self.files += 1
        self.refused += row["status"] == "refused"
        for message in (gate.crossed(row) for gate in gates if row["status"] != "refused"):
            self.crossed += message is not None
            self.messages += [message] if message and self.crossed <= _MAX_MESSAGES else []


def write_scores(
    path: Path,
    names: Iterable[str],
    job: Job,
    *,
    shard: Shard | None = None,
    executor: Executor | None = None,
    gates: Sequence[Gate] = (),
    progress: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Evaluate the files that have no row in a file of scores yet, and append their rows, each as soon as it is there.

    shard: the share that the names are; it is a part of the settings. executor: as in `evaluate_many`.
    gates: conditions that are looked at for every row. progress: called after each file.

    Raises ArgumentError if the rows were written with other settings, OutputError if the file is no file of scores or
    cannot be written, and the errors of `evaluate_many`.
    """
    totals, done, job = Totals(), Counter[str](), read_targets(job)
    with _appending(path) as stream:
        for row in _begin(stream, path, _settings(job, shard or Shard(0, 1))):
            totals.add(row, gates)
            done[row["predictions"]] += 1
        totals.resumed = totals.files
        progress(totals)
        for line in results_of(_without_rows(names, done), job, executor, as_lines=True):
            _append(stream, path, line)
            totals.add(json.loads(line), gates)
            progress(totals)
    return totals


def _without_rows(names: Iterable[str], done: Counter[str]) -> Iterator[str]:
    """Yield the names that have no row yet; a name that comes several times has as many rows."""
    for name in names:
        if done[name] > 0:
            done[name] -= 1
        else:
            yield name


def _settings(job: Job, shard: Shard) -> dict[str, Any]:
    """Return everything on which rows depend, apart from the files."""
    options, data = job.options, cast(Any, job.data)
    digests = {
        "targets": data.targets and sha256(data.targets.array.tobytes()).hexdigest()[:8],
        "indices": data.indices and sha256(data.indices.indices.tobytes()).hexdigest()[:8],
    }
    of_data = {
        name: getattr(data, name) for name in ("dataset", "split", "input", "delta", "allow_unnormalized", "array")
    }
    of_scores = {**vars(options), "losses": options.loss_names(data.input), "top": list(options.top)}
    return {"mnistloss": __version__, **of_data, **digests, **of_scores, "shard": str(shard)}


@contextlib.contextmanager
def _appending(path: Path) -> Iterator[io.FileIO]:
    try:
        if path.exists() and not path.is_file():
            raise OutputError(f"{shown(path)} is not a regular file; name another one")
        stream = io.FileIO(path, "a+")
    except OSError as error:
        raise OutputError(f"cannot write {shown(path)}: {error.strerror or error}") from error
    with stream:
        _lock(stream, path)
        yield stream


def _lock(stream: io.FileIO, path: Path) -> None:
    """Refuse a file to which another process is writing rows, where the system can tell."""
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"another process is writing to {shown(path)}; name another file, or wait") from error
        except OSError:  # a file system without locks
            return


def _begin(stream: io.FileIO, path: Path, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Write the settings as the first line, or compare them with those that are there; yield the rows that are there.

    A last line without an end was not written completely, and is cut.
    """
    header, number = json.dumps({"settings": settings}), 1
    with path.open("rb") as reader:
        first = reader.readline()
        if not first.endswith(b"\n") and f"{header}\n".encode().startswith(first):
            stream.truncate(0)
            _append(stream, path, header)
            return
        end = len(first)
        try:
            _check_settings(json.loads(first)["settings"], settings, path)
            for line in reader:
                if not line.endswith(b"\n"):
                    stream.truncate(end)
                    return
                number, end = number + 1, end + len(line)
                row = json.loads(line)
                yield {"predictions": str(row["predictions"]), "status": row["status"], **row}
        except MnistLossError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            problem = f"{shown(path)}: line {number} is not a row of scores"
            raise OutputError(f"{problem}; name another file, this one is left as it is") from error


def _check_settings(before: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    now = json.loads(json.dumps(now))
    changed = [
        f"{name} {before.get(name)!r}, now {now.get(name)!r}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise ArgumentError(f"{shown(path)} was begun with other settings: {'; '.join(changed)}; name another file")


def _append(stream: io.FileIO, path: Path, line: str) -> None:
    """Append a line; one that cannot be written as a whole is cut again."""
    end = stream.seek(0, os.SEEK_END)
    rest = memoryview(f"{line}\n".encode())
    try:
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        with contextlib.suppress(OSError):
            stream.truncate(end)
        again = "the rows before are complete; run the same command again to go on"
        raise OutputError(f"cannot write {shown(path)}: {error.strerror or error}; {again}") from error
