"""A file of scores: the same bytes wherever it was stopped, never written over, and it says with which settings."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from classroom import WRONG, write_class
from conftest import Cli

from mnistloss.evaluation import score_file

ON_5K = ("--dataset", "mnist-5k")


@pytest.fixture
def whole(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The rows of a class, written by one call in the current folder."""
    write_class(tmp_path / "class", 3)
    monkeypatch.chdir(tmp_path)
    result = cli("eval", "class", "class/missing.npy", *ON_5K, "-o", "whole.jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"whole.jsonl: 14 files, {len(WRONG)} refused\n"
    return Path("whole.jsonl").read_bytes()


def test_rows(whole: bytes) -> None:
    """The first line has the settings, and each other line the row of one file, in their order."""
    settings, *rows = map(json.loads, whole.splitlines())
    assert settings["settings"]["dataset"] == "mnist-5k"
    names = [row["predictions"] for row in rows]
    assert names == [*sorted(names[:-1]), "class/missing.npy"]
    assert {Path(row["predictions"]).stem for row in rows if row["status"] == "refused"} == WRONG.keys()
    assert all('="' not in row["reason"] for row in rows)


def test_a_stopped_call_goes_on(cli: Cli, whole: bytes) -> None:
    """Cut at any byte, also within the first line or a row, the file becomes the same again."""
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for end in (
        0,
        1,
        ends[0] - 1,
        ends[0],
        ends[0] + 1,
        ends[3] - 1,
        ends[3],
        ends[-2] + 7,
        len(whole) - 1,
        len(whole),
    ):
        Path("part.jsonl").write_bytes(whole[:end])
        result = cli("eval", "class", "class/missing.npy", *ON_5K, "-o", "part.jsonl")
        assert (result.exit_code, Path("part.jsonl").read_bytes()) == (1, whole), end
        before = max(0, whole[:end].count(b"\n") - 1)
        assert f"14 files{f', {before} of them before' if before else ''}, {len(WRONG)} refused" in result.stderr


def test_other_settings_are_refused(cli: Cli, whole: bytes) -> None:
    """Each setting that differs is named, and the file stays as it is."""
    for words, named in (
        (("--loss", "nll"), "losses ['cee', 'mse'], now ['nll']"),
        (("--confidence", "0.9"), "confidence 0.95, now 0.9"),
        (("--shard", "0/2"), "shard '0/1', now '0/2'"),
    ):
        result = cli("eval", "class", *ON_5K, "-o", "whole.jsonl", *words)
        assert (result.exit_code, named in result.stderr) == (2, True), result.stderr
        assert Path("whole.jsonl").read_bytes() == whole


@pytest.mark.parametrize("content", [b"precious\n", b"precious", b"[1]\n", b'{"settings": {}', b"\n", b"\xff\n"])
def test_a_file_of_something_else_stays(content: bytes, cli: Cli, preds: Path, tmp_path: Path) -> None:
    """What this tool did not begin is neither written over nor appended to."""
    (tmp_path / "x.jsonl").write_bytes(content)
    result = cli("eval", preds, *ON_5K, "-o", tmp_path / "x.jsonl")
    assert (result.exit_code, (tmp_path / "x.jsonl").read_bytes()) == (1, content)
    assert "line 1 is not a row of scores; name another file" in result.stderr


def test_a_damaged_row_is_named(cli: Cli, whole: bytes) -> None:
    """A row that is no row stops the call, with the number of its line."""
    lines = whole.splitlines(keepends=True)
    Path("part.jsonl").write_bytes(b"".join([*lines[:3], b"{}\n", *lines[4:]]))
    assert "line 4 is not a row of scores" in cli("eval", "class", *ON_5K, "-o", "part.jsonl").stderr
    assert "is not a regular file" in cli("eval", "class", *ON_5K, "-o", _folder("dir.jsonl")).stderr


def _folder(name: str) -> str:
    Path(name).mkdir()
    return name


def test_gates_look_at_every_row(cli: Cli, whole: bytes) -> None:
    """Rows of an earlier call count too; of many crossed gates the first ten are told."""
    good = [f"class/student-00{number}.npy" for number in range(3)]
    for before in ("3 files, 0", "3 files, 3 of them before, 0"):
        result = cli("eval", *good, *ON_5K, "-o", "good.jsonl", "--fail-if", "cee>0")
        assert (result.exit_code, before in result.stderr) == (3, True)
        assert result.stderr.count(": cee>0, with cee ") == 3
    Path("list.txt").write_text("class/student-000.npy\n" * 12)
    result = cli("eval", "--manifest", "list.txt", *ON_5K, "-o", "many.jsonl", "--fail-if", "hints>=0")
    assert result.stderr.count("hints>=0, with hints 1") + result.stderr.count("hints>=0, with hints 0") == 10
    assert "... 12 gates are crossed" in result.stderr


def test_a_name_that_comes_twice(cli: Cli, whole: bytes) -> None:
    """It has a row each time, whether the call was stopped or not; a list from Windows is read as any other."""
    a, b = "class/student-000.npy", "class/student-001.npy"
    Path("list.txt").write_bytes(f"\ufeff{a}\r\n{b}\r\n{a}\r\n".encode())
    cli("eval", "--manifest", "list.txt", *ON_5K, "-o", "twice.jsonl")
    expected = Path("twice.jsonl").read_bytes()
    assert [json.loads(line)["predictions"] for line in expected.splitlines()[1:]] == [a, b, a]
    Path("part.jsonl").write_bytes(b"".join(expected.splitlines(keepends=True)[:2]))
    cli("eval", "--manifest", "list.txt", *ON_5K, "-o", "part.jsonl", "--shard", "0/1")
    assert Path("part.jsonl").read_bytes() == expected


def test_two_calls_at_once(cli: Cli, whole: bytes) -> None:
    """The second one is refused, and the file is that of the first."""
    with score_file._appending(Path("whole.jsonl")):
        result = cli("eval", "class", *ON_5K, "-o", "whole.jsonl")
    assert (result.exit_code, "another process is writing to whole.jsonl" in result.stderr) == (1, True)
    assert Path("whole.jsonl").read_bytes() == whole


def test_no_files(cli: Cli, tmp_path: Path) -> None:
    """An empty share, as the last jobs of an array have, is no error."""
    (tmp_path / "list.txt").touch()
    result = cli("eval", "--manifest", tmp_path / "list.txt", *ON_5K)
    assert (result.exit_code, result.stderr) == (0, "there are no files to score\n")
    result = cli("eval", "--manifest", tmp_path / "list.txt", *ON_5K, "-o", tmp_path / "x.jsonl", "--shard", "1/2")
    assert (result.exit_code, result.stderr) == (0, f"{tmp_path}/x.jsonl: 0 files, 0 refused\n")


def test_options_that_do_not_go_with_rows(cli: Cli, whole: bytes) -> None:
    """A row does not hold batches or losses of single examples."""
    for words in (("--batch-size", 10), ("--format", "json"), ("--reduction", "none")):
        assert cli("eval", "class", *ON_5K, "-o", "x.jsonl", *words).exit_code == 2
    assert cli("eval", "class", "--targets", "none.npy", "-o", "x.jsonl").exit_code == 1
    assert cli("eval", "-", "class", *ON_5K, "-o", "x.jsonl", input=b"").exit_code == 2
    assert not Path("x.jsonl").exists()


COMMAND = [sys.executable, "-m", "mnistloss", "eval", "class", "class/missing.npy", *ON_5K, "-o"]


def test_a_full_disk(whole: bytes) -> None:
    """It is said, what is written stays whole, and the same call goes on when there is room again."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run([*COMMAND, "part.jsonl"], preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot write part.jsonl: File too large; the rows before are complete; run the same command" in done.stderr
    part = Path("part.jsonl").read_bytes()
    assert whole.startswith(part)
    assert part.endswith(b"\n")
    assert subprocess.run([*COMMAND, "part.jsonl"], capture_output=True).returncode == 1
    assert Path("part.jsonl").read_bytes() == whole


def test_a_kill_at_any_moment(whole: bytes) -> None:
    """Killed again and again, the file becomes what one call writes."""
    for _ in range(50):
        with subprocess.Popen([*COMMAND, "part.jsonl"], stderr=subprocess.DEVNULL) as process:
            before = _size("part.jsonl")
            while process.poll() is None and _size("part.jsonl") == before:
                time.sleep(0.001)
            process.kill()
        if _size("part.jsonl") == len(whole):
            break
    assert Path("part.jsonl").read_bytes() == whole


def _size(name: str) -> int:
    return os.path.getsize(name) if os.path.exists(name) else 0


def test_the_settings_tell_targets_apart(cli: Cli, tmp_path: Path, preds: Path) -> None:
    """Other targets of the same name are other settings."""
    import numpy as np

    labels = np.arange(1000) % 10
    for shift, status in ((0, 0), (0, 0), (1, 2)):
        np.save(tmp_path / "t.npy", (labels + shift) % 10)
        result = cli("eval", preds, "--targets", tmp_path / "t.npy", "-o", tmp_path / "x.jsonl")
        assert (result.exit_code, "targets " in result.stderr) == (status, status == 2)


def test_rows_are_written_as_they_come(cli: Cli, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each file its row is in the file."""
    seen = []
    write = score_file._append

    def append(stream: object, path: Path, line: str) -> None:
        seen.append(Path("new.jsonl").read_bytes().count(b"\n"))
        write(stream, path, line)  # type: ignore[arg-type]  # handed through as it came

    monkeypatch.setattr(score_file, "_append", append)
    cli("eval", "class", "class/missing.npy", *ON_5K, "-o", "new.jsonl")
    assert seen == list(range(15))
