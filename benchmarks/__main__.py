"""Measure, print, and write results.json and the tables of README.md in this folder: see `make bench`."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.figures import FIGURES, PROCESSORS
from benchmarks.growth import CURVES, Curve
from benchmarks.measuring import Result
from benchmarks.report import Report, insert

FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
PACKAGES = ("mnistloss", "numpy", "click", "rich", "scikit-learn", "scipy", "torch")


@click.command()
@click.option("--only", multiple=True, type=click.Choice([*FIGURES, *CURVES]), help="Measure this; repeatable.")
@click.option("--quick", is_flag=True, help="Few runs: does it work at all?")
def main(only: tuple[str, ...], quick: bool) -> None:
    """Measure mnistloss beside what people would use instead.

    A whole run writes results.json and the tables of README.md in benchmarks/; --only and --quick write nothing.
    """
    names = only or (*FIGURES, *CURVES)
    with tempfile.TemporaryDirectory(prefix="mnistloss-bench-") as folder:
        found = {name: measured(name, folder, quick) for name in names}
    report = Report(
        machine(),
        {"Python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}},
        datetime.date.today().isoformat(),
        tuple(Result.of(row, found[row.name]) for row, _ in FIGURES.values() if found.get(row.name)),
        tuple(Curve(**found[name]) for name in CURVES if found.get(name)),
    )
    Console().print(report.renderable())
    if not all(found.values()):
        sys.exit(f"not measured, so nothing is written: {', '.join(name for name in names if not found[name])}")
    if not only and not quick:
        RESULTS.write_text(report.to_json())
        README.write_text(insert(README.read_text(), report.markdown()))


def measured(name: str, folder: str, quick: bool) -> Any:
    """A figure's pairs or a curve's points, measured in a process of its own; None where that fails, and says why."""
    click.echo(f"{name} ...", err=True)
    words = (sys.executable, "-m", "benchmarks.worker", name, folder, "quick" if quick else "full")
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent)
    return None if done.returncode else json.loads(done.stdout)


def machine() -> str:
    """Processor, how many of them this process may use, memory and system."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    processor = model[0] if model else platform.machine()
    return f"{processor}, {PROCESSORS} processors, {gigabytes:.0f} GB, {platform.system()}"


if __name__ == "__main__":
    main()
