"""The command line: within the process through click's runner, and as a real process."""

import contextlib
import csv
import io
import json
import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import Cli
from oracle import plain
from planted import honest
from rich.console import Console

from mnistloss import LOSSES, MnistLossError, cross_entropy_error, evaluate, one_hot
from mnistloss.cli import main, output
from mnistloss.cli.output import has_colour
from mnistloss.evaluation import scoring
from mnistloss.evaluation.hints import Hint
from mnistloss.evaluation.results import reported_names
from mnistloss.version import __version__

LABELS = np.arange(1000) % 10
ON_5K = ("--dataset", "mnist-5k")


def load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def process(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """A real process; the environment is handed on as Python has it, since readline, if loaded, adds COLUMNS."""
    command = [sys.executable, "-m", "mnistloss", *map(str, arguments)]
    options.setdefault("env", {**os.environ})
    return subprocess.run(command, capture_output=True, check=False, **options)  # type: ignore[call-overload]  # handed through


def test_main_job(cli: Cli, tmp_path: Path) -> None:
    """The table and the JSON of honest predictions have the numbers of plain loops, and no hint."""
    y, path = honest().probs.astype(float), tmp_path / "preds.npy"
    np.save(path, y)
    loss = {name: math.fsum(plain(name, *row, 1e-7) for row in zip(y, np.eye(10)[LABELS], strict=True)) / 1000
            for name in ("cee", "mse", "error")}  # fmt: skip
    output = cli("eval", path, *ON_5K).stdout
    rows = {words[0]: words[1] for line in output.splitlines() if len(words := line.split()) > 1}
    assert [rows[name] for name in ("cee", "mse")] == [f"{loss[name]:.7f}" for name in ("cee", "mse")]
    assert rows["accuracy"] == f"{1 - loss['error']:.4f}".rstrip("0")
    for text in ("delta 1e-7", "n = 1,000", "mnist-5k test"):
        assert text in output
    (found,) = json.loads(cli("eval", path, *ON_5K, "--format", "json").stdout)["evaluations"]
    values = [found["losses"]["cee"]["value"], found["losses"]["mse"]["value"], 1 - found["accuracy"]["value"]]
    assert values == pytest.approx(list(loss.values()), rel=1e-12)
    assert found["hints"] == []


def test_json(cli: Cli, preds: Path) -> None:
    """One object with the schema and the evaluation, at full precision, with the promised keys."""
    result = cli("eval", preds, *ON_5K, "--format", "json", "--batch-size", 300)
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    expected = evaluate(preds, dataset="mnist-5k", batch_size=300)
    assert document == output.with_options({"schema": 1, "evaluations": [expected.as_dict()], "refused": []})
    (found,) = document["evaluations"]
    assert list(found)[:9] == [
        "predictions", "dataset", "split", "n", "classes", "input", "losses", "accuracy", "hints",
    ]  # fmt: skip
    assert list(found["losses"]["cee"]) == [
        "value", "reduction", "stderr", "ci", "confidence", "infinite", "signature", "references", "skill",
        "interval", "reliability",
    ]  # fmt: skip
    assert [batch["n"] for batch in found["batches"]] == [300, 300, 300, 100]


def test_csv(cli: Cli, preds: Path) -> None:
    """A row for each file, with each number under its name, at full precision."""
    (row,) = csv.DictReader(io.StringIO(cli("eval", preds, *ON_5K, "--format", "csv").stdout))
    expected = output.with_options(evaluate(preds, dataset="mnist-5k").row())
    assert list(row) == list(expected)
    assert list(row)[:9] == [
        "predictions",
        "status",
        "reason",
        "n",
        "cee",
        "cee.stderr",
        "cee.low",
        "cee.high",
        "cee.skill",
    ]
    assert list(row)[-5:] == ["accuracy", "accuracy.low", "accuracy.high", "hints", "signature"]
    assert {name: type(expected[name])(text) for name, text in row.items()} == expected


def test_standard_input(cli: Cli, preds: Path) -> None:
    """- reads the file from standard input, of the runner and of a real process."""
    expected = evaluate(preds, dataset="mnist-5k").losses["cee"].value
    within = cli("eval", "-", *ON_5K, "--format", "json", input=preds.read_bytes()).stdout
    outside = process("eval", "-", *ON_5K, "--format", "json", input=preds.read_bytes()).stdout
    for text in (within, outside):
        assert json.loads(text)["evaluations"][0]["losses"]["cee"]["value"] == expected
    assert process("eval", "-", *ON_5K, input=preds.read_bytes()[:-1]).returncode == 1


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(cli: Cli, preds: Path, probs: np.ndarray, name: str) -> None:
    """Each loss of the registry can be asked for by name."""
    result = cli("eval", preds, *ON_5K, "--loss", name, "--format", "json")
    expected = evaluate(probs, dataset="mnist-5k", losses=[name]).losses[name].value
    assert json.loads(result.stdout)["evaluations"][0]["losses"][name]["value"] == expected


def test_losses_command_lists_the_registry(cli: Cli) -> None:
    """`losses` shows each name, formula and meaning."""
    output = cli("losses").stdout
    for loss in LOSSES.values():
        assert loss.name in output
        assert loss.formula in output
        assert loss.meaning in output
    listed = json.loads(cli("losses", "--format", "json").stdout)["losses"]
    assert listed == [loss.as_dict() for loss in LOSSES.values()]
    assert listed[1]["formula"] == "½ Σ_k (y_k - t_k)²"


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("evl",), "No such command evl; did you mean eval?"),
        (("explain", "acuracy"), "No such command acuracy; did you mean accuracy?"),
        (("inspect", "confsion"), "No such command confsion; did you mean confusion?"),
        (("cache", "lst"), "No such command lst; did you mean list?"),
        (("eval", "p.npy", "--loss", "CE"), "did you mean cee?"),
        (("fetch", "mnsit"), "did you mean mnist?"),
        (("sample", "--dataset", "fashion"), "did you mean fashion-mnist?"),
    ],
)
def test_did_you_mean(cli: Cli, words: tuple[str, ...], question: str) -> None:
    """A mistyped command, loss or dataset is a usage error that asks for the closest name."""
    result = cli(*words)
    assert (result.exit_code, result.stderr.strip().endswith(question)) == (2, True), result.stderr


def test_nothing_is_close(cli: Cli) -> None:
    """A name that is like no other gets no question; the library asks as the commands do."""
    assert cli("qqqq").stderr.strip().endswith("No such command qqqq")
    with pytest.raises(MnistLossError, match=r"no loss is named 'brir'; the losses are .*; did you mean brier\?"):
        evaluate([[0.1] * 10] * 1000, dataset="mnist-5k", losses="brir")
    with pytest.raises(MnistLossError, match=r"the datasets are [^;]*$"):
        evaluate([[0.1] * 10] * 1000, dataset="cifar")


def test_no_trailing_blanks(cli: Cli, preds: Path) -> None:
    """In a pipe no line of a table ends in blanks."""
    for command in (("eval", preds, *ON_5K), ("losses",), ("datasets",), ("sample", *ON_5K)):
        output = cli(*command).stdout
        assert output == "\n".join(line.rstrip() for line in output.split("\n"))


def test_own_targets(cli: Cli, preds: Path, probs: np.ndarray, tmp_path: Path) -> None:
    """--targets scores against labels or rows of the user's own, one-hot or soft."""
    np.save(tmp_path / "labels.npy", 9 - LABELS)
    np.save(tmp_path / "rows.npy", one_hot(9 - LABELS))
    values = []
    for name in ("labels.npy", "rows.npy"):
        result = cli("eval", preds, "--targets", tmp_path / name, "--format", "json")
        (found,) = json.loads(result.stdout)["evaluations"]
        assert (found["dataset"], found["split"]) == (None, None)
        values.append(found["losses"]["cee"]["value"])
    assert values[0] == values[1] == cross_entropy_error(probs, 9 - LABELS)
    assert "own targets" in cli("eval", preds, "--targets", tmp_path / "rows.npy").stdout


def test_single_example(cli: Cli, tmp_path: Path) -> None:
    """One row as a 1-D array, with the target in a file."""
    np.save(tmp_path / "y.npy", [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0])
    np.save(tmp_path / "t.npy", [2])
    output = cli("eval", tmp_path / "y.npy", "--targets", tmp_path / "t.npy").stdout
    assert "0.5108255" in output
    assert "0.0975000" in output


def test_reduction_none_writes_the_losses(cli: Cli, preds: Path, tmp_path: Path) -> None:
    """--reduction none with --out writes a loss for each example: of one loss .npy, of several .npz."""
    one, several = tmp_path / "cee.npy", tmp_path / "both.npz"
    common = ("eval", preds, *ON_5K, "--reduction", "none", "--out")
    assert cli(*common, one, "--loss", "cee").exit_code == 0
    assert cli(*common, several).exit_code == 0
    np.testing.assert_array_equal(np.load(one), load_npz(several)["cee"])
    assert np.load(one).mean() == pytest.approx(evaluate(preds, dataset="mnist-5k").losses["cee"].value, rel=1e-13)
    assert cli(*common, tmp_path / "two.csv").exit_code == 2
    result = cli(*common, tmp_path / "two.npy")
    assert (result.exit_code, "two.npy holds one loss; name it with --loss" in result.stderr) == (2, True)


def test_batches_in_the_table(cli: Cli, preds: Path) -> None:
    """The table shows each batch of the partition; of many, the first and the last."""
    assert "4 batches in row order" in cli("eval", preds, *ON_5K, "--batch-size", 300).stdout
    lines = cli("eval", preds, *ON_5K, "--batch-size", 10).stdout.splitlines()
    assert any(line.strip().startswith("99 ") for line in lines)
    assert not any(line.strip().startswith("50 ") for line in lines)


def test_infinite_loss_in_every_format(cli: Cli, tmp_path: Path) -> None:
    """An infinite loss is said in words in the table, and is never NaN or Infinity for machines."""
    np.save(tmp_path / "y.npy", one_hot((LABELS + (np.arange(1000) < 3)) % 10))
    common = ("eval", tmp_path / "y.npy", *ON_5K, "--loss", "nll", "--format")
    assert "3 infinite" in cli(*common, "table").stdout
    assert "Hint: every value is 0 or 1" in cli(*common, "table").stdout
    assert json.loads(cli(*common, "json").stdout)["evaluations"][0]["losses"]["nll"]["infinite"] == 3
    assert next(csv.DictReader(io.StringIO(cli(*common, "csv").stdout)))["nll"] == ""
    assert "infinite" in cli(*common, "markdown").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval",),
        ("eval", "x.npy", "--loss", "mae"),
        ("eval", "x.npy", "--input", "scores"),
        ("eval", "x.npy", "--reduction", "none"),
        ("eval", "x.npy", "--out", "l.npy"),
        ("eval", "x.npy", "--batch-size", "0"),
        ("eval", "x.npy", "--confidence", "1"),
        ("eval", "x.npy", "--seed", "1"),
        ("eval", "x.npy", "--reduction", "none", "--out", "l.npy", "--batch-size", "3"),
        ("sample", "--partition", "--stratified"),
        ("sample", "--partition", "--seed", "3"),
        ("sample", "--shuffle"),
        ("sample", "--drop-last"),
        ("sample", "--batch-size", "ten"),
        ("baseline", "forest", "--out", "x.npy"),
        ("baseline", "prior"),
        ("fetch", "emnist"),
        ("nothing",),
    ],
)
def test_usage_errors(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A wrong command line exits with 2 and says what is wrong on stderr, nothing on stdout."""
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_refusal_of_a_real_process(tmp_path: Path) -> None:
    """Refused input: exit status 1, one message on stderr, no traceback, nothing on stdout."""
    np.save(tmp_path / "y.npy", np.full((1000, 10), 0.2))
    done = process("eval", tmp_path / "y.npy", *ON_5K)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(
        f"Error: {tmp_path}/y.npy: the sum is not 1 within 0.001 in 1,000 rows, first in row 0"
    )
    assert b"Traceback" not in done.stderr


def test_a_bug_of_ours_stays_a_traceback(monkeypatch: pytest.MonkeyPatch, preds: Path) -> None:
    """An unexpected exception is not dressed up as the user's mistake."""
    monkeypatch.setattr("mnistloss.evaluation.evaluate.score", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["eval", str(preds)], standalone_mode=False)


def test_without_network_and_cache(cli: Cli, tmp_path: Path, probs: np.ndarray) -> None:
    """With nothing cached and no network the labels are refused with a way on; mnist-5k works."""
    np.save(tmp_path / "y.npy", np.tile(probs, (10, 1)))
    result = cli("eval", tmp_path / "y.npy")
    assert result.exit_code == 1
    assert "mnistloss fetch mnist --from PATH" in result.stderr
    out = tmp_path / "preds.npy"
    assert cli("baseline", "softmax", *ON_5K, "--epochs", 1, "--out", out).exit_code == 0
    assert "mnist-5k test, n = 1,000" in cli("eval", out, *ON_5K).stdout


def test_sample_table(cli: Cli) -> None:
    """`sample` prints position, index and label, the shapes and the seed; nothing is drawn into a pipe."""
    output = cli("sample", *ON_5K, "--seed", 7).stdout
    assert cli("sample", *ON_5K, "--seed", 7).stdout == output
    rows = [line.split() for line in output.splitlines()[4:14]]
    assert [int(row[0]) for row in rows] == list(range(10))
    assert all(int(index) % 10 == int(label) for _, index, label in rows)
    assert "drawn with replacement, so that an index may come twice\nx_batch (10, 784)\nt_batch (10,)\nseed 7" in output
    assert "drawn without replacement\n" in cli("sample", *ON_5K, "--no-replacement").stdout
    assert "▀" not in output
    assert "t_batch (10, 10)" in cli("sample", *ON_5K, "--one-hot").stdout
    assert cli("sample", *ON_5K).stdout != cli("sample", *ON_5K).stdout


def test_sample_names_the_arrays_of_its_file(cli: Cli, tmp_path: Path) -> None:
    """With --out the names are those that the file has."""
    result = cli("sample", *ON_5K, "--out", tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as saved:
        assert f"with the arrays {', '.join(saved)}" in result.stderr
    assert "\nx (10, 784)\nt (10,)\n" in result.stdout
    assert "x_batch" not in result.stdout


def test_sample_choices(cli: Cli, tmp_path: Path) -> None:
    """--no-replacement, --stratified, --batches and the form change what is drawn as they say."""
    out = tmp_path / "b.npz"
    cli("sample", *ON_5K, "--split", "test", "--batch-size", 1000, "--no-replacement", "--out", out)
    assert sorted(load_npz(out)["indices"]) == list(range(1000))
    cli("sample", *ON_5K, "--batch-size", 50, "--stratified", "--one-hot", "--raw", "--images", "--out", out)
    batch = load_npz(out)
    assert (batch["x"].shape, str(batch["x"].dtype)) == ((50, 1, 28, 28), "uint8")
    np.testing.assert_array_equal(batch["t"].sum(axis=0), 5)
    result = cli("sample", *ON_5K, "--batch-size", 4001, "--no-replacement")
    assert (result.exit_code, "cannot draw 4,001 of 4,000" in result.stderr) == (2, True)
    cli("sample", *ON_5K, "--batches", 3, "--seed", 1, "--out", tmp_path / "three")
    drawn = [load_npz(path)["indices"] for path in sorted((tmp_path / "three").iterdir())]
    assert len({tuple(d) for d in drawn}) == 3


def test_partition(cli: Cli, tmp_path: Path) -> None:
    """--partition says how many batches there are and how large the last is; --out saves each."""
    output = " ".join(cli("sample", *ON_5K, "--partition", "--batch-size", 300).stdout.split())
    assert (
        "batches 14 examples in a batch 300 examples in the last batch 100 examples covered, each once 4,000" in output
    )
    output = " ".join(cli("sample", *ON_5K, "--partition", "--batch-size", 300, "--drop-last").stdout.split())
    assert (
        "batches 13 examples in a batch 300 examples in the last batch 300 examples covered, each once 3,900" in output
    )
    out = tmp_path / "parts"
    common = ("sample", *ON_5K, "--partition", "--batch-size", 300, "--out", out)
    assert cli(*common, "--shuffle", "--seed", 5).exit_code == 0
    drawn = [load_npz(path)["indices"] for path in sorted(out.iterdir())]
    assert sorted(np.concatenate(drawn)) == list(range(4000))
    assert drawn[0].tolist() != list(range(300))
    again = cli(*common)
    assert (again.exit_code, "exists and is not an empty folder" in again.stderr) == (1, True)


def test_saved_batch_is_scored(cli: Cli, tmp_path: Path) -> None:
    """A model run on a saved batch is scored against the labels of its indices."""
    batch, predictions = tmp_path / "batch.npz", tmp_path / "preds.npy"
    cli("sample", *ON_5K, "--batch-size", 20, "--seed", 1, "--out", batch)
    saved = load_npz(batch)
    assert (str(saved["dataset"]), str(saved["split"])) == ("mnist-5k", "train")
    np.testing.assert_array_equal(saved["t"], saved["indices"] % 10)
    y = np.random.default_rng(1).dirichlet(np.ones(10), 20)
    np.save(predictions, y)
    result = cli("eval", predictions, *ON_5K, "--indices", batch, "--format", "json")
    (found,) = json.loads(result.stdout)["evaluations"]
    assert found["split"] == "train"
    assert found["losses"]["cee"]["value"] == cross_entropy_error(y, saved["t"])
    cli("sample", *ON_5K, "--seed", 1, "--out", tmp_path / "batch.pkl")
    assert pickle.loads((tmp_path / "batch.pkl").read_bytes())["x"].shape == (10, 784)
    refused = cli("eval", predictions, *ON_5K, "--indices", tmp_path / "batch.pkl")
    assert (refused.exit_code, "pickles are never loaded" in refused.stderr) == (1, True)


def test_baseline_command(cli: Cli, tmp_path: Path) -> None:
    """`baseline` writes the predictions of the split asked for and prints the scores of both."""
    out = tmp_path / "p.npy"
    output = cli("baseline", "softmax", *ON_5K, "--epochs", 2, "--split", "train", "--out", out).stdout
    assert np.load(out).shape == (4000, 10)
    assert "loss by epoch: 0." in output
    assert "train  4,000" in output
    assert "test   1,000" in output
    assert evaluate(out, dataset="mnist-5k").split == "train"
    result = cli("baseline", "prior", *ON_5K, "--out", tmp_path / "p.csv")
    assert (result.exit_code, "p.csv ends in .csv; expected .npy" in result.stderr) == (2, True)
    result = cli("baseline", "prior", *ON_5K, "--out", tmp_path / "missing" / "p.npy")
    assert (result.exit_code, "missing does not exist" in result.stderr) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.npy"]


def test_full_disk_leaves_nothing() -> None:
    """Output to a device that is full is an error, not a success."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mnistloss", "losses"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode != 0


def test_stderr_that_is_closed_or_full(tmp_path: Path, preds: Path) -> None:
    """It is missed by nobody: results are printed, and a gate that was crossed is."""
    command = f"{sys.executable} -m mnistloss eval {preds} --dataset mnist-5k --format csv --fail-if 'n>0'"
    for stderr in ("&-", "/dev/full"):
        done = subprocess.run(f"{command} 2>{stderr}", shell=True, stdout=subprocess.PIPE, check=False)
        assert (done.returncode, done.stdout.count(b"\n")) == (3, 2)


def test_options_that_exclude_each_other(cli: Cli) -> None:
    """What the library refuses as an argument is a usage error: exit status 2, and nothing on stdout."""
    result = cli("eval", "x.npy", "--targets", "t.npy", "--indices", "i.npy")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: targets are the user's own, indices name examples of a split; give one of them\n"


def test_want_of_memory(cli: Cli, preds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in a line."""

    def too_much(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("mnistloss.evaluation.evaluate.score", too_much)
    result = cli("eval", preds, *ON_5K)
    assert (result.exit_code, result.stderr) == (1, "Error: there is not enough memory (Unable to allocate 7.28 TiB)\n")


def test_without_a_home(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform knows no place for caches, it is said how to name one."""
    monkeypatch.delenv("MNISTLOSS_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: Path("~no-such-user").expanduser())
    result = cli("cache", "path")
    assert (result.exit_code, "set MNISTLOSS_CACHE to one" in result.stderr) == (2, True)


def test_current_folder_that_is_gone(tmp_path: Path, preds: Path) -> None:
    """To write into it is an error in words."""
    gone = tmp_path / "gone"
    gone.mkdir()
    options = "--dataset mnist-5k --reduction none --loss cee --out x.npy"
    command = f"cd {gone}; rmdir {gone}; {sys.executable} -m mnistloss eval {preds} {options}"
    failed = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert failed.returncode in (1, 2)
    assert b"Traceback" not in failed.stderr


def test_file_names_that_look_like_markup(tmp_path: Path, preds: Path) -> None:
    """Brackets of a file name are printed as they are, escape characters never reach the terminal."""
    path = tmp_path / "runs [v2]" / "pred[i]\x1b[31m.npy"
    path.parent.mkdir()
    path.write_bytes(preds.read_bytes())
    done = process("eval", path, *ON_5K)
    assert done.returncode == 0, done.stderr
    assert f"{path.parent}/pred[i]\\x1b[31m.npy" in done.stdout.decode()
    assert b"\x1b" not in done.stdout
    assert b"\x1b" not in process("eval", f"{path}x").stderr
    gated = process("eval", path, path, *ON_5K, "--fail-if", "n>0")
    compared = process("compare", path, path, *ON_5K)
    inspected = process("inspect", "confusion", path, *ON_5K)
    verified = process("verify", str(evaluate(path, dataset="mnist-5k").signature), path)
    for done in (gated, compared, inspected, verified):
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"pred[i]\\x1b[31m.npy" in done.stdout
    assert b"pred[i]\\x1b[31m.npy" in gated.stderr


def test_machine_formats_have_the_name_of_the_file(preds: Path, tmp_path: Path) -> None:
    """JSON and CSV name a file so that a script can open it, whatever bytes its name has."""
    path = os.fsencode(tmp_path) + b'/\xe9 \xff\x1b[31m,".npy'
    Path(os.fsdecode(path)).write_bytes(preds.read_bytes())
    done = [
        process("eval", os.fsdecode(path), *ON_5K, "--format", format_, env={**os.environ, "PYTHONUTF8": "1"})
        for format_ in ("json", "csv")
    ]
    assert os.fsencode(json.loads(done[0].stdout)["evaluations"][0]["predictions"]) == path
    rows = csv.DictReader(io.StringIO(os.fsdecode(done[1].stdout)))
    assert os.fsencode(next(rows)["predictions"]) == path


def test_narrow_encodings(preds: Path) -> None:
    """Where stdout cannot say a character, another stands in its place."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for arguments in (("losses",), ("eval", preds, *ON_5K)):
        assert process(*arguments, env=environment).returncode == 0


COMMANDS_WITH_FILES = (
    "report y.npy y.npy --dataset mnist-5k -o page.html",
    "inspect histogram y.npy --dataset mnist-5k --plot chart.svg --format json",
    "eval y.npy --dataset mnist-5k --format csv",
    "sample --dataset mnist-5k --out batch.npz --picture digits.png",
    "fetch mnist-5k --export arrays.npz",
    "cache",
)


def test_text_files_are_utf8(preds: Path, tmp_path: Path) -> None:
    """No command reads or writes a text file in the encoding of the locale, such as EUC-KR in Korea."""
    (tmp_path / "y.npy").write_bytes(preds.read_bytes())
    code = (
        "import shlex, sys; from mnistloss.cli import main;"
        "[main(shlex.split(words), standalone_mode=False) for words in sys.argv[1:]]"
    )
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", code]
    done = subprocess.run([*command, *COMMANDS_WITH_FILES], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr.count("Warning")) == (0, 0), done.stderr
    assert "Σ" in (tmp_path / "page.html").read_text("utf-8")


def test_advice_names_options(cli: Cli, preds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library says with keywords, each command says with options, in every format."""
    hint = Hint("a-hint", 'these look like input="logits"', 'score them with split="train" and indices=FILE')
    monkeypatch.setattr(scoring, "find_hints", lambda _: (hint,))
    page, train = tmp_path / "page.html", tmp_path / "train.npy"
    np.save(train, np.full((4000, 10), 0.1))
    texts = [cli("eval", preds, *ON_5K, "--format", f).stdout for f in ("table", "json", "markdown", "latex")]
    for format_ in ("table", "json"):
        for words in (("compare", preds, preds), ("gap", train, preds), ("inspect", "worst", preds)):
            texts.append(cli(*words, *ON_5K, "--format", format_).stdout)
    cli("report", preds, *ON_5K, "-o", page)
    texts += [cli("report", preds, *ON_5K, "--format", "json").stdout, page.read_text("utf-8")]
    for text in texts:
        assert "like --input logits" in text
        assert "with --split train and --indices FILE" in text
        assert not re.search('input=.?.?.?.?"logits', text)
    refused = cli("eval", preds, *ON_5K, "--input", "logprobs")
    assert (refused.exit_code, '="' in refused.stderr) == (1, False)


def test_version_and_help(cli: Cli) -> None:
    """The version, and a help text for every command and every option."""
    assert cli("--version").stdout == f"mnistloss {__version__}\n"
    for name in main.list_commands(None):  # type: ignore[arg-type]  # our group does not look at it
        command = main.get_command(None, name)  # type: ignore[arg-type]  # as above
        assert command is not None
        assert command.help
        assert all(p.help for p in command.params if isinstance(p, click.Option))
        assert cli(name, "--help").exit_code == 0


def test_confidence(cli: Cli, preds: Path) -> None:
    """A wider confidence gives a wider interval, named in the heading."""
    assert "99 % interval" in cli("eval", preds, *ON_5K, "--confidence", 0.99).stdout
    wide, narrow = (evaluate(preds, dataset="mnist-5k", confidence=c).losses["cee"].ci for c in (0.99, 0.5))
    assert wide is not None
    assert narrow is not None
    assert math.dist(wide, wide[::-1]) > math.dist(narrow, narrow[::-1])


def test_gates(cli: Cli, preds: Path) -> None:
    """A crossed gate exits with 3 and says on stderr which; one that holds does not."""
    common = ("eval", preds, *ON_5K, "--top", 3, "--format", "json")
    value = evaluate(preds, dataset="mnist-5k").losses["cee"].value
    result = cli(*common, "--fail-if", "cee>0.05", "--fail-if", "accuracy > 0.05", "--fail-if", "top-3<=1")
    assert result.exit_code == 3
    (found,) = json.loads(result.stdout)["evaluations"]
    assert result.stderr == (
        f"{preds}: cee>0.05, with cee {value!r}\n"
        f"{preds}: accuracy>0.05, with accuracy {found['accuracy']['value']!r}\n"
        f"{preds}: top-3<=1, with top-3 {found['top']['3']['value']!r}\n"
    )
    assert cli(*common, "--fail-if", "cee<0.05", "--fail-if", f"cee>{value!r}").exit_code == 0
    for gate in (f"cee>={value!r}", f"cee<={value!r}"):
        result = cli(*common, "--fail-if", gate)
        assert (result.exit_code, result.stderr) == (3, f"{preds}: {gate}, with cee {value!r}\n")
    for gate in ("cee", "cee>", "cee>x", "cee>nan", "cee==1", ">1"):
        assert "is not a gate" in cli(*common, "--fail-if", gate).stderr
    for gate in ("nll>1", "cee.foo>1", "top-4>1", "cee[3]>1", "accuracy.stderr>1"):
        result = cli("eval", "missing.npy", "--top", 3, "--fail-if", "cee>0", "--fail-if", gate)
        assert (result.exit_code, "these are reported: cee, mse, accuracy, top-3" in result.stderr) == (2, True)


def test_a_gate_on_what_is_not_defined_is_crossed(cli: Cli, preds: Path, tmp_path: Path) -> None:
    """An infinite loss has no interval and no skill: gates on these are crossed, and the other gates say so too."""
    hard = tmp_path / "hard.npy"
    np.save(hard, one_hot((LABELS + (LABELS == 3)) % 10))
    gates = ("nll>0.1", "nll.high>100", "nll.skill<-100", "nll.infinite>0")
    options = [word for gate in gates for word in ("--fail-if", gate)]
    result = cli("eval", preds, hard, *ON_5K, "--loss", "nll", *options)
    value = evaluate(preds, dataset="mnist-5k", losses=["nll"]).losses["nll"].value
    assert result.exit_code == 3
    assert sorted(result.stderr.splitlines()) == [
        f"{hard}: nll.high>100, which is not defined",
        f"{hard}: nll.infinite>0, with nll.infinite 100",
        f"{hard}: nll.skill<-100, which is not defined",
        f"{hard}: nll>0.1, with nll inf",
        f"{preds}: nll>0.1, with nll {value!r}",
    ]
    assert cli("eval", preds, *ON_5K, "--per-class", "--fail-if", "cee[10]>9").exit_code == 3


def test_every_reported_number_can_be_gated(probs: np.ndarray) -> None:
    """What an evaluation reports has the names that gates are checked against before anything is scored."""
    result = evaluate(probs, dataset="mnist-5k", top=[2, 3], per_class=True)
    found = {re.sub(r"\.\d+$", ".CLASS", name) for name in result.reported()}
    assert found == set(reported_names(["cee", "mse"], [2, 3], per_class=True))


def test_several_files(cli: Cli, preds: Path, probs: np.ndarray, tmp_path: Path) -> None:
    """Several files get a row each, the best first, in every format."""
    better = tmp_path / "better.npy"
    np.save(better, (probs + one_hot(LABELS)) / 2)
    output = cli("eval", preds, better, *ON_5K).stdout
    assert output.index("better.npy") < output.index("preds.npy")
    evaluations = json.loads(cli("eval", preds, better, *ON_5K, "--format", "json").stdout)["evaluations"]
    assert [e["predictions"] for e in evaluations] == [str(better), str(preds)]
    rows = list(csv.DictReader(io.StringIO(cli("eval", preds, better, *ON_5K, "--format", "csv").stdout)))
    assert [row["predictions"] for row in rows] == [str(better), str(preds)]
    for format_ in ("markdown", "latex"):
        assert "better.npy" in cli("eval", preds, better, *ON_5K, "--format", format_).stdout


def test_per_class_in_every_format(cli: Cli, preds: Path) -> None:
    """--per-class adds a row for each class to every format."""
    common = ("eval", preds, *ON_5K, "--per-class", "--format")
    assert "share of cee" in cli(*common, "table").stdout
    rows = json.loads(cli(*common, "json").stdout)["evaluations"][0]["per_class"]
    assert [row["class"] for row in rows] == list(range(10))
    (row,) = csv.DictReader(io.StringIO(cli(*common, "csv").stdout))
    assert float(row["cee.7"]) == rows[7]["losses"]["cee"]
    assert float(row["accuracy.7"]) == rows[7]["accuracy"]
    for format_ in ("markdown", "latex"):
        assert f"{rows[7]['losses']['cee']:.7f}" in cli(*common, format_).stdout


def test_gates_on_whatever_is_reported(cli: Cli, preds: Path) -> None:
    """Ends of intervals, spreads, skills, classes, counts: each reported number is a gate's by its name."""
    common = ("eval", preds, *ON_5K, "--per-class", "--format", "json")
    (found,) = json.loads(cli(*common).stdout)["evaluations"]
    cee = found["losses"]["cee"]
    for name, value in {
        "cee.stderr": cee["stderr"],
        "cee.high": cee["ci"][1],
        "cee.skill": cee["skill"],
        "cee.infinite": 0,
        "cee.uniform": cee["references"]["uniform"],
        "cee.prior": cee["references"]["prior"],
        "cee[7]": found["per_class"][7]["losses"]["cee"],
        "cee.7": found["per_class"][7]["losses"]["cee"],
        "cee.share[7]": found["per_class"][7]["shares"]["cee"],
        "accuracy[7]": found["per_class"][7]["accuracy"],
        "accuracy.low": found["accuracy"]["ci"][0],
        "n": 1000,
        "hints": len(found["hints"]),
    }.items():
        assert cli(*common, "--fail-if", f"{name}>={value!r}").exit_code == 3, name
        assert cli(*common, "--fail-if", f"{name}>{value!r}").exit_code == 0, name


def test_a_delta_without_effect_is_refused(cli: Cli, preds: Path) -> None:
    """--delta with losses that add nothing inside the log is a usage error, in eval and in compare."""
    for command in (("eval", preds, *ON_5K), ("compare", preds, preds, *ON_5K)):
        result = cli(*command, "--loss", "nll", "--delta", "1e-5")
        assert (result.exit_code, "delta has no effect on nll" in result.stderr) == (2, True)
    assert cli("eval", preds, *ON_5K, "--loss", "nll", "--loss", "cee", "--delta", "1e-5").exit_code == 0


def test_printing_into_something_else(preds: Path) -> None:
    """What stands in for standard output, as in a notebook, is printed to as well."""
    caught = io.StringIO()
    with contextlib.redirect_stdout(caught):
        main(["eval", str(preds), *ON_5K, "--format", "json"], standalone_mode=False)
        main(["losses"], standalone_mode=False)
    assert '"schema": 1' in caught.getvalue()
    assert "half-sum squared error" in caught.getvalue()


def test_no_colour_is_no_half_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal that is told to show no colour, digits are drawn in characters that need none."""
    assert has_colour(Console(force_terminal=True, color_system="truecolor"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(Console(force_terminal=True, color_system="truecolor"))
    assert not has_colour(Console(force_terminal=False))
