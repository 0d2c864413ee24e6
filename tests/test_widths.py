"""At any width of the terminal every number is whole, nothing is silently missing, and names are cut visibly."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from planted import honest
from rich.console import Console, RenderableType

from mnistloss import Signature, load_mnist
from mnistloss.analysis.inspect import VIEWS
from mnistloss.cli import output
from mnistloss.document import Part
from mnistloss.losses.losses import LOSSES
from mnistloss.report import terminal

WIDTHS = [*range(20, 90, 3), 80, 100, 120, 160, 240]
ON_5K = ("--dataset", "mnist-5k")
ALL_LOSSES = tuple(word for name in LOSSES for word in ("--loss", name))
SIGNATURE = "cee|mnist-5k:test@66e4c6de|n:1000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0"
FILE, NARROW_NAME = "runs-of-a-long-night/the-first-of-two-models.npy", "b.npy"
COMMANDS = {
    "eval of one": ("eval", FILE, *ON_5K, "--per-class", "--batch-size", "70", *ALL_LOSSES),
    "eval of two": ("eval", FILE, NARROW_NAME, *ON_5K, "--per-class", *ALL_LOSSES),
    "eval with hints": ("eval", "reversed.npy", FILE, *ON_5K),
    "compare": ("compare", FILE, NARROW_NAME, "reversed.npy", *ON_5K, "--flips", "99"),
    "gap": ("gap", "train.npy", FILE, *ON_5K),
    "verify": ("verify", SIGNATURE, FILE),
    **{f"inspect {view}": ("inspect", view, FILE, *ON_5K) for view in VIEWS},
    "views": ("inspect",),
    "example": ("explain", "example", FILE, "--index", "3", *ON_5K),
    "accuracy": ("explain", "accuracy", "--steps", "20"),
    "learning": ("explain", "learning", "--epochs", "3"),
    "sample": ("sample", *ON_5K, "--batch-size", "30", "--seed", "1"),
    "partition": ("sample", *ON_5K, "--partition", "--shuffle", "--seed", "1"),
    "baseline": ("baseline", "softmax", *ON_5K, "--epochs", "3", "--out", "softmax.npy"),
    "fetch": ("fetch", "mnist-5k", "--export", "arrays.npz"),
    "datasets": ("datasets",),
    "losses": ("losses",),
    "cache": ("cache",),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with predictions of the embedded digits."""
    monkeypatch.chdir(tmp_path)
    Path(FILE).parent.mkdir()
    y = honest(10).probs
    np.save(FILE, y)
    np.save(NARROW_NAME, np.sqrt(y) / np.sqrt(y).sum(axis=1, keepdims=True))
    np.save("reversed.npy", y[:, ::-1])
    labels = load_mnist(dataset="mnist-5k")[0][1]
    np.save("train.npy", 0.05 + 0.5 * np.eye(10)[labels])
    return tmp_path


def record(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[int], RenderableType]]:
    """Collect what a command prints, as functions of the width."""
    printed: list[Callable[[int], RenderableType]] = []

    def show_parts(parts: list[Part]) -> None:
        printed.extend(
            partial(lambda width, part: terminal.render(part, width, pictures=True, colour=False), part=part)
            for part in parts
        )

    def show(*things: RenderableType) -> None:
        printed.extend(partial(lambda _, thing: thing, thing=thing) for thing in things)

    monkeypatch.setattr(output, "show", show)
    monkeypatch.setattr(output, "show_parts", show_parts)
    return printed


def at(printed: list[Callable[[int], RenderableType]], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    for make in printed:
        console.print(make(width), crop=False)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO


def numbers(text: str) -> set[str]:
    """Return the words that are numbers, such as 0.2245, +0.31%, (1,234) or 1e-07."""
    return {word.strip("(),;:│└") for word in text.split() if re.fullmatch(r"[^\w…]*\d[\d.,e+-]*[^\w…]*", word)}


@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_are_whole_at_any_width(name: str, folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers at every width are those of a wide terminal, all of them and each in one piece."""
    printed = record(monkeypatch)
    result = cli(*COMMANDS[name])
    assert printed, result.output
    wide = at(printed, 500)
    assert numbers(wide) or name in ("losses", "cache", "verify")
    for width in WIDTHS:
        narrow = at(printed, width)
        assert numbers(narrow) == numbers(wide), width
        names = {word for line in narrow.splitlines() for word in line.split() if ".npy" in word}
        assert all(word.strip(":,;") in wide or "…" in word for word in names), (width, names)
        long = [line for line in narrow.splitlines() if len(line.rstrip()) > width]
        assert all(len(line.split()) == 1 for line in long), long  # a word such as a signature or a path


def in_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """Return what a command prints in a real pseudo-terminal of some width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", **environment}
    command = [sys.executable, "-m", "mnistloss", *arguments]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env):
        os.close(follower)
        content = b""
        with contextlib.suppress(OSError):  # how Linux says that the terminal was closed
            while part := os.read(leader, 65536):
                content += part
    os.close(leader)
    return re.sub(r"\x1b\[[\d;]*m", "", content.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [20, 80, 133])
def test_a_real_terminal(columns: int, folder: Path) -> None:
    """Five losses of two files: each standard error, the accuracy and the signature are whole."""
    text = in_terminal(columns, "eval", FILE, NARROW_NAME, *ON_5K, *ALL_LOSSES)
    wide = in_terminal(500, "eval", FILE, NARROW_NAME, *ON_5K, *ALL_LOSSES)
    assert numbers(text) == numbers(wide)
    assert len(re.findall(r"±\s+0\.\d+", text)) == 10
    signatures = [line.split()[-1] for line in text.splitlines() if "|y:" in line]
    assert [Signature.parse(signature).loss for signature in signatures] == ["+".join(LOSSES)] * 2


@pytest.mark.parametrize("columns", ["0", "", "x", "-3", "7"])
def test_columns_without_sense(columns: str, folder: Path) -> None:
    """A width of zero or no width at all prints every number."""
    wide = in_terminal(80, "eval", NARROW_NAME, *ON_5K)
    assert numbers(in_terminal(80, "eval", NARROW_NAME, *ON_5K, COLUMNS=columns)) == numbers(wide)


def test_escapes_stay_off_a_terminal(folder: Path, cli: Cli) -> None:
    """Machine formats show the escape characters of a name as escapes on a terminal, and as they are elsewhere."""
    name = "p\x1b]0;x\x07\x9b.npy"
    os.link(NARROW_NAME, name)
    for format_ in ("csv", "json"):
        command = ("eval", name, *ON_5K, "--format", format_)
        assert not {"\x1b", "\x9b"} & set(in_terminal(80, *command))
        assert "\x9b" in cli(*command).stdout
