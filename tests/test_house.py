"""The rules of the source: which room imports which, who prints, what a command imports, which names are public."""

import ast
import gzip
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from conftest import Cli
from planted import honest
from small_datasets import DISTANT

import mnistloss
from mnistloss.cli import _COMMANDS, main
from mnistloss.datasets import cache, catalog

PACKAGE = Path(mnistloss.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))

README, CONTRIBUTING = ((ROOT / f"{name}.md").read_text("utf-8") for name in ("README", "CONTRIBUTING"))
LEVELS = {room: int(level) for level, room in re.findall(r"^\| (\d) \| `(\w+)(?:/|\.py)` \|", README, re.MULTILINE)}
"""The rooms with their levels, from the README. A room imports only from rooms on lower levels, and from itself."""
HOMES = {
    "click": ["cli"],
    "rich": ["report", "cli"],
    "matplotlib": ["report/charts"],
    "jinja2": ["report/html"],
    "PIL": ["report/charts"],
    "requests": ["datasets/download"],
    "platformdirs": ["datasets/cache"],
}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            submodules = node.module == "mnistloss" or (PACKAGE.parent / node.module.replace(".", "/")).is_dir()
            modules |= {f"{node.module}.{alias.name}" for alias in node.names} if submodules else {node.module}
    return modules


def room(name: str) -> str:
    """Return the room of a module by its dotted name; the room of a public name of the package is __init__."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVELS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_run_downwards(path: Path) -> None:
    """A room imports only from lower levels, `from mnistloss import ...` included; libraries only where they belong."""
    place = path.relative_to(PACKAGE).with_suffix("").as_posix()
    own = place.split("/")[0]
    for name in imports(path):
        if name.split(".")[0] == "mnistloss" and room(name) != own:
            assert LEVELS[room(name)] < LEVELS[own], f"{place} imports {name}"
        for library, homes in HOMES.items():
            if name.split(".")[0] == library:
                assert any(place.startswith(home) for home in homes), f"{place} imports {library}"


def test_every_room_has_a_level() -> None:
    """The README's table has each room, and no other; higher levels come first."""
    assert {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} == set(LEVELS)
    assert list(LEVELS.values()) == sorted(LEVELS.values(), reverse=True)


def test_way_of_eval(cli: Cli, preds: Path) -> None:
    """CONTRIBUTING.md names each file that `eval` enters for an honest file; a step names what its own files hold."""
    np.save(preds, honest().probs)
    entered = {"__main__.py"}

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED and path.is_relative_to(PACKAGE):
            entered.add(path.relative_to(PACKAGE).as_posix())

    cli("eval", preds, "--dataset", "mnist-5k")  # so that what is imported now is not entered below
    sys.setprofile(note)
    try:
        cli("eval", preds, "--dataset", "mnist-5k")
    finally:
        sys.setprofile(None)
    way = CONTRIBUTING.split("## The way of eval\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d+\. (.*(?:\n {3}.*)*)", way, re.MULTILINE)
    named = [set(re.findall(r"`([\w./]+)`", step)) for step in steps]
    assert {name for names in named for name in names if name.endswith(".py")} == entered
    assert len(entered) <= 28  # with __main__.py
    for names in named:
        source = "\n".join((PACKAGE / path).read_text("utf-8") for path in names & entered)
        for name in names - entered:
            assert re.search(rf"^( {{4}})?(def |class )?{name}\b|import .*\b{name}\b", source, re.MULTILINE), name


def test_only_the_command_line_prints_or_exits() -> None:
    """The library neither prints nor exits."""
    for path in MODULES:
        if path.is_relative_to(PACKAGE / "cli"):
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        names = {ast.unparse(call) for call in calls}
        assert not names & {"print", "exit", "sys.exit", "quit"}, path


def test_nothing_ignored_is_tracked() -> None:
    """No file that .gitignore names, such as a virtual environment, is in the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout == ""


def test_public_names() -> None:
    """Every public name is there and has a docstring; the lists of them agree."""
    assert set(mnistloss._HOMES) | {"__version__"} == set(mnistloss.__all__) == set(dir(mnistloss))
    for name in mnistloss._HOMES:
        assert getattr(mnistloss, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mnistloss.nothing  # noqa: B018 - the access is the test


def test_changelog_has_the_version() -> None:
    """The newest entry of the changelog is this version, and the citation is of it, with the same date."""
    versions = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0][0] == mnistloss.__version__
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert "version: {}\ndate-released: {}\n".format(*versions[0]) in citation


def imported_by(arguments: Sequence[object], setup: str = "") -> set[str]:
    """Return the modules that a process has imported after the command; `setup` is code to run before it."""
    code = f"{setup}import sys; from mnistloss.cli import main; main(sys.argv[1:], standalone_mode=False);"
    code += "print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    modules = set(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stderr.split())
    assert "click" in modules
    return modules


@pytest.mark.parametrize(
    ("argument", "absent"),
    [
        ("--help", {"numpy", "rich", "requests", "platformdirs"}),
        ("--version", {"numpy", "rich", "requests", "platformdirs"}),
        ("--help", {"mnistloss.cli.eval", "mnistloss.cli.options", "pathlib"}),
    ],
)
def test_what_help_does_not_import(argument: str, absent: set[str]) -> None:
    """Help and version import click, and next to nothing else."""
    assert not absent & imported_by([argument])


@pytest.mark.parametrize("dataset", ["mnist-5k", "distant"])
@pytest.mark.parametrize(
    ("format_", "absent"),
    [
        ("table", {"requests", "csv", "tarfile", "mnistloss.models"}),
        (
            "json",
            {
                "requests",
                "rich",
                "csv",
                "zipfile",
                "statistics",
                "concurrent",
                "glob",
                "mnistloss.document",
                "mnistloss.evaluation.gates",
                "mnistloss.analysis",
            },
        ),
    ],
)
def test_what_eval_does_not_import(dataset: str, format_: str, absent: set[str], preds: Path) -> None:
    """`eval` imports only what its answer needs, of an embedded dataset and of one in the cache."""
    labels = DISTANT.files["test"]["labels"]
    cached = cache.folder() / DISTANT.name / labels.name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(gzip.decompress((cache.embedded_folder(catalog.MNIST_5K) / labels.archive).read_bytes()))
    register = "from mnistloss.datasets import catalog; catalog.DATASETS['distant'] = "
    register += f"catalog.MNIST_5K._replace(name='distant', mirrors={DISTANT.mirrors}); "
    modules = imported_by(["eval", preds, "--dataset", dataset, "--format", format_], register)
    assert not absent & modules
    code = "import numpy, click, rich.table, sys; print(*sys.modules)"
    libraries = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert dataset == "mnist-5k" or "pathlib" not in modules - set(libraries)


@pytest.mark.parametrize("arguments", [("sample", "--dataset", "mnist-5k"), ("fetch", "mnist-5k"), ("datasets",)])
def test_what_samples_and_datasets_do_not_import(arguments: tuple[str, ...]) -> None:
    """Commands that score nothing import nothing that scores."""
    modules = imported_by(arguments)
    assert "mnistloss.report.listings" in modules
    assert not {"mnistloss.evaluation", "mnistloss.losses", "mnistloss.stats", "mnistloss.analysis"} & modules


def test_completion_imports_nothing_but_click() -> None:
    """The shell's completion of a command's name imports no command."""
    code = "import sys; from mnistloss.cli import main; main(prog_name='mnistloss', standalone_mode=False)"
    words = {"_MNISTLOSS_COMPLETE": "bash_complete", "COMP_WORDS": "mnistloss ", "COMP_CWORD": "1"}
    command = [sys.executable, "-X", "importtime", "-c", code]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, **words})
    assert [line.split(",")[1] for line in process.stdout.split()] == main.list_commands(None)  # type: ignore[arg-type]
    imported = {line.split("|")[-1].strip() for line in process.stderr.splitlines()}
    assert "click" in imported
    assert not {"numpy", "rich", "mnistloss.cli.eval"} & imported


@pytest.mark.parametrize("name", main.list_commands(None))  # type: ignore[arg-type]  # our group does not look at it
def test_list_of_commands(name: str, cli: Cli) -> None:
    """The list of commands, which imports none of them, has the first sentence of the help of each."""
    assert _COMMANDS[name] in " ".join(cli(name, "--help").stdout.split())
