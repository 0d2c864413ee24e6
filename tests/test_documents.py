"""The documents say what is so: their commands, outputs, tables, links and targets are the real ones."""

import contextlib
import doctest
import io
import re
import runpy
import shlex
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from conftest import Cli, scores_of

import mnistloss
from mnistloss import evaluate
from mnistloss.analysis.other_tools import others
from mnistloss.cli import main
from mnistloss.evaluation.targets import DataOptions

ROOT = Path(mnistloss.__file__).parents[1]
PATHS = [path for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "data/*/*.md") for path in ROOT.glob(pattern)]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(PATHS)}


BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = [name for name, text in DOCUMENTS.items() if re.search("^```(console|python)$", text, re.MULTILINE)]
TRANSLATIONS = [name for name in DOCUMENTS if name.endswith(".ko.md")]


def matches(pattern: str, flags: int = 0) -> list[tuple[str, ...]]:
    """Return the groups of each match in each document, after the name of the document."""
    return [(name, *match.groups()) for name, text in DOCUMENTS.items() for match in re.finditer(pattern, text, flags)]


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")).strip()


def run_python(block: str, names: dict[str, Any]) -> str:
    """Run a block of Python and return what it prints; where it is a session, check what the session shows."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if ">>> " not in block:
            exec(block, names)
            return printed.getvalue()
        test = doctest.DocTestParser().get_doctest(block, names, "session", None, 0)
        failed = doctest.DocTestRunner().run(test, out=(report := io.StringIO()).write, clear_globs=False).failed
        names |= test.globs
    assert not failed, report.getvalue()
    return ""


@pytest.fixture
def run(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that runs a command line as a shell does, in a folder of its own, at 80 columns."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("COLUMNS", "80")

    def run_command(command: str) -> str:
        program, *arguments = shlex.split(command)
        assert program == "mnistloss", command
        done = cli(*arguments)
        return re.sub(r"/\S*realcache\d*", "~/.cache/mnistloss", done.stdout + done.stderr)

    return run_command


@pytest.mark.parametrize("name", [name for name in RUN if name not in TRANSLATIONS])
def test_blocks(name: str, run: Callable[[str], str], request: pytest.FixtureRequest) -> None:
    """All blocks of a document, run in their order, print what it says; text after Python is what the Python prints."""
    if re.search(r"mnistloss fetch\n|book-network", DOCUMENTS[name]):
        request.getfixturevalue("real")
        for path in (request.getfixturevalue("realdata") / "predictions").iterdir():
            Path(path.name).symlink_to(path)
    names: dict[str, Any] = {}
    printed: str | None = None
    for kind, title, block in BLOCK.findall(DOCUMENTS[name]):
        if kind == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                assert tidy(run(command)) == tidy(expected), command
        elif kind == "python" and not title:  # one with a title is run by test_recipes.py
            printed = run_python(block, names)
        elif kind == "text" and printed is not None:
            assert tidy(printed) == tidy(block)


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translations(name: str) -> None:
    """A translation has the blocks, the commands and the pictures of the original, which are the tested ones."""
    original, translation = DOCUMENTS[name.replace(".ko.", ".")], DOCUMENTS[name]
    assert BLOCK.findall(translation) == BLOCK.findall(original)
    for pattern in (r"^ {4}((?:\w|[ '\[\].=-])+?)(?: {2,}#.*)?$", r"`(mnistloss [^`]*)`", r"!\[.*?\]\((.*?)\)"):
        found = [re.findall(pattern, BLOCK.sub("", text), re.MULTILINE) for text in (translation, original)]
        assert set(found[0]) >= set(found[1])


@pytest.fixture
def workbench(run: Callable[[str], str], real: Path, realdata: Path) -> Callable[[str], str]:
    """A folder with the files that the examples name, of real MNIST, and a function that runs a command there."""
    probs = np.load(realdata / "predictions" / "book-network-probs.npy")
    worse = 0.999 * probs + 0.0001
    np.savez("batch.npz", indices=np.arange(10), dataset="mnist", split="test")
    for name, array in {
        **dict.fromkeys(("preds", "b", "test", "runs/a/0", "runs/0", "class/ada"), probs),
        **dict.fromkeys(("a", "runs/a/1", "runs/8", "class/bob"), worse),
        "logits": np.load(realdata / "predictions" / "book-network-logits.npy"),
        "classes": probs.argmax(axis=1),
        "batch-preds": probs[:10],
        "train": np.full((60000, 10), 0.1),
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        np.save(name, array)
    signature = str(evaluate("preds.npy", losses="cee").signature)

    def run_example(command: str) -> str:
        if "--cluster" not in command:
            return run(command.replace("SIGNATURE", signature))
        words = [sys.executable, "-m", *shlex.split(command)]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    return run_example


def test_commands_of_the_readme(workbench: Callable[[str], str]) -> None:
    """Each command in the README's table prints a result."""
    rows = re.findall(r"^\| .* \| `(mnistloss .*?)` \|$", DOCUMENTS["README.md"], re.MULTILINE)
    assert len(rows) > 8
    for command in rows:
        assert not re.search("^(Error|Usage)", workbench(command), re.MULTILINE), command


def commands(command: click.Command = main, path: str = "mnistloss") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}")


def test_examples_of_the_helps(workbench: Callable[[str], str]) -> None:
    """The help of each command ends with examples of it, which print a result."""
    for path, command in commands():
        examples = [line.strip() for line in (command.epilog or "").splitlines()[2:]]
        if path.startswith("mnistloss cache ") or path == "mnistloss":
            continue  # those of the group, and those of each command
        assert examples, path
        for example in examples:
            assert example.startswith(path)
            assert not re.search("^(Error|Usage)", workbench(example), re.MULTILINE), example


def test_losses() -> None:
    """The table of losses is the registry's."""
    table = runpy.run_path(str(ROOT / "docs" / "tables.py"))["losses"]()
    assert table in DOCUMENTS["docs/reference.md"], "the table is not the registry's; `make tables` writes it"


def test_conventions_of_other_tools(real: Path, realdata: Path) -> None:
    """The table of other tools' values is what `inspect others` finds."""
    examples = scores_of(realdata / "predictions" / "book-network-probs.npy", DataOptions())
    rows = [f"| {tool.name} | {value:.8f} | {tool.why} |" for tool, value, _ in others(examples).rows()]
    assert "\n".join(rows) in DOCUMENTS["docs/explanation.md"]


@pytest.mark.parametrize("command", main.list_commands(None))  # type: ignore[arg-type]  # our group does not look at it
def test_commands(command: str) -> None:
    """Each command is named in the README or in one of the documents."""
    assert any(f"mnistloss {command}" in text for name, text in DOCUMENTS.items() if "docs" in name or "README" in name)


def test_make_targets() -> None:
    """Each make target that a document names exists, and CONTRIBUTING.md names all of them."""
    lines = subprocess.run(
        ["make", "-C", ROOT, "help"], capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    targets = {line.split()[0] for line in lines if not line.startswith("make")}
    named = matches(r"(?:`|^ {4})make (\w+)", re.MULTILINE)
    assert {target for _, target in named} <= targets
    assert {target for name, target in named if name == "CONTRIBUTING.md"} == targets


def test_links() -> None:
    """Each link into the repository leads to a file or, if it is relative, after # to a heading."""
    home = re.escape("https://github.com/mnistloss/mnistloss/")
    inside = matches(rf"{home}(?:blob|tree)/main/([^)#]*)")
    assert all((ROOT / path).exists() for _, path in inside), inside
    links = matches(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")
    assert links
    for name, path, anchor in links:
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {path}"
        headings = re.findall(r"^#+ (.*)", target.read_text("utf-8"), re.MULTILINE) if anchor else []
        anchors = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
        assert not anchor or anchor in anchors, f"{name} links to {path}#{anchor}"


def test_paths() -> None:
    """Each file of the repository that a document names exists."""
    paths = matches(r"`((?:mnistloss|tests|docs|benchmarks|data)/[^`]*)`")
    assert paths
    for name, path in paths:
        assert (ROOT / path).exists(), f"{name} names {path}"


def test_pictures() -> None:
    """Each picture is small, and shows the program's output or says of which commands it is."""
    pictures = matches(r"!\[.*?\]\((.*?)\)")
    assert pictures
    for name, path in pictures:
        content = ((ROOT / name).parent / path).read_bytes()
        assert b"mnistloss" in content
        assert len(content) < 300_000
    width, height = struct.unpack(">4x4xII", (ROOT / "docs" / "pictures" / "report.png").read_bytes()[8:24])
    assert min(width, height) > 1000
