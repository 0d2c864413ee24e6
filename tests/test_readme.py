"""The README says what is so: its commands, outputs, definitions and targets are the real ones."""

import doctest
import re
import shlex
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import Cli, scores_of

import mnistloss
from mnistloss import LOSSES
from mnistloss.analysis.other_tools import others
from mnistloss.cli import main
from mnistloss.evaluation.targets import DataOptions

ROOT = Path(mnistloss.__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, re.DOTALL)


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")).strip()


@pytest.mark.parametrize(("command", "expected"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_console_blocks(
    command: str, expected: str, cli: Cli, real: Path, realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sample output is what the command prints at 80 columns, on real MNIST."""
    for path in (realdata / "predictions").iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    name, *arguments = shlex.split(command)
    assert name == "mnistloss"
    output = cli(*arguments).output.replace(str(real), "~/.cache/mnistloss")
    assert tidy(output) == tidy(expected)


def test_python_block() -> None:
    """The library in six lines gives what it says."""
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    test = doctest.DocTestParser().get_doctest(block, {}, "README", "README.md", 0)
    assert len(test.examples) == 6
    assert doctest.DocTestRunner().run(test).failed == 0


def test_definitions() -> None:
    """The table of losses is the registry."""
    rows = [f"| `{loss.name}` | {loss.formula} | {loss.meaning} |" for loss in LOSSES.values()]
    assert "\n".join(rows) in README


def test_conventions_of_other_tools(real: Path, realdata: Path) -> None:
    """The table of other tools' values is what `inspect others` finds."""
    examples = scores_of(realdata / "predictions" / "book-network-probs.npy", DataOptions())
    rows = [f"| {tool.name} | {value:.8f} | {tool.why} |" for tool, value, _ in others(examples).rows()]
    assert "\n".join(rows) in README


def test_every_command_and_target_is_documented() -> None:
    """Each command is named; each make target that is named exists."""
    for name in main.list_commands(None):  # type: ignore[arg-type]  # our group does not look at it
        assert f"mnistloss {name}" in README
    targets = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"`?\bmake (\w+)", README):
        assert re.search(rf"^{target} ", targets, re.MULTILINE) or target == "and", target


def test_pictures_are_there() -> None:
    """Every picture of the README exists, is small, and shows the program's output or says of which commands it is."""
    paths = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert paths
    for path in paths:
        content = (ROOT / path).read_bytes()
        assert b"mnistloss" in content
        assert len(content) < 300_000
    width, height = struct.unpack(">4x4xII", (ROOT / ".pictures" / "report.png").read_bytes()[8:24])
    assert min(width, height) > 1000
