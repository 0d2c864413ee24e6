"""One pass over predictions: the same bits however they are read, each byte read once, and a clean end at signals."""

import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from small_datasets import DISTANT

from mnistloss import evaluate
from mnistloss.analysis.overview import build_report
from mnistloss.arrays.checks import BLOCK
from mnistloss.arrays.npy import NpyArray
from mnistloss.datasets import cache, catalog
from mnistloss.datasets.fetch import import_files
from mnistloss.errors import InputError
from mnistloss.evaluation import scoring
from mnistloss.evaluation.evaluate import evaluate_job, make_job
from mnistloss.evaluation.many import evaluate_many
from mnistloss.evaluation.results import Refused
from mnistloss.evaluation.scoring import ALL_COLUMNS, score
from mnistloss.evaluation.targets import DataOptions
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import Probabilities

N = 2 * BLOCK + 123
RNG = np.random.default_rng(11)
SCORES = RNG.normal(size=(N, 3)).astype(np.float32)
PROBS = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
LABELS = RNG.integers(0, 3, N)
RUN = [sys.executable, "-m", "mnistloss"]
HEARD = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); s.signal(s.SIGHUP, s.SIG_DFL); "
"""Code that hears signals again which the process of the tests ignores, as under nohup."""


@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_gives_the_bits_of_the_array(input: str, order: str, tmp_path: Path) -> None:
    """Moments, hits, classes, kept losses and the signature are the same for a file in any order and the array."""
    y = {"probs": PROBS, "logits": SCORES, "logprobs": np.log(PROBS)}[input].astype(">f4", order=order)
    np.save(tmp_path / "y.npy", y)
    options: dict[str, Any] = {"top": (2,), "per_class": True, "batch_size": BLOCK}
    options["losses"] = ["cee", "nll", "mse", "brier", "error"]
    of_file = evaluate(tmp_path / "y.npy", targets=LABELS, input=input, **options)
    of_array = evaluate(np.ascontiguousarray(y), targets=LABELS, input=input, **options)
    assert replace(of_array, predictions=of_file.predictions) == of_file


@pytest.mark.parametrize("read_bytes", [1, 1 << 21])
def test_outputs_that_are_kept_outlive_the_read_buffer(
    read_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outputs of all rows are those of the file, in the order too that needs no transposition."""
    monkeypatch.setattr(scoring, "_READ_BYTES", read_bytes)
    y = np.tile(PROBS.astype(np.float64), (2, 1))
    np.save(tmp_path / "y.npy", np.asfortranarray(y))
    scores = score(tmp_path / "y.npy", DataOptions(targets=np.tile(LABELS, 2)), keep=ALL_COLUMNS)
    np.testing.assert_array_equal(scores.columns["outputs"], y.T)
    assert scores.digest == hashlib.sha256(y.tobytes()).hexdigest()


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4"])
def test_what_is_screened_in_float32_gives_the_bits_of_float64(dtype: str, input: str, inline: bool) -> None:
    """Moments, hits, columns and evidence of a narrow dtype are those of the same numbers in float64, the plain way."""
    y = {"probs": PROBS, "logits": SCORES, "logprobs": np.log(PROBS)}[input].astype(dtype)
    y[::7] = y[0]  # rows that repeat
    y[3] = y[3, 0] if input == "logits" else (1 / 3 if input == "probs" else np.log(1 / 3))  # a tie
    data = DataOptions(targets=LABELS, input=input)
    narrow, plain = (
        score(some, data, losses=list(LOSSES), keep=ALL_COLUMNS, top=(1, 2), by_class=True, hash_inline=inline)
        for some in (y, y.astype(np.float64))
    )
    for name in LOSSES:
        a, b = narrow.moments[name], plain.moments[name]
        assert [getattr(a, part) for part in a.__slots__] == [getattr(b, part) for part in b.__slots__]
    assert (narrow.hits, narrow.class_sums, narrow.hints) == (plain.hits, plain.class_sums, plain.hints)
    for name, column in narrow.columns.items():
        np.testing.assert_array_equal(column, plain.columns[name])
    assert narrow.evidence.confidence == plain.evidence.confidence
    assert narrow.digest == hashlib.sha256(y.tobytes()).hexdigest()


@pytest.mark.parametrize(("dtype", "tolerance"), [("f2", 1e-2), ("f4", 1e-3), ("f4", 1e-2)])
@pytest.mark.parametrize("k", [2, 10, 300, 5000])
def test_sums_near_the_tolerance_are_decided_as_in_float64(dtype: str, tolerance: float, k: int) -> None:
    """A sum that differs from 1 by nearly the tolerance is accepted exactly if its float64 sum is."""
    verdicts = set()
    for trial in range(300):
        rng = np.random.default_rng(trial)
        p = rng.dirichlet(np.ones(k)).astype(dtype)
        size = tolerance * (1 + rng.choice([0, 1e-9, -1e-9, 1e-6, -1e-6, 1e-4, -1e-4, 1e-2, -1e-2, -0.5]))
        largest = int(p.argmax())
        p[largest] += rng.choice([-1, 1]) * size + 1 - p.sum(dtype=np.float64)
        block = p[:, np.newaxis].astype(np.float32)
        plain = bool(abs(block.astype(np.float64).sum(axis=0) - 1.0).max() <= tolerance)
        assert Probabilities(block).sums_are_one(tolerance) is plain
        verdicts.add(plain)
    assert verdicts == {True, False}


def test_a_refusal_is_about_all_rows() -> None:
    """Bad rows of a later block are counted, and the first of them is named."""
    y = PROBS.copy()
    y[[N - 5, N - 1], 0] = np.nan
    with pytest.raises(InputError, match=f"NaN or infinity in 2 rows, first in row {N - 5}"):
        evaluate(y, targets=LABELS)


def test_many_files(tmp_path: Path, probs: np.ndarray, cli: Cli) -> None:
    """Each file has its own evaluation, in the order of the files; the command sorts them."""
    paths = []
    for number in range(10):
        paths.append(tmp_path / f"{number:02}.npy")
        np.save(paths[-1], np.roll(probs, number, axis=1))
    expected = [evaluate(path, dataset="mnist-5k") for path in paths]
    assert list(evaluate_many(paths, dataset="mnist-5k")) == expected
    rows = list(csv.DictReader(io.StringIO(cli("eval", *paths, "--dataset", "mnist-5k", "--format", "csv").stdout)))
    assert [float(row["cee"]) for row in rows] == sorted(one.losses["cee"].value for one in expected)


def test_progress_in_rows_of_a_single_file() -> None:
    """Progress is told after each block, in rows."""
    steps = list[tuple[int, int]]()
    evaluate_job(PROBS, make_job(targets=LABELS), progress=lambda *step: steps.append(step))
    assert steps == [(BLOCK, N), (2 * BLOCK, N), (N, N)]


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "-"),
        ("compare", "FILE", "-"),
        ("inspect", "confusion", "-"),
        ("explain", "example", "-", "--index", "3"),
        ("report", "FILE", "-"),
    ],
    ids=lambda words: words[0],
)
def test_standard_input_gives_what_the_file_gives(command: tuple[str, ...], tmp_path: Path, probs: np.ndarray) -> None:
    """Every command takes - for one of its files, and says of it what it says of the file."""
    path = tmp_path / "y.npy"
    np.save(path, probs)
    answers = []
    for name in ("-", str(path)):
        words = [{"-": name, "FILE": str(path)}.get(word, word) for word in command]
        done = subprocess.run(
            [*RUN, *words, "--dataset", "mnist-5k", "--format", "json"],
            input=path.read_bytes(),
            capture_output=True,
            check=True,
        )
        answers.append(done.stdout.decode().replace(str(path), "NAME").replace("<stdin>", "NAME"))
    assert answers[0].replace(" (1)", "").replace(" (2)", "") == answers[1].replace(" (1)", "").replace(" (2)", "")
    assert json.loads(answers[0])["schema"] == 1


def test_a_report_reads_everything_once(
    tmp_path: Path, probs: np.ndarray, small_datasets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of three files opens each of them once, and images and labels once; a hint needs the other labels."""
    import_files(cache.embedded_folder(catalog.MNIST_5K), DISTANT, DISTANT.select(), cache_dir=tmp_path)
    paths = [tmp_path / f"{number}.npy" for number in range(3)]
    for path in paths:
        np.save(path, probs)
    opened, real_open = list[str](), os.open

    def counting(path: Any, *rest: Any, **options: Any) -> int:
        opened.append("/".join(Path(path).parts[-2:]))
        return real_open(path, *rest, **options)

    monkeypatch.setattr(os, "open", counting)
    report = build_report(paths, dataset="distant", cache_dir=tmp_path, download=False)
    parts = [part for file in report.files for view in file.views.values() for part in view.parts()]
    assert parts
    assert report.comparison is not None
    assert report.comparison.parts()
    folder = tmp_path.name
    files = [name for name in opened if name.startswith(("distant/", f"{folder}/"))]
    read = (*DISTANT.files["test"].values(), DISTANT.files["train"]["labels"])
    data = [f"distant/{file.name}" for file in read]
    assert sorted(files) == sorted([*data, f"{folder}/0.npy", f"{folder}/1.npy", f"{folder}/2.npy"])


def test_one_bad_file_among_many_is_refused(tmp_path: Path, probs: np.ndarray) -> None:
    """The refusal is about that file, and the others are scored."""
    paths = [tmp_path / f"{number:02}.npy" for number in range(20)]
    for path in paths:
        np.save(path, probs if path.stem != "13" else probs * 2)
    results = list(evaluate_many(paths, dataset="mnist-5k"))
    (refused,) = (result for result in results if isinstance(result, Refused))
    assert results.index(refused) == 13
    assert re.match(r".*13\.npy: values from .*, outside \[0, 1\]", refused.reason)


def test_two_threads_at_once_do_not_mix_their_work() -> None:
    """Each of two evaluations in one process gets its own losses, however they overlap."""
    wanted = {shift: np.roll(PROBS, shift, axis=1) for shift in (0, 1)}
    alone = {shift: evaluate(y, targets=LABELS).losses["mse"].value for shift, y in wanted.items()}
    wrong: list[tuple[int, float]] = []

    def repeat(shift: int) -> None:
        for _ in range(8):
            value = evaluate(wanted[shift], targets=LABELS).losses["mse"].value
            if value != alone[shift]:
                wrong.append((shift, value))

    threads = [threading.Thread(target=repeat, args=(shift,)) for shift in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C stops at once: no traceback, no result, nothing half-written."""
    rows = 2000 * BLOCK
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (rows, 10)})
        stream.truncate(stream.tell() + rows * 40)
    np.save(tmp_path / "t.npy", np.zeros(rows, np.uint8))
    losses = tmp_path / "losses.npy"
    command = f"eval {tmp_path}/y.npy --targets {tmp_path}/t.npy --input logits --loss nll"
    code = f"{HEARD}from mnistloss.cli import main; main()"
    for extra in ("", f" --reduction none --out {losses}"):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *(command + extra).split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
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
    code = f"{HEARD}from mnistloss.cli import run; run()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *command.split()], stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
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
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "utf-8")
    found = subprocess.run(
        [sys.executable, "-c", f"{HEARD}from mnistloss.__main__ import run; run()", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(("chosen", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_threads_of_numpy(chosen: dict[str, str], threads: str) -> None:
    """The command gives NumPy one thread before it is imported, except where the user chose a number."""
    code = (
        "import os, sys; from mnistloss import __main__, cli; assert 'numpy' not in sys.modules;"
        "cli.run = lambda: print(os.environ['OPENBLAS_NUM_THREADS']); __main__.run()"
    )
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, "-c", code], env={**env, **chosen}, capture_output=True, encoding="utf-8")
    assert found.stdout.strip() == threads


def test_ignored_signals_stay_ignored() -> None:
    """Under nohup the end of the session ends nothing."""
    code = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from mnistloss import cli;"
        "cli.main = lambda **_: os.kill(os.getpid(), signal.SIGHUP); cli.run()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_is_read_once_into_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass reads each byte of the array once, and holds some blocks of it at a time, however many there are."""
    rows = 150 * BLOCK
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (rows, 10)})
        stream.truncate(stream.tell() + rows * 40)
    counts: list[int] = []
    read = NpyArray.rows

    def counted(self: NpyArray, rows: slice) -> np.ndarray:
        counts.append(rows.stop - rows.start)
        return read(self, rows)

    monkeypatch.setattr(NpyArray, "rows", counted)
    labels = np.zeros(rows, np.uint8)
    evaluate(np.zeros((BLOCK, 10)), targets=labels[:BLOCK], input="logits")
    tracemalloc.start()
    try:
        evaluate(tmp_path / "y.npy", targets=labels, input="logits")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(counts) == rows
    assert 10 * BLOCK * 8 < peak < rows * 40 / 3
