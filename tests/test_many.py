"""Many files: results and refusals in order, the same on any executor; leaderboards, flat rows, lists of files."""

import csv
import io
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classroom import WRONG, write_class
from conftest import Cli
from planted import honest
from rich.cells import cell_len
from small_datasets import DISTANT

from mnistloss import Refused, evaluate, evaluate_many
from mnistloss.datasets import cache, catalog
from mnistloss.datasets.fetch import import_files
from mnistloss.datasets.load import Labels
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError, InputError, UnavailableError, WorkerError
from mnistloss.evaluation import many
from mnistloss.evaluation.evaluate import make_job
from mnistloss.report.details import common_folder

ON_5K = ("--dataset", "mnist-5k")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return write_class(tmp_path / "class", 12)


def lines(paths: Any, executor: Executor | None = None, **keywords: Any) -> list[str]:
    return list(
        many.results_of(paths, many.read_targets(make_job(dataset="mnist-5k", **keywords)), executor, as_lines=True)
    )


def test_results_and_refusals_are_in_order(files: list[str]) -> None:
    """What can be scored is scored as `evaluate` does, and each wrong file gives its reason as a value."""
    results = list(evaluate_many(files, dataset="mnist-5k"))
    assert [result.predictions for result in results] == files
    for path, result in zip(files, results, strict=True):
        if isinstance(result, Refused):
            assert re.search(WRONG[Path(path).stem], result.row()["reason"].replace('input="', "--input ")), (
                result.reason
            )
        else:
            assert result == evaluate(path, dataset="mnist-5k")
    assert sum(isinstance(result, Refused) for result in results) == len(WRONG)


def test_results_are_lazy(files: list[str]) -> None:
    """A path is taken only when its result is asked for; with an executor, only a window of paths is."""
    taken: list[str] = []

    def paths() -> Iterator[str]:
        for path in files * 100:
            taken.append(path)
            yield path

    next(evaluate_many(paths(), dataset="mnist-5k"))
    assert len(taken) == 1
    with ThreadPoolExecutor(2) as pool:
        next(evaluate_many(paths(), dataset="mnist-5k", executor=pool))
        assert 2 <= len(taken) - 1 <= (2 * 2 + 1) * many._FIRST_BATCH


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_the_same_bytes_on_any_executor(kind: str, files: list[str], tmp_path: Path) -> None:
    """Lines are the same from one process and from executors, refusals too, with own targets and indices too."""
    np.save(tmp_path / "t.npy", honest().labels)
    np.save(tmp_path / "i.npy", np.arange(999))
    options: list[dict[str, Any]] = [
        {},
        {"top": [3], "per_class": True, "losses": ["nll", "brier"]},
        {"targets": tmp_path / "t.npy", "dataset": "mnist"},
        {"indices": tmp_path / "i.npy", "split": "test"},
        {"input": "logits", "bootstrap": 20},
    ]
    workers: dict[str, Callable[[], Executor]] = {
        "threads": lambda: ThreadPoolExecutor(3),
        "processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    }
    with workers[kind]() as pool:
        for one in options:
            keywords = {"dataset": "mnist-5k", **one}
            job = many.read_targets(make_job(**keywords))
            alone = list(many.results_of(files, job, as_lines=True))
            assert list(many.results_of(files, job, pool, as_lines=True)) == alone
            assert list(evaluate_many(files, executor=pool, **keywords)) == list(evaluate_many(files, **keywords))


def test_relative_paths_are_those_of_the_leader(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker in another folder opens the files of the folder where the command was started, under their own names."""
    folder = Path(files[0]).parent
    monkeypatch.chdir(folder)
    names = [Path(path).name for path in files]
    packed, alone = many._pack(make_job(dataset="mnist-5k")), lines(names)
    monkeypatch.chdir("/")
    results, _ = many.evaluate_batch(packed, str(folder), names, as_lines=True)
    assert results == [*alone[:-1], None]


def elsewhere(labels: Labels) -> list[Any]:
    return list(labels.elsewhere("distant", "test", 1000))


@pytest.mark.usefixtures("small_datasets")
def test_workers_need_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with an empty cache gives the same lines, with hints that look at other labels and advice on lengths."""
    import_files(cache.embedded_folder(catalog.MNIST_5K), DISTANT, DISTANT.select(), cache_dir=None)
    y = honest().probs
    for name, rows in (
        ("whole.npy", y),
        ("turned.npy", y[:, ::-1]),
        ("shorter.npy", y[1:]),
        ("longer.npy", y[[0, *range(1000)]]),
    ):
        np.save(tmp_path / name, rows)
    files, job = sorted(map(str, tmp_path.glob("*.npy"))), make_job(dataset="distant")
    alone, packed, places = (
        list(many.results_of(files, job, as_lines=True)),
        many._pack(job),
        elsewhere(Labels(CacheOptions())),
    )
    monkeypatch.setenv("MNISTLOSS_CACHE", str(tmp_path / "empty"))
    assert many.evaluate_batch(packed, "/", files, as_lines=True)[0] == alone
    assert len(places) == 1
    np.testing.assert_equal(elsewhere(Labels(CacheOptions(), pickle.loads(packed)["labels"])), places)
    with pytest.raises(UnavailableError, match="the labels of distant train are not cached where this command"):
        Labels(CacheOptions(), {}).load("distant", "train")


def test_a_worker_that_does_not_see_a_file(files: list[str], tmp_path: Path) -> None:
    """A file that is here but not there stops the call; one that is nowhere is refused."""

    class Blind(ThreadPoolExecutor):
        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            packed, _folder, names, as_lines = arguments
            return super().submit(function, packed, "/nowhere", [f"x{name[1:]}" for name in names], as_lines)

    with Blind(1) as pool:
        with pytest.raises(WorkerError, match=r"a worker does not see .*copy\.npy, which is here"):
            lines(files, pool)
        assert lines([str(tmp_path / "missing.npy")], pool) == lines([str(tmp_path / "missing.npy")])


def test_a_worker_with_other_bits_is_refused(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which process it is and why, before its first task; another version of mnistloss does too."""
    packed = pickle.loads(many._pack(make_job(dataset="mnist-5k")))
    for changed, message in (({"bits": "0"}, "other last bits"), ({"version": "0.0.1"}, r"install mnistloss==0\.0\.1")):
        with pytest.raises(WorkerError, match=rf"^worker .*, process {os.getpid()}: .*{message}"):
            many.evaluate_batch(pickle.dumps(packed | changed), "/", files, as_lines=True)


def test_results_hold_no_arrays(files: list[str]) -> None:
    """What workers send can be read with any version of NumPy: plain numbers, however they came about."""
    keywords: dict[str, Any] = {"top": [1, 3], "per_class": True, "batch_size": 300, "bootstrap": 10}
    for loss in ("cee", "error"):
        for result in evaluate_many(files, dataset="mnist-5k", losses=loss, **keywords):
            assert b"numpy" not in pickle.dumps(result)
    assert b"numpy" not in many._pack(many.read_targets(make_job(targets=honest().labels)))
    assert b"numpy" not in many._pack(
        many.read_targets(make_job(dataset="mnist-5k", indices=np.arange(9), split="test"))
    )


def test_bad_arguments_are_raised_at_once(files: list[str]) -> None:
    """They are not refusals of a file; what depends on the file is."""
    wrong: list[dict[str, Any]] = [
        {"split": "foo"},
        {"input": "foo"},
        {"top": [11]},
        {"dataset": "foo"},
        {"indices": np.arange(9)},
        {"losses": "mae"},
        {"delta": -1.0},
        {"reduction": "none"},
        {"input": "scores", "top": [0]},
    ]
    for keywords in wrong:
        with pytest.raises(ArgumentError):
            evaluate_many(files, **{"dataset": "mnist-5k", **keywords})
    with pytest.raises(ArgumentError, match="one path; expected several"):
        evaluate_many(files[0])
    with pytest.raises(InputError, match=r"no\.npy: No such file"):
        evaluate_many(files, targets="no.npy")
    with pytest.raises(TypeError, match="unexpected keyword argument 'loss'"):
        evaluate_many(files, loss="cee")  # type: ignore[call-arg]  # meant to be wrong
    with pytest.raises(UnavailableError):
        list(evaluate_many([np.full((10_000, 10), 0.1)], download=False))
    with ThreadPoolExecutor(1) as pool, pytest.raises(ArgumentError, match="an executor takes paths, found ndarray"):
        list(evaluate_many([honest().probs], dataset="mnist-5k", executor=pool))
    reasons = {
        Path(one.predictions).stem
        for one in evaluate_many(files, dataset="mnist-5k", array="y")
        if isinstance(one, Refused)
    }
    assert len(reasons) == len(files)


def test_the_table_of_a_class(cli: Cli, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns each file is one line: ranked, numbers whole; hints and refusals follow, and the status is 1."""
    monkeypatch.setenv("COLUMNS", "80")
    long = tmp_path / "class" / f"{'a-long-name-' * 12}.npy"
    long.write_bytes((tmp_path / "class" / "student-001.npy").read_bytes())
    result = cli("eval", tmp_path / "class", tmp_path / "class" / "missing.npy", *ON_5K)
    assert result.exit_code == 1
    text = result.stdout.splitlines()
    assert max(map(cell_len, text)) <= 80
    ranks = [line.split() for line in text if re.match(r" +\d+  ", line)]
    assert len(ranks) == len(files) + 1 - len(WRONG)
    values = [float(words[2]) for words in ranks]
    assert values == sorted(values)
    assert all(re.fullmatch(r"0\.\d+|\d\.\d+", words[4]) for words in ranks)
    names = [words[1] for words in ranks]
    assert sum("…" in name for name in names) == 1
    same = [words[0] for words in ranks if words[1] in ("copy.npy", "student-000.npy")]
    assert same[0] == same[1]
    assert any(line.startswith(" student-000.npy  every row has the same numbers as in copy.npy") for line in text)
    start = text.index(f"not scored: {len(WRONG)} of {len(files) + 1}")
    assert sum("  --input logits" in line for line in text[start:]) == 1
    assert len([line for line in text[start + 2 :] if line.strip()]) == len(WRONG)


def test_every_format_has_the_refused_files(cli: Cli, files: list[str]) -> None:
    """JSON lists them with reasons, CSV has a row for each, scores have numbers only; stderr counts them."""
    outputs = {
        name: cli("eval", *files, *ON_5K, "--format", name) for name in ("json", "csv", "scores", "markdown", "latex")
    }
    note = f"not scored: {len(WRONG)} of {len(files)}\n"
    assert all((result.exit_code, result.stderr) == (1, note) for result in outputs.values())
    document = json.loads(outputs["json"].stdout)
    assert {Path(one["predictions"]).stem for one in document["refused"]} == WRONG.keys()
    assert len(document["evaluations"]) == len(files) - len(WRONG)
    rows = list(csv.DictReader(io.StringIO(outputs["csv"].stdout)))
    by_name = {Path(row["predictions"]).stem: row for row in rows}
    assert [row["status"] for row in rows] == ["scored"] * (len(files) - len(WRONG)) + ["refused"] * len(WRONG)
    assert by_name["logits"]["hints"] == "add --input logits"
    assert by_name["student-000"]["hints"].startswith("identical-predictions: every row has the same numbers")
    scores = json.loads(outputs["scores"].stdout)
    assert {Path(name).stem for name in scores} == by_name.keys() - WRONG.keys()
    for one in ("markdown", "latex"):
        assert outputs[one].stdout.count("not scored: ") == len(WRONG)


def test_scores_are_what_trackers_take(cli: Cli, preds: Path) -> None:
    """--format scores is one flat object of finite numbers, under names that MLflow allows."""
    result = cli("eval", preds, *ON_5K, "--format", "scores", "--per-class", "--top", 5)
    scores = json.loads(result.stdout)
    expected = evaluate(preds, dataset="mnist-5k", top=[5])
    assert scores["cee"], scores["top-5"] == (expected.losses["cee"].value, expected.top[5].value)
    for name, value in scores.items():
        assert re.fullmatch(r"[\w.\- /]+", name)
        assert type(value) in (int, float)


def test_a_gate_and_a_refusal(cli: Cli, files: list[str]) -> None:
    """The status is 1 where a file is refused, whatever the gates; without refusals it is 3."""
    good = [path for path in files if "student" in path]
    assert cli("eval", *good, *ON_5K, "--fail-if", "cee.7>0", "--per-class").exit_code == 3
    assert cli("eval", *files, *ON_5K, "--fail-if", "cee>0").exit_code == 1
    assert cli("eval", *good, *ON_5K, "--fail-if", "cee>9").exit_code == 0


def test_which_files_are_scored(cli: Cli, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders, quoted patterns, manifests and shards; each file once, a name that exists is never a pattern."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class" / "notes.md").write_text("not predictions")
    odd = tmp_path / "class" / "student-[0].npy"
    odd.write_bytes(Path(files[-4]).read_bytes())

    def scored(*arguments: object, input: bytes | None = None) -> list[str]:
        result = cli("eval", *arguments, *ON_5K, "--format", "json", input=input)
        document = json.loads(result.stdout)
        return sorted(Path(one["predictions"]).name for one in (*document["evaluations"], *document["refused"]))

    every = sorted([*(Path(path).name for path in files[:-1]), odd.name])
    assert scored("class") == every
    assert scored("class/*.npy", "class/table.csv", "class/copy.npy") == every
    assert scored("class/student-[0].npy", "class/copy.npy") == ["copy.npy", odd.name]
    assert scored("class/student-00[12].npy") == ["student-001.npy", "student-002.npy"]
    listed = "".join(f"class/{name}\n\n" for name in every)
    Path("list.txt").write_text(listed)
    assert scored("--manifest", "list.txt") == every
    assert scored("--manifest", "-", input=listed.encode()) == every
    shards = [scored("class", "--shard", f"{k}/3") for k in range(3)]
    assert sorted(name for shard in shards for name in shard) == every
    assert [len(shard) for shard in shards] == [len(every[k::3]) for k in range(3)]
    for shard in ("3/3", "0", "-1/3", "1/0", "a/b"):
        assert cli("eval", "class", "--shard", shard, *ON_5K).exit_code == 2
    assert "expected PREDS.npy, a folder" in cli("eval", *ON_5K).stderr


def test_common_folder() -> None:
    """The folder that names share ends with a slash; a single name shares none."""
    assert common_folder(["a/b/c.npy", "a/b/d.npy"]) == "a/b/"
    assert common_folder(["a/b.npy", "a/bc/d.npy"]) == "a/"
    assert common_folder(["s3://x/run-1/p.npy", "s3://x/run-2/p.npy"]) == "s3://x/"
    assert common_folder(["/a.npy", "/b.npy"]) == ""
    assert common_folder(["a.npy", "b/a.npy"]) == ""
    assert common_folder(["a/b.npy"]) == ""


def test_single_files_import_nothing_of_many(preds: Path) -> None:
    """Neither executors nor what finds files is imported for one file, nor fsspec or Dask for many."""
    code = (
        "import re, sys; from mnistloss.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print([n for n in sys.modules if re.match('mnistloss.*many|concurrent|fsspec|distributed', n)])"
    )
    for names, imported in (([preds], "[]"), ([preds, preds.parent], "['mnistloss.evaluation.many']")):
        done = subprocess.run(
            [sys.executable, "-c", code, "eval", *map(str, names), *ON_5K, "--format", "scores"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == imported, done.stderr
