"""Work that several processes share: the same bits, the same refusals, and nothing left behind."""

import csv
import functools
import gc
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from mnistloss import evaluate
from mnistloss.arrays.checks import BLOCK
from mnistloss.errors import ArgumentError, InputError, WorkerError
from mnistloss.evaluation.evaluate import ScoreOptions, score_all
from mnistloss.evaluation.scoring import DataOptions
from mnistloss.parallel import in_order, processors

N = 17 * BLOCK + 123
RNG = np.random.default_rng(11)
SCORES = RNG.normal(size=(N, 3)).astype(np.float32)
PROBS = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
LABELS = RNG.integers(0, 3, N)


@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_number_of_jobs_gives_the_same_bits(input: str, order: str, tmp_path: Path) -> None:
    """Moments, hits, classes, kept losses and the signature are the same for 1, 2 and 5 jobs, of files and arrays."""
    y = {"probs": PROBS, "logits": SCORES, "logprobs": np.log(PROBS)}[input].astype(">f4", order=order)
    np.save(tmp_path / "y.npy", y)
    options: dict[str, Any] = {
        "top": (2,),
        "per_class": True,
        "batch_size": BLOCK,
        "losses": ["cee", "nll", "mse", "brier", "error"],
    }
    alone = evaluate(tmp_path / "y.npy", targets=LABELS, input=input, jobs=1, **options)
    for jobs in (2, 5):
        assert evaluate(tmp_path / "y.npy", targets=LABELS, input=input, jobs=jobs, **options) == alone
    assert replace(evaluate(y, targets=LABELS, input=input, jobs=2, **options), predictions=alone.predictions) == alone


def test_a_bad_row_is_found_by_whichever_process_reads_it() -> None:
    """The refusal is about all rows, as it is with one job."""
    y = PROBS.copy()
    y[[N - 5, N - 1], 0] = np.nan
    for jobs in (1, 3):
        with pytest.raises(InputError, match=f"NaN or infinity in 2 rows, first in row {N - 5}"):
            evaluate(y, targets=LABELS, jobs=jobs)


def test_many_files_are_scored_alike(tmp_path: Path, probs: np.ndarray, cli: Cli) -> None:
    """Twenty files, by one process or two: the same evaluations, in the order of the files; the command sorts them."""
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number:02}.npy")
        np.save(paths[-1], np.roll(probs, number, axis=1))
    selection, steps = DataOptions(dataset="mnist-5k"), list[tuple[int, int]]()
    alone = score_all(paths, selection, ScoreOptions(), 1)
    assert score_all(paths, selection, ScoreOptions(), 2, lambda done, all_: steps.append((done, all_))) == alone
    assert [one.predictions for one in alone] == [str(path) for path in paths]
    assert steps[-1] == (20, 20)
    rows = list(csv.DictReader(io.StringIO(cli("eval", *paths, "--dataset", "mnist-5k", "--format", "csv").stdout)))
    values = [float(row["value"]) for row in rows if row["measure"] == "cee"]
    assert values == sorted(one.losses["cee"].value for one in alone)


def test_standard_input_is_read_by_one_process(tmp_path: Path, probs: np.ndarray) -> None:
    """A stream of many rows, or among many files, gives what the file gives."""
    path, labels, run = tmp_path / "y.npy", tmp_path / "t.npy", [sys.executable, "-m", "mnistloss", "eval"]
    np.save(path, PROBS)
    np.save(labels, LABELS)
    found = evaluate(path, targets=labels)
    wanted = [*run, "-", "--targets", str(labels), "--jobs", "2", "--format", "json"]
    done = subprocess.run(wanted, input=path.read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)["evaluations"][0] == {**found.as_dict(), "predictions": "<stdin>"}
    few = tmp_path / "few.npy"
    np.save(few, probs)
    wanted = [*run, *[str(few)] * 17, "-", *[str(few)] * 3, "--dataset", "mnist-5k", "--jobs", "2", "--format", "json"]
    done = subprocess.run(wanted, input=few.read_bytes(), capture_output=True, check=True)
    values = [one["losses"]["cee"]["value"] for one in json.loads(done.stdout)["evaluations"]]
    assert values == [evaluate(few, dataset="mnist-5k").losses["cee"].value] * 21


def test_one_bad_file_among_many_is_named(tmp_path: Path, probs: np.ndarray) -> None:
    """An error in another process is the error that it would be in this one."""
    paths = [tmp_path / f"{number:02}.npy" for number in range(20)]
    for path in paths:
        np.save(path, probs if path.stem != "13" else probs * 2)
    with pytest.raises(InputError, match=r"13\.npy: values from .*, outside \[0, 1\]"):
        score_all(paths, DataOptions(dataset="mnist-5k"), ScoreOptions(), 2)


def test_two_threads_at_once_do_not_mix_their_work() -> None:
    """Each of two evaluations in one process gets its own losses, however they overlap."""
    wanted = {shift: np.roll(PROBS, shift, axis=1) for shift in (0, 1)}
    alone = {shift: evaluate(y, targets=LABELS).losses["mse"].value for shift, y in wanted.items()}
    wrong: list[tuple[int, float]] = []

    def repeat(shift: int) -> None:
        for _ in range(8):
            value = evaluate(wanted[shift], targets=LABELS, jobs=2).losses["mse"].value
            if value != alone[shift]:
                wrong.append((shift, value))

    threads = [threading.Thread(target=repeat, args=(shift,)) for shift in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_is_forked_beside_other_threads() -> None:
    """What another thread is in the midst of, such as a lock held by BLAS, would never end in a forked process."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert processors(2) == processors() == 1
    finally:
        done.set()
        thread.join()


def test_a_daemonic_process_works_alone(tmp_path: Path) -> None:
    """A worker of somebody's own pool, which may have no children, gives the same bits by itself."""
    np.save(tmp_path / "y.npy", PROBS)
    np.save(tmp_path / "t.npy", LABELS)
    score = functools.partial(evaluate, targets=tmp_path / "t.npy", jobs=2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(score, [tmp_path / "y.npy"]) == [score(tmp_path / "y.npy")]


def test_work_is_let_go_when_it_is_done() -> None:
    """What the last parallel work was about does not stay in memory."""
    held = np.ones(3)
    kept = weakref.ref(held)
    with in_order(functools.partial(np.add, held), range(20), 2) as results:
        assert len(list(results)) == 20
    del held, results
    gc.collect()
    assert kept() is None


def test_a_process_that_is_killed_is_an_error() -> None:
    """It is said what happened and what to do, and no traceback of ours."""

    def ended_from_outside(item: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return item

    with (
        pytest.raises(WorkerError, match=r"ended from outside.*try --jobs 1"),
        in_order(ended_from_outside, [1], 2) as r,
    ):
        list(r)


def test_in_order() -> None:
    """Results come in the order of the items, and an exception where its result would."""
    with in_order(lambda x: x * x, range(100), 4) as results:
        assert list(results) == [x * x for x in range(100)]
    with in_order(lambda x: 1 // x, [1, 0, 1], 2) as results:
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_more_processes_than_work() -> None:
    """No more are started than there are items, however many are asked for."""
    with in_order(lambda _: os.getpid(), range(3), 10**6) as results:
        assert len(set(results) | {os.getpid()}) == 4


@pytest.mark.parametrize("missing", ["fork", "pipe"])
def test_where_no_process_is_to_be_had(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives one process but no second one, this one does all of the work, and the first is ended."""
    forked, fork = list[int](), os.fork

    def recorded() -> int:
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(os, "fork", recorded)
    had, real = iter([True, False]), getattr(os, missing)

    def refused() -> Any:
        if next(had):
            return real()
        raise BlockingIOError("no more of them")

    monkeypatch.setattr(os, missing, refused)
    before = len(os.listdir("/proc/self/fd"))
    with in_order(lambda x: (x, os.getpid()), range(3), 2) as results:
        assert list(results) == [(x, os.getpid()) for x in range(3)]
    assert len(os.listdir("/proc/self/fd")) == before
    (process,) = forked
    with pytest.raises(ChildProcessError):
        os.waitpid(process, 0)


def test_an_error_says_where_it_was_raised() -> None:
    """The traceback within the other process is a note of the exception."""
    with in_order(lambda x: 1 // x, [0], 2) as results, pytest.raises(ZeroDivisionError) as caught:
        list(results)
    assert any("in <lambda>" in note for note in caught.value.__notes__)


def test_processors() -> None:
    """By default as many as this process may use; nothing else than a whole number of 1 or more can be asked for."""
    assert processors() == len(os.sched_getaffinity(0))
    assert processors(7) == 7
    for jobs in (0, 1.5):
        with pytest.raises(ArgumentError, match="jobs is"):
            processors(jobs)  # type: ignore[arg-type]  # the refusal is the test


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C stops all processes at once: no traceback, no result, nothing half-written."""
    rows = 2000 * BLOCK
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (rows, 10)})
        stream.truncate(stream.tell() + rows * 40)
    np.save(tmp_path / "t.npy", np.zeros(rows, np.uint8))
    losses = tmp_path / "losses.npy"
    command = f"eval {tmp_path}/y.npy --targets {tmp_path}/t.npy --input logits --loss nll --jobs 2"
    code = "from mnistloss.cli import main; main()"
    for extra in ("", f" --reduction none --out {losses}"):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *(command + extra).split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(0.7)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err.strip()) == (1, "", "Aborted!")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.npy", "y.npy"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_terminated(how: signal.Signals, tmp_path: Path) -> None:
    """However it is told to end, and however often, it leaves no temporary file and exits as the shell expects."""
    rows = 300 * BLOCK
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (rows, 10)})
        stream.truncate(stream.tell() + rows * 40)
    np.save(tmp_path / "t.npy", np.zeros(rows, np.uint8))
    command = f"eval {tmp_path}/y.npy --targets {tmp_path}/t.npy --input logits --reduction none --out {tmp_path}/o.npz"
    code = "from mnistloss.cli import run; run()"
    with subprocess.Popen([sys.executable, "-c", code, *command.split()], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while process.poll() is None and not list(tmp_path.glob(".o.npz.*.tmp")):
            time.sleep(0.001)
        for _ in range(3):
            process.send_signal(how)
            time.sleep(0.001)
        assert process.stderr.read() == ""
    assert process.returncode == 128 + how
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.npy", "y.npy"]


def test_interrupted_at_the_start(tmp_path: Path) -> None:
    """Ctrl-C while the program is still being imported leaves no traceback either."""
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    found = subprocess.run(
        [sys.executable, "-m", "mnistloss", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (-signal.SIGINT, "", "")


def test_signals_wait_for_the_end_of_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C amid the start of processes is acted upon when all are known, so that all are ended; handlers are back."""
    forked, fork, handler = list[int](), os.fork, signal.getsignal(signal.SIGINT)

    def interrupted() -> int:
        forked.append(fork())
        if forked[-1]:
            os.kill(os.getpid(), signal.SIGINT)
        return forked[-1]

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(KeyboardInterrupt), in_order(time.sleep, [60, 60], 2):
        pass
    assert len(forked) == 2
    for process in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(process, 0)
    assert signal.getsignal(signal.SIGINT) is handler


class OddError(Exception):
    """One that pickle makes wrongly."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(OddError(1, 2), RuntimeError), (KeyError(lambda: 0), RuntimeError), (SystemExit(3), SystemExit)],
)
def test_whatever_is_raised(raised: BaseException, expected: type[BaseException]) -> None:
    """An exception that cannot be handed over is told of in words; none is taken for a killed process."""

    def work(_: int) -> None:
        raise raised

    with pytest.raises(expected) as caught, in_order(work, [1, 2], 2) as results:
        list(results)
    assert "in work" in str([caught.value, *getattr(caught.value, "__notes__", [])])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(how: signal.Signals) -> None:
    """A killed command leaves no others behind that would wait for ever."""
    code = (
        "import os, sys, time; from mnistloss.parallel import in_order\n"
        "def work(item): print(os.getpid(), flush=True); time.sleep(60)\n"
        "with in_order(work, range(2), 2) as results: list(results)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert len({process.stdout.readline() for _ in range(2)} - {str(process.pid)}) == 2
        process.send_signal(how)
        assert process.communicate(timeout=30)[0] == ""  # which ends when all that could write to it have ended


def test_a_file_is_read_once_into_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass reads each byte of the array once, and holds some blocks of it at a time, however many there are."""
    rows = 150 * BLOCK
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (rows, 10)})
        stream.truncate(stream.tell() + rows * 40)
    counts: list[int] = []
    read = os.preadv

    def counted(*arguments: Any) -> int:
        counts.append(read(*arguments))
        return counts[-1]

    monkeypatch.setattr(os, "preadv", counted)
    labels = np.zeros(rows, np.uint8)
    evaluate(np.zeros((BLOCK, 10)), targets=labels[:BLOCK], input="logits")
    tracemalloc.start()
    try:
        evaluate(tmp_path / "y.npy", targets=labels, input="logits")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(counts) == rows * 40
    assert 10 * BLOCK * 8 < peak < rows * 40 / 3
