"""The documents say what is so: their commands, outputs, tables, links and targets are the real ones."""

import doctest
import re
import runpy
import shlex
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import Cli, scores_of

import mnistloss
from mnistloss.analysis.other_tools import others
from mnistloss.cli import main
from mnistloss.evaluation.targets import DataOptions

ROOT = Path(mnistloss.__file__).parents[1]
PATHS = [path for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "data/*/*.md") for path in ROOT.glob(pattern)]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(PATHS)}


def matches(pattern: str, flags: int = 0) -> list[tuple[str, ...]]:
    """Return the groups of each match in each document, after the name of the document."""
    return [(name, *match.groups()) for name, text in DOCUMENTS.items() for match in re.finditer(pattern, text, flags)]


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")).strip()


@pytest.mark.parametrize(("name", "command", "expected"), matches(r"```console\n\$ (.*?)\n(.*?)```", re.DOTALL))
def test_console_blocks(
    name: str,
    command: str,
    expected: str,
    cli: Cli,
    real: Path,
    realdata: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each sample output is what the command prints at 80 columns, on real MNIST."""
    for path in (realdata / "predictions").iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    program, *arguments = shlex.split(command)
    assert program == "mnistloss", name
    done = cli(*arguments)
    output = (done.stdout + done.stderr).replace(str(real), "~/.cache/mnistloss")
    assert tidy(output) == tidy(expected)


@pytest.mark.parametrize(("name", "block"), matches(r"```python\n(.*?)```", re.DOTALL))
def test_python_blocks(name: str, block: str) -> None:
    """Each sample session of the library gives what it says."""
    test = doctest.DocTestParser().get_doctest(block, {}, name, name, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


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
    """Each command is named in the README, the reference or the explanation."""
    named = [name for name, text in DOCUMENTS.items() if f"mnistloss {command}" in text]
    assert {"README.md", "docs/reference.md", "docs/explanation.md"} & set(named)


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
    """Each relative link leads from its document to a file or, after #, to a heading."""
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
